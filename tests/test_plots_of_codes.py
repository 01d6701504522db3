"""Displays of codes and of training: codes in the plane, codes against the prior, history."""

import numpy as np
import pytest
from display_cases import offsets
from estimator_cases import SHORT, short_fits_may_warn
from matplotlib.figure import Figure
from scipy import stats

from skaae import AdversarialAutoencoder
from skaae.metrics import PriorMatch, prior_match
from skaae.plotting import HistoryDisplay, LatentSpaceDisplay, PriorMatchDisplay
from skaae.priors import Uniform

pytestmark = short_fits_may_warn


# ------------------------------------------------------------------ codes in the plane


def test_points_are_the_codes_of_their_class(fits, images, ax):
    X, y = images
    display = LatentSpaceDisplay.from_estimator(fits["plain"], X, y, ax=ax)
    codes = fits["plain"].transform(X)
    for label, points in zip(np.unique(y), display.scatter_):
        np.testing.assert_allclose(points.get_offsets(), codes[y == label])
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == [*map(str, range(10)), "99% of the prior"]


@pytest.mark.parametrize("mark", [None, np.nan, ""])
def test_rows_without_a_class_are_shown_as_such(mark, fits, images, ax):
    X, y = images
    y = np.array(["few", "many"], dtype=object)[(y > 4).astype(int)]
    y[::3] = mark
    display = LatentSpaceDisplay.from_estimator(fits["plain"], X, y, ax=ax)
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["no class", "few", "many", "99% of the prior"]
    assert len(display.scatter_[0].get_offsets()) == len(y[::3])


def test_classes_may_be_of_several_types(fits, images, ax):
    X, y = images
    kinds = np.array([1, "many"], dtype=object)[(y > 4).astype(int)]
    display = LatentSpaceDisplay.from_estimator(fits["plain"], X, kinds, ax=ax)
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["1", "many", "99% of the prior"]


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
