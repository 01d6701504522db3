"""Divergences against textbook values, naive loops and finite differences."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, special, stats
from scipy.spatial.distance import jensenshannon
from sklearn.base import clone
from torch import nn

from skaae._device import ScopedRandomness, new_generator
from skaae._latent import Latent
from skaae._scaling import ColumnScaling
from skaae.divergences import (
    DIVERGENCES,
    MMD,
    AdversarialDivergence,
    FDivergence,
    JensenShannon,
    MutualInformation,
    Pearson,
    PosteriorKL,
    SlicedWasserstein,
    Wasserstein,
    as_divergence,
)
from skaae.posteriors import POSTERIORS, Deterministic, Gaussian, PosteriorSample
from skaae.priors import PRIORS, Categorical, GaussianMixture, Normal, SwissRoll, Uniform

ADVERSARIAL = [n for n, case in DIVERGENCES.items() if issubclass(case, AdversarialDivergence)]
OF_SAMPLES = [n for n, case in DIVERGENCES.items() if case.of_samples]
F_DIVERGENCES = [n for n, case in DIVERGENCES.items() if issubclass(case, FDivergence)]


def latent(prior=None, *, scaling=None, n_components=2) -> Latent:
    """Return a latent in the prior's own units, or in those of `scaling`."""
    scaling = scaling or ColumnScaling.identity(n_components)
    return Latent("code", n_components, prior or Normal(), Deterministic(), MMD(), scaling)


def encoder_loss(divergence, codes, prior_codes, *, prior=None, discriminator=None, seed=0):
    sample = codes if isinstance(codes, PosteriorSample) else PosteriorSample(codes)
    return divergence.encoder_loss(
        sample,
        prior_codes,
        prior=prior or latent(),
        discriminator=discriminator,
        generator=new_generator(seed),
    )


def prior_for(name) -> Latent:
    """Return a latent whose prior the divergence takes."""
    return latent(Categorical() if name == "mutual_information" else Normal())


def sample_for(name, outputs) -> PosteriorSample:
    return prior_for(name).project(Gaussian().sample(outputs, nn.ModuleDict(), new_generator(0)))


def normal(*shape, seed=0, dtype=torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=new_generator(seed), dtype=dtype)


# ------------------------------------------------------------------ every divergence


@pytest.mark.parametrize("name", DIVERGENCES)
def test_encoder_loss_is_a_number_with_finite_gradients(name):
    divergence = DIVERGENCES[name]()
    outputs = normal(32, 4).requires_grad_(True)
    sample = sample_for(name, outputs)
    discriminator = None
    if name in ADVERSARIAL:
        with ScopedRandomness(new_generator(0)):
            discriminator = divergence.build_discriminator(2)
    loss = encoder_loss(
        divergence,
        sample,
        normal(32, 2, seed=1),
        prior=prior_for(name),
        discriminator=discriminator,
    )
    assert loss.shape == ()
    loss.backward()
    assert torch.isfinite(outputs.grad).all()
    assert (outputs.grad != 0).any(dim=1).all()


