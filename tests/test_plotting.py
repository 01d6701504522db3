"""Displays: what is drawn is what the estimator answers, where it was asked to be drawn."""

import importlib
import sys
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from estimator_cases import SHORT, short_fits_may_warn
from matplotlib.figure import Figure
from scipy import sparse, stats
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skaae
from skaae import (
    AdversarialAutoencoder,
    AdversarialAutoencoderClassifier,
    AdversarialAutoencoderClusterer,
    ConditionalAdversarialAutoencoder,
    ImplicitGenerativeModel,
)
from skaae.metrics import PriorMatch, prior_match, reconstruction_error
from skaae.plotting import (
    HistoryDisplay,
    LatentSpaceDisplay,
    ManifoldDisplay,
    PriorMatchDisplay,
    ReconstructionDisplay,
    SampleDisplay,
)
from skaae.priors import Normal, Uniform

mpl.use("Agg")
pytestmark = short_fits_may_warn


@pytest.fixture(scope="module")
def images(digits):
    X, y = digits
    return X[:200], y[:200]


@pytest.fixture(scope="module")
def fits(images):
    """Return a fit of each estimator, and of codes that are not two."""
    X, y = images
    few = np.where(np.arange(len(y)) % 2, y, -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "plain": AdversarialAutoencoder(early_stopping=True, **SHORT).fit(X),
            "one": AdversarialAutoencoder(1, **SHORT).fit(X),
            "five": AdversarialAutoencoder(5, prior=Normal(3.0), **SHORT).fit(X),
            "one-hot": AdversarialAutoencoder(5, prior="categorical", **SHORT).fit(X),
            "conditional": ConditionalAdversarialAutoencoder(**SHORT).fit(X, y),
            "of classes": ConditionalAdversarialAutoencoder(
                label_role="discriminator", prior="gaussian_mixture", **SHORT
            ).fit(X, y),
            "classifier": AdversarialAutoencoderClassifier(2, **SHORT).fit(X, few),
            "clusterer": AdversarialAutoencoderClusterer(3, n_components=2, **SHORT).fit(X),
            "heads": AdversarialAutoencoderClusterer(
                3, n_components=2, cluster_heads=True, **SHORT
            ).fit(X),
            "implicit": ImplicitGenerativeModel(2, **SHORT).fit(X),
        }


@pytest.fixture
def ax():
    """Return axes that PyPlot knows nothing of."""
    return Figure().subplots()


def offsets(display):
    return np.concatenate([np.asarray(points.get_offsets()) for points in display.scatter_])


def tile(display, row, column, shape):
    """Return the image in a cell of the mosaic."""
    height, width = shape[0] + 1, shape[1] + 1
    mosaic = np.asarray(display.tiles_.get_array())
    return mosaic[row * height : (row + 1) * height - 1, column * width : (column + 1) * width - 1]


def every_display(fits, images, ax_of):
    X, _ = images
    plain, image = fits["plain"], {"image_shape": (8, 8)}
    yield LatentSpaceDisplay.from_estimator(plain, X, ax=ax_of())
    yield ManifoldDisplay.from_estimator(plain, n_steps=3, ax=ax_of(), **image)
    yield ReconstructionDisplay.from_estimator(plain, X, ax=ax_of(), **image)
    yield SampleDisplay.from_estimator(plain, random_state=0, ax=ax_of(), **image)
    yield HistoryDisplay.from_estimator(plain, ax=ax_of())
    yield PriorMatchDisplay.from_estimator(plain, X, ax=ax_of())


# ------------------------------------------------------------------ where they draw


def test_axes_that_are_given_are_used_and_pyplot_left_alone(fits, images, monkeypatch):
    import matplotlib.pyplot as plt

    for name in ("figure", "subplots", "gca", "gcf", "sca", "colorbar"):
        monkeypatch.setattr(plt, name, lambda *_, **__: pytest.fail("PyPlot was asked"))
    before = plt.get_fignums()
    axes = []

    def ax_of():
        axes.append(Figure(layout="constrained").subplots())
        return axes[-1]

    for display, given in zip(every_display(fits, images, ax_of), axes):
        assert display.ax_ is given
        assert display.figure_ is given.figure
        display.figure_.draw_without_rendering()
    assert len(axes) == 6
    assert plt.get_fignums() == before


