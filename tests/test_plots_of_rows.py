"""Displays of rows: the decoded prior, reconstructions, samples."""

import numpy as np
import pytest
from display_cases import tile
from estimator_cases import SHORT, short_fits_may_warn
from matplotlib.figure import Figure
from scipy import sparse, stats
from sklearn.decomposition import PCA

from skaae import AdversarialAutoencoder
from skaae.metrics import reconstruction_error
from skaae.plotting import ManifoldDisplay, ReconstructionDisplay, SampleDisplay

pytestmark = short_fits_may_warn


# ------------------------------------------------------------------ the decoded prior


def test_the_grid_is_decoded_quantiles(fits, ax):
    display = ManifoldDisplay.from_estimator(fits["plain"], n_steps=4, image_shape=(8, 8), ax=ax)
    z = stats.norm.ppf([0.125, 0.375, 0.625, 0.875])
    # Second from the left, uppermost but one: the second component is greater further up.
    expected = fits["plain"].inverse_transform([[z[1], z[2]]]).reshape(8, 8)
    np.testing.assert_allclose(tile(display, 1, 1, (8, 8)), expected)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["-1.2", "-0.32", "0.32", "1.2"]
    heights = dict(zip((text.get_text() for text in ax.get_yticklabels()), ax.get_yticks()))
    assert heights["1.2"] == 0.5


def test_components_that_are_not_shown_rest_at_the_median(fits, ax):
    display = ManifoldDisplay.from_estimator(fits["five"], n_steps=3, components=(4, 2), ax=ax)
    least, greatest = 3.0 * stats.norm.ppf([1 / 6, 5 / 6])
    corner = fits["five"].inverse_transform([[0.0, 0.0, greatest, 0.0, least]])
    np.testing.assert_allclose(display.rows[:1], corner, atol=1e-10)


def test_a_single_component_is_a_line(fits, ax):
    display = ManifoldDisplay.from_estimator(fits["one"], n_steps=5, ax=ax)
    codes = stats.norm.ppf((np.arange(5) + 0.5) / 5)[:, None]
    np.testing.assert_allclose(display.rows, fits["one"].inverse_transform(codes))


@pytest.mark.parametrize("name", ["conditional", "classifier", "clusterer"])
def test_decoders_of_labels_decode_in_one(name, fits, ax):
    display = ManifoldDisplay.from_estimator(fits[name], n_steps=1, y=1, ax=ax)
    expected = fits[name].inverse_transform([[0.0, 0.0]], 1)
    np.testing.assert_allclose(display.rows, expected, atol=1e-10)
    with pytest.raises(ValueError, match="pass y"):
        ManifoldDisplay.from_estimator(fits[name], ax=ax)


def test_codes_that_are_one_hot_have_no_grid(fits, ax):
    with pytest.raises(ValueError, match="one-hot codes of Categorical"):
        ManifoldDisplay.from_estimator(fits["one-hot"], ax=ax)


# ------------------------------------------------------------------ reconstructions


@pytest.mark.parametrize("name", ["plain", "heads", "of classes"])
def test_below_each_row_is_its_reconstruction(name, fits, images, ax):
    X, _ = images
    display = ReconstructionDisplay.from_estimator(
        fits[name], X, n_shown=4, image_shape=(8, 8), ax=ax
    )
    expected = fits[name].inverse_transform(fits[name].transform(X))[3].reshape(8, 8)
    np.testing.assert_array_equal(tile(display, 0, 3, (8, 8)), X[3].reshape(8, 8))
    np.testing.assert_allclose(tile(display, 1, 3, (8, 8)), expected)


@pytest.mark.parametrize("name", ["conditional", "classifier", "clusterer"])
def test_rows_are_decoded_in_their_class_or_in_the_predicted_one(name, fits, images, ax):
    X, y = images
    given, labels = (y, y) if name == "conditional" else (None, fits[name].predict(X))
    display = ReconstructionDisplay.from_estimator(fits[name], X, given, ax=ax)
    expected = fits[name].inverse_transform(fits[name].transform(X), labels)
    np.testing.assert_allclose(display.reconstructions, expected[:10])


