"""Processes that are killed, and the calls that go on where they were."""

import multiprocessing
import random
import time

import killed_fit
import numpy as np
import pytest
from estimator_cases import short_fits_may_warn
from sklearn.datasets import load_wine

pytestmark = short_fits_may_warn


@pytest.fixture(scope="module")
def processes():
    """Return what starts processes that have imported skaae already."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("needs a server that forks")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["skaae", "sklearn.datasets"])
    return context


def check_killed(processes, folder, seed, n_kills):
    """Kill a fit at random moments, let it end, and compare with one that was let be."""
    draw, path = random.Random(seed), folder / "codes.npy"
    for attempt in range(n_kills + 1):
        process = processes.Process(target=killed_fit.fit_and_save, args=(folder / "fits", path))
        process.start()
        if attempt < n_kills:
            while process.is_alive() and not any((folder / "fits").glob("*.safetensors")):
                time.sleep(0.01)
            time.sleep(draw.uniform(0.0, 0.3))
            process.kill()
        process.join(timeout=60)
    assert process.exitcode == 0
    assert list((folder / "fits").iterdir()) == []
    rows = load_wine().data
    assert (np.load(path) == killed_fit.fit().transform(rows)).all()


def test_kill_minus_nine_changes_no_bit(processes, tmp_path):
    check_killed(processes, tmp_path, seed=0, n_kills=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
def test_kill_minus_nine_changes_no_bit_whenever_it_comes(processes, tmp_path, seed):
    check_killed(processes, tmp_path, seed, n_kills=5)
