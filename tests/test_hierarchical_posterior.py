"""The hierarchical posterior, against integrals over lambda."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from posterior_cases import build, log_std_of
from scipy import stats
from torch import nn

from skaae._device import new_generator
from skaae.posteriors import (
    POSTERIORS,
    Hierarchical,
    Posterior,
    fixed_noise,
)


@pytest.fixture(params=POSTERIORS)
def posterior(request) -> Posterior:
    return POSTERIORS[request.param]()


def raw_of(log_std: float) -> float:
    """Return the encoder output for a log standard deviation."""
    return math.log((log_std + 7.0) / (2.0 - log_std) * 4.0 / 5.0)


def curved(n_components: int) -> tuple[Hierarchical, nn.ModuleDict]:
    """Return a hierarchical posterior with a curved mean and deviations around 0.5 given lambda.

    Deviations of q(z|lambda) as wide as those of q(lambda|x) are kind to Monte Carlo averages.
    """
    posterior = Hierarchical(n_hidden=32, n_mean_draws=2048)
    networks = build(posterior, n_components).double()
    last = networks["likelihood"][2]
    with torch.no_grad():
        networks["likelihood"][0].weight.mul_(2.0)
        last.weight[:n_components] *= 3.0
        last.bias[n_components:] = raw_of(math.log(0.5))
    return posterior, networks


def given_lambda(lambda_: torch.Tensor, networks: nn.ModuleDict) -> torch.distributions.Normal:
    """Return q(z|lambda), written out anew."""
    shift, raw = networks["likelihood"](lambda_).chunk(2, dim=-1)
    return torch.distributions.Normal(lambda_ + shift, log_std_of(raw).exp())


def lambda_grid(raw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return points of lambda, shape (n, 1), and their weights in an integral over q(lambda|x)."""
    law = torch.distributions.Normal(raw[0], log_std_of(raw[1]).exp())
    grid = law.mean + law.stddev * torch.linspace(-9.0, 9.0, 1001, dtype=torch.float64)
    return grid[:, None], law.log_prob(grid).exp() * (grid[1] - grid[0])


def integrated_log_density(codes, raw, networks) -> torch.Tensor:
    """Return log q(z|x) of one-dimensional codes of a single x, by integrating over lambda."""
    grid, weights = lambda_grid(raw)
    given = given_lambda(grid, networks).log_prob(codes[:, None])[:, :, 0]
    return torch.logsumexp(given + weights.log(), dim=1)


def train_auxiliary(posterior, networks, draw_outputs, n_steps: int) -> None:
    """Fit r(lambda|z, x) alone: the bound's distance from log q(z|x) is its loss."""
    generator = new_generator(1)
    optimizer = torch.optim.Adam(networks["auxiliary"].parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, total_iters=n_steps)
    networks["likelihood"].requires_grad_(False)
    for _ in range(n_steps):
        optimizer.zero_grad()
        sample = posterior.sample(draw_outputs(generator), networks, generator)
        sample.log_density.mean().backward()
        optimizer.step()
        schedule.step()


# The encoder's outputs for one x: q(lambda|x) = N(0.4, 0.8**2).
RAW = torch.tensor([0.4, raw_of(math.log(0.8))], dtype=torch.float64)


def test_hierarchical_code_is_lambda_and_so_many_deviations_from_its_shift():
    posterior, networks = curved(2)
    raw = torch.randn(7, 4, generator=new_generator(1), dtype=torch.float64)
    generator = new_generator(0)
    noise = [torch.randn(7, 2, generator=generator) for _ in range(2)]
    law = given_lambda(raw[:, :2] + log_std_of(raw[:, 2:]).exp() * noise[0], networks)
    codes = posterior.sample(raw, networks, new_generator(0)).codes
    torch.testing.assert_close(codes, law.mean + law.stddev * noise[1])


def test_hierarchical_mean_of_few_draws_is_their_average():
    _, networks = curved(2)
    raw = torch.randn(7, 4, generator=new_generator(1), dtype=torch.float64)
    draws = fixed_noise(3, 2)
    means = [
        given_lambda(raw[:, :2] + log_std_of(raw[:, 2:]).exp() * noise, networks).mean
        for noise in draws
    ]
    ours = Hierarchical(n_mean_draws=3).mean(raw, networks)
    torch.testing.assert_close(ours, torch.stack(means).mean(dim=0))


def test_hierarchical_draws_follow_the_integral_over_lambda():
    posterior, networks = curved(1)
    with torch.no_grad():
        sample = posterior.sample(RAW.expand(4000, -1), networks, new_generator(0))
        z = torch.linspace(-15.0, 15.0, 3001, dtype=torch.float64)
        density = integrated_log_density(z[:, None], RAW, networks).exp().numpy()
    cdf = np.cumsum(density) * 0.01
    assert cdf[-1] == pytest.approx(1.0, abs=1e-6)
    law = stats.kstest(sample.codes[:, 0].numpy(), lambda x: np.interp(x, z.numpy() + 0.005, cdf))
    assert law.pvalue > 1e-3


