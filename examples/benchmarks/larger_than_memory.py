"""Rows of a file: rows a second and memory beside the same rows in memory (Linux).

    python examples/benchmarks/larger_than_memory.py --folder FOLDER [transform fit]

Writes files of 3 and 6 GB into FOLDER and removes them. Memory is what the process itself holds
(RssAnon); pages of the file that the system keeps are its own, and given up when others need them.
"""

import argparse
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from report import Report
from sklearn.exceptions import ConvergenceWarning

from skaae import AdversarialAutoencoder
from skaae.networks import MLP

N_FEATURES = 784


def write_rows(path, n_rows):
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, N_FEATURES))
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(8, N_FEATURES)).astype(np.float32)
    for start in range(0, n_rows, 20_000):
        n = min(20_000, n_rows - start)
        codes = rng.standard_normal((n, 8), dtype=np.float32)
        noise = rng.standard_normal((n, N_FEATURES), dtype=np.float32)
        rows[start : start + n] = codes @ axes + 0.1 * noise
    rows.flush()


def held():
    """Return the bytes of memory that belong to this process alone."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


class Peak:
    """The most memory held inside a block, above that held before it."""

    def __enter__(self):
        self.before, self.bytes, self.ended = held(), 0, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self):
        while not self.ended.wait(0.02):
            self.bytes = max(self.bytes, held() - self.before)

    def __exit__(self, *error):
        self.ended.set()
        self.thread.join()


def model():
    sizes = (1000, 1000)
    return AdversarialAutoencoder(
        8, encoder=MLP(sizes, linear_path=False), decoder=MLP(sizes), max_iter=1, random_state=0
    )


def fitted(X):
    with warnings.catch_warnings():  # one epoch is no fit
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model().fit(X)


def timed(function, *args):
    start = time.perf_counter()
    result = function(*args)
    return result, time.perf_counter() - start


def transform(report, folder, turns):
    path = folder / "transform.npy"
    write_rows(path, 1_000_000)
    X = np.load(path, mmap_mode="r")
    aae = fitted(np.array(X[:5000]))
    bare, resident = aae.model_.encoder, torch.as_tensor(np.array(X))

    def encoded():
        with torch.no_grad():
            return torch.cat([bare(x) for x in resident.split(2048)])

    shares, growth = [], []
    for _ in range(turns):
        _, seconds = timed(encoded)
        with Peak() as peak:
            _, ours = timed(aae.transform, X)
        shares.append(seconds / ours)
        growth.append(peak.bytes / 1e6)
    report.add("transform of 1,000,000 rows of a file: share of the bare network's rate", shares)
    report.add("transform of 1,000,000 rows of a file: growth of memory, MB", growth)
    path.unlink()


def fit(report, folder, turns):
    path = folder / "fit.npy"
    write_rows(path, 6_000_000_000 // (4 * N_FEATURES))
    X = np.load(path, mmap_mode="r")
    n_resident = 400_000
    shares, growth = [], []
    for _ in range(turns):
        seconds = fitted(np.array(X[:n_resident])).history_[0]["seconds"]
        with Peak() as peak:
            streamed = fitted(X).history_[0]["seconds"]
        shares.append((len(X) / streamed) / (n_resident / seconds))
        growth.append(peak.bytes / 1e6)
    report.add("an epoch of a 6 GB file: share of the rate of rows in memory", shares)
    report.add("an epoch of a 6 GB file: growth of memory, MB", growth)
    path.unlink()


PARTS = {"transform": transform, "fit": fit}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--turns", type=int, default=1)
    args = parser.parse_args()
    report = Report("larger_than_memory")
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for part in args.parts:
            PARTS[part](report, Path(folder), args.turns)


if __name__ == "__main__":
    main()