def test_without_axes_there_is_one_new_figure(fits, images):
    import matplotlib.pyplot as plt

    n_before = len(plt.get_fignums())
    for display in every_display(fits, images, lambda: None):
        assert len(plt.get_fignums()) == n_before + 1
        assert plt.figure(display.figure_.number) is display.figure_
        plt.close(display.figure_)


def test_a_display_draws_again_what_it_holds(fits, images, ax):
    for display in every_display(fits, images, lambda: Figure().subplots()):
        first = display.ax_
        assert display.plot(ax=Figure().subplots()) is display
        assert display.ax_ is not first


@pytest.mark.parametrize("make", [HistoryDisplay, PriorMatchDisplay])
def test_panels_may_be_given_too(make, fits, images):
    arguments = (images[0],) if make is PriorMatchDisplay else ()
    axes = Figure().subplots(3)
    display = make.from_estimator(fits["plain"], *arguments, ax=axes)
    assert list(display.axes_) == list(axes)
    with pytest.raises(ValueError, match="a sequence of 3"):
        make.from_estimator(fits["plain"], *arguments, ax=axes[:2])
    with pytest.raises(ValueError, match="cannot be divided"):
        make.from_estimator(fits["plain"], *arguments, ax=Figure().add_axes((0, 0, 1, 1)))


def test_what_is_no_axes_is_refused(fits):
    with pytest.raises(TypeError, match="expected ax to be one Matplotlib axes or None, got str"):
        SampleDisplay.from_estimator(fits["plain"], ax="left")


@pytest.fixture
def no_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)


def test_importing_needs_no_matplotlib(no_matplotlib, monkeypatch):
    monkeypatch.setattr(skaae, "plotting", skaae.plotting)
    for name in [name for name in sys.modules if name.startswith("skaae.plotting")]:
        monkeypatch.delitem(sys.modules, name)
    assert importlib.import_module("skaae.plotting").__all__ == skaae.plotting.__all__


def test_without_matplotlib_the_error_says_what_to_install(fits, no_matplotlib):
    with pytest.raises(ImportError, match=r'SampleDisplay.plot .* pip install "skaae\[plot\]"'):
        SampleDisplay.from_estimator(fits["plain"])


# ------------------------------------------------------------------ codes in the plane


def test_points_are_the_codes_of_their_class(fits, images, ax):
    X, y = images
    display = LatentSpaceDisplay.from_estimator(fits["plain"], X, y, ax=ax)
    codes = fits["plain"].transform(X)
    for label, points in zip(np.unique(y), display.scatter_):
        np.testing.assert_allclose(points.get_offsets(), codes[y == label])
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == [*map(str, range(10)), "99% of the prior"]


def test_no_two_classes_look_alike(fits, images, ax):
    X, _ = images
    y = np.arange(len(X)) % 30
    display = LatentSpaceDisplay.from_estimator(fits["plain"], X, y, ax=ax)
    looks = {
        (tuple(points.get_facecolor()[0]), len(points.get_paths()[0].vertices))
        for points in display.scatter_
    }
    assert len(looks) == 30


def test_values_have_a_colour_bar(fits, images, ax):
    X, _ = images
    values = X.sum(axis=1) / 7
    display = LatentSpaceDisplay.from_estimator(fits["plain"], X, values, ax=ax)
    (points,) = display.scatter_
    np.testing.assert_array_equal(points.get_array(), values)
    assert display.colorbar_.mappable is points


@pytest.mark.parametrize("name", ["classifier", "clusterer", "heads"])
def test_without_classes_the_predicted_ones_are_shown(name, fits, images, ax):
    X, _ = images
    display = LatentSpaceDisplay.from_estimator(fits[name], X, ax=ax)
    np.testing.assert_array_equal(display.y, fits[name].predict(X))
    assert len(display.scatter_) == len(np.unique(display.y))