@pytest.mark.parametrize("name", DIVERGENCES)
def test_encoder_loss_repeats_with_the_generator(name):
    divergence = DIVERGENCES[name]()
    sample = sample_for(name, normal(8, 4))
    critic = nn.Linear(2, 1)
    losses = [
        encoder_loss(
            divergence,
            sample,
            normal(8, 2, seed=1),
            prior=prior_for(name),
            discriminator=critic,
            seed=3,
        )
        for _ in range(2)
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", DIVERGENCES)
def test_losses_leave_the_global_generator_untouched(name):
    divergence = DIVERGENCES[name]()
    sample = sample_for(name, normal(8, 4))
    critic = nn.Linear(2, 1)
    before = torch.get_rng_state()
    encoder_loss(divergence, sample, normal(8, 2), prior=prior_for(name), discriminator=critic)
    if name in ADVERSARIAL:
        divergence.discriminator_loss(
            sample.codes, normal(8, 2), critic, generator=new_generator(0)
        )
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_clone_pickle_and_repr(name):
    divergence = DIVERGENCES[name]()
    for copy in (clone(divergence), pickle.loads(pickle.dumps(divergence))):
        assert copy is not divergence
        assert copy.get_params() == divergence.get_params()
    assert repr(divergence).startswith(DIVERGENCES[name].__name__ + "(")


@pytest.mark.parametrize("name", DIVERGENCES)
def test_as_divergence_of_a_name_and_of_an_object(name):
    divergence = as_divergence(name)
    assert type(divergence) is DIVERGENCES[name]
    copy = as_divergence(divergence)
    assert type(copy) is type(divergence)
    assert copy is not divergence


@pytest.mark.parametrize("name", DIVERGENCES)
def test_discriminator_steps_say_whether_there_is_a_discriminator(name):
    divergence = DIVERGENCES[name]()
    assert (divergence.n_discriminator_steps > 0) == hasattr(divergence, "build_discriminator")


@pytest.mark.parametrize("name", [name for name in DIVERGENCES if name != "posterior_kl"])
def test_auto_weight_grows_with_the_scale_of_the_reconstruction(name):
    divergence = DIVERGENCES[name]()
    assert divergence.absolute_weight(1.0) > 0.0
    assert divergence.absolute_weight(50.0) == pytest.approx(50.0 * divergence.absolute_weight(1.0))


@pytest.mark.parametrize(
    ("divergence", "name"),
    [
        (JensenShannon(learning_rate=0.0), "learning_rate"),
        (JensenShannon(n_discriminator_steps=0), "n_discriminator_steps"),
        (JensenShannon(hidden_layer_sizes=3), "hidden_layer_sizes"),
        (Wasserstein(gradient_penalty=-1.0), "gradient_penalty"),
        (MMD(kernel="linear"), "kernel"),
        (MMD(bandwidth=()), "bandwidth"),
        (MMD(bandwidth=(1.0, 0.0)), "bandwidth"),
        (MMD(bandwidth=(1.0, np.nan)), "bandwidth"),
        (SlicedWasserstein(n_projections=0), "n_projections"),
    ],
    ids=repr,
)
def test_parameters_that_are_off_are_named(divergence, name):
    with pytest.raises(ValueError, match=name):
        divergence.check(Normal(), Gaussian())


def test_discriminator_with_a_layer_of_no_units_is_an_error():
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        JensenShannon(hidden_layer_sizes=(8, 0)).build_discriminator(2)


# ------------------------------------------------------------------ adversarial ones


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_discriminator_maps_codes_to_one_column(name):
    network = DIVERGENCES[name](hidden_layer_sizes=(7, 5)).build_discriminator(3)
    assert network(torch.zeros(4, 3)).shape == (4, 1)
    sizes = [layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert sizes == [7, 5, 1]


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_trained_discriminator_pulls_codes_towards_the_prior(name):
    divergence = DIVERGENCES[name]((16,))
    generator = new_generator(0)
    with ScopedRandomness(generator):
        network = divergence.build_discriminator(2)
    codes, prior_codes = 1.5 + normal(256, 2, seed=1), normal(256, 2, seed=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        divergence.discriminator_loss(codes, prior_codes, network, generator=generator).backward()
        optimizer.step()
    assert network(codes).mean() > network(prior_codes).mean()
    codes.requires_grad_(True)
    loss = encoder_loss(divergence, codes, prior_codes, discriminator=network)
    (slope,) = torch.autograd.grad(loss, codes)
    # The prior's mean lies in the direction (-1, -1); each coordinate has to go there on average.
    assert (slope.mean(dim=0) > 0).all()


# ------------------------------------------------------------------ f-divergences

# f, its derivative, and the discriminator's output v at which T(v) = f'(r), by hand.
GENERATORS = {
    "jensen_shannon": (
        lambda r: r * np.log(r) - (r + 1.0) * np.log((r + 1.0) / 2.0),
        lambda r: np.log(2.0 * r / (r + 1.0)),
        np.log,
    ),
    "kullback_leibler": (lambda r: r * np.log(r), lambda r: np.log(r) + 1.0, np.log),
    "reverse_kullback_leibler": (lambda r: -np.log(r), lambda r: -1.0 / r, np.log),
    "pearson": (lambda r: (r - 1.0) ** 2, lambda r: 2.0 * (r - 1.0), lambda r: 2.0 * (r - 1.0)),
}

# Two discrete densities q and p, as whole rows out of ten.
Q, P = np.array([1, 2, 7]), np.array([5, 3, 2])
DISCRETE = {
    # f-GAN's generator leaves out the factor 1/2 of each half.
    "jensen_shannon": 2.0 * jensenshannon(Q, P) ** 2,
    "kullback_leibler": special.rel_entr(Q / 10, P / 10).sum(),
    "reverse_kullback_leibler": special.rel_entr(P / 10, Q / 10).sum(),
    "pearson": ((Q - P) ** 2 / (10.0 * P)).sum(),
}

# Two Gaussians q = N(0.5, 0.8**2) and p = N(0, 1).
MEAN, STD = 0.5, 0.8


def gaussian_textbook(name: str) -> float:
    if name == "kullback_leibler":
        return 0.5 * (STD**2 + MEAN**2 - 1.0) - np.log(STD)
    if name == "reverse_kullback_leibler":
        return 0.5 * ((1.0 + MEAN**2) / STD**2 - 1.0) + np.log(STD)
    if name == "pearson":
        a = 1.0 / STD**2 - 0.5  # the exponent of q**2 / p is -a z**2 + 2 m z / s**2 - m**2 / s**2
        exponent = (MEAN / STD**2) ** 2 / a - (MEAN / STD) ** 2
        return np.exp(exponent) / (np.sqrt(2.0 * a) * STD**2) - 1.0
    assert name == "jensen_shannon"
    q, p = stats.norm(MEAN, STD).pdf, stats.norm().pdf

    def integrand(z):
        middle = 0.5 * (q(z) + p(z))
        return special.rel_entr(q(z), middle) + special.rel_entr(p(z), middle)

    return integrate.quad(integrand, -12, 12, epsabs=1e-12)[0]


def discrete_loss(divergence: FDivergence, values: np.ndarray) -> torch.Tensor:
    """Return the discriminator's loss where it answers `values` at the points 0, 1 and 2."""
    table = torch.as_tensor(values, dtype=torch.float64)
    codes, prior_codes = (
        torch.as_tensor(np.repeat(np.arange(3), rows))[:, None] for rows in (Q, P)
    )
    return divergence.discriminator_loss(
        codes, prior_codes, lambda z: table[z], generator=new_generator(0)
    )


@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_optimal_discriminator_gives_the_discrete_divergence(name):
    optimum = GENERATORS[name][2](Q / P)
    bound = -discrete_loss(DIVERGENCES[name](), optimum)
    assert bound.item() == pytest.approx(DISCRETE[name], rel=1e-10)


@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_any_other_discriminator_gives_less(name):
    optimum = GENERATORS[name][2](Q / P)
    for shift in np.random.default_rng(0).normal(size=(20, 3)):
        assert -discrete_loss(DIVERGENCES[name](), optimum + shift) < DISCRETE[name]


@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_optimal_discriminator_gives_the_divergence_of_two_gaussians(name):
    divergence, optimum = DIVERGENCES[name](), GENERATORS[name][2]
    q, p = stats.norm(MEAN, STD), stats.norm()

    def integrand(z):
        v = torch.tensor(optimum(q.pdf(z) / p.pdf(z)), dtype=torch.float64)
        return (
            q.pdf(z) * divergence.activation(v).item() - p.pdf(z) * divergence.conjugate(v).item()
        )

    bound, _ = integrate.quad(integrand, -8.0, 8.0, epsabs=1e-10)
    assert bound == pytest.approx(gaussian_textbook(name), rel=1e-7)


@pytest.mark.parametrize("name", F_DIVERGENCES)
@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0, 2.0, 8.0])
def test_activation_reaches_the_slope_of_f(name, ratio):
    _, slope, optimum = GENERATORS[name]
    v = torch.tensor(optimum(ratio), dtype=torch.float64)
    assert DIVERGENCES[name]().activation(v).item() == pytest.approx(slope(ratio), rel=1e-10)


@pytest.mark.parametrize("name", F_DIVERGENCES)
@pytest.mark.parametrize("v", [-1.5, -0.3, 0.0, 0.7, 2.0])
def test_conjugate_is_the_fenchel_conjugate_of_f(name, v):
    f, _, _ = GENERATORS[name]
    divergence, v = DIVERGENCES[name](), torch.tensor(v, dtype=torch.float64)
    t = divergence.activation(v).item()
    found = optimize.minimize_scalar(
        lambda log_r: f(np.exp(log_r)) - np.exp(log_r) * t,
        bounds=(-10.0, 10.0),
        method="bounded",
        options={"xatol": 1e-10},
    )
    assert divergence.conjugate(v).item() == pytest.approx(-found.fun, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_bound_of_equal_densities_is_zero_at_its_best(name):
    divergence = DIVERGENCES[name]()
    found = optimize.minimize_scalar(
        lambda v: (
            divergence.conjugate(torch.tensor(v)) - divergence.activation(torch.tensor(v))
        ).item(),
        bounds=(-1.9, 5.0),
        method="bounded",
    )
    assert found.fun == pytest.approx(0.0, abs=1e-6)


def test_encoder_of_jensen_shannon_minimises_the_non_saturating_loss():
    codes = normal(10, 1)
    loss = encoder_loss(JensenShannon(), codes, codes, discriminator=nn.Identity())
    expected = -torch.log(1.0 - torch.sigmoid(codes)).mean()
    torch.testing.assert_close(loss, expected)


def test_encoder_of_pearson_minimises_the_bounds_term_in_the_codes():
    codes = normal(10, 1)
    loss = encoder_loss(Pearson(), codes, codes, discriminator=nn.Identity())
    torch.testing.assert_close(loss, codes.mean())


# ------------------------------------------------------------------ Wasserstein


def critic(weight) -> nn.Linear:
    layer = nn.Linear(len(weight), 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([weight]))
    return layer


def test_critic_of_unit_slope_measures_the_shift():
    prior_codes, shift = normal(64, 2), torch.tensor([3.0, 4.0])
    loss = Wasserstein().discriminator_loss(
        prior_codes + shift, prior_codes, critic([0.6, 0.8]), generator=new_generator(0)
    )
    # The critic points along the shift, whose length is 5; a unit slope is not punished.
    assert loss.item() == pytest.approx(-5.0, abs=1e-5)


@pytest.mark.parametrize("gradient_penalty", [0.0, 1.0, 10.0])
def test_penalty_is_the_squared_excess_of_the_slope(gradient_penalty):
    prior_codes = normal(64, 2)
    loss = Wasserstein(gradient_penalty=gradient_penalty).discriminator_loss(
        prior_codes, prior_codes, critic([1.8, 2.4]), generator=new_generator(0)
    )
    assert loss.item() == pytest.approx(gradient_penalty * (3.0 - 1.0) ** 2, rel=1e-5, abs=1e-6)


def test_penalty_of_a_curved_critic_is_averaged_over_the_lines():
    # Where both samples are the same rows, so are the lines between them; the slope of
    # |z|**2 / 2 at z is z.
    codes = normal(64, 3, dtype=torch.float64)
    loss = Wasserstein(gradient_penalty=10.0).discriminator_loss(
        codes, codes, lambda z: 0.5 * z.square().sum(dim=1), generator=new_generator(0)
    )
    slopes = np.linalg.norm(codes.numpy(), axis=1)
    assert loss.item() == pytest.approx(10.0 * ((slopes - 1.0) ** 2).mean(), rel=1e-6)


def test_penalty_trains_the_critic():
    network = critic([1.8, 2.4])
    codes = normal(64, 2)
    loss = Wasserstein(gradient_penalty=10.0).discriminator_loss(
        codes, codes, network, generator=new_generator(0)
    )
    loss.backward()
    # d/dw of 10 (|w| - 1)**2 is 20 (|w| - 1) w / |w|.
    expected = 20.0 * 2.0 * torch.tensor([[0.6, 0.8]])
    torch.testing.assert_close(network.weight.grad, expected, rtol=1e-4, atol=1e-4)


def test_encoder_of_wasserstein_minimises_the_critics_mean():
    codes = normal(64, 2)
    loss = encoder_loss(Wasserstein(), codes, normal(64, 2), discriminator=critic([1.0, -2.0]))
    torch.testing.assert_close(loss, (codes @ torch.tensor([1.0, -2.0])).mean())


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


def test_sliced_wasserstein_does_not_see_the_order_of_rows():
    codes, prior_codes = normal(20, 3), normal(20, 3, seed=1)
    torch.testing.assert_close(
        encoder_loss(SlicedWasserstein(), codes.flip(0), prior_codes),
        encoder_loss(SlicedWasserstein(), codes, prior_codes),
    )


# ------------------------------------------------------------------ both move codes to the prior


@pytest.mark.parametrize(
    ("divergence", "learning_rate"),
    [(MMD(), 0.1), (MMD("rbf"), 0.1), (SlicedWasserstein(), 0.1)],
    ids=repr,
)
def test_free_codes_move_to_the_prior(divergence, learning_rate):
    generator = new_generator(0)
    n_samples = 200
    codes = (1.5 + 0.3 * normal(n_samples, 2)).requires_grad_(True)
    optimizer = torch.optim.Adam([codes], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, total_iters=250)
    for _ in range(250):
        optimizer.zero_grad()
        prior_codes = torch.randn(n_samples, 2, generator=generator)
        sample = PosteriorSample(codes)
        loss = divergence.encoder_loss(
            sample, prior_codes, prior=latent(), discriminator=None, generator=generator
        )
        loss.backward()
        optimizer.step()
        schedule.step()
    moved = codes.detach().numpy()
    # Matched codes lie closer to the prior than an independent sample of it would.
    for direction in ([1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.6, -0.8]):
        assert stats.kstest(moved @ direction, stats.norm().cdf).pvalue > 0.1


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
    with pytest.raises(ValueError, match=r"needs log q\(z\|x\): expected posterior='gaussian'"):
        PosteriorKL().check(Normal(), POSTERIORS[name]())


@pytest.mark.parametrize("name", [n for n, case in POSTERIORS.items() if case.has_density])
def test_posterior_kl_takes_posteriors_with_density(name):
    PosteriorKL().check(Normal(), POSTERIORS[name]())


@pytest.mark.parametrize("name", [n for n, p in PRIORS.items() if not hasattr(p, "log_density")])
def test_posterior_kl_refuses_priors_without_density(name):
    with pytest.raises(ValueError, match=r"needs log p\(z\)"):
        PosteriorKL().check(PRIORS[name](), Gaussian())


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


def test_mutual_information_needs_one_hot_codes():
    with pytest.raises(ValueError, match="expected prior='categorical', got Normal"):
        MutualInformation().check(Normal(), Deterministic())
