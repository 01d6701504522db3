"""Eight threads and four processes at once: every answer is, to the bit, the one given alone.

python examples/benchmarks/concurrency.py --minutes 5

Each takes tasks at random until its time is over: fits of all estimators at four seeds, and
questions to estimators that all of them share. Two of the processes are forked from this one, which
has computed by then, two start anew. The script fails where an answer differs, or where one of them
does not come back. Each computes by one thread, because sums of batch normalisation depend on their
number.
"""

import argparse
import hashlib
import multiprocessing
import queue
import random
import threading
import time
import warnings

import torch
from report import Report
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from skaae import (
    AdversarialAutoencoder,
    AdversarialAutoencoderClassifier,
    AdversarialAutoencoderClusterer,
    ConditionalAdversarialAutoencoder,
    ImplicitGenerativeModel,
)

N_THREADS, N_FORKED, N_STARTED = 8, 2, 2
SMALL = {"n_components": 2, "hidden_layer_sizes": (32,), "max_iter": 3}
ESTIMATORS = [
    AdversarialAutoencoder(**SMALL),
    AdversarialAutoencoder(divergence="mmd", posterior="universal", **SMALL),
    ConditionalAdversarialAutoencoder(**SMALL),
    AdversarialAutoencoderClassifier(**SMALL),
    AdversarialAutoencoderClusterer(3, **SMALL),
    ImplicitGenerativeModel(**SMALL),
]
SEEDS = range(4)
X, Y = load_wine(return_X_y=True)


def digest(model):
    """Return a number that stands for all bits of what an estimator answers."""
    found = hashlib.blake2b(model.sample(50, random_state=0).tobytes(), digest_size=16)
    for method in ("transform", "predict_proba"):
        if hasattr(model, method):
            found.update(getattr(model, method)(X).tobytes())
    if isinstance(model, AdversarialAutoencoder):
        found.update(model.inverse_transform(model.transform(X)).tobytes())
    return found.hexdigest()


def fitted(which, seed):
    return clone(ESTIMATORS[which]).set_params(random_state=seed).fit(X, Y)


def one_thread():
    """Let PyTorch and BLAS compute by one thread in this process, and in this thread."""
    torch.set_num_threads(1)
    threadpool_limits(1)


def work(draw, shared, expected, seconds, answers):
    """Do tasks; put how many were done, and which answers differed."""
    one_thread()
    end = time.time() + seconds
    n_done, wrong = 0, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        while time.time() < end:
            which, seed = draw.randrange(len(ESTIMATORS)), draw.choice(SEEDS)
            asks = draw.random() < 0.5
            model = shared[which] if asks else fitted(which, seed)
            if digest(model) != expected[which, 0 if asks else seed]:
                wrong.append((type(model).__name__, seed, "shared" if asks else "fitted"))
            n_done += 1
    answers.put((n_done, wrong))


def begin(shared, expected, seconds):
    """Start them all; return a queue for each."""
    queues = []
    for method, n in (("fork", N_FORKED), ("spawn", N_STARTED)):
        context = multiprocessing.get_context(method)
        for k in range(n):
            queues.append(context.Queue())
            arguments = (random.Random(f"{method}{k}"), shared, expected, seconds, queues[-1])
            context.Process(target=work, args=arguments, daemon=True).start()
    for k in range(N_THREADS):
        queues.append(queue.Queue())
        arguments = (random.Random(k), shared, expected, seconds, queues[-1])
        threading.Thread(target=work, args=arguments, daemon=True).start()
    return queues


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    # Python 3.12 advises against forks beside threads, which is what is tried here.
    warnings.simplefilter("ignore", DeprecationWarning)
    one_thread()
    seconds = 60.0 * args.minutes
    tasks = [(which, seed) for which in range(len(ESTIMATORS)) for seed in SEEDS]
    expected = {task: digest(fitted(*task)) for task in tasks}
    shared = [fitted(which, 0) for which in range(len(ESTIMATORS))]
    # One that waits for another for ever is an error after two minutes more.
    found = [q.get(timeout=seconds + 120.0) for q in begin(shared, expected, seconds)]
    wrong = [task for _, differing in found for task in differing]
    report = Report("concurrency")
    report.add("minutes", [args.minutes])
    n_done = [n for n, _ in found]
    report.add("tasks of each process that was forked", n_done[:N_FORKED])
    report.add("tasks of each process that began anew", n_done[N_FORKED:-N_THREADS])
    report.add("tasks of each of eight threads", n_done[-N_THREADS:])
    report.add("tasks in all", [sum(n_done)])
    report.add("answers that differ from those given alone", [len(wrong)])
    if wrong:
        raise SystemExit(f"These differ: {sorted(set(wrong))}")


if __name__ == "__main__":
    main()
