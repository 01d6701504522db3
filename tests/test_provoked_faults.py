"""Faults that are provoked: a fit with finite answers, or words that name the cause and the cure.

Losses that are not finite are in ``test_recovery.py``, Ctrl-C in ``test_interruption.py``, torn
checkpoints and full disks in ``test_checkpoints.py``.
"""

from functools import partial

import numpy as np
import pytest
import torch
from estimator_cases import ESTIMATORS, short_fits_may_warn
from robustness_cases import answers, fit_and_hear, not_finite
from sklearn.base import clone
from torch import nn

from skaae import AdversarialAutoencoder
from skaae._device import OutOfMemoryError
from skaae._scaling import ColumnScaling
from skaae._streams import RowsOutOfMemoryError, subset
from skaae.divergences import DIVERGENCES

ADVERSARIAL = [name for name in DIVERGENCES if hasattr(DIVERGENCES[name], "build_discriminator")]


def table(n_samples=40, n_features=4):
    return np.random.default_rng(0).normal(size=(n_samples, n_features))


def with_outlier():
    X = table()
    X[7, 0] = 1e12
    return X


def spoilt(factors):
    return table() * factors


ODD_TABLES = {
    "constant": np.full((40, 4), 3.7),
    "times 1e30": spoilt(1e30),
    "times 1e-30": spoilt(1e-30),
    "times 1e145": spoilt(1e145),
    "no digit whole": spoilt(1e-320),
    "squares are zero": spoilt([1e-200, 1e-300, 1.0, 1e100]),
    "float32 times 1e30": spoilt(1e30).astype(np.float32),
    "float32 no digit whole": spoilt(1e-42).astype(np.float32),
    "one outlier of 1e12": with_outlier(),
    "an offset of 1e15": 1e15 + spoilt(1.0),
    "two rows": table(2),
    "two equal rows": np.ones((2, 3)),
    "10,000 columns, 20 rows": table(20, 10_000),
    "one column": table(40, 1),
}


def labels_of(X):
    return np.arange(len(X)) % 2


@pytest.mark.parametrize("case", ODD_TABLES)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_table_that_is_odd_has_a_fit_with_finite_answers(name, case):
    X = ODD_TABLES[case]
    y = labels_of(X)
    model = clone(ESTIMATORS[name])
    heard = fit_and_hear(model, X, y)
    assert not_finite(model, X, y) == []
    assert answers(model, X, y)["sample"].dtype == X.dtype
    assert all("Lower" in text or "Raise" in text or "fewer" in text for text in heard)


@pytest.mark.parametrize(
    ("X", "column"),
    [
        (spoilt([1.0, 1e155, 1.0, 1.0]), 1),
        (spoilt([1.0, 1.0, -1e300, 1.0]), 2),
        (spoilt([1.0, 1.0, 1.0, 1e37]).astype(np.float32), 3),
    ],
    ids=["squares overflow", "sums overflow", "float32"],
)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_columns_beyond_what_squares_bear_are_named(name, X, column):
    with pytest.raises(ValueError, match=rf"in column {column}\. Measure that column in a larger"):
        clone(ESTIMATORS[name]).fit(X, labels_of(X))


def test_huge_numbers_of_both_signs_warn_of_no_sum():
    with pytest.raises(ValueError, match=r"got 1\.7e\+308 in column 0"):
        AdversarialAutoencoder(max_iter=1).fit(1.7e308 * np.array([[1], [1], [-1], [-1]] * 2))


def test_rows_that_stay_on_their_device_are_refused_alike():
    with pytest.raises(ValueError, match=r"got 1e\+200 in column 0"):
        ColumnScaling.fit(torch.tensor([[1.0], [1e200]], dtype=torch.float64))


def test_a_missing_value_in_disguise_is_named():
    """The float that stands for it in some files is the largest there is."""
    X = table()
    X[3, 2] = np.finfo(np.float64).max
    with pytest.raises(ValueError, match="stands for a missing one"):
        AdversarialAutoencoder(max_iter=1).fit(X)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("rate", [10.0, 1e10, 1e30])
def test_a_rate_that_explodes_is_named(name, rate, wine):
    model = clone(ESTIMATORS[name]).set_params(learning_rate=rate, max_iter=8)
    heard = fit_and_hear(model, *wine)
    assert any("Lower learning_rate" in text for text in heard)
    assert not_finite(model, *wine) == []


