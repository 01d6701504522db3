"""All displays: where they draw, and what they refuse."""

import importlib
import sys

import matplotlib as mpl
import numpy as np
import pytest
import torch
from display_cases import every_display
from estimator_cases import SHORT, short_fits_may_warn
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skaae
from skaae import AdversarialAutoencoder
from skaae.plotting import (
    HistoryDisplay,
    LatentSpaceDisplay,
    ManifoldDisplay,
    PriorMatchDisplay,
    ReconstructionDisplay,
    SampleDisplay,
)

mpl.use("Agg")
pytestmark = short_fits_may_warn


# ------------------------------------------------------------------ what they are given


class OnDevice(torch.Tensor):
    """A tensor that NumPy cannot read, as those of a GPU."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def cpu(self):
        return self.as_subclass(torch.Tensor)


@pytest.mark.parametrize("display", [LatentSpaceDisplay, PriorMatchDisplay, ReconstructionDisplay])
def test_rows_may_be_tensors_of_another_device(display, fits, images, ax):
    X, y = (torch.as_tensor(values).as_subclass(OnDevice) for values in images)
    labels = {} if display is PriorMatchDisplay else {"y": y}
    shown = display.from_estimator(fits["conditional"], X, ax=ax, **labels)
    assert shown.figure_ is ax.figure


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
