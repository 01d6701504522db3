"""Shared fixtures: the device to test on, and data that may be absent."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from display_cases import fit_each
from persistence_cases import save_originals
from sklearn.datasets import load_digits, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import minmax_scale
from threadpoolctl import threadpool_limits

from skaae import AdversarialAutoencoder

# Two test processes with two threads each spin against each other on two cores.
torch.set_num_threads(1)
threadpool_limits(1, user_api="blas")


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="device to train on: cpu, cuda or mps")


@pytest.fixture(autouse=True)
def _networks_of_tests_start_alike():
    """Let networks that a test builds by hand have the same weights in every run."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def device(request):
    return request.config.getoption("--device")


@pytest.fixture(scope="session")
def wine():
    return load_wine(return_X_y=True)


@pytest.fixture(scope="session")
def X(wine):
    return wine[0]


@pytest.fixture(scope="session")
def unit_rows(X):
    return (X - X.min(axis=0)) / np.ptp(X, axis=0)


@pytest.fixture(scope="session")
def fitted(X, device):
    """Return a good fit, for tests to look at and not to change."""
    return AdversarialAutoencoder(
        3, hidden_layer_sizes=(64, 64), device=device, max_iter=150, random_state=0
    ).fit(X)


@pytest.fixture(scope="session")
def digits():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="session")
def mnist():
    """Return the arrays of mnist.npz: rows in [0, 1] as float32, and labels."""
    folder = os.environ.get("SKAAE_DATA")
    path = Path(folder or ".") / "mnist.npz"
    if folder is None or not path.exists():
        pytest.skip("needs mnist.npz in the folder that the variable SKAAE_DATA names")
    with np.load(path, allow_pickle=False) as data:
        rows = {
            part: data[f"X_{part}"].reshape(-1, 784) / np.float32(255) for part in ("train", "test")
        }
        return rows["train"], data["y_train"], rows["test"], data["y_test"]


@pytest.fixture
def global_states():
    """Return a function that reads the state of the global generators of torch and numpy."""

    def read():
        _, keys, position, *_ = np.random.get_state()
        return torch.get_rng_state().tolist(), keys.tolist(), position

    return read


@pytest.fixture(scope="session")
def split(digits):
    X, y = digits
    return train_test_split(X, y, test_size=0.25, random_state=0)


@pytest.fixture(scope="session")
def images(digits):
    X, y = digits
    return X[:200], y[:200]


@pytest.fixture(scope="session")
def fits(images):
    """Return fits of a moment, for displays to draw."""
    return fit_each(*images)


@pytest.fixture
def ax():
    """Return axes that PyPlot knows nothing of."""
    from matplotlib.figure import Figure

    return Figure().subplots()


@pytest.fixture(scope="session")
def counts():
    """Return rows in [0, 1], most of them 0, and classes, some not known."""
    rng = np.random.default_rng(0)
    X = minmax_scale(rng.poisson(0.3, (150, 12)).astype(np.float64))
    y = (X[:, 0] > X[:, 1]).astype(int)
    y[:20] = -1
    y[:5] = 2
    return X, y


@pytest.fixture
def blocks_are_small(monkeypatch):
    """Read at most ten rows of twelve columns of float64 at once."""
    monkeypatch.setattr("skaae._sources._BLOCK_BYTES", 10 * 12 * 8)


@pytest.fixture
def every_file_is_large(monkeypatch):
    monkeypatch.setattr("skaae._sources._LARGEST_READ_AT_ONCE", 0)
    monkeypatch.setattr("skaae._sources._FEWEST_COLUMNS_TO_STREAM", 1)


@pytest.fixture(scope="session")
def originals(tmp_path_factory):
    """Return a folder of saved estimators, for tests to copy and spoil."""
    return save_originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture
def saved(originals, tmp_path):
    """Return a copy of a saved estimator, for a test to spoil."""
    return shutil.copytree(originals / "autoencoder", tmp_path / "model")
