"""What tests of faults, of random settings and of odd tables share: all answers of a fit."""

import warnings

import numpy as np
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