def test_hierarchical_mean_is_the_integral_over_lambda():
    posterior, networks = curved(1)
    with torch.no_grad():
        grid, weights = lambda_grid(RAW)
        means = given_lambda(grid, networks).mean[:, 0]
        expected = (weights * means).sum()
        # Draws come in antithetic pairs: what varies is the average of a pair.
        pairs = 0.5 * (means + means.flip(0))
        error = ((weights * (pairs - expected).square()).sum() / 1024).sqrt()
        ours = posterior.mean(RAW[None], networks)
    assert abs(ours.item() - expected.item()) < 4.0 * error.item()


def test_hierarchical_mean_is_the_mean_of_many_draws():
    posterior, networks = curved(2)
    raw = torch.cat([RAW[:1], -RAW[:1], RAW[1:], RAW[1:]])
    with torch.no_grad():
        codes = posterior.sample(raw.expand(40_000, -1), networks, new_generator(0)).codes
        ours = posterior.mean(raw[None], networks)
    # Standard errors of both averages, that of the fixed draws without the gain of their pairs.
    error = codes.std(dim=0) * math.sqrt(1.0 / 40_000 + 1.0 / 2048)
    assert ((ours[0] - codes.mean(dim=0)).abs() < 4.0 * error).all()


def test_bound_is_log_q_itself_where_the_auxiliary_network_is_exact():
    # With q(z|lambda) = N(lambda, s**2), lambda given z is Gaussian with a linear mean, and
    # z given x is N(mu, sigma**2 + s**2).
    posterior, networks = Hierarchical(), build(Hierarchical(), 1).double()
    sigma, s = 0.8, 0.5
    share = sigma**2 / (sigma**2 + s**2)
    likelihood, auxiliary = nn.Linear(1, 2).double(), nn.Linear(3, 2).double()
    with torch.no_grad():
        likelihood.weight.zero_()
        likelihood.bias.copy_(torch.tensor([0.0, raw_of(math.log(s))]))
        # Columns z, mu, log sigma; the guess is what is added to z.
        auxiliary.weight.copy_(torch.tensor([[share - 1.0, 1.0 - share, 0.0], [0.0, 0.0, 0.0]]))
        auxiliary.bias.copy_(torch.tensor([0.0, raw_of(math.log(s * math.sqrt(share)))]))
    networks["likelihood"], networks["auxiliary"] = likelihood, auxiliary
    sample = posterior.sample(RAW.expand(50, -1), networks, new_generator(0))
    law = torch.distributions.Normal(0.4, math.sqrt(sigma**2 + s**2))
    expected = law.log_prob(sample.codes[:, 0])
    torch.testing.assert_close(sample.log_density, expected, rtol=1e-6, atol=1e-6)


def bound_gaps(posterior, networks) -> np.ndarray:
    """Return draws of the bound's integrand less the true log q(z|x)."""
    with torch.no_grad():
        sample = posterior.sample(RAW.expand(1000, -1), networks, new_generator(7))
        return (sample.log_density - integrated_log_density(sample.codes, RAW, networks)).numpy()


def test_bound_lies_above_log_q_on_average_whatever_the_auxiliary_network():
    for seed in range(3):
        posterior, networks = curved(1)
        networks["auxiliary"] = build(posterior, 1, seed=10 + seed).double()["auxiliary"]
        gaps = bound_gaps(posterior, networks)
        assert gaps.mean() > 4.0 * gaps.std() / np.sqrt(len(gaps))


def test_training_the_auxiliary_network_closes_the_gap_from_above():
    posterior, networks = curved(1)
    before = bound_gaps(posterior, networks)
    train_auxiliary(posterior, networks, lambda generator: RAW.expand(256, -1), 400)
    after = bound_gaps(posterior, networks)
    assert after.mean() < 0.3 < before.mean() / 20.0
    assert after.mean() > -4.0 * after.std() / np.sqrt(len(after))


def test_both_networks_have_one_hidden_layer_of_tanh():
    networks = Hierarchical(n_hidden=7).build(2)
    # r(lambda|z, x) sees z and both parameters of q(lambda|x).
    for name, n_inputs in {"likelihood": 2, "auxiliary": 6}.items():
        first, activation, last = networks[name]
        assert (first.in_features, first.out_features) == (n_inputs, 7)
        assert isinstance(activation, nn.Tanh)
        assert (last.in_features, last.out_features) == (7, 4)


