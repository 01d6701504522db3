"""What tests of faults, threads, random settings and odd tables share: all answers of a fit."""

import threading
import time
import warnings

import numpy as np
import torch
from estimator_cases import ESTIMATORS
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning


def answers(model, X, y=None):
    """Return what a fitted estimator answers to rows, by the method that does."""
    found = {"sample": model.sample(5, random_state=0)}
    if hasattr(model, "transform"):
        found["transform"] = codes = model.transform(X)
        needs_labels = hasattr(model, "classes_") or hasattr(model, "predict")
        labels = {"y": found_labels(model, X, y)} if needs_labels else {}
        found["inverse_transform"] = model.inverse_transform(codes, **labels)
    if hasattr(model, "predict"):
        found["predict_proba"] = model.predict_proba(X)
    if hasattr(model, "score"):
        given = (X, y) if hasattr(model, "classes_") else (X,)
        found["score"] = np.float64(model.score(*given))
    return found


def found_labels(model, X, y):
    """Return labels to decode codes in: those that are inferred, or those that were given."""
    return model.predict(X) if hasattr(model, "predict") else y


def not_finite(model, X, y=None):
    """Return the methods whose answers are not finite."""
    return [name for name, values in answers(model, X, y).items() if not np.isfinite(values).all()]


def fit_and_hear(model, X, y=None):
    """Fit; return the texts of the ConvergenceWarnings, and raise every other warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(X, y)
    return [str(warning.message) for warning in caught]


def fitted_answers(name, X, y):
    """Return what an estimator answers that is fitted to these rows."""
    return answers(clone(ESTIMATORS[name]).fit(X, y), X, y)


def put_fitted_answers(queue, names, X, y):
    """Put them into a queue, from a process that knows nothing of the settings of the tests."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    queue.put({name: fitted_answers(name, X, y) for name in names})


def in_threads(function, arguments, seconds=120.0):
    """Return what a function answers to each of the arguments, begun at one moment.

    Threads that wait for each other for ever are an error, and do not keep the process from ending,
    as those of an executor would.
    """
    arguments = list(arguments)
    start, found, failed = threading.Barrier(len(arguments)), {}, []

    def begun_together(k):
        try:
            start.wait(timeout=seconds)
            found[k] = function(arguments[k])
        except BaseException as error:
            failed.append(error)

    threads = [
        threading.Thread(target=begun_together, args=(k,), daemon=True)
        for k in range(len(arguments))
    ]
    end = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=max(0.0, end - time.monotonic()))
    if failed:
        raise failed[0]
    n_waiting = sum(thread.is_alive() for thread in threads)
    assert not n_waiting, f"{n_waiting} of {len(threads)} threads still wait after {seconds} s"
    return [found[k] for k in range(len(arguments))]
