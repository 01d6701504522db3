"""Posteriors, against their formulas."""

from __future__ import annotations

import pickle

import pytest
import torch
from posterior_cases import build, log_std_of
from scipy import stats
from sklearn.base import clone
from torch import nn

from skaae._device import new_generator
from skaae.posteriors import (
    POSTERIORS,
    Deterministic,
    Gaussian,
    Hierarchical,
    Posterior,
    UniversalApproximator,
    as_posterior,
)

N_COMPONENTS = 3


@pytest.fixture(params=POSTERIORS)
def posterior(request) -> Posterior:
    return POSTERIORS[request.param]()


def normal(*shape, seed=0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=new_generator(seed), dtype=dtype)


# ------------------------------------------------------------------ every posterior


def test_sample_has_a_code_for_each_row(posterior):
    outputs = normal(5, posterior.n_outputs(N_COMPONENTS), dtype=torch.float32)
    sample = posterior.sample(outputs, build(posterior, N_COMPONENTS), new_generator(0))
    assert sample.codes.shape == (5, N_COMPONENTS)
    assert sample.codes.dtype == torch.float32
    assert torch.isfinite(sample.codes).all()


def test_log_density_comes_where_it_is_promised(posterior):
    outputs = normal(5, posterior.n_outputs(N_COMPONENTS), dtype=torch.float32)
    sample = posterior.sample(outputs, build(posterior, N_COMPONENTS), new_generator(0))
    assert (sample.log_density is not None) == posterior.has_density
    assert sample.log_density is None or sample.log_density.shape == (5,)


def test_sample_repeats_with_the_generator(posterior):
    outputs = normal(5, posterior.n_outputs(N_COMPONENTS), dtype=torch.float32)
    networks = build(posterior, N_COMPONENTS)
    first, second = (posterior.sample(outputs, networks, new_generator(3)) for _ in range(2))
    assert torch.equal(first.codes, second.codes)


def test_mean_has_a_code_for_each_row(posterior):
    outputs = normal(5, posterior.n_outputs(N_COMPONENTS), dtype=torch.float32)
    assert posterior.mean(outputs, build(posterior, N_COMPONENTS)).shape == (5, N_COMPONENTS)


def test_mean_keeps_float64(posterior):
    outputs = normal(5, posterior.n_outputs(N_COMPONENTS))
    networks = build(posterior, N_COMPONENTS).double()
    assert posterior.mean(outputs, networks).dtype == torch.float64


def test_mean_draws_nothing_at_random(posterior):
    outputs = normal(5, posterior.n_outputs(N_COMPONENTS), dtype=torch.float32)
    networks = build(posterior, N_COMPONENTS)
    assert torch.equal(posterior.mean(outputs, networks), posterior.mean(outputs, networks))


def test_global_generator_is_untouched(posterior):
    outputs = normal(5, posterior.n_outputs(N_COMPONENTS), dtype=torch.float32)
    networks = build(posterior, N_COMPONENTS)
    before = torch.get_rng_state()
    posterior.input_noise()
    posterior.sample(outputs, networks, new_generator(0))
    posterior.mean(outputs, networks)
    assert torch.equal(torch.get_rng_state(), before)


def test_gradients_reach_every_output(posterior):
    outputs = normal(5, posterior.n_outputs(N_COMPONENTS), dtype=torch.float32)
    outputs.requires_grad_(True)
    sample = posterior.sample(outputs, build(posterior, N_COMPONENTS), new_generator(0))
    sample.codes.square().sum().backward()
    assert torch.isfinite(outputs.grad).all()
    assert (outputs.grad != 0).all()


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_outputs_far_out_keep_losses_and_gradients_finite(posterior, size):
    outputs = torch.full((4, posterior.n_outputs(N_COMPONENTS)), size, requires_grad=True)
    sample = posterior.sample(outputs, build(posterior, N_COMPONENTS), new_generator(0))
    loss = sample.codes.sum()
    if sample.log_density is not None:
        loss = loss + sample.log_density.sum()
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(outputs.grad).all()


