"""Reconstruction losses against the likelihoods that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special

from skaae._device import new_generator
from skaae.losses import LOSSES, Bernoulli, SquaredError, as_loss


@pytest.fixture(params=LOSSES)
def loss(request):
    return LOSSES[request.param]()


@pytest.fixture
def outputs():
    return torch.randn(6, 4, dtype=torch.float64, generator=new_generator(0))


@pytest.fixture
def x():
    """Rows that every loss takes: values in [0, 1]."""
    return torch.rand(6, 4, dtype=torch.float64, generator=new_generator(1))


def test_loss_is_one_number_a_row(loss, outputs, x):
    assert loss(outputs, x).shape == (6,)


def test_loss_is_summed_over_features(loss, outputs, x):
    apart = sum(loss(outputs[:, [j]], x[:, [j]]) for j in range(4))
    torch.testing.assert_close(loss(outputs, x), apart)


def test_link_is_the_inverse_of_mean(loss, x):
    inner = 0.01 + 0.98 * x  # log odds are bounded beyond
    torch.testing.assert_close(loss.mean(loss.link(inner)), inner)


def test_mean_is_the_inverse_of_link(loss, outputs):
    torch.testing.assert_close(loss.link(loss.mean(outputs)), outputs)


def test_best_constant_answer_is_the_mean_row(loss, x):
    constant = loss.link(x.mean(dim=0, keepdim=True)).requires_grad_(True)
    best = loss(constant.expand(len(x), -1), x).mean()
    (slope,) = torch.autograd.grad(best, constant)
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-12, rtol=0.0)
    worse = loss(constant.expand(len(x), -1) + 0.1, x).mean()
    assert worse > best


def test_loss_has_its_gradient(loss, outputs, x):
    assert torch.autograd.gradcheck(lambda o: loss(o, x), (outputs.requires_grad_(True),))


def test_loss_stays_finite_far_out(loss, x):
    assert torch.isfinite(loss(torch.full_like(x, 1e4), x)).all()
    assert torch.isfinite(loss(torch.full_like(x, -1e4), x)).all()


def test_squared_error_is_the_unit_gaussian_up_to_its_constant(outputs, x):
    log_density = torch.distributions.Normal(outputs, 1.0).log_prob(x).sum(dim=1)
    constant = 4 * 0.5 * np.log(2.0 * np.pi)
    torch.testing.assert_close(SquaredError()(outputs, x), -log_density - constant)


def test_bernoulli_is_the_cross_entropy_of_the_distribution(outputs, x):
    rows = (x > 0.5).double()
    log_probability = torch.distributions.Bernoulli(logits=outputs).log_prob(rows).sum(dim=1)
    torch.testing.assert_close(Bernoulli()(outputs, rows), -log_probability)


def test_bernoulli_takes_grey_values(outputs, x):
    p = special.expit(outputs.numpy())
    expected = -(x.numpy() * np.log(p) + (1.0 - x.numpy()) * np.log(1.0 - p)).sum(axis=1)
    np.testing.assert_allclose(Bernoulli()(outputs, x).numpy(), expected, rtol=1e-12)


def test_bernoulli_mean_is_the_logistic_function(outputs):
    ours = Bernoulli().mean(outputs).numpy()
    np.testing.assert_allclose(ours, special.expit(outputs.numpy()), rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_bernoulli_link_of_a_column_that_is_always_dark_or_lit_is_finite(value):
    odds = Bernoulli().link(torch.tensor([value], dtype=torch.float64)).exp().item()
    # Odds of 1 to 999, that is of a probability of 1 in 1,000.
    assert odds == pytest.approx(999.0 if value else 1.0 / 999.0)


@pytest.mark.parametrize(
    ("X", "got"), [([[0.0, 1.5]], "from 0 to 1.5"), ([[-0.25, 1.0]], "from -0.25 to 1")]
)
def test_bernoulli_names_the_range_that_it_got(X, got):
    with pytest.raises(ValueError, match="expected values in") as caught:
        Bernoulli().check(np.array(X))
    assert str(caught.value) == (
        f"reconstruction_loss='bernoulli': expected values in [0, 1], got values {got}. Scale the "
        "columns (MinMaxScaler(clip=True)) or use reconstruction_loss='squared_error'."
    )


def test_bernoulli_takes_the_whole_range():
    Bernoulli().check(np.array([[0.0, 1.0]]))


def test_squared_error_takes_any_range():
    SquaredError().check(np.array([[-1e9, 1e9]]))


def test_only_the_gaussian_likelihood_scales_columns():
    # The log odds of a pixel have no unit to take away.
    assert SquaredError().scales_columns is True
    assert Bernoulli().scales_columns is False


@pytest.mark.parametrize(
    ("name", "expected"), [("squared_error", SquaredError), ("bernoulli", Bernoulli)]
)
def test_as_loss_of_a_name(name, expected):
    assert type(as_loss(name)) is expected


def test_as_loss_copies(loss):
    assert as_loss(loss) is not loss
    assert type(as_loss(loss)) is type(loss)
