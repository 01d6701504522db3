"""Divergences with a discriminator, against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from divergence_cases import critic, encoder_loss, normal
from scipy import integrate, optimize, special, stats
from scipy.spatial.distance import jensenshannon
from torch import nn

from skaae._device import new_generator
from skaae.divergences import (
    DIVERGENCES,
    FDivergence,
    JensenShannon,
    KullbackLeibler,
    Wasserstein,
)
from skaae.networks import MLP

F_DIVERGENCES = [n for n, case in DIVERGENCES.items() if issubclass(case, FDivergence)]


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
def test_one_pass_of_both_samples_gives_what_two_give(name):
    divergence, network = DIVERGENCES[name](), MLP((5,), linear_path=False)(2, 1)
    codes, prior_codes = 1.0 + normal(8, 2), normal(8, 2, seed=1)
    asked = []
    network.register_forward_hook(lambda *call: asked.append(len(call[-1])))
    loss = divergence.discriminator_loss(codes, prior_codes, network, generator=new_generator(0))
    in_turn = divergence.discriminator_loss(
        codes, prior_codes, lambda z: network(z), generator=new_generator(0)
    )
    assert asked == [16, 8, 8]
    torch.testing.assert_close(loss, in_turn)


@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_what_sees_the_rows_beside_judges_each_sample_by_itself(name):
    network, asked = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)), []
    network.register_forward_hook(lambda *call: asked.append(len(call[-1])))
    DIVERGENCES[name]().discriminator_loss(
        normal(8, 2), normal(9, 2), network, generator=new_generator(0)
    )
    assert asked == [8, 9]


def test_a_case_may_work_in_place():
    class InPlace(KullbackLeibler):
        def activation(self, v):
            return v.add_(1.0)

        def conjugate(self, v):
            return v.exp_()

    discriminator = MLP((5,), linear_path=False)(2, 1)
    samples = normal(7, 2), normal(5, 2, seed=1)
    found = []
    for divergence in (InPlace(), KullbackLeibler()):
        loss = divergence.discriminator_loss(*samples, discriminator, generator=new_generator(0))
        found.append([loss, *torch.autograd.grad(loss, list(discriminator.parameters()))])
    for ours, theirs in zip(*found):
        torch.testing.assert_close(ours, theirs)


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


# T(v), by hand.
ACTIVATIONS = {
    "kullback_leibler": lambda v: 1.0 + v,
    "reverse_kullback_leibler": lambda v: -np.exp(-v),
    "pearson": lambda v: v,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_encoders_of_the_others_minimise_the_bounds_term_in_the_codes(name):
    codes = normal(10, 1, dtype=torch.float64)
    loss = encoder_loss(DIVERGENCES[name](), codes, codes, discriminator=nn.Identity())
    assert loss.item() == pytest.approx(ACTIVATIONS[name](codes.numpy()).mean(), rel=1e-12)


@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_answers_in_bfloat16_are_averaged_in_float32(name):
    divergence = DIVERGENCES[name]()
    # Numbers that bfloat16 holds exactly; their functions and means it does not.
    codes, prior_codes = torch.arange(7.0)[:, None] / 4.0, torch.arange(5.0)[:, None] / 8.0

    def losses(discriminator):
        yield divergence.discriminator_loss(
            codes, prior_codes, discriminator, generator=new_generator(0)
        )
        yield encoder_loss(divergence, codes, prior_codes, discriminator=discriminator)

    for rounded, full in zip(losses(lambda z: z.bfloat16()), losses(lambda z: z)):
        assert rounded.dtype == torch.float32
        assert torch.equal(rounded, full)


# ------------------------------------------------------------------ the penalty of a GAN


def test_penalty_of_jensen_shannon_is_the_squared_slope_where_the_prior_is():
    # The slope of 2 |z|**2 at z is 4 z.
    codes, prior_codes = 5.0 + normal(64, 3), normal(64, 3, seed=1)
    plain, penalised = (
        JensenShannon(gradient_penalty=penalty).discriminator_loss(
            codes, prior_codes, lambda z: 2.0 * z.square().sum(dim=1), generator=new_generator(0)
        )
        for penalty in (0.0, 0.5)
    )
    expected = 0.5 * 16.0 * (prior_codes.numpy() ** 2).sum(axis=1).mean()
    assert (penalised - plain).item() == pytest.approx(expected, rel=1e-4)


def test_penalty_of_jensen_shannon_trains_the_discriminator():
    network, codes = critic([1.8, 2.4]), torch.zeros(8, 2)
    loss = JensenShannon(gradient_penalty=3.0).discriminator_loss(
        codes, codes, network, generator=new_generator(0)
    )
    loss.backward()
    # Where all is zero the bound has no slope in w, and d/dw of 3 |w|**2 is 6 w.
    torch.testing.assert_close(network.weight.grad, 6.0 * network.weight.detach())


def test_a_slope_is_punished_in_float32():
    network, asked = critic([1.8, 2.4]), []
    network.register_forward_hook(lambda *call: asked.append(call[-1].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        JensenShannon(gradient_penalty=3.0).discriminator_loss(
            normal(8, 2), normal(8, 2), network, generator=new_generator(0)
        )
    assert asked == [torch.bfloat16, torch.float32]


def test_a_case_that_knows_no_penalty_has_none():
    class Older(JensenShannon):
        def __init__(self, hidden_layer_sizes=(8,)):
            self.hidden_layer_sizes = hidden_layer_sizes
            self.learning_rate, self.n_discriminator_steps = 1e-3, 1

    loss = Older().discriminator_loss(
        normal(8, 2), normal(8, 2), critic([1.8, 2.4]), generator=new_generator(0)
    )
    assert torch.isfinite(loss)


# ------------------------------------------------------------------ Wasserstein


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


def test_slopes_are_taken_on_the_lines_between_codes_and_prior_codes():
    codes, prior_codes = 5.0 + normal(2000, 2), normal(2000, 2, seed=1)
    asked = []

    def watched(z):
        asked.append(z.detach())
        return z.sum(dim=1)

    Wasserstein().discriminator_loss(codes, prior_codes, watched, generator=new_generator(0))
    shares = ((asked[0] - prior_codes) / (codes - prior_codes)).numpy()
    # One share a row, the same in every column, and any as likely as any other.
    np.testing.assert_allclose(shares[:, 0], shares[:, 1], atol=1e-5)
    assert stats.kstest(shares[:, 0], stats.uniform().cdf).pvalue > 1e-3


def test_critic_without_slope_has_finite_gradients():
    network = critic([0.0, 0.0])
    codes = normal(16, 2)
    loss = Wasserstein().discriminator_loss(codes, codes, network, generator=new_generator(0))
    loss.backward()
    assert loss.item() == pytest.approx(1.0, abs=1e-5)
    assert torch.isfinite(network.weight.grad).all()


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