def test_clone_pickle_and_repr(posterior):
    for copy in (clone(posterior), pickle.loads(pickle.dumps(posterior))):
        assert copy is not posterior
        assert copy.get_params() == posterior.get_params()
    assert repr(posterior).startswith(type(posterior).__name__ + "(")


@pytest.mark.parametrize("name", POSTERIORS)
def test_as_posterior_of_a_name_and_of_an_object(name):
    posterior = as_posterior(name)
    assert type(posterior) is POSTERIORS[name]
    copy = as_posterior(posterior)
    assert type(copy) is type(posterior)
    assert copy is not posterior


@pytest.mark.parametrize(
    ("posterior", "name"),
    [
        (UniversalApproximator(n_noise=0), "n_noise"),
        (UniversalApproximator(n_noise=1.5), "n_noise"),
        (UniversalApproximator(n_mean_draws=0), "n_mean_draws"),
        (UniversalApproximator(n_mean_draws=1.5), "n_mean_draws"),
        (Hierarchical(n_hidden=0), "n_hidden"),
        (Hierarchical(n_hidden=1.5), "n_hidden"),
        (Hierarchical(n_mean_draws=0), "n_mean_draws"),
        (Hierarchical(n_mean_draws=1.5), "n_mean_draws"),
    ],
    ids=repr,
)
def test_parameters_that_are_off_are_named(posterior, name):
    with pytest.raises(ValueError, match=name):
        posterior.check()


@pytest.mark.parametrize(
    "posterior", [UniversalApproximator(1, n_mean_draws=1), Hierarchical(1, n_mean_draws=1)]
)
def test_one_unit_or_draw_is_enough(posterior):
    posterior.check()
    outputs = normal(5, posterior.n_outputs(N_COMPONENTS), dtype=torch.float32)
    networks = build(posterior, N_COMPONENTS)
    assert posterior.mean(outputs, networks).shape == (5, N_COMPONENTS)
    assert posterior.input_noise().shape[0] == 1


def test_first_rows_are_those_of_every_part(posterior):
    outputs = normal(5, posterior.n_outputs(N_COMPONENTS), dtype=torch.float32)
    sample = posterior.sample(outputs, build(posterior, N_COMPONENTS), new_generator(0))
    first = sample.first(2)
    for name, whole in vars(sample).items():
        part = getattr(first, name)
        assert part is None if whole is None else torch.equal(part, whole[:2])


def test_numbers_beside_networks_are_counted(posterior):
    # Those of the noise that it averages over; what a file may ask for is bounded by them.
    expected = {
        Deterministic: 0,
        Gaussian: 0,
        UniversalApproximator: 16 * 8,
        Hierarchical: 16 * N_COMPONENTS,
    }
    assert posterior._n_numbers(N_COMPONENTS) == expected[type(posterior)]


# ------------------------------------------------------------------ deterministic


def test_deterministic_code_is_the_output():
    outputs = normal(5, 3)
    assert torch.equal(Deterministic().sample(outputs, nn.ModuleDict(), None).codes, outputs)
    assert torch.equal(Deterministic().mean(outputs, nn.ModuleDict()), outputs)


def test_only_the_universal_posterior_wants_noise(posterior):
    expected = (16, 8) if isinstance(posterior, UniversalApproximator) else (1, 0)
    assert posterior.input_noise().shape == expected


def test_only_the_hierarchical_posterior_has_networks(posterior):
    names = ["auxiliary", "likelihood"] if isinstance(posterior, Hierarchical) else []
    assert sorted(posterior.build(N_COMPONENTS)) == names


# ------------------------------------------------------------------ Gaussian


def test_gaussian_draws_are_gaussian_with_the_encoders_parameters():
    raw = torch.tensor([[1.0, -2.0, 0.0, 1.5]]).double()
    sample = Gaussian().sample(raw.expand(5000, -1), nn.ModuleDict(), new_generator(0))
    stds = log_std_of(raw[0, 2:]).exp()
    for j in range(2):
        law = stats.norm(raw[0, j].item(), stds[j].item())
        assert stats.kstest(sample.codes[:, j].numpy(), law.cdf).pvalue > 1e-3


