"""Divergences without a discriminator, against their formulas."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from divergence_cases import encoder_loss, latent, normal
from scipy import optimize, special, stats
from torch import nn

from skaae._device import new_generator
from skaae._scaling import ColumnScaling
from skaae.divergences import (
    DIVERGENCES,
    MMD,
    MutualInformation,
    PosteriorKL,
    SlicedWasserstein,
)
from skaae.posteriors import POSTERIORS, Deterministic, Gaussian, PosteriorSample
from skaae.priors import PRIORS, Categorical, GaussianMixture, Normal, SwissRoll, Uniform

OF_SAMPLES = [n for n, case in DIVERGENCES.items() if case.of_samples]


# ------------------------------------------------------------------ MMD

KERNELS = {
    "inverse_multiquadric": lambda d2, b: 2.0 * b / (2.0 * b + d2),
    "rbf": lambda d2, b: np.exp(-d2 / (2.0 * b)),
}


def naive_mmd(a, b, kernel, bandwidth):
    def mean(rows, columns, pairs):
        values = [
            KERNELS[kernel](((rows[i] - columns[j]) ** 2).mean(), width)
            for i, j in pairs
            for width in bandwidth
        ]
        return np.mean(values)

    n, m = len(a), len(b)
    return (
        mean(a, a, [(i, j) for i in range(n) for j in range(n) if i != j])
        + mean(b, b, [(i, j) for i in range(m) for j in range(m) if i != j])
        - 2.0 * mean(a, b, [(i, j) for i in range(n) for j in range(m)])
    )


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("bandwidth", [(1.0,), (0.2, 3.0)])
def test_mmd_is_the_naive_double_loop(kernel, bandwidth):
    codes, prior_codes = 1.0 + normal(7, 3, dtype=torch.float64), normal(5, 3, seed=1).double()
    ours = encoder_loss(MMD(kernel, bandwidth=bandwidth), codes, prior_codes)
    expected = naive_mmd(codes.numpy(), prior_codes.numpy(), kernel, bandwidth)
    assert ours.item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("kernel", KERNELS)
def test_mmd_of_single_rows_has_only_their_pair(kernel):
    codes = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    loss = encoder_loss(MMD(kernel, bandwidth=(0.7,)), codes, torch.zeros_like(codes))
    assert loss.item() == pytest.approx(-2.0 * KERNELS[kernel](2.5, 0.7), rel=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_mmd_of_equal_distributions_is_zero_on_average(kernel):
    values = np.array(
        [
            encoder_loss(MMD(kernel), normal(16, 2, seed=k), normal(16, 2, seed=10_000 + k)).item()
            for k in range(400)
        ]
    )
    assert abs(values.mean()) < 4.0 * values.std() / np.sqrt(len(values))
    # Counting a row's pair with itself would add 2 (1 - E k) / 16, about 0.05: far more than this.
    assert values.std() / np.sqrt(len(values)) < 0.003


@pytest.mark.parametrize("kernel", KERNELS)
def test_mmd_has_its_gradient(kernel):
    codes, prior_codes = 1.0 + normal(6, 2, dtype=torch.float64), normal(5, 2, seed=1).double()
    divergence = MMD(kernel)
    assert torch.autograd.gradcheck(
        lambda z: encoder_loss(divergence, z, prior_codes), (codes.requires_grad_(True),)
    )


# ------------------------------------------------------------------ sliced Wasserstein


def test_sliced_wasserstein_in_one_dimension_is_the_optimal_assignment():
    codes, prior_codes = 2.0 * normal(40, 1) + 1.0, normal(40, 1, seed=1)
    costs = (codes.numpy() - prior_codes.numpy().T) ** 2
    pairs = optimize.linear_sum_assignment(costs)
    ours = encoder_loss(SlicedWasserstein(3), codes, prior_codes)
    assert ours.item() == pytest.approx(costs[pairs].mean(), rel=1e-5)


@pytest.mark.parametrize("n_components", [1, 2, 5])
def test_sliced_wasserstein_of_a_shift_is_its_squared_length_per_component(n_components):
    n_projections = 20_000
    prior_codes = normal(10, n_components)
    shift = torch.arange(1.0, n_components + 1.0)
    ours = encoder_loss(SlicedWasserstein(n_projections), prior_codes + shift, prior_codes)
    # E (theta . c)**2 = |c|**2 / d, with standard deviation below sqrt(2) of it per direction.
    squared = shift.square().sum().item()
    tolerance = 1e-5 if n_components == 1 else 4.0 * np.sqrt(2.0 / n_projections)
    assert ours.item() == pytest.approx(squared / n_components, rel=tolerance)


def test_sliced_wasserstein_has_its_gradient():
    codes, prior_codes = normal(6, 3, dtype=torch.float64), normal(6, 3, seed=1).double()
    assert torch.autograd.gradcheck(
        lambda z: encoder_loss(SlicedWasserstein(8), z, prior_codes), (codes.requires_grad_(True),)
    )


def test_sliced_wasserstein_does_not_see_the_order_of_rows():
    codes, prior_codes = normal(20, 3), normal(20, 3, seed=1)
    torch.testing.assert_close(
        encoder_loss(SlicedWasserstein(), codes.flip(0), prior_codes),
        encoder_loss(SlicedWasserstein(), codes, prior_codes),
    )


# ------------------------------------------------------------------ posterior KL


def gaussian_sample(outputs, seed=0) -> PosteriorSample:
    return Gaussian().sample(outputs, nn.ModuleDict(), new_generator(seed))


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_posterior_kl_is_the_closed_form(scale):
    sample = gaussian_sample(normal(9, 6, dtype=torch.float64))
    ours = encoder_loss(PosteriorKL(), sample, None, prior=latent(Normal(scale), n_components=3))
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(sample.mean, sample.std),
        torch.distributions.Normal(torch.zeros(3).double(), scale * torch.ones(3).double()),
    )
    torch.testing.assert_close(ours, expected.sum(dim=1).mean())


def test_posterior_kl_of_draws_averages_to_the_closed_form():
    sample = gaussian_sample(normal(1, 4, dtype=torch.float64).expand(20_000, -1))
    closed = encoder_loss(PosteriorKL(), sample, None).item()
    without_parameters = PosteriorSample(sample.codes, sample.log_density)
    drawn = encoder_loss(PosteriorKL(), without_parameters, None).item()
    spread = (sample.log_density - latent().log_density(sample.codes)).std().item()
    assert drawn == pytest.approx(closed, abs=4.0 * spread / np.sqrt(20_000))


@pytest.mark.parametrize("prior", [Normal(5.0), GaussianMixture()], ids=repr)
def test_posterior_kl_does_not_depend_on_the_units(prior):
    location = torch.tensor([1.0, -2.0], dtype=torch.float64)
    scale = torch.tensor([3.0, 0.5], dtype=torch.float64)
    sample = gaussian_sample(normal(9, 4, dtype=torch.float64))
    units = latent(prior, scaling=ColumnScaling(location, scale))
    ours = encoder_loss(PosteriorKL(), sample, None, prior=units)
    in_own_units = PosteriorSample(
        location + scale * sample.codes,
        sample.log_density - scale.log().sum(),
        location + scale * sample.mean,
        scale * sample.std,
    )
    own = encoder_loss(PosteriorKL(), in_own_units, None, prior=latent(prior))
    torch.testing.assert_close(ours, own)


def test_posterior_kl_of_the_prior_itself_is_zero():
    mean, std = torch.zeros(3, 2), torch.full((3, 2), 2.0)
    sample = PosteriorSample(mean, None, mean, std)
    assert encoder_loss(PosteriorKL(), sample, None, prior=latent(Normal(2.0))).item() == 0.0


def test_posterior_kl_weighs_one_the_evidence_bound():
    assert PosteriorKL().absolute_weight(1.0) == PosteriorKL().absolute_weight(500.0) == 1.0


@pytest.mark.parametrize("name", [n for n, case in POSTERIORS.items() if not case.has_density])
def test_posterior_kl_refuses_posteriors_without_density(name):
    posterior = POSTERIORS[name]()
    expected = (
        "divergence='posterior_kl' needs log q(z|x): expected posterior='gaussian' or "
        f"'hierarchical', got {posterior!r}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        PosteriorKL().check(Normal(), posterior)


@pytest.mark.parametrize("name", [n for n, case in POSTERIORS.items() if case.has_density])
def test_posterior_kl_takes_posteriors_with_density(name):
    PosteriorKL().check(Normal(), POSTERIORS[name]())


@pytest.mark.parametrize("name", [n for n, p in PRIORS.items() if not hasattr(p, "log_density")])
def test_posterior_kl_refuses_priors_without_density(name):
    prior = PRIORS[name]()
    expected = (
        "divergence='posterior_kl' needs log p(z), which the prior does not offer; got "
        f"prior={prior!r}. Use a prior with a density, such as 'normal' or 'gaussian_mixture', or "
        "a divergence that needs samples only."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        PosteriorKL().check(prior, Gaussian())


@pytest.mark.parametrize("name", OF_SAMPLES)
@pytest.mark.parametrize("prior", [SwissRoll(), Uniform()], ids=repr)
def test_divergences_of_samples_take_any_prior(name, prior):
    DIVERGENCES[name]().check(prior, Deterministic())


# ------------------------------------------------------------------ mutual information


def information_loss(probabilities, balance=1.0, prior=None):
    codes = torch.as_tensor(probabilities, dtype=torch.float64)
    where = latent(prior or Categorical(), n_components=codes.shape[1])
    return encoder_loss(MutualInformation(balance), codes, None, prior=where).item()


def test_mutual_information_is_what_is_missing_of_it():
    """log K - I(x; y), with I from the joint distribution of rows and labels."""
    q = special.softmax(2.0 * np.random.default_rng(0).normal(size=(50, 4)), axis=1)
    joint = q / len(q)
    product = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    information = (joint * np.log(joint / product)).sum()
    assert information_loss(q) == pytest.approx(np.log(4.0) - information, rel=1e-6)


@pytest.mark.parametrize("weights", [[0.25] * 4, [0.5, 0.25, 0.25, 0.0]])
def test_mutual_information_vanishes_for_one_hot_codes_that_follow_the_prior(weights):
    codes = np.repeat(np.eye(4), (8 * np.array(weights)).astype(int), axis=0)
    assert information_loss(codes, prior=Categorical(weights)) == pytest.approx(0.0, abs=1e-5)


def test_balance_weighs_the_frequencies_alone():
    codes = np.repeat(np.eye(2), [3, 1], axis=0)
    expected = stats.entropy([0.75, 0.25], [0.5, 0.5])
    for balance in (1.0, 3.0):
        assert information_loss(codes, balance) == pytest.approx(balance * expected, rel=1e-5)


def test_categories_that_the_prior_lacks_cost_much_but_not_infinitely():
    codes = np.repeat(np.eye(3), [2, 1, 1], axis=0)
    q, p = np.array([0.5, 0.25, 0.25]), np.array([0.5, 0.5, 1e-7])
    loss = information_loss(codes, 2.0, prior=Categorical([0.5, 0.5, 0.0]))
    assert loss == pytest.approx(2.0 * (q * np.log(q / p)).sum(), rel=1e-6)


def test_mutual_information_of_one_hot_codes_has_finite_gradients():
    codes = torch.eye(3).requires_grad_(True)
    where = latent(Categorical([0.5, 0.5, 0.0]), n_components=3)
    encoder_loss(MutualInformation(), codes, None, prior=where).backward()
    assert torch.isfinite(codes.grad).all()


def test_mutual_information_needs_one_hot_codes():
    expected = (
        "divergence='mutual_information' is one of one-hot codes: expected prior='categorical', "
        "got Normal()."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        MutualInformation().check(Normal(), Deterministic())
