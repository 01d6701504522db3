"""What the scripts of this folder share: data, arguments, and a record of what was run."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.neural_network import MLPClassifier

from skaae.metrics import cluster_error

sys.path.append(str(Path(__file__).parents[1]))
from provenance import code, hardware, versions

RESULTS = Path(__file__).parents[2] / "docs" / "results"


def arguments(description, n_seeds=3):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--data",
        type=Path,
        help="a .npz file, or a folder with the idx files of MNIST or the .mat files of SVHN; "
        "without it MNIST is asked of OpenML",
    )
    parser.add_argument("--quick", action="store_true", help="minutes on two cores")
    parser.add_argument("--seeds", type=int, default=n_seeds)
    parser.add_argument("--only", nargs="*", help="names of the rows to run")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def with_few_labels(y, n_labels, seed):
    """Return `y` with -1 everywhere but for `n_labels` rows, as many of each class."""
    if n_labels >= len(y):
        return y
    order = np.random.default_rng(seed).permutation(len(y))
    kept = [order[y[order] == label][: n_labels // 10] for label in range(10)]
    few = np.full_like(y, -1)
    few[np.concatenate(kept)] = y[np.concatenate(kept)]
    return few


def chosen(args, names):
    """Return those of `names` that ``--only`` asks for."""
    unknown = set(args.only or ()) - set(names)
    if unknown:
        raise SystemExit(f"--only: expected some of {list(names)}, got {sorted(unknown)}.")
    return [name for name in names if not args.only or name in args.only]


def n_validation(images):
    """Return how many rows at the end of the training rows serve to choose by."""
    return min(10_000, len(images.X_train) // 6)


def pooled_split(images):
    """Return rows and labels to fit and to hold out, drawn at random from the training rows.

    Test digits were written by other people, and so was one stretch of the training digits than
    another: a two-sample test sees that.
    """
    order = np.random.default_rng(0).permutation(len(images.X_train))
    fitted, held_out = np.split(order, [-n_validation(images)])
    X, y = images.X_train, images.y_train
    return X[fitted], y[fitted], X[held_out], y[held_out]


class Record:
    """Figures of a script, printed as they come and kept as JSON with what they came from."""

    def __init__(self, name, args, images):
        self.stem = f"{name}{'' if images.name == 'mnist' else f'_{images.name}'}"
        self.stem += "_quick" if args.quick else ""
        self.path = args.out / f"{self.stem}.json"
        self.images = images
        before = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.rows, self.pictures = before.get("rows", {}), before.get("pictures", [])

    # `paper` holds the paper's figures by data set, `data` what a row was run on if not the images.
    def add(self, name, values, *, paper=None, data=None, unit="", seconds=None, model=None):
        values = [float(value) for value in values]
        paper = (paper or {}).get(self.images.name)
        print(
            f"{name:45} {np.mean(values):9.3f} {unit} (each: "
            + ", ".join(f"{value:.3f}" for value in values)
            + (f"; paper: {paper})" if paper is not None else ")"),
            flush=True,
        )
        self.rows[name] = {
            "values": values,
            "unit": unit,
            "paper": paper,
            "seconds_per_fit": seconds,
            "model": type(model).__name__ if model is not None else None,
            "settings": changed_settings(model) if model is not None else None,
            "data": data or [self.images.name, len(self.images.X_train), len(self.images.X_test)],
            "seeds": list(range(len(values))),
            "versions": versions(),
            "code": code(),
            "hardware": hardware(),
        }
        self._write()

    def _write(self):
        content = {"rows": self.rows, "pictures": self.pictures}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(content, indent=1) + "\n")

    def picture(self, figure, suffix=""):
        """Save a figure beside the figures that it belongs to."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        name = f"{self.stem}{suffix}.png"
        figure.savefig(self.path.with_name(name), dpi=110)
        self.pictures = sorted({*self.pictures, name})
        self._write()


def changed_settings(model):
    """Return the parameters of a model that are not the defaults, as text where JSON has none."""
    defaults = type(model)().get_params(deep=False)
    return {
        name: value if isinstance(value, (int, float, str)) else repr(value)
        for name, value in model.get_params(deep=False).items()
        if repr(value) != repr(defaults[name]) and name != "random_state"
    }


def cluster_error_of(model, images):
    """Return the paper's error of a clusterer on test rows.

    A cluster takes the label of its surest row among the last 10,000 training rows.
    """
    reference = slice(-n_validation(images), None)
    return cluster_error(
        images.y_test,
        model.predict_proba(images.X_test),
        y_reference=images.y_train[reference],
        probabilities_reference=model.predict_proba(images.X_train[reference]),
    )


def smallest_share(labels, n_clusters):
    """Return how many rows the smallest cluster has, in % of an equal part of them."""
    counts = np.bincount(labels, minlength=n_clusters)
    return 100.0 * counts.min() * n_clusters / len(labels)


def trained_reader(images):
    """Return a classifier of real images, which reads the class off samples."""
    return MLPClassifier((256,), early_stopping=True, random_state=0).fit(
        images.X_train, images.y_train
    )


def timed(function):
    """Return the result of `function` and the seconds that it took."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start
