"""The scripts of examples/paper: their files of images, and a run on small ones."""

import gzip
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from skaae.training import Budget

PAPER = Path(__file__).parents[1] / "examples" / "paper"


@pytest.fixture
def load_images(monkeypatch):
    monkeypatch.syspath_prepend(PAPER)
    return runpy.run_path(str(PAPER / "data.py"))["load_images"]


def run_script(monkeypatch, name, *arguments):
    monkeypatch.syspath_prepend(PAPER)
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    try:
        runpy.run_path(str(PAPER / name), run_name="__main__")
    finally:
        for module in ("common", "data", "provenance"):
            sys.modules.pop(module, None)


def grey_images(n_rows, seed):
    """Return images with a bright bar, the lower the greater the label, and the labels."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_rows, dtype=np.uint8) % 10
    X = rng.integers(0, 100, size=(n_rows, 28, 28), dtype=np.uint8)
    for image, label in zip(X, y):
        image[2 * label : 2 * label + 6] += 150
    return X, y


def write_idx(file, array, opened=open):
    sizes = np.array(array.shape, ">u4").tobytes()
    with opened(file, "wb") as stream:
        stream.write(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())


def write_mnist(folder, opened=open, suffix=""):
    parts = [part for seed, n in ((0, 200), (1, 100)) for part in grey_images(n, seed)]
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    for name, part in zip(names, parts):
        write_idx(folder / f"{name}-ubyte{suffix}", part, opened)
    return parts


def write_svhn(folder):
    """Write small images in the format of the street view house numbers, where 0 is 10."""
    parts = []
    for name, n_rows, seed in (("train", 300, 0), ("test", 100, 1)):
        grey, y = grey_images(n_rows, seed)
        X = np.repeat(np.pad(grey, ((0, 0), (2, 2), (2, 2)))[..., None], 3, axis=-1)
        X[..., 2] //= 2
        labels = np.where(y == 0, 10, y)[:, None]
        savemat(folder / f"{name}_32x32.mat", {"X": np.moveaxis(X, 0, -1), "y": labels})
        parts += [X, y]
    return parts


@pytest.mark.parametrize(("opened", "suffix"), [(open, ""), (gzip.open, ".gz")])
def test_idx_files_are_read(load_images, tmp_path, opened, suffix):
    X_train, y_train, X_test, y_test = write_mnist(tmp_path, opened, suffix)
    images = load_images(tmp_path)
    assert images.shape == (28, 28)
    assert images.X_train.dtype == np.float32
    np.testing.assert_allclose(images.X_train, X_train.reshape(200, 784) / 255.0, atol=1e-7)
    np.testing.assert_allclose(images.X_test, X_test.reshape(100, 784) / 255.0, atol=1e-7)
    np.testing.assert_array_equal(images.y_train, y_train)
    np.testing.assert_array_equal(images.y_test, y_test)


def test_an_idx_file_of_another_type_is_refused(load_images, tmp_path):
    write_mnist(tmp_path)
    file = tmp_path / "train-images-idx3-ubyte"
    content = bytearray(file.read_bytes())
    content[2] = 13
    file.write_bytes(content)
    with pytest.raises(ValueError, match="unsigned bytes"):
        load_images(tmp_path)


def test_npz_files_are_read(load_images, tmp_path):
    X, y = grey_images(20, 0)
    np.savez(tmp_path / "mine.npz", X_train=X[:12], y_train=y[:12], X_test=X[12:], y_test=y[12:])
    images = load_images(tmp_path / "mine.npz")
    assert (images.name, images.shape) == ("mine", (28, 28))
    np.testing.assert_allclose(images.X_test, X[12:].reshape(8, 784) / 255.0, atol=1e-7)


def test_mat_files_are_read(load_images, tmp_path):
    X_train, y_train, X_test, y_test = write_svhn(tmp_path)
    images = load_images(tmp_path)
    assert (images.name, images.shape) == ("svhn", (32, 32, 3))
    np.testing.assert_allclose(images.X_train, X_train.reshape(300, -1) / 255.0, atol=1e-7)
    np.testing.assert_allclose(images.X_test, X_test.reshape(100, -1) / 255.0, atol=1e-7)
    np.testing.assert_array_equal(images.y_train, y_train)
    np.testing.assert_array_equal(images.y_test, y_test)


def test_a_folder_without_images_is_refused(load_images, tmp_path):
    with pytest.raises(FileNotFoundError, match="t10k-images-idx3-ubyte"):
        load_images(tmp_path)


# Twelve epochs of 300 rows are too few steps to meet a prior.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_small_colour_images_go_through_a_script(monkeypatch, tmp_path, capsys):
    write_svhn(tmp_path)
    options = ("--data", tmp_path, "--quick", "--seeds", 1, "--out", tmp_path / "results")
    run_script(monkeypatch, "semi_supervised.py", *options, "--only", "1000 labels")
    file = tmp_path / "results" / "semi_supervised_svhn_quick.json"
    row = json.loads(file.read_text())["rows"]["1000 labels"]
    assert row["paper"] == 17.7
    assert row["data"] == ["svhn", 300, 100]
    assert row["values"][0] < 10.0
    assert "1000 labels" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("script", "only", "rows", "pictures"),
    [
        ("clustering", ["10 clusters"], ["10 clusters", "10 clusters: Hungarian accuracy"], 0),
        ("clustering", ["16 clusters"], ["16 clusters: smallest cluster, of an equal part"], 1),
        (
            "stability",
            ["MNIST, 10,000 rows"],
            ["MNIST, 10,000 rows: accuracy", "MNIST, 10,000 rows: warnings of dead clusters"],
            0,
        ),
        ("dimensionality_reduction", ["no labels"], ["no labels"], 1),
        (
            "dimensionality_reduction",
            ["100 labels, ten dimensions"],
            ["100 labels, ten dimensions"],
            0,
        ),
        (
            "style_and_content",
            None,
            [
                "class read from samples",
                "class read from style codes (chance: 10)",
                "variance of samples within a class, of that of test rows",
            ],
            1,
        ),
        (
            "priors",
            ["swiss roll, 10,000 labels"],
            ["swiss roll, 10,000 labels: class read from samples"],
            1,
        ),
        ("priors", ["AAE, swiss roll", "VAE, normal"], ["VAE, normal: distance ratio"], 1),
        (
            "generative_models",
            ["GMMN", "VAE"],
            ["GMMN: Frechet distance", "VAE: Parzen log-likelihood", "VAE: codes told from prior"],
            1,
        ),
    ],
)
def test_scripts_leave_figures_settings_and_pictures(
    monkeypatch, tmp_path, script, only, rows, pictures
):
    # Scripts that leave the budget to the estimator would train for a thousand steps.
    monkeypatch.setattr(Budget, "default", lambda n_samples, n_batches: Budget(3, n_batches))
    (write_svhn if script == "style_and_content" else write_mnist)(tmp_path)
    options = ["--data", tmp_path, "--quick", "--seeds", 1, "--out", tmp_path / "results"]
    options += ["--only", *only] if only else []
    run_script(monkeypatch, f"{script}.py", *options)
    (file,) = (tmp_path / "results").glob("*.json")
    content = json.loads(file.read_text())
    assert set(rows) <= content["rows"].keys()
    assert np.isfinite([value for row in rows for value in content["rows"][row]["values"]]).all()
    assert any(row["settings"] for row in content["rows"].values())
    assert len(content["pictures"]) == pictures
    assert all((tmp_path / "results" / name).stat().st_size for name in content["pictures"])


def test_a_row_that_no_script_has_is_refused(monkeypatch, tmp_path):
    write_mnist(tmp_path)
    with pytest.raises(SystemExit, match=r"expected some of .*got \['11 clusters'\]"):
        run_script(monkeypatch, "clustering.py", "--data", tmp_path, "--only", "11 clusters")


def compared(figures):
    """Return rows of results: Frechet distance, match and told apart of models."""
    measures = ("Frechet distance", "prior match ratio", "codes told from prior")
    return {
        f"{model}: {measure}": {
            "values": [value],
            "unit": "",
            "paper": None,
            "seconds_per_fit": [3.0],
        }
        for model, values in figures.items()
        for measure, value in zip(measures, values)
    }


WITHOUT_ENCODER = {
    "GAN": (50.0,),
    "GAN, gradient penalty": (4.0,),
    "WGAN-GP": (3.0,),
    "GMMN": (47.0,),
}


def test_the_page_answers_from_the_figures(monkeypatch):
    monkeypatch.syspath_prepend(PAPER)
    page = runpy.run_path(str(PAPER / "page.py"))
    rows = compared(
        {"VAE": (18.0, 5.6, 81.0), "AAE, bernoulli": (6.0, 1.0, 55.0), **WITHOUT_ENCODER}
    )
    said = page["answer"](rows)
    for part in (
        "distance of 6 from real digits, the variational autoencoder's at 18: yes.",
        "other's 5.6 times",
        "told from it 55 % of the time, the other's 81 %: yes, by both measures.",
        "plain GAN is at 50,",
        "gradient penalty at 4,",
        "WGAN-GP at 3 and",
        "nearer to real digits than the adversarial autoencoder: GAN, gradient penalty, WGAN-GP.",
    ):
        assert part in said
    assert page["answer"]({}) == ""
    lines = page["matrix"](rows).splitlines()
    at = lines.index("    * - VAE")
    shown = ["    * - VAE", "      - 18", "      - 5.6", "      - 81", "      - 3"]
    assert lines[at : at + 5] == shown


@pytest.mark.parametrize(
    ("vae", "told"),
    [
        ((5.0, 5.6, 81.0), ("at 5: no.", "81 %: yes, by both measures.")),
        ((18.0, 0.9, 81.0), ("at 18: yes.", "81 %: by one measure of two.")),
        ((18.0, 0.9, 51.0), ("at 18: yes.", "51 %: no, by neither measure.")),
    ],
)
def test_the_page_says_so_where_the_other_model_is_better(monkeypatch, vae, told):
    monkeypatch.syspath_prepend(PAPER)
    answer = runpy.run_path(str(PAPER / "page.py"))["answer"]
    said = answer(compared({"VAE": vae, "AAE, bernoulli": (6.0, 1.0, 55.0), **WITHOUT_ENCODER}))
    assert all(part in said for part in told)


def test_the_page_shows_paper_and_figure_side_by_side(monkeypatch):
    monkeypatch.syspath_prepend(PAPER)
    table = runpy.run_path(str(PAPER / "page.py"))["table"]
    row = {"values": [3.0, 4.0], "unit": "%", "paper": 1.9, "seconds_per_fit": [10.0, 20.0]}
    text = table({"100 labels": row})
    for part in ("    * - 100 labels", "      - 1.9 %", "      - 3.5 % (3, 4)", "      - 15"):
        assert part in text.splitlines()


def test_the_page_opens_with_what_was_asked_and_what_came_out(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(PAPER)
    at_a_glance = runpy.run_path(str(PAPER / "page.py"))["at_a_glance"]
    quick = {"values": [2.5, 2.0, 4.0], "unit": "%", "paper": 1.9}
    full = {"values": [0.76], "unit": "%", "paper": 1.9}
    files = {
        "semi_supervised_quick": {"100 labels": quick},
        "semi_supervised": {"100 labels, convolutions, moved": full},
        "clustering_quick": {"16 clusters": {"values": [2.0], "unit": "%", "paper": 9.55}},
    }
    (tmp_path / "results").mkdir()
    for name, rows in files.items():
        (tmp_path / "results" / f"{name}.json").write_text(json.dumps({"rows": rows}))
    monkeypatch.setitem(at_a_glance.__globals__, "DOCS", tmp_path)
    lines = at_a_glance().splitlines()
    at = lines.index("    * - 100 labels, error")
    # Of what has not been run nothing is said.
    assert lines[at:] == [
        "    * - 100 labels, error",
        "      - 1.9 %",
        "      - below 1.06 %",
        "      - 2.83 % (2 to 4)",
        "      - 0.76 %, convolutions, moved",
        "    * - 16 clusters, error",
        "      - 9.55 %",
        "      - below 5 %",
        "      - 2 %",
        "      -",
    ]


def test_the_page_in_the_docs_is_the_one_that_the_results_make(monkeypatch):
    monkeypatch.syspath_prepend(PAPER)
    page = runpy.run_path(str(PAPER / "page.py"))
    assert (page["DOCS"] / "paper.rst").read_text() == page["page"]()
