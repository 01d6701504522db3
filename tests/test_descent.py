"""Neighbours of many rows, by PyNNDescent."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from neighbor_cases import clusters, reference, scattered
from scipy.sparse import csr_array

from skaae._neighbors import _descends, _without, neighbors_of
from skaae._scaling import ColumnScaling
from skaae._sources import SparseRows
from skaae._streams import StreamedRows


@pytest.fixture
def descends(monkeypatch):
    """Let PyNNDescent look, however few rows there are."""
    pytest.importorskip("pynndescent")
    monkeypatch.setattr("skaae._neighbors._MOST_COMPARED", 0)


def share_found(found, expected):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.tolist(), expected)])


@pytest.mark.slow  # for its compilation
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_descent_finds_nearly_the_same(kind, descends):
    x = clusters(1.0, 6, n=3_000)
    rows = x
    if kind == "sparse":
        source = SparseRows(csr_array(x.numpy()))
        rows = StreamedRows(source, ColumnScaling.identity(6), torch.device("cpu"))
    first, again = neighbors_of(rows, 15), neighbors_of(rows, 15)
    assert first.dtype == torch.int64
    assert torch.equal(first, again)
    assert not (first == torch.arange(len(x))[:, None]).any()
    assert share_found(first, reference(x.numpy(), 15)) > 0.95


@pytest.mark.slow
def test_descent_leaves_threads_and_numbers_of_others_alone():
    """Where it is the first to call numba, which then starts its threads."""
    pytest.importorskip("pynndescent")
    program = (
        "import numpy as np, torch; import skaae._neighbors as n; n._MOST_COMPARED = 0; "
        "torch.set_num_threads(1); drawn = np.random.get_state()[1].tolist(); "
        "n.neighbors_of(torch.randn(500, 6), 5); import numba; "
        "print(torch.get_num_threads(), numba.get_num_threads() == numba.config.NUMBA_NUM_THREADS, "
        "drawn == np.random.get_state()[1].tolist())"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.split() == ["1", "True", "True"], found.stderr


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_rows_that_descent_leaves_without_neighbours_are_compared_with_all(kind, monkeypatch):
    x, asked = scattered(60), []
    expected = reference(x.numpy(), 5)

    def by_descent(rows, n_neighbors):
        asked.append(rows.shape)
        found = np.array(expected)
        found[[3, 41], 2:] = -1
        return found

    monkeypatch.setattr("skaae._neighbors._descends", lambda n_rows, device: n_rows == 60)
    monkeypatch.setattr("skaae._neighbors._by_descent", by_descent)
    rows = x
    if kind == "sparse":
        source = SparseRows(csr_array(x.numpy()))
        rows = StreamedRows(source, ColumnScaling.identity(6), torch.device("cpu"))
    np.testing.assert_array_equal(neighbors_of(rows, 5).numpy(), expected)
    assert asked == [(60, 6)]


@pytest.mark.parametrize(
    ("places", "expected"),
    [([[7, 1, 2]], [[1, 2]]), ([[1, 7, 2]], [[1, 2]]), ([[1, 2, 3]], [[1, 2]])],
    ids=["first", "behind a copy", "behind too many copies"],
)
def test_a_row_is_no_neighbour_of_itself(places, expected):
    found = _without(np.array([7]), np.array(places))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("n_rows", "device", "forked", "installed", "expected"),
    [
        (200_001, "cpu", False, True, True),
        (200_000, "cpu", False, True, False),
        (200_001, "cuda", False, True, False),
        (200_001, "cpu", True, True, False),
        (200_001, "cpu", False, False, False),
    ],
)
def test_when_descent_is_asked(n_rows, device, forked, installed, expected, monkeypatch):
    monkeypatch.setattr("skaae._neighbors.was_forked", lambda: forked)
    monkeypatch.setattr("skaae._neighbors.find_spec", lambda name: True if installed else None)
    assert _descends(n_rows, torch.device(device)) is expected
