"""A latent: its parts fit together, and its units are those of the prior."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from skaae._device import new_generator
from skaae._latent import Latent
from skaae._scaling import ColumnScaling
from skaae.divergences import DIVERGENCES, MMD, AdversarialDivergence, PosteriorKL
from skaae.posteriors import Deterministic, Gaussian, PosteriorSample, UniversalApproximator
from skaae.priors import (
    PRIORS,
    Categorical,
    EmpiricalPrior,
    GaussianMixture,
    Normal,
    Prior,
    SwissRoll,
    Uniform,
    as_prior,
)

EUCLIDEAN = [name for name in PRIORS if not PRIORS[name].on_simplex]
SIMPLEX = [name for name in PRIORS if PRIORS[name].on_simplex]


def create(prior: Prior, n_components: int = 2, *, posterior=None, divergence=None, seed=0):
    return Latent.create(
        "code",
        n_components,
        prior=prior,
        posterior=posterior or Deterministic(),
        divergence=divergence or MMD(),
        seed=seed,
    )


class Broken(Prior):
    """Draws a value that is not finite now and then."""

    def __init__(self, value=float("nan")):
        self.value = value

    def _sample(self, n_samples, n_components, generator):
        codes = torch.randn(n_samples, n_components, generator=generator)
        codes[n_samples // 2, 0] = self.value
        return codes


# ------------------------------------------------------------------ units


@pytest.mark.parametrize(
    "prior",
    [*(PRIORS[name]() for name in EUCLIDEAN), Normal(5.0), Uniform(10.0, 12.0)],
    ids=repr,
)
def test_prior_has_mean_zero_and_deviation_one_in_its_units(prior):
    codes = create(prior).sample_prior(50_000, new_generator(1)).double()
    # Units are measured on 4,096 draws: standard errors of 1 / 64 for the mean and at most that
    # for the deviation of priors whose kurtosis is a Gaussian's or less.
    assert codes.mean(dim=0).abs().max() < 4.5 / 64
    assert (codes.std(dim=0) - 1.0).abs().max() < 4.5 / 64


@pytest.mark.parametrize("name", SIMPLEX)
def test_prior_on_a_simplex_keeps_its_units(name):
    latent = create(PRIORS[name](), 3)
    codes = torch.eye(3)
    assert torch.equal(latent.scaling.forward(codes), codes)
    assert torch.equal(latent.scaling.inverse(codes), codes)


def test_component_that_the_prior_holds_constant_keeps_its_units():
    rows = np.stack([np.arange(10.0), np.full(10, 7.0)], axis=1)
    scaling = create(EmpiricalPrior(rows)).scaling
    assert scaling.scale[1] == 1.0
    assert scaling.location[1] == 7.0
    assert scaling.inverse(torch.tensor([[0.0, 0.5]]))[0, 1] == 7.5


def test_draws_in_units_are_those_of_the_prior():
    latent = create(Normal(5.0))
    own = latent.prior.sample(100, 2, generator=new_generator(3))
    units = latent.sample_prior(100, new_generator(3))
    torch.testing.assert_close(latent.scaling.inverse(units), own)


def test_units_repeat_with_the_seed():
    first, second, other = (create(Normal(), seed=seed).scaling for seed in (3, 3, 4))
    assert torch.equal(first.location, second.location)
    assert torch.equal(first.scale, second.scale)
    assert not torch.equal(first.location, other.location)


def test_global_generator_is_untouched():
    before = torch.get_rng_state()
    create(GaussianMixture()).sample_prior(10, new_generator(0))
    assert torch.equal(torch.get_rng_state(), before)


# ------------------------------------------------------------------ density in units


@pytest.mark.parametrize(
    "prior",
    [Normal(5.0), GaussianMixture(3, radius=20.0), as_prior(stats.norm(100.0, 0.01))],
    ids=["Normal", "GaussianMixture", "ScipyPrior"],
)
def test_log_density_in_units_integrates_to_one(prior):
    latent = create(prior, 1)
    u = torch.linspace(-10.0, 10.0, 20_001, dtype=torch.float64)
    total = latent.log_density(u[:, None]).exp().sum() * (u[1] - u[0])
    assert total.item() == pytest.approx(1.0, abs=1e-6)


def test_log_density_in_units_is_the_change_of_variables():
    latent = create(Normal(5.0), 3)
    u = np.random.default_rng(0).normal(size=(10, 3))
    location, scale = latent.scaling.location.numpy(), latent.scaling.scale.numpy()
    # z = location + scale * u is N(0, 25) in each component, so u is Gaussian as well.
    expected = stats.norm(-location / scale, 5.0 / scale).logpdf(u).sum(axis=1)
    ours = latent.log_density(torch.as_tensor(u)).numpy()
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_gaussian_parameters_in_units_are_those_of_the_draws():
    # Units far from the measured ones, so that a shift forgotten would show.
    units = ColumnScaling(torch.tensor([3.0, -2.0, 0.0]), torch.tensor([2.0, 1.0, 7.0]))
    latent = dataclasses.replace(create(Normal(5.0), 3), scaling=units)
    codes = latent.sample_prior(5000, new_generator(1)).numpy()
    mean, std = (parameter.numpy() for parameter in latent.gaussian_parameters())
    for j in range(3):
        assert stats.kstest(codes[:, j], stats.norm(mean[j], std[j]).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", [name for name in EUCLIDEAN if name != "normal"])
def test_other_priors_have_no_gaussian_parameters(name):
    assert create(PRIORS[name]()).gaussian_parameters() is None


# ------------------------------------------------------------------ projection


@pytest.mark.parametrize("name", EUCLIDEAN)
def test_samples_off_the_simplex_are_left_alone(name):
    sample = PosteriorSample(torch.randn(4, 2, generator=new_generator(0)), torch.zeros(4))
    assert create(PRIORS[name]()).project(sample) is sample


def test_projection_onto_the_simplex_forgets_the_density():
    # The softmax is not invertible: what was known of the outputs says nothing of the codes.
    outputs = torch.randn(4, 3, generator=new_generator(0))
    given = PosteriorSample(outputs, torch.zeros(4), outputs, outputs.exp())
    projected = create(Categorical(), 3).project(given)
    torch.testing.assert_close(projected.codes, outputs.exp() / outputs.exp().sum(1, keepdim=True))
    assert (projected.log_density, projected.mean, projected.std) == (None, None, None)


# ------------------------------------------------------------------ parts that fit together


@pytest.mark.parametrize("name", DIVERGENCES)
def test_is_adversarial_says_whether_a_discriminator_is_trained(name):
    prior = Categorical() if name == "mutual_information" else Normal()
    latent = create(prior, posterior=Gaussian(), divergence=DIVERGENCES[name]())
    assert latent.is_adversarial == issubclass(DIVERGENCES[name], AdversarialDivergence)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_prior_that_draws_values_that_are_not_finite_is_an_error(value):
    with pytest.raises(ValueError, match=r"Broken.*drew codes with NaN or infinity"):
        create(Broken(value))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"prior": Normal(scale=-1.0)}, "scale"),
        ({"prior": SwissRoll(), "n_components": 4}, "SwissRoll"),
        ({"prior": EmpiricalPrior(np.zeros((5, 3)))}, "n_components=2"),
        ({"prior": as_prior(stats.multivariate_normal([0.0, 0.0, 0.0]))}, "n_components=2"),
        ({"prior": Normal(), "posterior": UniversalApproximator(n_noise=0)}, "n_noise"),
        ({"prior": Normal(), "divergence": MMD(bandwidth=(-1.0,))}, "bandwidth"),
        ({"prior": Normal(), "divergence": PosteriorKL()}, r"needs log q\(z\|x\)"),
        (
            {"prior": Uniform(), "posterior": Gaussian(), "divergence": PosteriorKL()},
            r"needs log p\(z\)",
        ),
    ],
)
def test_parts_that_do_not_fit_are_an_error(parts, message):
    with pytest.raises(ValueError, match=message):
        create(**parts)