@pytest.mark.parametrize("divergence", ADVERSARIAL)
@pytest.mark.parametrize("rate", [1.0, 1e30])
def test_a_discriminator_that_wins_leaves_a_fit_that_can_be_used(divergence, rate, wine):
    """It learns five times a step, and far too fast."""
    opponent = DIVERGENCES[divergence](learning_rate=rate, n_discriminator_steps=5)
    model = AdversarialAutoencoder(
        3, divergence=opponent, hidden_layer_sizes=(16,), max_iter=15, random_state=0
    )
    heard = fit_and_hear(model, *wine)
    assert not_finite(model, wine[0]) == []
    # Either it did no harm, or it is told of.
    assert heard or not model.prior_match_.mismatched
    assert all("of the divergence" in text for text in heard)


@pytest.fixture
def no_memory(monkeypatch):
    """Let the device be full in the third step."""
    steps = []

    def descend(optimizer, objective):
        steps.append(objective)
        if len(steps) == 3:
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("skaae.training._adam.Adam.descend", descend)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_device_without_memory_says_what_needs_less(name, wine, no_memory):
    model = clone(ESTIMATORS[name]).set_params(batch_size=60)
    before = dict(vars(model))
    with pytest.raises(OutOfMemoryError, match=r"Tried to allocate 2\.00 GiB") as caught:
        model.fit(*wine)
    told = str(caught.value)
    assert f"178 rows of 13 columns ({178 * 13 * 4:,} bytes) in batches of 60." in told
    assert "Set batch_size=30 or less, precision='bfloat16'" in told
    assert vars(model) == before


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_device_without_memory_for_the_rows_says_what_needs_less(name, wine, monkeypatch):
    """Smaller batches would not."""

    def forward(*_):
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(ColumnScaling, "forward_", forward)
    model = clone(ESTIMATORS[name])
    with pytest.raises(OutOfMemoryError, match=r"Tried to allocate 2\.00 GiB") as caught:
        model.fit(*wine)
    told = str(caught.value)
    assert f"no memory left for 178 rows of 13 columns ({178 * 13 * 4:,} bytes)" in told
    assert "Set device='cpu', or pass rows that are read in pieces: a numpy.memmap" in told
    assert "batch_size" not in told
    assert "bfloat16" not in told


class OfFewRows(nn.Module):
    """A network for which the device has memory in small batches of training only."""

    def __init__(self, n_inputs, n_outputs, most):
        super().__init__()
        self.layer, self.most = nn.Linear(n_inputs, n_outputs), most

    def forward(self, x):
        if not self.training and len(x) > self.most:
            raise OutOfMemoryError("CUDA out of memory.")
        return self.layer(x)


@short_fits_may_warn
@pytest.mark.parametrize(
    ("name", "changes"),
    [*((name, {}) for name in ESTIMATORS), ("autoencoder", {"early_stopping": True})],
)
def test_looks_after_training_make_do_with_less_memory(name, changes, wine):
    """What was learnt is not lost because more rows are looked at than are trained on at a time."""
    network = "generator" if name == "implicit" else "encoder"
    fits = []
    for most in (1000, 13):
        model = clone(ESTIMATORS[name]).set_params(batch_size=10, **changes)
        model.set_params(**{network: partial(OfFewRows, most=most)})
        fits.append(model.fit(*wine))
    for a, b in zip(*(fit.model_.state_dict().values() for fit in fits)):
        assert torch.equal(a, b)
    if name != "implicit":
        matches = [fit.prior_match_ for fit in fits]
        assert matches[0].distance == pytest.approx(matches[1].distance, rel=1e-5)


def test_a_part_of_the_rows_that_does_not_fit_is_told_from_a_step():
    class Full(torch.Tensor):
        def __getitem__(self, places):
            raise OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(RowsOutOfMemoryError, match="CUDA out of memory"):
        subset(Full(), torch.arange(3))


def test_a_piece_without_memory_keeps_what_was_learnt(wine, monkeypatch):
    model = clone(ESTIMATORS["autoencoder"]).partial_fit(wine[0])
    codes = model.transform(wine[0])

    def descend(*_):
        raise OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("skaae.training._adam.Adam.descend", descend)
    with pytest.raises(OutOfMemoryError, match="Set batch_size=32"):
        model.partial_fit(wine[0])
    assert (model.transform(wine[0]) == codes).all()


@pytest.mark.parametrize("loss", ["squared_error", "bernoulli"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_last_step_into_the_far_distance_is_taken_back(name, loss, wine):
    """Weights are finite there, their products are not, and no loss comes after it to tell."""
    X, y = (wine[0] > wine[0].mean(axis=0)).astype(np.float32), wine[1]
    model = clone(ESTIMATORS[name]).set_params(learning_rate=1e20, max_iter=1, batch_size=178)
    if "reconstruction_loss" in model.get_params():
        model.set_params(reconstruction_loss=loss)
    (heard,) = fit_and_hear(model, X, y)
    assert "Training stopped in epoch 1" in heard
    assert "Lower learning_rate" in heard
    assert not_finite(model, X, y) == []
