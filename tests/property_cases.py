"""Settings, tables and containers at random, for tests of what holds for all of them."""

import io
import tempfile

import h5py
import numpy as np
import pandas as pd
import polars as pl
import torch
from estimator_cases import ESTIMATORS
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from skaae.divergences import DIVERGENCES
from skaae.losses import LOSSES
from skaae.posteriors import POSTERIORS
from skaae.priors import PRIORS


def strided(X):
    return np.repeat(X, 2, axis=0)[::2]


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def names(X):
    return [f"x{k}" for k in range(X.shape[1])]


def on_disk(X):
    with tempfile.TemporaryFile() as file:
        file.write(X.tobytes())
        file.flush()
        return np.memmap(file, X.dtype, "r+", shape=X.shape)  # keeps what it maps


def hdf5(X):
    file = h5py.File(io.BytesIO(), "w")
    return file.create_dataset("rows", data=X)


#: What rows may come in.
CONTAINERS = {
    "array": lambda X: X,
    "columns first": np.asfortranarray,
    "strided": strided,
    "read only": read_only,
    "list": lambda X: X.tolist(),
    "pandas": lambda X: pd.DataFrame(X, columns=names(X)),
    "polars": lambda X: pl.DataFrame(X, schema=names(X)),
    "tensor": lambda X: torch.as_tensor(X.copy()),
    "csr": sparse.csr_array,
    "coo": sparse.coo_matrix,
    "memmap": on_disk,
    "hdf5": hdf5,
}

#: Tables of a shape, from a generator of NumPy.
TABLES = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "unit": lambda rng, shape: rng.random(shape),
    "pixels": lambda rng, shape: (rng.random(shape) < 0.3) * 1.0,
    "constant": lambda rng, shape: np.full(shape, rng.normal()),
    "collinear": lambda rng, shape: rng.normal(size=(shape[0], 1)) * np.ones(shape),
    "heavy tails": lambda rng, shape: rng.standard_cauchy(shape),
    "units of all kinds": lambda rng, shape: (
        rng.normal(size=shape) * 10.0 ** rng.integers(-9, 9, shape[1])
    ),
    "counts": lambda rng, shape: rng.poisson(2.0, shape) * 1.0,
    "an offset": lambda rng, shape: 1e6 + rng.normal(size=shape),
}

DTYPES = ("float64", "float32", "int64", "uint8", "bool")

_SEEDS = st.integers(0, 2**16)
_SHAPES = st.tuples(st.sampled_from([*range(2, 25), 1]), st.integers(1, 6))


@st.composite
def tables(draw):
    """Return rows as an array: of a kind, or number by number, NaN and huge ones among them."""
    dtype = draw(st.sampled_from(DTYPES))
    if draw(st.integers(0, 4)) == 4:
        return draw(hnp.arrays(dtype, _SHAPES))
    rng = np.random.default_rng(draw(_SEEDS))
    X = TABLES[draw(st.sampled_from(sorted(TABLES)))](rng, draw(_SHAPES))
    return X.astype(dtype) if dtype.startswith("float") else np.abs(X).clip(0, 200).astype(dtype)


@st.composite
def labels(draw, n_rows):
    """Return classes of rows: numbers or words, some of which may not be known."""
    rng = np.random.default_rng(draw(_SEEDS))
    codes = rng.permutation(n_rows) % draw(st.sampled_from([2, 3, 4, 1]))
    codes[rng.random(n_rows) < draw(st.sampled_from([0.0, 0.0, 0.3]))] = -1
    if draw(st.booleans()):
        return np.array(["", "a", "b", "c", "d"])[codes + 1]
    return codes


