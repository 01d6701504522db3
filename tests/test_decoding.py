"""Decoders that answer one row for every code, or have gone astray."""

import pytest
import torch
from estimator_cases import SHORT
from sklearn.exceptions import ConvergenceWarning

from skaae import AdversarialAutoencoder, ImplicitGenerativeModel
from skaae._decoding import Decoding, spread_ratio, warn_of_decoder, warn_of_generator


def test_a_divergence_that_leaves_no_room_for_rows_is_named(digits):
    model = AdversarialAutoencoder(
        divergence="posterior_kl",
        posterior="gaussian",
        divergence_weight=1000.0,
        hidden_layer_sizes=(32,),
        max_iter=40,
        random_state=0,
    )
    with pytest.warns(ConvergenceWarning, match=r"decoder has collapsed.*Lower divergence_weight"):
        model.fit(digits[0][:300])


def test_a_decoder_gone_astray_is_named_and_not_the_codes_it_took_along(digits, recwarn):
    AdversarialAutoencoder(learning_rate=10.0, **SHORT).fit(digits[0][:300])
    (warning,) = recwarn
    assert "gone astray" in str(warning.message)
    assert "Lower learning_rate" in str(warning.message)


def test_a_generator_of_one_row_is_named(digits):
    model = ImplicitGenerativeModel(4, learning_rate=1.0, hidden_layer_sizes=(16,), max_iter=20)
    with pytest.warns(ConvergenceWarning, match="generator has collapsed"):
        model.set_params(random_state=0).fit(digits[0][:300])


@pytest.mark.parametrize("spread", [1e3, float("inf"), float("nan")])
def test_a_generator_gone_astray_is_named(spread):
    with pytest.warns(ConvergenceWarning, match=r"generator has gone astray.*Lower learning_rate"):
        warn_of_generator(spread, "A")


def test_few_components_of_many_columns_are_no_collapse():
    """Two of a thousand columns of noise keep a five-hundredth of the variance, as PCA does."""
    assert not warn_of_decoder(Decoding(spread=0.002, lost=0.998), "A", explained=0.002)
    with pytest.warns(ConvergenceWarning, match="collapsed"):
        assert warn_of_decoder(Decoding(spread=0.002, lost=0.998), "A", explained=0.5)


@pytest.mark.parametrize("lost", [float("inf"), float("nan")])
def test_losses_that_are_not_finite_count_as_astray(lost):
    with pytest.warns(ConvergenceWarning, match="astray"):
        warn_of_decoder(Decoding(spread=1.0, lost=lost), "A", explained=0.5)


def test_rows_that_do_not_vary_ask_for_nothing():
    assert spread_ratio(torch.zeros(5, 2), torch.ones(5, 2)) == 1.0
