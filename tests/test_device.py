"""Device, precision, seeds, and rows in blocks."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import astuple

import numpy as np
import pytest
import torch

from skaae import _device
from skaae._device import (
    OutOfMemoryError,
    Seeds,
    apply_in_batches,
    inference_dtype,
    new_generator,
    random_seed,
    resolve_device,
    resolve_precision,
)


@pytest.fixture
def machine(monkeypatch):
    """Return a function that makes PyTorch say which accelerators there are."""

    def have(cuda: bool = False, mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2 * cuda)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return have


# ------------------------------------------------------------------ device


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [
        (True, True, "cuda:1"),
        (True, False, "cuda:1"),
        (False, True, "mps"),
        (False, False, "cpu"),
    ],
)
def test_auto_takes_the_fastest_device(machine, cuda, mps, expected):
    machine(cuda, mps)
    assert resolve_device("auto") == torch.device(expected)


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")], ids=repr)
def test_device_by_name_or_object(device):
    assert resolve_device(device) == torch.device("cpu")


@pytest.mark.parametrize("device", ["cuda", torch.device("cuda")], ids=repr)
def test_a_gpu_without_an_index_is_the_current_one_wherever_it_is_used(machine, device):
    machine(cuda=True)
    assert resolve_device(device) == torch.device("cuda", 1)


def test_device_with_an_index(machine):
    machine(cuda=True)
    assert resolve_device("cuda:0") == torch.device("cuda", 0)
    with pytest.raises(ValueError, match="PyTorch sees no such device"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("device", ["banana", "CPU!", ""])
def test_unknown_device_is_an_error_that_names_it(device):
    with pytest.raises(ValueError, match=f"device must be 'auto' or a name.*got {device!r}"):
        resolve_device(device)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "mps"])
def test_absent_device_is_an_error_that_says_so(machine, device):
    machine()
    with pytest.raises(ValueError, match=f"device='{device}' was asked for, but PyTorch sees no"):
        resolve_device(device)


@pytest.mark.parametrize("device", ["xpu", "xpu:0", torch.device("meta")], ids=repr)
def test_a_device_of_another_kind_is_an_error_that_lists_ours(device):
    with pytest.raises(
        ValueError, match=r"skaae computes on cpu, cuda, mps, and not on (xpu|meta)"
    ):
        resolve_device(device)


# ------------------------------------------------------------------ precision

CPU = torch.device("cpu")
LARGE, SMALL = 1000 * 1000, 64 * 64


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(
    ("precision", "expected"), [("float32", None), ("bfloat16", torch.bfloat16)]
)
def test_named_precision_is_taken_as_it_is(monkeypatch, native, precision, expected):
    monkeypatch.setattr(_device, "_cpu_multiplies_bfloat16", lambda: native)
    assert resolve_precision(precision, CPU, SMALL) == expected
    assert resolve_precision(precision, CPU, LARGE) == expected


@pytest.mark.parametrize(
    ("native", "n_weights", "expected"),
    [(True, LARGE, torch.bfloat16), (True, SMALL, None), (False, LARGE, None)],
)
def test_auto_precision_on_the_cpu(monkeypatch, native, n_weights, expected):
    monkeypatch.setattr(_device, "_cpu_multiplies_bfloat16", lambda: native)
    assert resolve_precision("auto", CPU, n_weights) == expected


@pytest.mark.parametrize(("index", "expected"), [(0, None), (1, torch.bfloat16)])
@pytest.mark.parametrize("current", [0, 1])
def test_auto_precision_on_cuda_asks_for_native_support_of_that_gpu(
    monkeypatch, current, index, expected
):
    now = [current]

    @contextmanager
    def on(device):
        now.append(device.index)
        yield
        now.pop()

    def is_supported(including_emulation=True):
        return now[-1] == 1 or including_emulation

    monkeypatch.setattr(torch.cuda, "device", on)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert resolve_precision("auto", torch.device("cuda", index), LARGE) == expected
    assert now == [current]


def test_auto_precision_elsewhere_is_float32():
    assert resolve_precision("auto", torch.device("mps"), LARGE) is None


@pytest.mark.parametrize(
    ("numpy_dtype", "device", "expected"),
    [
        (np.float64, "cpu", torch.float64),
        (np.float32, "cpu", torch.float32),
        (np.float64, "cuda", torch.float64),
        (np.float64, "mps", torch.float32),
    ],
)
def test_inference_runs_in_float64_for_float64_rows_where_there_is_such_a_thing(
    numpy_dtype, device, expected
):
    assert inference_dtype(np.zeros((1, 1), numpy_dtype), torch.device(device)) == expected


# ------------------------------------------------------------------ seeds and generators


@pytest.mark.parametrize("random_state", [None, 3])
def test_seed_leaves_the_global_generators_untouched(global_states, random_state):
    before = global_states()
    random_seed(random_state)
    assert global_states() == before


def test_seed_of_an_int_repeats():
    assert random_seed(3) == random_seed(3)
    assert random_seed(3) != random_seed(4)


def test_other_seeds_follow_from_seeds_and_differ_from_them():
    seeds = Seeds.draw(0)
    others = seeds.others(3)
    assert others == Seeds.draw(0).others(3)
    assert others[:2] == seeds.others(2)
    assert Seeds.draw(1).others(3) != others
    drawn = [seed for each in (seeds, *others) for seed in astuple(each)]
    assert len({*drawn}) == len(drawn)


def test_seed_of_none_is_fresh():
    # 1 in 2**31 that two agree.
    assert random_seed(None) != random_seed(None)


def test_seed_of_a_random_state_advances_it():
    state = np.random.RandomState(0)
    first = random_seed(state)
    assert random_seed(state) != first
    assert random_seed(np.random.RandomState(0)) == first


@pytest.mark.parametrize("seed", [None, 3])
def test_new_generator_leaves_the_global_generators_untouched(global_states, seed):
    before = global_states()
    torch.rand(3, generator=new_generator(seed))
    assert global_states() == before


def test_new_generators_agree_only_on_a_seed():
    def draw(seed):
        return torch.rand(4, generator=new_generator(seed))

    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))
    assert not torch.equal(draw(None), draw(None))


# ------------------------------------------------------------------ blocks


def function(x: torch.Tensor) -> torch.Tensor:
    return torch.stack([x.amax(dim=1), x.square().sum(dim=1)], dim=1)


@pytest.mark.parametrize("batch_size", [1, 3, 10, 11, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_give_the_function_of_all_rows(batch_size, dtype):
    X = np.random.default_rng(0).normal(size=(11, 4)).astype(dtype)
    ours = apply_in_batches(
        function, X, n_outputs=2, dtype=torch.float64, device=CPU, batch_size=batch_size
    )
    expected = np.stack([X.max(axis=1), (X.astype(np.float64) ** 2).sum(axis=1)], axis=1)
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours, expected, rtol=1e-6 if dtype == np.float32 else 1e-12)


def test_blocks_hold_no_more_rows_than_asked_for():
    sizes = []

    def note(x):
        sizes.append(tuple(x.shape))
        return x

    apply_in_batches(
        note, np.zeros((7, 2)), n_outputs=2, dtype=torch.float32, device=CPU, batch_size=3
    )
    assert sizes == [(3, 2), (3, 2), (1, 2)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_blocks_reach_the_function_in_the_dtype_asked_for(dtype):
    seen = []

    def note(x):
        seen.append(x.dtype)
        return x

    apply_in_batches(note, np.zeros((2, 2)), n_outputs=2, dtype=dtype, device=CPU)
    assert seen == [dtype]


def test_no_rows_give_no_rows():
    result = apply_in_batches(
        function, np.zeros((0, 4)), n_outputs=2, dtype=torch.float32, device=CPU
    )
    assert result.shape == (0, 2)


def test_rows_are_handed_over_as_a_copy():
    # Rows may be read-only (memory maps, joblib), and a network may work in place.
    X = np.ones((5, 2))
    X.flags.writeable = False
    apply_in_batches(lambda x: x.mul_(2.0), X, n_outputs=2, dtype=torch.float64, device=CPU)
    assert np.array_equal(X, np.ones((5, 2)))


# ---------------------------------------------------------------------------------------- memory


def only(n_rows, told):
    """Return a function of at most so many rows at once; more are more than the device holds."""

    def bounded(x):
        told.append(len(x))
        if len(x) > n_rows:
            raise OutOfMemoryError("CUDA out of memory.")
        return function(x)

    return bounded


@pytest.mark.parametrize("n_rows", [1, 2, 4, 11])
def test_blocks_that_do_not_fit_are_halved(n_rows):
    X, told = np.random.default_rng(0).normal(size=(11, 4)), []
    ours = apply_in_batches(
        only(n_rows, told), X, n_outputs=2, dtype=torch.float64, device=CPU, batch_size=8
    )
    assert (ours == function(torch.as_tensor(X)).numpy()).all()
    assert [n for n in told if n > n_rows] == [n for n in (8, 4, 2) if n > n_rows]


def test_a_row_that_does_not_fit_is_an_error():
    told = []
    with pytest.raises(OutOfMemoryError):
        apply_in_batches(
            only(0, told), np.zeros((9, 4)), n_outputs=2, dtype=torch.float64, device=CPU
        )
    assert told == [9, 4, 2, 1]