class Answers(nn.Module):
    """A network that answers the same to every row."""

    def __init__(self, answers: list[float], dtype: torch.dtype) -> None:
        super().__init__()
        self.answers = torch.tensor(answers, dtype=dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.answers.expand(len(x), -1)


def test_answers_in_bfloat16_are_computed_with_in_full():
    def results(dtype):
        # Numbers that bfloat16 holds exactly; the deviations that follow from them it does not.
        networks = nn.ModuleDict(
            {
                "likelihood": Answers([0.5, 0.375], dtype),
                "auxiliary": Answers([-0.25, 0.625], dtype),
            }
        )
        sample = Hierarchical().sample(RAW.expand(9, -1), networks, new_generator(0))
        return sample.codes, sample.log_density, Hierarchical().mean(RAW[None], networks)

    for rounded, full in zip(results(torch.bfloat16), results(torch.float64)):
        assert rounded.dtype == torch.float64
        assert torch.equal(rounded, full)


class Gradients:
    """Single-draw gradients of KL(q(z|x) || N(0, I)) with respect to the encoder's outputs.

    Each row is an independent repetition at the same x. The auxiliary network was fitted before,
    at outputs around those of x, as it is in training.
    """

    def __init__(self, n_components: int, n_repetitions: int) -> None:
        self.posterior, self.networks = curved(n_components)
        self.outputs = torch.cat([RAW[:1].expand(n_components), RAW[1:].expand(n_components)])
        self.n_repetitions = n_repetitions

        def nearby(generator):
            noise = torch.randn(256, 2 * n_components, generator=generator, dtype=torch.float64)
            return self.outputs + 0.3 * noise

        train_auxiliary(self.posterior, self.networks, nearby, 500)

    def _of(self, log_density) -> torch.Tensor:
        outputs = self.outputs.repeat(self.n_repetitions, 1).requires_grad_(True)
        codes, values = log_density(outputs, new_generator(5))
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(codes).sum(dim=1)
        return torch.autograd.grad((values - prior).sum(), outputs)[0]

    def bound(self) -> torch.Tensor:
        def log_density(outputs, generator):
            sample = self.posterior.sample(outputs, self.networks, generator)
            return sample.codes, sample.log_density

        return self._of(log_density)

    def naive(self, n_draws: int) -> torch.Tensor:
        """Return those of log (1 / S) sum_s q(z|lambda_s) with S fresh draws of lambda."""

        def log_density(outputs, generator):
            mean, raw = outputs.chunk(2, dim=1)
            noise = torch.randn(n_draws + 1, *mean.shape, generator=generator, dtype=mean.dtype)
            lambdas = mean + log_std_of(raw).exp() * noise
            law = given_lambda(lambdas[0], self.networks)
            noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
            codes = law.mean + law.stddev * noise
            given = given_lambda(lambdas[1:], self.networks).log_prob(codes).sum(dim=2)
            return codes, torch.logsumexp(given, dim=0) - math.log(n_draws)

        return self._of(log_density)

    def exact(self) -> torch.Tensor:
        """Return those of log q(z|x) itself, integrated over lambda (in one dimension)."""

        def log_density(outputs, generator):
            codes = self.posterior.sample(outputs, self.networks, generator).codes
            law = torch.distributions.Normal(outputs[:, :1], log_std_of(outputs[:, 1:]).exp())
            steps = torch.linspace(-8.0, 8.0, 161, dtype=torch.float64)
            grid = law.mean + law.stddev * steps
            given = given_lambda(grid[..., None], self.networks).log_prob(codes[:, None])[..., 0]
            weights = law.log_prob(grid) + law.stddev.log() + (steps[1] - steps[0]).log()
            return codes, torch.logsumexp(given + weights, dim=1)

        return self._of(log_density)


@pytest.fixture(scope="module", params=[1, 2], ids=["1 component", "2 components"])
def gradients(request):
    return Gradients(request.param, n_repetitions=4000)


@pytest.mark.parametrize(("n_draws", "share"), [(1, 0.1), (2, 0.5), (4, 0.75)])
def test_bound_has_a_gradient_of_lower_variance_than_monte_carlo(gradients, n_draws, share):
    # The bound evaluates q(z|lambda) and r(lambda|z, x) once each: one draw has as many likelihood
    # evaluations, two draws as many networks in all. The shares observed over seeds are at most
    # 0.05, 0.3 and 0.55. Columns are the means, then the raw log deviations.
    assert (gradients.bound().var(dim=0) < share * gradients.naive(n_draws).var(dim=0)).all()


def test_gradient_of_the_bound_is_closer_to_the_exact_one_than_monte_carlo():
    # Variance alone could be had by a constant: here the error counts bias too.
    gradients = Gradients(1, n_repetitions=1500)
    exact = gradients.exact().mean(dim=0)
    bound, naive, naive_of_four = (
        (estimate - exact).square().mean(dim=0)
        for estimate in (gradients.bound(), gradients.naive(1), gradients.naive(4))
    )
    assert (bound < 0.1 * naive).all()
    assert (bound < 0.75 * naive_of_four).all()
