"""Processes that are killed, and the calls that go on where they were."""

import multiprocessing
import random
import signal
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


def last_kept(folder):
    """Return the last epoch that a checkpoint holds, 0 where there is none."""
    names = [path.stem for path in folder.glob("*.safetensors")]
    return max((int(name.split("-")[-2]) for name in names), default=0)


def trained(path):
    """Return the epochs that a process has begun so far."""
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_until(reached, process, seconds=60):
    end = time.monotonic() + seconds
    while process.is_alive() and not reached():
        assert time.monotonic() < end
        time.sleep(0.001)


def check_killed(processes, folder, seed, n_kills):
    """Kill a fit at random moments, let it end, and compare with one that was let be.

    What goes on may train again the epoch that was cut short, and none that was kept.
    """
    draw, fits, path = random.Random(seed), folder / "fits", folder / "codes.npy"
    n_going_on = 0
    for attempt in range(n_kills + 1):
        kept, epochs = last_kept(fits), folder / f"epochs-{attempt}"
        process = processes.Process(target=killed_fit.fit_and_save, args=(fits, path, epochs))
        process.start()
        if attempt < n_kills:
            # Before its first epoch, in one, between two, or while a checkpoint is written.
            n_epochs = draw.randint(0, 5) if attempt else draw.randint(2, 5)
            wait_until(lambda n=n_epochs, path=epochs: len(trained(path)) >= n, process)
            time.sleep(draw.uniform(0.0, 0.02))
            process.kill()
        process.join(timeout=60)
        assert process.exitcode == (-signal.SIGKILL if attempt < n_kills else 0)
        begun = trained(epochs)
        assert begun == [*range(kept + 1, kept + 1 + len(begun))]
        n_going_on += kept > 0 and len(begun) > 0
    assert n_going_on > 0
    assert list(fits.iterdir()) == []
    rows = load_wine().data
    assert (np.load(path) == killed_fit.fit().transform(rows)).all()


def test_kill_minus_nine_changes_no_bit(processes, tmp_path):
    check_killed(processes, tmp_path, seed=0, n_kills=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
def test_kill_minus_nine_changes_no_bit_whenever_it_comes(processes, tmp_path, seed):
    check_killed(processes, tmp_path, seed, n_kills=5)
