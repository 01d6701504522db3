"""Many default fits of many data sets: what is lost, what is missed, what goes wrong.

    python examples/benchmarks/default_fits.py --data FOLDER [--only wine digits] [--seeds 20]

Two components, and eight where there are more than eight columns, or those of ``--components``;
nothing else is set. A seed draws at most 2,000 rows of a set, holds 30 % of them out, and is the
fit's ``random_state``. Every figure is one of rows that the fit has not seen: the squared error
over that of as many principal components, and how far codes are from the prior over how far two
samples of it are. Values that are not finite (of codes, restored rows and samples), collapsed
codes, errors and warnings are counted.

Sets, their files in ``FOLDER`` and their units are those of ``panel.py``. What is there already is
kept, so more seeds are a matter of asking for more. ``default_fits_page.py`` writes the page.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from panel import FILES, SETS, in_units, read, seconds
from report import RESULTS, hardware, versions
from sklearn.decomposition import PCA

from skaae import AdversarialAutoencoder
from skaae.metrics import prior_match

MOST_ROWS = 2_000
HELD_OUT = 0.3
FIRST_WORDS = 13


def all_rows(name, folder):
    arrays = read(name, folder)
    parts = [arrays[key] for key in ("X", "X_train", "X_test") if key in arrays]
    return np.concatenate(parts)


def split(name, X, seed):
    """Return training and held-out rows of at most 2,000 that the seed draws."""
    drawn = X[np.random.default_rng(seed).permutation(len(X))[:MOST_ROWS]]
    n_held = round(HELD_OUT * len(drawn))
    X, _, X_held, _ = in_units(name, drawn[n_held:], None, drawn[:n_held], None)
    return X, X_held


def figures_of(aae, X, X_held, seed):
    codes = aae.transform(X_held)
    restored = aae.inverse_transform(codes)
    samples = aae.sample(len(X_held), random_state=seed)
    pca = PCA(aae.n_components, random_state=seed).fit(X)
    lost_by_pca = np.mean((pca.inverse_transform(pca.transform(X_held)) - X_held) ** 2)
    match = prior_match(aae, X_held, random_state=seed)
    figures = {
        "error": np.mean((restored - X_held) ** 2) / lost_by_pca,
        "prior": match.ratio,
        "distance": match.distance,
        "spread": match.spread,
    }
    answers = (codes, restored, samples)
    return {
        **{what: float(f"{value:.4g}") for what, value in figures.items()},
        "collapsed": match.collapsed,
        "not finite": int(sum(np.sum(~np.isfinite(values)) for values in answers)),
    }


def first_words(kind, message):
    """Return the name of an exception or warning and how its message begins."""
    words = str(message).removeprefix("AdversarialAutoencoder: ").split()
    return f"{kind.__name__}: {' '.join(words[:FIRST_WORDS])}"


def measure(X, X_held, n_components, seed):
    """Return the figures of a fit, or its error, and what it warned of."""
    aae = AdversarialAutoencoder(n_components, random_state=seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            _, of_fit = seconds(aae.fit, X)
            found = {"seconds": round(of_fit, 2), **figures_of(aae, X, X_held, seed)}
        except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
            found = {"failed": first_words(type(error), error)}
    found["warnings"] = [first_words(each.category, each.message) for each in caught]
    for each in caught:
        print(f"  warned: {each.message}", flush=True)
    return found


class Fits:
    """Figures by data set and seed, one fit a line of JSON, written after every fit."""

    def __init__(self, folder):
        self.path, self.sets = folder / "default_fits.json", {}
        if self.path.exists():
            content = json.loads(self.path.read_text())
            if content["versions"] != versions():
                raise SystemExit(
                    f"{self.path}: expected figures of the versions here, {versions()}, got those "
                    f"of {content['versions']}. Delete the file, or give another --out."
                )
            self.sets = content["sets"]

    def has(self, name, seed):
        return str(seed) in self.sets.get(name, {}).get("fits", {})

    def add(self, name, shape, seed, figures):
        of_set = self.sets.setdefault(name, {"shape": shape, "fits": {}})
        of_set["fits"][str(seed)] = figures
        blocks = []
        for each, held in self.sets.items():
            lines = [f"   {json.dumps(k)}: {json.dumps(f)}" for k, f in held["fits"].items()]
            head = f'  {json.dumps(each)}: {{"shape": {json.dumps(held["shape"])}, "fits": {{\n'
            blocks.append(head + ",\n".join(lines) + "}}")
        known = {"hardware": hardware(), "versions": versions()}
        start = ",\n".join(f' "{what}": {json.dumps(value)}' for what, value in known.items())
        text = "{\n" + start + ',\n "sets": {\n' + ",\n".join(blocks) + "}}\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A run that is stopped while it writes would lose all that came before.
        part = self.path.with_suffix(".part")
        part.write_text(text)
        part.replace(self.path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("."), help="folder of .npz files")
    parser.add_argument("--only", nargs="+", choices=SETS, default=SETS, help="these sets")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--components", type=int, nargs="+", default=[2, 8])
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    fits = Fits(args.out)
    for name in args.only:
        if name in FILES and not (args.data / f"{name}.npz").exists():
            print(f"{name}: left out, no file {args.data / f'{name}.npz'}")
            continue
        rows = all_rows(name, args.data)
        # As many components as columns, or more, are no reduction.
        for n_components in (n for n in args.components if n < rows.shape[1]):
            case = f"{name}, {n_components}"
            for seed in range(args.seeds):
                if fits.has(case, seed):
                    continue
                X, X_held = split(name, rows, seed)
                start = time.strftime("%H:%M:%S")
                figures = measure(X, X_held, n_components, seed)
                print(f"{start} {case}, seed {seed}: {figures}", flush=True)
                fits.add(case, [len(X), len(X_held), X.shape[1]], seed, figures)


if __name__ == "__main__":
    main()