_POINTS = np.random.default_rng(0).normal(size=(30, 2))
_SHARED = {
    "n_components": st.sampled_from([2, 3, 1, 4]),
    "prior": st.sampled_from([*PRIORS, _POINTS]),
    "hidden_layer_sizes": st.sampled_from([(), (3,), (4, 3)]),
    "batch_size": st.one_of(st.just("auto"), st.integers(1, 30)),
    "max_iter": st.integers(1, 2),
    "weight_decay": st.sampled_from([1000.0, 0.0]),
    "precision": st.sampled_from(["auto", "float32", "bfloat16"]),
    "random_state": st.integers(0, 2**31 - 1),
}
_OF_AUTOENCODERS = {
    **_SHARED,
    "divergence": st.sampled_from(sorted(DIVERGENCES)),
    "divergence_weight": st.sampled_from(["auto", 0.0, 1.0, 1e6]),
    "posterior": st.sampled_from(sorted(POSTERIORS)),
    "reconstruction_loss": st.sampled_from(sorted(LOSSES)),
    "learning_rate": st.sampled_from(["auto", 1e-3, 1.0, 1e20]),
    "input_noise": st.sampled_from(["auto", 0.0, 1.0]),
    "early_stopping": st.booleans(),
    "validation_fraction": st.sampled_from([0.1, 0.5]),
}
_OF_LABELS = {
    **_OF_AUTOENCODERS,
    "label_divergence": st.sampled_from(["mutual_information", "jensen_shannon", "mmd"]),
    "label_divergence_weight": st.sampled_from([0.0, 1.0]),
    "consistency_weight": st.sampled_from([0.0, 10.0]),
    "cluster_heads": st.booleans(),
}
PARAMETERS = {
    "autoencoder": {
        **_OF_AUTOENCODERS,
        "neighbors_weight": st.sampled_from([0.0, 1.0]),
        "n_neighbors": st.integers(1, 20),
    },
    "conditional": {
        **_OF_AUTOENCODERS,
        "label_role": st.sampled_from(["decoder", "discriminator"]),
    },
    "classifier": {**_OF_LABELS, "classification_weight": st.sampled_from([0.1, 10.0])},
    "clusterer": {**_OF_LABELS, "n_clusters": st.integers(1, 5), "n_init": st.integers(1, 2)},
    "implicit": {
        **_SHARED,
        "divergence": st.sampled_from([n for n, case in DIVERGENCES.items() if case.of_samples]),
        "bounded": st.booleans(),
        "learning_rate": st.sampled_from([5e-4, 1.0, 1e20]),
    },
}


def mended(parameters):
    """Return parameters that go together, where these do not."""
    parameters = dict(parameters)
    if parameters.get("divergence") == "mutual_information":
        parameters["prior"] = "categorical"
    if parameters.get("divergence") == "posterior_kl":
        parameters["posterior"] = "gaussian"
    if parameters.get("label_role") == "discriminator":
        parameters["prior"] = "gaussian_mixture"
    if parameters.get("early_stopping"):
        parameters["validation_fraction"] = 0.5
    if not isinstance(parameters.get("prior", "normal"), str):
        parameters.pop("n_components", None)
    elif parameters.get("prior") in ("categorical", "swiss_roll"):
        parameters["n_components"] = 2 + parameters.get("n_components", 2) % 2
    return parameters


@st.composite
def cases(draw, name):
    """Return an unfitted estimator, rows as an array, the same in a container, and labels.

    Few of the estimator's parameters are set. One case in five is left as it was drawn, whether its
    parts go together or not.
    """
    parameters = draw(st.fixed_dictionaries({}, optional=PARAMETERS[name]))
    X = draw(tables())
    if draw(st.integers(0, 4)):
        parameters = mended(parameters)
        if parameters.get("reconstruction_loss") == "bernoulli":
            X = (X[:1] < X).astype(X.dtype)
    container = draw(st.sampled_from(sorted(CONTAINERS)))
    small = {"n_components": 2, "hidden_layer_sizes": (4,), "max_iter": 1, "random_state": 0}
    if name == "clusterer":
        small["n_clusters"] = 2
    model = type(ESTIMATORS[name])(**{**small, **parameters})
    return model, X, CONTAINERS[container](X), draw(labels(len(X)))