@pytest.mark.parametrize("components", [(0, 3), (4, 1)])
def test_of_many_components_two_are_chosen(components, fits, images, ax):
    X, _ = images
    display = LatentSpaceDisplay.from_estimator(fits["five"], X, components=components, ax=ax)
    np.testing.assert_allclose(offsets(display), fits["five"].transform(X)[:, components])
    # The margin of a normal is a normal.
    law = stats.norm(scale=3.0)
    expected = law.pdf(display.x1)[:, None] * law.pdf(display.x0)
    np.testing.assert_allclose(display.density_.get_array(), expected)


def test_a_density_that_is_known_is_that_of_the_components_in_their_order(images, ax):
    X, _ = images
    law = stats.multivariate_normal([0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]])
    aae = AdversarialAutoencoder(prior=law, **SHORT).fit(X)
    display = LatentSpaceDisplay.from_estimator(aae, X, components=(1, 0), ax=ax)
    x0, x1 = display.x0[7], display.x1[90]
    assert display.density[90, 7] == pytest.approx(law.pdf([x1, x0]), rel=1e-6)


def test_a_density_that_is_not_known_is_that_of_draws(images, ax):
    X, _ = images
    aae = AdversarialAutoencoder(prior=Uniform(0.0, 10.0), **SHORT).fit(X)
    display = LatentSpaceDisplay.from_estimator(aae, X, ax=ax)
    inner = [((x > 1.0) & (x < 9.0)) for x in (display.x1, display.x0)]
    inside = display.density[np.ix_(*inner)]
    assert inside.mean() == pytest.approx(0.01, rel=0.03)
    area = (display.x0[1] - display.x0[0]) * (display.x1[1] - display.x1[0])
    assert display.density.sum() * area == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", ["plain", "heads", "of classes", "one-hot"])
def test_the_frame_holds_codes_and_prior(name, fits, images, ax):
    X, _ = images
    display = LatentSpaceDisplay.from_estimator(fits[name], X, ax=ax)
    limits = np.array([ax.get_xlim(), ax.get_ylim()])
    draws = fits[name].prior_.sample(2_000, 5 if name == "one-hot" else 2).numpy()[:, :2]
    inside = ((draws >= limits[:, 0]) & (draws <= limits[:, 1])).all(axis=1)
    assert ((offsets(display) > limits[:, 0]) & (offsets(display) < limits[:, 1])).all()
    assert inside.mean() > 0.99


def test_the_outline_holds_most_of_the_prior(fits, images, ax):
    display = LatentSpaceDisplay.from_estimator(fits["plain"], images[0], ax=ax)
    # Around 99 % of a standard normal in the plane.
    radius = np.sqrt(stats.chi2(2).ppf(0.99))
    (path,) = display.outline_.get_paths()
    np.testing.assert_allclose(np.linalg.norm(path.vertices, axis=1), radius, rtol=0.03)


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


def test_samples_may_come_from_where_codes_lie(fits, ax):
    asked = {"source": "aggregated_posterior"}
    display = SampleDisplay.from_estimator(
        fits["plain"], n_rows=1, random_state=0, sample_params=asked, ax=ax
    )
    expected = fits["plain"].sample(10, random_state=0, **asked)
    np.testing.assert_array_equal(display.samples, expected)


# ------------------------------------------------------------------ history


@pytest.mark.parametrize("name", ["plain", "one", "conditional", "classifier", "heads", "implicit"])
def test_each_loss_is_a_line_over_its_epochs(name, fits, ax):
    history = fits[name].history_
    display = HistoryDisplay.from_estimator(fits[name], ax=ax)
    measured = {key for entry in history for key in entry} - {"epoch", "learning_rate", "seconds"}
    assert set(display.lines_) == measured
    for key, line in display.lines_.items():
        entries = [entry for entry in history if key in entry]
        np.testing.assert_array_equal(line.get_xdata(), [entry["epoch"] for entry in entries])
        np.testing.assert_array_equal(line.get_ydata(), [entry[key] for entry in entries])


