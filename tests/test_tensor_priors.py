"""Tensors and PyTorch's distributions as priors, wherever they lie."""

import numpy as np
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from prior_cases import ROWS, assert_follows, draw
from scipy import stats

from skaae import AdversarialAutoencoder
from skaae.priors import EmpiricalPrior, as_prior
from skaae.priors._adapters import _device_of


@pytest.mark.parametrize(
    "codes",
    [
        torch.tensor([[1.0, 2.0]], requires_grad=True),
        2.0 * torch.tensor([[0.5, 1.0]], requires_grad=True),
        torch.tensor([[1.0, 2.0]], dtype=torch.bfloat16),
    ],
    ids=["parameter", "computed", "bfloat16"],
)
def test_a_tensor_is_an_array_whatever_is_computed_from_it(codes):
    assert (draw(as_prior(codes), 3, 2) == [[1.0, 2.0]] * 3).all()
    prior = EmpiricalPrior(codes)
    prior.check(2)
    assert (draw(prior, 3, 2) == draw(as_prior(prior), 3, 2)).all()


@short_fits_may_warn
def test_codes_that_require_gradients_are_left_alone_by_a_fit(unit_rows):
    """Though ``fit`` differentiates."""
    codes = torch.as_tensor(ROWS).requires_grad_(True)
    model = AdversarialAutoencoder(prior=2.0 * codes, **SHORT).fit(unit_rows)
    assert codes.grad is None
    assert np.isin(model.prior_.sample(5, 2).numpy(), (2.0 * ROWS).astype(np.float32)).all()


def unchecked_normal(*shape):
    """Return a distribution whose parameters say where they lie, and are nothing."""
    parameters = (torch.zeros(shape, device="meta") for _ in range(2))
    return torch.distributions.Normal(*parameters, validate_args=False)


UNIT_NORMAL = torch.distributions.Normal(0.0, 1.0)
AFFINE = torch.distributions.AffineTransform


@pytest.mark.parametrize(
    ("distribution", "place"),
    [
        (UNIT_NORMAL, "cpu"),
        (torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2)), "cpu"),
        (unchecked_normal(2), "meta"),
        (torch.distributions.Independent(unchecked_normal(2), 1, validate_args=False), "meta"),
        (
            torch.distributions.TransformedDistribution(
                UNIT_NORMAL,
                [AFFINE(0.0, 2.0), AFFINE(torch.zeros(2, device="meta"), 1.0)],
                validate_args=False,
            ),
            "meta",
        ),
        (
            torch.distributions.MixtureSameFamily(
                torch.distributions.Categorical(torch.ones(3)),
                torch.distributions.Independent(unchecked_normal(3, 2), 1, validate_args=False),
                validate_args=False,
            ),
            "meta",
        ),
    ],
    ids=["scalar", "event", "batch", "independent", "transformed", "mixture"],
)
def test_a_distribution_lies_where_its_parameters_do(distribution, place):
    assert _device_of(distribution).type == place


def test_a_distribution_draws_where_its_parameters_lie(device):
    if device == "cpu":
        pytest.skip("needs --device cuda")
    mean, scale = (torch.tensor(numbers, device=device) for numbers in ([0.0, 10.0], [1.0, 2.0]))
    prior = as_prior(torch.distributions.Normal(mean, scale))
    codes = draw(prior, 3000, 2)
    assert_follows(codes[:, 0], stats.norm(0.0, 1.0).cdf)
    assert_follows(codes[:, 1], stats.norm(10.0, 2.0).cdf)
    ours = prior.log_density(torch.zeros(1, 2))
    assert ours.numpy() == pytest.approx(stats.norm([0, 10], [1, 2]).logpdf([0, 0]).sum(), rel=1e-5)


def test_codes_on_a_device_are_a_prior(device):
    if device == "cpu":
        pytest.skip("needs --device cuda")
    assert (draw(as_prior(torch.ones(4, 2, device=device)), 3, 2) == 1.0).all()