def test_gaussian_code_is_the_mean_and_so_many_deviations():
    raw = normal(7, 6)
    codes = Gaussian().sample(raw, nn.ModuleDict(), new_generator(0)).codes
    noise = normal(7, 3, dtype=torch.float32)
    torch.testing.assert_close(codes, raw[:, :3] + log_std_of(raw[:, 3:]).exp() * noise)


def test_gaussian_log_density_is_torchs():
    raw = normal(7, 6)
    sample = Gaussian().sample(raw, nn.ModuleDict(), new_generator(0))
    law = torch.distributions.Normal(raw[:, :3], log_std_of(raw[:, 3:]).exp())
    torch.testing.assert_close(sample.log_density, law.log_prob(sample.codes).sum(dim=1))


def test_gaussian_parameters_come_with_the_sample():
    raw = normal(7, 6)
    sample = Gaussian().sample(raw, nn.ModuleDict(), new_generator(0))
    torch.testing.assert_close(sample.mean, raw[:, :3])
    torch.testing.assert_close(sample.std, log_std_of(raw[:, 3:]).exp())


def test_gaussian_mean_is_the_first_half_of_the_outputs():
    raw = normal(7, 6)
    assert torch.equal(Gaussian().mean(raw, nn.ModuleDict()), raw[:, :3])


def test_gaussian_is_reparametrised():
    # With the noise held, dz/dmean is 1 and dz/dstd is (z - mean) / std.
    raw = normal(7, 2).requires_grad_(True)
    sample = Gaussian().sample(raw, nn.ModuleDict(), new_generator(0))
    (to_raw,) = torch.autograd.grad(sample.codes.sum(), raw, retain_graph=True)
    (std_to_raw,) = torch.autograd.grad(sample.std.sum(), raw)
    noise = ((sample.codes - sample.mean) / sample.std)[:, 0]
    torch.testing.assert_close(to_raw[:, 0], torch.ones(7).double())
    torch.testing.assert_close(to_raw[:, 1], noise * std_to_raw[:, 1])


def test_standard_deviations_are_bounded():
    raw = torch.tensor([[0.0, -1e3], [0.0, 0.0], [0.0, 1e3]]).double()
    std = Gaussian().sample(raw, nn.ModuleDict(), new_generator(0)).std[:, 0]
    expected = torch.tensor([-7.0, -2.0, 2.0]).double().exp()
    torch.testing.assert_close(std, expected)


# ------------------------------------------------------------------ universal approximator


def test_universal_noise_is_the_same_every_time():
    first = UniversalApproximator(5, n_mean_draws=12).input_noise()
    assert first.shape == (12, 5)
    assert torch.equal(first, UniversalApproximator(5, n_mean_draws=12).input_noise())


def test_universal_noise_is_antithetic():
    noise = UniversalApproximator(5, n_mean_draws=12).input_noise()
    assert torch.equal(noise[6:], -noise[:6])


def test_universal_noise_has_the_number_of_draws_asked_for_where_it_is_odd():
    assert UniversalApproximator(5, n_mean_draws=7).input_noise().shape == (7, 5)


def test_universal_noise_is_standard_normal():
    noise = UniversalApproximator(3, n_mean_draws=4000).input_noise().numpy()
    # The second half mirrors the first; only the first is independent.
    assert stats.kstest(noise[:2000].ravel(), stats.norm().cdf).pvalue > 1e-3


def test_universal_noise_of_a_model_of_shapes_takes_no_memory():
    posterior = UniversalApproximator(10**6, n_mean_draws=10**6)
    with torch.device("meta"):
        noise = posterior.input_noise()
    assert noise.is_meta
    assert noise.shape == (10**6, 10**6)
    assert noise.dtype == UniversalApproximator().input_noise().dtype


def test_universal_noise_stays_that_of_models_saved_before():
    expected = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(UniversalApproximator(5, n_mean_draws=12).input_noise()[:6], expected)