def test_losses_of_one_scale_share_a_panel(fits, ax):
    display = HistoryDisplay.from_estimator(fits["plain"], ax=ax)
    assert display.panels == {
        "reconstruction": ("reconstruction", "validation_reconstruction"),
        "divergence": ("regularization", "discriminator"),
        "held-out measures": ("prior_distance", "criterion"),
    }
    lines = display.axes_[0].get_lines()
    assert display.lines_["validation_reconstruction"] in lines
    assert display.lines_["discriminator"] not in lines


def test_the_epoch_that_was_kept_is_marked(ax):
    history = [{"epoch": k, "reconstruction": 100.0 / k} for k in range(1, 30)]
    display = HistoryDisplay(history=history, best_iter=12).plot(ax=ax)
    (panel,) = display.axes_
    assert panel.get_lines()[-1].get_xdata()[0] == 12
    assert panel.get_legend().get_texts()[-1].get_text() == "kept: epoch 12"
    assert panel.get_yscale() == "log"


# ------------------------------------------------------------------ codes against the prior


@pytest.mark.parametrize(("name", "n_panels"), [("one", 1), ("plain", 3), ("five", 5)])
def test_margins_and_a_view(name, n_panels, fits, images, ax):
    display = PriorMatchDisplay.from_estimator(fits[name], images[0], ax=ax)
    assert len(display.axes_) == n_panels
    codes = fits[name].transform(images[0])
    np.testing.assert_array_equal(display.codes, codes)
    heights, edges = np.histogram(
        codes[:, display.components[0]], bins=_edges(display.axes_[0]), density=True
    )
    bars = [bar.get_height() for bar in display.axes_[0].patches[: len(heights)]]
    np.testing.assert_allclose(bars, heights)
    assert np.ptp(edges) >= np.ptp(codes[:, display.components[0]])


def _edges(panel):
    bars = [bar for bar in panel.patches if hasattr(bar, "get_width")]
    return np.array([bar.get_x() for bar in bars] + [bars[-1].get_x() + bars[-1].get_width()])


def test_a_single_row_is_shown_too(fits, images, ax):
    display = PriorMatchDisplay.from_estimator(fits["five"], images[0][:1], ax=ax)
    np.testing.assert_array_equal(display.view, np.eye(5)[:, :2])


def test_quantiles_of_codes_stand_over_those_of_the_prior(fits, images, ax):
    display = PriorMatchDisplay.from_estimator(fits["plain"], images[0], kind="quantile", ax=ax)
    points = np.asarray(display.axes_[0].collections[0].get_offsets())
    shares = (np.arange(200) + 0.5) / 200
    expected = np.quantile(fits["plain"].transform(images[0])[:, 0], shares)
    np.testing.assert_allclose(points[:, 1], expected)
    np.testing.assert_allclose(points[20:-20, 0], stats.norm.ppf(shares[20:-20]), atol=0.06)


def test_the_view_shows_the_direction_that_codes_leave_unused():
    rng = np.random.default_rng(0)
    unused = np.array([3.0, 0.0, 4.0]) / 5.0
    draws = rng.normal(size=(4_000, 3))
    codes = draws - 0.99 * (draws @ unused)[:, None] * unused
    display = PriorMatchDisplay(codes=codes, prior_codes=draws, components=(0,))
    np.testing.assert_allclose(np.abs(display.view[:, 0]), np.abs(unused), atol=0.02)
    np.testing.assert_allclose(np.linalg.norm(display.view, axis=0), 1.0)


@pytest.mark.parametrize(
    ("match", "words"),
    [
        (PriorMatch(0.05, 0.05, 0.98, 500, True), "about as two of its samples meet"),
        (PriorMatch(0.10, 0.05, 0.98, 500, False), "near the prior, not quite"),
        (PriorMatch(0.50, 0.05, 0.90, 500, None), "do not follow the prior"),
        (PriorMatch(0.80, 0.05, 0.01, 500, True), "have collapsed"),
    ],
)
def test_the_match_is_put_in_words(match, words, fits, images, ax):
    PriorMatchDisplay.from_estimator(fits["plain"], images[0], match=match, ax=ax)
    text = ax.texts[0].get_text()
    assert words in text
    assert f"({match.ratio:.1f} times)" in text
    assert {True: "500 held-out", False: "500 training", None: "500 rows"}[match.held_out] in text


