"""Rows a second of one fit by several processes, each with one thread, over one process's.

    python examples/benchmarks/data_parallel.py [--processes 1 2]

Each number of processes is started by ``torchrun`` as a user would, in turns. Where there are fewer
cores than processes, they share them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from report import Report
from sklearn.exceptions import ConvergenceWarning

N_ROWS = 20_000


def fit(batch_size, path):
    """Train for two epochs with the other processes and write the seconds of the second."""
    import torch.distributed
    from training_speed import LARGE, skaae_model

    from skaae.distributed import data_parallel

    rows = np.random.default_rng(0).random((N_ROWS, LARGE["n_features"]), dtype=np.float32)
    with data_parallel(), warnings.catch_warnings():  # two epochs are no fit
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = skaae_model(batch_size, 2, **LARGE).fit(rows)
        together = torch.distributed.is_initialized()
        if not together or torch.distributed.get_rank() == 0:
            path.write_text(str(model.history_[-1]["seconds"]))


def seconds(n_processes, batch_size):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seconds"
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        launcher += ["--nproc-per-node", str(n_processes)]
        subprocess.run(
            [*launcher, __file__, "--worker", str(path), "--batch-size", str(batch_size)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=True,
        )
        return float(path.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--batch-size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        fit(args.batch_size, args.worker)
        return
    report = Report("data_parallel")
    for batch_size in (256, 1024, 4096):
        found = {n: [] for n in args.processes}
        for _ in range(args.turns):
            for n, values in found.items():
                values.append(seconds(n, batch_size))
        alone = found.pop(args.processes[0])
        report.add(
            f"batch {batch_size}: {args.processes[0]} process, rows a second",
            [N_ROWS / s for s in alone],
        )
        for n, values in found.items():
            ratios = [a / b for a, b in zip(alone, values)]
            report.add(f"batch {batch_size}: {n} processes, times as fast", ratios)


if __name__ == "__main__":
    main()
