"""Images as the scripts of this folder take them, from any of the usual files."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
MAT_FILES = ("train_32x32.mat", "test_32x32.mat")


@dataclass(frozen=True)
class Images:
    """Rows in [0, 1] as float32 with integer labels, and the shape of a row as an image."""

    name: str
    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    shape: tuple[int, ...]


def load_images(path=None):
    """Return the images in `path`.

    Parameters
    ----------
    path : path-like or None
        A .npz file with X_train, y_train, X_test, y_test; a folder with the four idx files of
        MNIST, gzipped or not; a folder with the two .mat files of SVHN; None asks OpenML for MNIST.

    Raises
    ------
    FileNotFoundError
        If none of these is there.
    """
    if path is None:
        return _from_openml()
    path = Path(path)
    if path.is_file():
        return _from_npz(path)
    if (path / MAT_FILES[0]).exists():
        return _from_mat(path)
    if _idx_file(path, IDX_FILES[0]) is not None:
        return _from_idx(path)
    raise FileNotFoundError(
        f"{path}: expected a .npz file, or a folder with {', '.join(IDX_FILES)} (MNIST) or with "
        f"{', '.join(MAT_FILES)} (SVHN)."
    )


def _images(name, X_train, y_train, X_test, y_test, shape=None):
    rows = [part.reshape(len(part), -1) / np.float32(255) for part in (X_train, X_test)]
    labels = [np.ravel(part).astype(np.int64) for part in (y_train, y_test)]
    return Images(name, rows[0], labels[0], rows[1], labels[1], shape or X_train.shape[1:])


def _from_openml():
    from sklearn.datasets import fetch_openml

    X, y = fetch_openml("mnist_784", version=1, as_frame=False, return_X_y=True)
    return _images("mnist", X[:60_000], y[:60_000], X[60_000:], y[60_000:], (28, 28))


def _from_npz(path):
    with np.load(path, allow_pickle=False) as data:
        parts = [data[name] for name in ("X_train", "y_train", "X_test", "y_test")]
    shape = (28, 28) if parts[0][0].size == 784 else None
    return _images(path.stem, *parts, shape)


def _idx_file(folder, name):
    found = (folder / name, folder / f"{name}.gz", folder / name.replace("-idx", ".idx"))
    return next((file for file in found if file.exists()), None)


def read_idx(file):
    """Return the array of bytes in an idx file: two zeros, type, rank, sizes, values."""
    with (gzip.open if file.suffix == ".gz" else open)(file, "rb") as stream:
        content = stream.read()
    kind, rank = content[2], content[3]
    if content[:2] != b"\0\0" or kind != 8:
        raise ValueError(f"{file}: expected an idx file of unsigned bytes, got type {kind}.")
    sizes = np.frombuffer(content, ">u4", rank, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(sizes)


def _from_idx(folder):
    files = [_idx_file(folder, name) for name in IDX_FILES]
    if None in files:
        raise FileNotFoundError(f"{folder}: expected {', '.join(IDX_FILES)}.")
    return _images("mnist", *(read_idx(file) for file in files))


def _from_mat(folder):
    from scipy.io import loadmat

    parts = []
    for name in MAT_FILES:
        content = loadmat(folder / name)
        # Images lie along the last axis, and the digit 0 is written as 10.
        parts += [np.moveaxis(content["X"], -1, 0), content["y"] % 10]
    return _images("svhn", *parts)