def test_the_errors_are_written(fits, images, ax):
    X, _ = images
    display = ReconstructionDisplay.from_estimator(fits["plain"], X, n_shown=4, ax=ax)
    error = reconstruction_error(fits["plain"], X)
    assert ax.get_title() == f"Mean squared error of 200 rows: {error:.3g}"
    each = [reconstruction_error(fits["plain"], X[i : i + 1]) for i in range(4)]
    np.testing.assert_allclose(display.errors, each)
    assert [text.get_text() for text in ax.get_xticklabels()] == [f"{e:.3g}" for e in each]


def test_sparse_rows_and_other_transformers_are_shown_too(fits, images, ax):
    X, _ = images
    shown = ReconstructionDisplay.from_estimator(fits["plain"], sparse.csr_array(X), ax=ax)
    np.testing.assert_array_equal(shown.rows, X[:10])
    pca = PCA(2).fit(X)
    display = ReconstructionDisplay.from_estimator(pca, X, ax=Figure().subplots())
    assert display.mean_error == pytest.approx(reconstruction_error(pca, X))


def test_rows_that_are_no_images_are_profiles(fits, images, ax):
    X, _ = images
    display = ReconstructionDisplay.from_estimator(fits["plain"], X, n_shown=3, ax=ax)
    first, *_, last = display.tiles_.get_segments()
    assert len(display.tiles_.get_segments()) == 6
    assert len(first) == 64
    # In its cell, columns from left to right, and greater values further up.
    assert (np.diff(first[:, 0]) > 0).all()
    column = X[:3].var(axis=0).argmax()
    upper, lower = X[:3, column].argmax(), X[:3, column].argmin()
    segments = display.tiles_.get_segments()
    assert segments[upper][column, 1] < segments[lower][column, 1]
    assert (last[:, 0] > 2).all()
    assert (last[:, 1] > 0.9).all()


def test_images_may_have_colours(fits, images, ax):
    X = np.random.default_rng(0).uniform(size=(30, 4 * 5 * 3))
    aae = AdversarialAutoencoder(**SHORT).fit(X)
    display = ReconstructionDisplay.from_estimator(
        aae, X, image_shape=(4, 5, 3), vmin=0.0, vmax=1.0, ax=ax
    )
    np.testing.assert_allclose(tile(display, 0, 2, (4, 5))[..., :3], X[2].reshape(4, 5, 3))


# ------------------------------------------------------------------ samples


@pytest.mark.parametrize("name", ["plain", "conditional", "classifier", "heads", "implicit"])
def test_the_grid_holds_samples(name, fits, ax):
    display = SampleDisplay.from_estimator(
        fits[name], n_rows=2, n_columns=3, random_state=4, image_shape=(8, 8), ax=ax
    )
    expected = fits[name].sample(6, random_state=4)
    np.testing.assert_array_equal(tile(display, 1, 2, (8, 8)), expected[5].reshape(8, 8))


@pytest.mark.parametrize("name", ["conditional", "classifier", "clusterer", "of classes"])
def test_a_class_has_a_line(name, fits, ax):
    display = SampleDisplay.from_estimator(fits[name], y=[2, 0], n_columns=3, random_state=4, ax=ax)
    expected = fits[name].sample(6, y=[2, 2, 2, 0, 0, 0], random_state=4)
    np.testing.assert_array_equal(display.samples, expected)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["2", "0"]


@pytest.mark.parametrize("y", [[], [[0, 1]]])
def test_classes_of_samples_are_one_a_line(y, fits, ax):
    with pytest.raises(ValueError, match="expected labels, one a line of the grid"):
        SampleDisplay.from_estimator(fits["conditional"], y=y, ax=ax)


def test_samples_may_come_from_where_codes_lie(fits, ax):
    asked = {"source": "aggregated_posterior"}
    display = SampleDisplay.from_estimator(
        fits["plain"], n_rows=1, random_state=0, sample_params=asked, ax=ax
    )
    expected = fits["plain"].sample(10, random_state=0, **asked)
    np.testing.assert_array_equal(display.samples, expected)