def test_the_match_of_the_fit_is_told_where_there_is_one(fits, images, ax):
    X, _ = images
    display = PriorMatchDisplay.from_estimator(fits["plain"], X, ax=ax)
    assert display.match is fits["plain"].prior_match_
    piecewise = AdversarialAutoencoder(**SHORT).partial_fit(X)
    other = PriorMatchDisplay.from_estimator(piecewise, X, ax=Figure().subplots())
    assert other.match is None
    assert not other.ax_.texts
    measured = prior_match(piecewise, X, random_state=0)
    other = PriorMatchDisplay.from_estimator(piecewise, X, match=measured, ax=Figure().subplots())
    assert other.ax_.texts


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("make", [LatentSpaceDisplay, ReconstructionDisplay, PriorMatchDisplay])
def test_what_does_not_encode_is_refused(make, fits, images):
    with pytest.raises(TypeError, match="ImplicitGenerativeModel has no transform"):
        make.from_estimator(fits["implicit"], images[0])
    with pytest.raises(NotFittedError):
        make.from_estimator(AdversarialAutoencoder(), images[0])


@pytest.mark.parametrize("make", [ManifoldDisplay, SampleDisplay, HistoryDisplay])
def test_what_is_not_fitted_is_refused(make):
    with pytest.raises(NotFittedError):
        make.from_estimator(AdversarialAutoencoder())


def test_a_pipeline_is_told_to_pass_its_last_step(fits, images):
    pipeline = make_pipeline(StandardScaler(), AdversarialAutoencoder(**SHORT)).fit(images[0])
    with pytest.raises(TypeError, match="of a Pipeline pass the last step"):
        LatentSpaceDisplay.from_estimator(pipeline, images[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, X: LatentSpaceDisplay.from_estimator(m, X, X[:9, 0]), "inconsistent"),
        (lambda m, X: LatentSpaceDisplay.from_estimator(m, X, X[:, 0] + np.nan), "finite values"),
        (lambda m, X: LatentSpaceDisplay.from_estimator(m, X, components=(0, 2)), "from 0 to 1"),
        (lambda m, X: LatentSpaceDisplay.from_estimator(m, X, components=(0, 0)), "different"),
        (lambda m, X: ManifoldDisplay.from_estimator(m, n_steps=0), "n_steps: expected an integer"),
        (lambda m, X: ManifoldDisplay.from_estimator(m, y=1), "without labels"),
        (lambda m, X: ManifoldDisplay.from_estimator(m, components=0.5), "expected 1 or 2"),
        (lambda m, X: ManifoldDisplay.from_estimator(m, image_shape=(8, 9)), "columns, 64"),
        (lambda m, X: ReconstructionDisplay.from_estimator(m, X, image_shape=8), "image_shape"),
        (lambda m, X: ReconstructionDisplay.from_estimator(m, X, n_shown=2.5), "n_shown"),
        (lambda m, X: SampleDisplay.from_estimator(m, n_columns=True), "n_columns: expected"),
        (lambda m, X: SampleDisplay.from_estimator(m, y=[1]), "draws rows without classes"),
        (lambda m, X: PriorMatchDisplay.from_estimator(m, X, kind="box"), "'histogram' or"),
        (lambda m, X: PriorMatchDisplay.from_estimator(m, X, n_bins=0), "n_bins: expected"),
        (lambda m, X: PriorMatchDisplay.from_estimator(m, X, components=[]), "1 or 2 different"),
    ],
)
def test_arguments_that_make_no_picture_are_refused_before_a_figure_opens(
    call, message, fits, images
):
    import matplotlib.pyplot as plt

    n_before = len(plt.get_fignums())
    with pytest.raises(ValueError, match=message):
        call(fits["plain"], images[0])
    assert len(plt.get_fignums()) == n_before


def test_codes_of_one_component_have_no_plane(fits, images):
    with pytest.raises(ValueError, match="PriorMatchDisplay shows one component"):
        LatentSpaceDisplay.from_estimator(fits["one"], images[0])
