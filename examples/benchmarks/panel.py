"""skaae, PCA, KernelPCA, UMAP, openTSNE, PaCMAP and pythae on tables and images.

    python examples/benchmarks/panel.py --data FOLDER [--sets wine digits] [--seeds 3]

Every reducer has its defaults and sees training rows only; every figure is one of rows that it has
not seen. Tables are standardised by their training rows, images and expressions are as they come.
``FOLDER`` holds the files that scikit-learn does not ship (``usps.npz`` and so on, arrays
``X_train``, ``y_train``, ``X_test``, ``y_test``, or ``X`` and ``y``); sets whose file is missing
are left out, as are packages that are not installed.

Figures: the squared error over PCA's; the share of rows whose class ten neighbours among the
training codes tell; trustworthiness of at most 2,000 rows; the accuracy of a linear support vector
machine behind the reducer; how far codes are from the prior over how far two samples of it are; how
often trees tell samples from rows (50 % is best), and the shares of samples that lie among rows and
of rows that lie among samples (precision and recall of Kynkaanniemi et al. 2019); seconds.
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
from report import RESULTS
from rivals import TSNE, PaCMAP, umap
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA, KernelPCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.manifold import trustworthiness
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skaae import AdversarialAutoencoder
from skaae.metrics import prior_match, two_sample_accuracy

sys.path.append(str(Path(__file__).parents[1]))
from provenance import hardware, versions

TABLES = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
    "diabetes": load_diabetes,
}
FILES = ["olivetti", "frey_faces", "usps", "letter", "satimage", "pbmc3k", "mammoth", "mnist"]
STANDARDISED = {*TABLES, "letter", "satimage"}
SETS = [*TABLES, "digits", *FILES]
PARTS = ("X_train", "y_train", "X_test", "y_test")
# The larger, the slower: neighbours of all pairs, and trees on that many rows.
MOST_MEASURED = 2_000
MOST_KERNEL_ROWS = 5_000


def read(name, folder):
    """Return the arrays of a set, rows as floats: X and y, or X_train, y_train, X_test, y_test."""
    if name not in FILES:
        X, y = TABLES.get(name, load_digits)(return_X_y=True)
        return {"X": X} if name == "diabetes" else {"X": X, "y": y}
    with np.load(folder / f"{name}.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in (*PARTS, "X", "y") if key in file.files}
    for key in {"X", "X_train", "X_test"} & arrays.keys():
        arrays[key] = arrays[key].reshape(len(arrays[key]), -1).astype(np.float32)
    return arrays


def load(name, folder):
    """Return training rows, classes, held-out rows, classes; classes are None where none are."""
    arrays = read(name, folder)
    if "X_train" in arrays:
        return in_units(name, *(arrays[part] for part in PARTS))
    X, y = arrays["X"], arrays.get("y")
    split = train_test_split(X, np.zeros(len(X)) if y is None else y, test_size=0.3, random_state=0)
    X, X_held, y_train, y_held = split
    return in_units(name, X, None if y is None else y_train, X_held, None if y is None else y_held)


def in_units(name, X, y, X_held, y_held):
    if name in STANDARDISED:
        scaler = StandardScaler().fit(X)
        X, X_held = scaler.transform(X), scaler.transform(X_held)
    elif X.max() > 100:  # images of bytes
        X, X_held = X / np.float32(255), X_held / np.float32(255)
    return X, y, X_held, y_held


class Pythae:
    """pythae's Adversarial_AE with its default networks and as many epochs as skaae's default."""

    def __init__(self, n_components, random_state):
        self.n_components, self.random_state = n_components, random_state

    def fit(self, X, y=None):
        import torch
        from pythae.models import Adversarial_AE, Adversarial_AE_Config
        from pythae.pipelines import TrainingPipeline
        from pythae.trainers import AdversarialTrainerConfig

        steps = min(4_000, max(1_250, 100 * len(X) // 256))
        with tempfile.TemporaryDirectory() as folder:
            config = AdversarialTrainerConfig(
                output_dir=folder,
                num_epochs=max(3, round(steps * 256 / len(X))),
                per_device_train_batch_size=256,
                seed=self.random_state,
            )
            self.scaler = StandardScaler().fit(X)
            model = Adversarial_AE(
                Adversarial_AE_Config(input_dim=(X.shape[1],), latent_dim=self.n_components)
            )
            pipeline = TrainingPipeline(model=model, training_config=config)
            pipeline(torch.as_tensor(self.scaler.transform(X)).float())
        self.model = pipeline.model.cpu().eval()
        return self

    def transform(self, X):
        import torch

        with torch.no_grad():
            rows = torch.as_tensor(self.scaler.transform(X)).float()
            return self.model.encoder(rows).embedding.numpy()

    def inverse_transform(self, Z):
        import torch

        with torch.no_grad():
            rows = self.model.decoder(torch.as_tensor(Z).float()).reconstruction.numpy()
        return self.scaler.inverse_transform(rows.reshape(len(Z), -1))


def kernel_pca(n_components, random_state):
    return KernelPCA(n_components, kernel="rbf", fit_inverse_transform=True)


def with_neighbors(n_components, random_state):
    return AdversarialAutoencoder(n_components, neighbors_weight=1.0, random_state=random_state)


def reducers(n_components, n_rows):
    """Return the reducers that are installed and can, by name."""
    found = {"PCA": PCA, "skaae": AdversarialAutoencoder}
    if n_rows <= MOST_KERNEL_ROWS:
        found["KernelPCA"] = kernel_pca
    if find_spec("umap"):
        found["UMAP"] = umap
    if n_components == 2:
        found["skaae, neighbors_weight=1"] = with_neighbors
        if find_spec("openTSNE"):
            found["openTSNE"] = TSNE
        if find_spec("pacmap"):
            found["PaCMAP"] = PaCMAP
    if find_spec("pythae"):
        found["pythae"] = Pythae
    return found


def among(X, Y, k=3):
    """Return the share of rows of `X` that lie within k-th-neighbour distance of a row of `Y`."""
    radii = NearestNeighbors(n_neighbors=k).fit(Y).kneighbors()[0][:, -1]
    return float(np.mean((pairwise_distances(X, Y) <= radii).any(axis=1)))


def sample_quality(rows, drawn):
    return {
        "samples told from rows": two_sample_accuracy(drawn, rows, random_state=0),
        "samples among rows": among(drawn, rows),
        "rows among samples": among(rows, drawn),
    }


def seconds(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start


def measure(build, n_components, data, seed):
    """Return the figures of one reducer, and the codes of held-out rows."""
    X, y, X_held, y_held = data
    X = np.ascontiguousarray(X)
    reducer, of_fit = seconds(build(n_components, random_state=seed).fit, X)
    codes, of_transform = seconds(reducer.transform, X_held)
    figures = {"seconds of fit": of_fit, "seconds of transform": of_transform}
    few = np.random.default_rng(seed).permutation(len(X_held))[:MOST_MEASURED]
    n_neighbors = min(10, (len(few) - 1) // 2)
    figures["trustworthiness"] = trustworthiness(X_held[few], codes[few], n_neighbors=n_neighbors)
    if y is not None:
        at = np.random.default_rng(seed).permutation(len(X))[:20_000]
        known = reducer.transform(X)[at]
        for name, reader in (
            ("10-NN accuracy", KNeighborsClassifier(10)),
            ("linear SVC accuracy", make_pipeline(StandardScaler(), SVC(kernel="linear"))),
        ):
            part = slice(None) if "NN" in name else slice(5_000)
            figures[name] = reader.fit(known[part], y[at][part]).score(codes, y_held)
    if hasattr(reducer, "inverse_transform") and not type(reducer).__module__.startswith("umap"):
        back, figures["seconds of inverse"] = seconds(reducer.inverse_transform, codes)
        figures["squared error"] = float(np.mean((back - X_held) ** 2))
    if isinstance(reducer, AdversarialAutoencoder):
        figures["distance ratio"] = prior_match(reducer, X_held[few], random_state=seed).ratio
        for source in ("prior", "aggregated_posterior"):
            drawn = reducer.sample(len(few), random_state=seed, source=source)
            for name, value in sample_quality(X_held[few], drawn).items():
                figures[f"{name}, from the {source.replace('_', ' ')}"] = value
    return figures, codes


class Panel:
    """Figures by data set and reducer, printed as they come and kept as JSON."""

    def __init__(self, folder):
        self.path = folder / "panel.json"
        self.rows = json.loads(self.path.read_text())["rows"] if self.path.exists() else {}

    def add(self, data, reducer, figures):
        self.rows.setdefault(data, {})[reducer] = figures
        theirs = self.rows[data].get("PCA", {}).get("squared error")
        if theirs and "squared error" in figures:
            figures["squared error over PCA's"] = [
                ours / median(theirs) for ours in figures["squared error"]
            ]
        for what, values in figures.items():
            spread = f"({min(values):.4g} to {max(values):.4g})"
            print(f"{data}: {reducer}: {what:45}{median(values):10.4g}   {spread}", flush=True)
        content = {"hardware": hardware(), "versions": versions(), "rows": self.rows}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(content, indent=1) + "\n")


def draw(name, colours, maps, path):
    """Save the maps of held-out rows of a set, one beside the other."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(maps), figsize=(2.0 * len(maps), 2.3), squeeze=False, layout="constrained"
    )
    for (reducer, codes), ax in zip(maps.items(), axes[0]):
        ax.scatter(*codes.T, s=1, c=colours, cmap="tab20" if name == "letter" else "tab10")
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"{name}\n{reducer}", fontsize=7)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("."), help="folder of .npz files")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--components", type=int, nargs="+", default=[2, 8])
    parser.add_argument("--reducers", nargs="+", help="of those that are installed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    panel, maps = Panel(args.out), {}
    for name in args.sets:
        if name in FILES and not (args.data / f"{name}.npz").exists():
            print(f"{name}: left out, no file {args.data / f'{name}.npz'}")
            continue
        data = load(name, args.data)
        for n_components in args.components:
            if n_components > data[0].shape[1]:
                continue
            for reducer, build in reducers(n_components, len(data[0])).items():
                if args.reducers and reducer not in args.reducers:
                    continue
                found = {}
                for seed in range(args.seeds):
                    with warnings.catch_warnings(record=True) as caught:
                        warnings.simplefilter("always")
                        with contextlib.redirect_stdout(io.StringIO()):
                            try:
                                figures, codes = measure(build, n_components, data, seed)
                            except (ValueError, RuntimeError, TypeError) as error:
                                print(
                                    f"{name}, {n_components}: {reducer}: {error}", file=sys.stderr
                                )
                                break
                    figures["warnings"] = sum(
                        issubclass(w.category, ConvergenceWarning) for w in caught
                    )
                    for what, value in figures.items():
                        found.setdefault(what, []).append(float(value))
                    if n_components == 2 and seed == 0:
                        colours = data[3] if data[3] is not None else data[2][:, 0]
                        maps.setdefault(name, (colours, {}))[1][reducer] = codes
                panel.add(f"{name}, {n_components}", reducer, found)
        if name in maps:
            draw(name, *maps[name], args.out / f"panel_{name.replace(' ', '_')}.png")


if __name__ == "__main__":
    main()
