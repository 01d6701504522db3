"""Random draws of networks, led to a generator."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional

from skaae._device import new_generator
from skaae._scoped_randomness import ScopedRandomness

# ------------------------------------------------------------------ scoped randomness


def initialised(layer: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in layer.parameters()])


def ones(*shape) -> torch.Tensor:
    return torch.ones(*shape)


# What draws from PyTorch's global generator when it is left alone.
DRAWS = {
    "Linear": lambda: initialised(nn.Linear(3, 2)),
    "Conv2d": lambda: initialised(nn.Conv2d(2, 3, 3)),
    "ConvTranspose2d": lambda: initialised(nn.ConvTranspose2d(2, 3, 3)),
    "Embedding": lambda: initialised(nn.Embedding(3, 2)),
    "LSTM weights": lambda: initialised(nn.LSTM(3, 2)),
    "MultiheadAttention weights": lambda: initialised(nn.MultiheadAttention(4, 2)),
    "Bilinear": lambda: initialised(nn.Bilinear(2, 2, 2)),
    "init.uniform_": lambda: nn.init.uniform_(torch.empty(5)),
    "init.normal_": lambda: nn.init.normal_(torch.empty(5)),
    "init.trunc_normal_": lambda: nn.init.trunc_normal_(torch.empty(5)),
    "init.xavier_uniform_": lambda: nn.init.xavier_uniform_(torch.empty(3, 3)),
    "init.xavier_normal_": lambda: nn.init.xavier_normal_(torch.empty(3, 3)),
    "init.kaiming_uniform_": lambda: nn.init.kaiming_uniform_(torch.empty(3, 3)),
    "init.kaiming_normal_": lambda: nn.init.kaiming_normal_(torch.empty(3, 3)),
    "init.orthogonal_": lambda: nn.init.orthogonal_(torch.empty(3, 3)),
    "init.sparse_": lambda: nn.init.sparse_(torch.empty(5, 5), 0.5),
    "rand": lambda: torch.rand(5),
    "randn": lambda: torch.randn(5),
    "randint": lambda: torch.randint(1000, (5,)),
    "randperm": lambda: torch.randperm(50),
    "rand_like": lambda: torch.rand_like(ones(5)),
    "randn_like": lambda: torch.randn_like(ones(5)),
    "randint_like": lambda: torch.randint_like(ones(5), 1000),
    "normal": lambda: torch.normal(ones(5), ones(5)),
    "dropout_": lambda: torch.dropout_(ones(50), 0.5, True),
    "feature_dropout": lambda: torch.feature_dropout(ones(50, 2, 2), 0.5, True),
    "native_dropout": lambda: torch.native_dropout(ones(50), 0.5, True)[0],
    "rrelu_": lambda: torch.rrelu_(-ones(5), training=True),
    "FractionalMaxPool2d": lambda: nn.FractionalMaxPool2d(2, output_size=13)(
        torch.arange(4096.0).reshape(1, 4, 32, 32)
    ),
    "bernoulli": lambda: torch.bernoulli(0.5 * ones(50)),
    "multinomial": lambda: torch.multinomial(ones(1000), 5),
    "poisson": lambda: torch.poisson(20.0 * ones(20)),
    "uniform_": lambda: torch.empty(5).uniform_(),
    "normal_": lambda: torch.empty(5).normal_(),
    "exponential_": lambda: torch.empty(5).exponential_(),
    "log_normal_": lambda: torch.empty(5).log_normal_(),
    "cauchy_": lambda: torch.empty(5).cauchy_(),
    "geometric_": lambda: torch.empty(20).geometric_(0.1),
    "random_": lambda: torch.empty(5).random_(1000),
    "bernoulli_": lambda: torch.empty(50).bernoulli_(0.5),
    "dropout": lambda: functional.dropout(ones(50)),
    "Dropout": lambda: nn.Dropout(0.5)(ones(50)),
    "Dropout1d": lambda: nn.Dropout1d(0.5)(ones(5, 10, 2)),
    "Dropout2d": lambda: nn.Dropout2d(0.5)(ones(5, 10, 2, 2)),
    "Dropout3d": lambda: nn.Dropout3d(0.5)(ones(5, 10, 2, 2, 2)),
    "Normal": lambda: torch.distributions.Normal(0.0, 1.0).rsample((5,)),
    "Uniform": lambda: torch.distributions.Uniform(0.0, 1.0).sample((5,)),
    "Laplace": lambda: torch.distributions.Laplace(0.0, 1.0).sample((5,)),
    "Gamma": lambda: torch.distributions.Gamma(2.0, 1.0).sample((5,)),
    "Beta": lambda: torch.distributions.Beta(2.0, 3.0).sample((5,)),
    "Dirichlet": lambda: torch.distributions.Dirichlet(ones(3)).sample((5,)),
    "StudentT": lambda: torch.distributions.StudentT(5.0).sample((5,)),
    "Poisson": lambda: torch.distributions.Poisson(20.0).sample((20,)),
    "Binomial": lambda: torch.distributions.Binomial(50, ones(20) / 2).sample(),
    "VonMises": lambda: torch.distributions.VonMises(0.0, 1.0).sample((5,)),
    "Categorical": lambda: torch.distributions.Categorical(ones(1000)).sample((5,)),
    "MultivariateNormal": lambda: torch.distributions.MultivariateNormal(
        torch.zeros(2), torch.eye(2)
    ).sample((5,)),
}


def scoped(name: str, seed: int) -> torch.Tensor:
    with ScopedRandomness(new_generator(seed)):
        return DRAWS[name]()


@pytest.mark.parametrize("name", DRAWS)
def test_global_generators_are_untouched(global_states, name):
    before = global_states()
    scoped(name, 0)
    assert global_states() == before


@pytest.mark.parametrize("name", DRAWS)
def test_draws_repeat_with_the_generator(name):
    assert torch.equal(scoped(name, 3), scoped(name, 3))


@pytest.mark.parametrize("name", DRAWS)
def test_draws_differ_from_seed_to_seed(name):
    assert not torch.equal(scoped(name, 3), scoped(name, 4))


@pytest.mark.parametrize("name", DRAWS)
def test_draws_keep_shape_and_dtype(name):
    with torch.random.fork_rng(devices=[]):
        expected = DRAWS[name]()
    drawn = scoped(name, 0)
    assert drawn.shape == expected.shape
    assert drawn.dtype == expected.dtype


@pytest.mark.parametrize(
    ("draw", "law"),
    [(torch.rand_like, stats.uniform()), (torch.randn_like, stats.norm())],
    ids=["rand_like", "randn_like"],
)
def test_replaced_draws_keep_their_law(draw, law):
    with ScopedRandomness(new_generator(0)):
        values = draw(ones(2000))
    assert stats.kstest(values.numpy(), law.cdf).pvalue > 1e-3


def test_generator_that_a_caller_names_is_kept():
    with ScopedRandomness(new_generator(0)):
        drawn = torch.rand(4, generator=new_generator(7))
    assert torch.equal(drawn, torch.rand(4, generator=new_generator(7)))


def test_innermost_scope_counts():
    with ScopedRandomness(new_generator(0)), ScopedRandomness(new_generator(7)):
        drawn = torch.rand(4)
    assert torch.equal(drawn, torch.rand(4, generator=new_generator(7)))


def test_scope_ends_also_where_an_error_leaves_it():
    def fail():
        with ScopedRandomness(new_generator(0)):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with torch.random.fork_rng(devices=[]):
        before = torch.get_rng_state()
        torch.rand(1)
        assert not torch.equal(torch.get_rng_state(), before)


def test_threads_at_the_same_time_agree():
    barrier = threading.Barrier(2)

    def work(_):
        barrier.wait(timeout=10)
        with ScopedRandomness(new_generator(0)):
            return torch.cat(
                [
                    part
                    for _ in range(50)
                    for part in (initialised(nn.Linear(5, 5)), functional.dropout(ones(20)))
                ]
            )

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(work, range(2))
    assert torch.equal(first, second)


def test_a_scope_in_one_thread_does_not_reach_another():
    inside, done = threading.Event(), threading.Event()
    generator = new_generator(0)
    before = generator.get_state()

    def hold_a_scope():
        with ScopedRandomness(generator):
            inside.set()
            done.wait(timeout=10)

    with ThreadPoolExecutor(1) as pool, torch.random.fork_rng(devices=[]):
        held = pool.submit(hold_a_scope)
        assert inside.wait(timeout=10)
        torch.rand(5)
        done.set()
        held.result()
    assert torch.equal(generator.get_state(), before)


# ------------------------------------------------------------------ sealed functions


@pytest.mark.parametrize(
    "draw",
    [
        lambda: torch.nn.functional.alpha_dropout(torch.ones(50), 0.5, training=True),
        lambda: torch.nn.functional.gumbel_softmax(torch.zeros(3, 4)),
        lambda: torch.nn.MultiheadAttention(4, 2, dropout=0.5)(*[torch.ones(3, 1, 4)] * 3)[0],
        lambda: torch.nn.LSTM(4, 4, num_layers=2, dropout=0.5)(torch.ones(3, 1, 4))[0],
    ],
    ids=["alpha_dropout", "gumbel_softmax", "attention", "lstm"],
)
def test_draws_inside_sealed_functions_are_reproducible_and_leave_no_trace(draw):
    before = torch.get_rng_state()
    results = []
    for seed in (0, 0, 1):
        with ScopedRandomness(new_generator(seed)):
            results.append(draw())
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_sealed_functions_of_threads_wait_for_each_other(global_states):
    def slow():
        first = torch.rand(3)
        time.sleep(0.02)
        return torch.cat([first, torch.rand(3)])

    def draw(seed):
        return ScopedRandomness(new_generator(seed))._sealed(slow, (), {})

    before = global_states()
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(draw, range(4)))
    assert global_states() == before
    assert all(torch.equal(drawn, draw(seed)) for seed, drawn in enumerate(together))


class OnGPU(ScopedRandomness):
    """A scope as it is on a GPU, where there is none: its generator only says where it lies."""

    def __init__(self, seed):
        super().__init__(SimpleNamespace(device=torch.device("cuda", 0)))
        self.seeds = new_generator(seed)

    def _seed(self):
        return int(torch.randint(2**31, (), generator=self.seeds))


DRAWS_ON_THE_CPU = {
    "factory": lambda: torch.rand(5),
    "named": lambda: torch.randn(5, device="cpu"),
    "in place": lambda: torch.empty(5).normal_(),
    "out": lambda: torch.randn((5,), out=torch.empty(5)),
    "of a tensor": lambda: torch.bernoulli(torch.full((50,), 0.5)),
    "initialisation": lambda: nn.init.uniform_(torch.empty(5)),
    "like": lambda: torch.rand_like(ones(5)),
    "dropout": lambda: functional.dropout(ones(50)),
    "sealed": lambda: torch.dropout(ones(50), 0.5, True),
}


@pytest.mark.parametrize("name", DRAWS_ON_THE_CPU)
def test_a_scope_on_a_gpu_draws_on_the_cpu_from_a_generator_there(global_states, name):
    before, drawn = global_states(), []
    for seed in (0, 0, 1):
        with OnGPU(seed):
            drawn.append(torch.cat([DRAWS_ON_THE_CPU[name]() for _ in range(2)]))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.equal(*drawn[0].chunk(2))
    assert global_states() == before


@pytest.mark.parametrize("name", DRAWS_ON_THE_CPU)
def test_draws_of_networks_on_the_cpu_are_reproducible_on_every_device(device, name):
    drawn = []
    for _ in range(2):
        with ScopedRandomness(new_generator(0, device)):
            drawn.append(DRAWS_ON_THE_CPU[name]())
    assert torch.equal(*drawn)


@pytest.mark.parametrize(
    ("place", "ours"), [("cuda", True), ("cuda:0", True), ("meta", True), ("cpu", False)]
)
def test_the_generator_of_a_scope_is_that_of_the_device_drawn_on(place, ours):
    scope = OnGPU(0)
    found = scope._generator_at(torch.device(place))
    assert (found is scope.generator) == ours
    assert found.device.type == ("cuda" if ours else "cpu")
    assert scope._generator_at(torch.device(place)) is found


@pytest.mark.parametrize("place", ["cpu", "cpu:0", "meta"])
def test_a_scope_on_the_cpu_has_one_generator(place):
    scope = ScopedRandomness(new_generator(0))
    assert scope._generator_at(torch.device(place)) is scope.generator


def test_draws_like_a_tensor_lie_where_they_are_asked_for():
    with ScopedRandomness(new_generator(0)):
        assert torch.rand_like(ones(5), device="meta").is_meta


def test_sealed_functions_on_mps_borrow_its_generator(monkeypatch):
    state, told = new_generator(5), []
    monkeypatch.setattr(torch.mps, "get_rng_state", state.get_state)
    monkeypatch.setattr(torch.mps, "set_rng_state", state.set_state)
    monkeypatch.setattr(torch.mps, "manual_seed", state.manual_seed)

    def draw(device):
        assert device == "mps"
        told.append(torch.rand(3, generator=state))

    before = state.get_state()
    for _ in range(2):
        ScopedRandomness(new_generator(0))._sealed(draw, (), {"device": "mps"})
    assert torch.equal(state.get_state(), before)
    ScopedRandomness(new_generator(0))._sealed(draw, (), {"device": "mps"})
    assert torch.equal(told[0], told[2])


def test_a_scope_in_a_scope_does_not_wait_for_itself():
    with ScopedRandomness(new_generator(0)), ScopedRandomness(new_generator(1)):
        assert torch.dropout(ones(5), 0.5, True).shape == (5,)


# ------------------------------------------------------------------ dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_dropout_keeps_the_expectation(p):
    n = 20_000
    with ScopedRandomness(new_generator(0)):
        values = functional.dropout(ones(n), p)
    kept = values != 0
    torch.testing.assert_close(values[kept], torch.full((int(kept.sum()),), 1.0 / (1.0 - p)))
    assert stats.binomtest(int(kept.sum()), n, 1.0 - p).pvalue > 1e-3


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Dropout1d(0.3), (100, 50, 4)),
        (nn.Dropout2d(0.3), (100, 50, 2, 2)),
        (nn.Dropout3d(0.3), (100, 50, 2, 2, 1)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_channel_dropout_drops_whole_channels(layer, shape):
    with ScopedRandomness(new_generator(0)):
        values = layer(ones(*shape)).reshape(5000, 4)
    assert torch.equal(values, values[:, :1].expand(-1, 4))
    kept = int((values[:, 0] != 0).sum())
    assert stats.binomtest(kept, 5000, 0.7).pvalue > 1e-3
    assert values.max().item() == pytest.approx(1.0 / 0.7)


@pytest.mark.parametrize("layer", [nn.Dropout(0.5).eval(), nn.Dropout(0.0)], ids=["eval", "p=0"])
def test_dropout_that_is_off_is_the_identity(layer):
    x = ones(50)
    with ScopedRandomness(new_generator(0)):
        assert torch.equal(layer(x), x)


def test_dropout_of_everything_is_zero():
    with ScopedRandomness(new_generator(0)):
        assert torch.equal(nn.Dropout(1.0)(ones(50)), torch.zeros(50))


def test_dropout_passes_gradients_where_it_passes_values():
    x = ones(50).requires_grad_(True)
    with ScopedRandomness(new_generator(0)):
        values = functional.dropout(x, 0.4)
    values.sum().backward()
    assert torch.equal(x.grad, values.detach())


def test_a_generator_of_ones_own_is_kept():
    with ScopedRandomness(new_generator(0)):
        drawn = torch.randn_like(ones(5), generator=new_generator(7), requires_grad=True)
    assert drawn.requires_grad
    assert torch.equal(drawn.detach(), torch.randn(5, generator=new_generator(7)))
