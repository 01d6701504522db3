"""Decoders that answer one row for every code, or have gone astray."""

import numpy as np
import pytest
import torch
from estimator_cases import SHORT
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors

from skaae import AdversarialAutoencoder, ImplicitGenerativeModel
from skaae._decoding import (
    Decoding,
    Generation,
    covered_share,
    look_at_generator,
    spread_ratio,
    warn_of_decoder,
    warn_of_generator,
)
from skaae._implicit_model import ImplicitModel
from skaae._latent import Latent
from skaae.divergences import as_divergence
from skaae.posteriors import Deterministic
from skaae.priors import as_prior


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
        warn_of_generator(Generation(spread, coverage=1.0), "A")


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


def generator_of(answer, n_features):
    """Return an implicit model of two codes whose generator is a function."""
    latent = Latent.create(
        "code",
        2,
        prior=as_prior("normal"),
        posterior=Deterministic(),
        divergence=as_divergence("mmd"),
        seed=0,
    )

    class Generator(torch.nn.Module):
        def forward(self, z):
            return answer(z)

    return ImplicitModel(n_features, latent, generator=Generator(), bounds=None)


def five_groups(n_each):
    """Return normal rows around five places of the plane."""
    places = 10.0 * torch.randn(5, 2)
    return places, torch.cat([place + torch.randn(n_each, 2) for place in places])


def test_a_generator_of_one_group_of_five_leaves_rows_out():
    places, rows = five_groups(100)
    generation = look_at_generator(generator_of(lambda z: places[0] + z, 2), rows, seed=0)
    assert 0.1 < generation.coverage < 0.5
    with pytest.warns(ConvergenceWarning, match="left rows out: no more than .*% have a sample"):
        warn_of_generator(generation, "A")


@pytest.mark.parametrize("n_columns", [1, 2, 10, 100])
@pytest.mark.parametrize("n_copies", [1, 3])
def test_a_generator_of_the_rows_own_distribution_leaves_none_out(n_columns, n_copies):
    rows = torch.randn(300, n_columns).repeat(n_copies, 1)
    draws = generator_of(lambda z: torch.randn(len(z), n_columns), n_columns)
    generation = look_at_generator(draws, rows, seed=0)
    assert generation.coverage > 0.9
    warn_of_generator(generation, "A")


def test_rows_far_from_all_others_do_not_count_for_more_than_one():
    rows = torch.cat([torch.randn(99, 3), torch.full((1, 3), 1e4)])
    generation = look_at_generator(generator_of(lambda z: torch.randn(len(z), 3), 3), rows, seed=0)
    assert generation.coverage >= 0.99


def test_thin_rows_are_not_left_out_by_samples_a_little_beside_them():
    """Rows on a line are nearer to each other than samples ever come."""
    rows = torch.linspace(-1.0, 1.0, 500)[:, None].expand(-1, 2).contiguous()
    beside = generator_of(lambda z: z[:, :1].erf() + 0.05 * torch.tensor([1.0, -1.0]), 2)
    assert look_at_generator(beside, rows, seed=0).coverage > 0.95


def test_coverage_is_that_of_another_search():
    """By scikit-learn's neighbours, row by row."""
    generator = np.random.default_rng(0)
    rows, samples = generator.normal(size=(200, 4)), generator.normal(size=(150, 4)) * 0.6 + 1.0
    near = 0.1 * rows.var(axis=0).sum()
    reach = NearestNeighbors(n_neighbors=5).fit(rows).kneighbors()[0][:, -1] ** 2
    nearest = NearestNeighbors(n_neighbors=1).fit(samples).kneighbors(rows)[0][:, 0] ** 2
    expected = np.mean(nearest <= np.maximum(reach, near))
    assert 0.2 < expected < 0.9
    assert covered_share(*map(torch.as_tensor, (samples, rows))) == pytest.approx(expected)


def test_samples_that_are_not_finite_have_gone_astray():
    nan = generator_of(lambda z: torch.full((len(z), 2), float("nan")), 2)
    with pytest.warns(ConvergenceWarning, match="gone astray"):
        warn_of_generator(look_at_generator(nan, torch.randn(20, 2), seed=0), "A")


@pytest.mark.parametrize("rows", [torch.ones(50, 2), torch.randn(19, 2), torch.randn(5, 2)])
def test_of_few_different_rows_nothing_is_said(rows):
    far = generator_of(lambda z: 100.0 + z, 2)
    assert look_at_generator(far, rows, seed=0).coverage == 1.0
