"""Rows of files: what estimators make of them is what they make of an array."""

import threading

import numpy as np
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from sklearn.base import clone
from source_cases import ESTIMATORS, SlicesOnly, answers

from skaae import AdversarialAutoencoder, AdversarialAutoencoderClassifier, metrics
from skaae._device import new_generator
from skaae._scaling import ColumnScaling
from skaae._sources import FileRows, blocks, column_bounds, thinned_rows
from skaae._streams import StreamedRows
from skaae.training import StreamedBatches

pytestmark = short_fits_may_warn


def memmap(folder, rows, name="rows"):
    target = np.memmap(folder / name, rows.dtype, "w+", shape=rows.shape)
    target[:] = rows
    target.flush()
    return np.memmap(folder / name, rows.dtype, "r", shape=rows.shape)


def files(folder, rows):
    return {"memmap": memmap(folder, rows), "slices": SlicesOnly(rows)}


# ------------------------------------------------------------------------------------------ files


@pytest.mark.parametrize("kind", ["memmap", "slices"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_small_file_gives_what_its_array_gives(counts, tmp_path, name, kind):
    X, y = counts
    rows = files(tmp_path, X)[kind]
    expected = answers(clone(ESTIMATORS[name]).fit(X, y), X, y)
    for ours, theirs in zip(answers(clone(ESTIMATORS[name]).fit(rows, y), rows, y), expected):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", ["memmap", "slices"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fitted_model_says_the_same_of_a_large_file(
    counts, tmp_path, name, kind, every_file_is_large, blocks_are_small
):
    X, y = counts
    model = clone(ESTIMATORS[name]).fit(X, y)
    for ours, expected in zip(answers(model, files(tmp_path, X)[kind], y), answers(model, X, y)):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["memmap", "slices"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_large_file_is_fitted(counts, tmp_path, name, kind, every_file_is_large):
    X, y = counts
    model = clone(ESTIMATORS[name]).fit(files(tmp_path, X)[kind], y)
    assert model.n_features_in_ == 12
    assert all(np.isfinite(found).all() for found in answers(model, X, y))
    again = clone(ESTIMATORS[name]).fit(files(tmp_path, X)[kind], y)
    np.testing.assert_array_equal(*(fit.sample(5, random_state=0) for fit in (model, again)))


def test_a_large_file_is_learnt_as_well_as_its_array(digits, tmp_path, every_file_is_large):
    X = digits[0].astype(np.float32)
    order = np.argsort(digits[1], kind="stable")  # files often come sorted
    rows = memmap(tmp_path, X[order])
    settings = {"hidden_layer_sizes": (64,), "max_iter": 20, "random_state": 0}
    fits = [AdversarialAutoencoder(8, **settings).fit(part) for part in (X, rows)]
    ours, file_s = (metrics.reconstruction_error(fit, X) for fit in fits)
    assert file_s < 1.05 * ours
    assert fits[1].prior_match_.ratio < 1.2 * fits[0].prior_match_.ratio


def test_a_large_file_is_read_in_pieces(counts, every_file_is_large, blocks_are_small, monkeypatch):
    monkeypatch.setattr("skaae._streams._LEAST_THINNED_ROWS", 10)
    rows = SlicesOnly(np.tile(counts[0], (10, 1)))
    model = AdversarialAutoencoder(batch_size=50, **SHORT).fit(rows)
    model.partial_fit(rows)
    model.transform(rows)
    model.score(rows)
    assert rows.longest <= 50


def test_a_fit_passes_over_a_file_once_before_its_epochs(every_file_is_large, monkeypatch):
    rows = SlicesOnly(np.random.default_rng(0).normal(size=(20_000, 8)))
    monkeypatch.setattr("skaae._streams._THINNED_ROWS", 1000)
    monkeypatch.setattr("skaae._sources._WIDEST_GAP", 1)
    AdversarialAutoencoder(**{**SHORT, "max_iter": 1}).fit(rows)
    # Scaling and one epoch; beside them a start, and a few looks at a thousand rows set aside.
    assert 2 * 20_000 <= rows.n_read < 2.5 * 20_000


@pytest.mark.parametrize("kind", ["memmap", "slices"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_labels_go_with_their_rows_in_a_file(
    tmp_path, kind, early_stopping, every_file_is_large, monkeypatch
):
    monkeypatch.setattr("skaae._sources._BLOCK_BYTES", 200 * 4 * 8)  # windows of 200 rows
    monkeypatch.setattr("skaae._streams._RUNS_IN_A_WINDOW", 20)
    rng = np.random.default_rng(0)
    y = np.sort(rng.integers(0, 2, 800))
    X = rng.normal(size=(800, 4)) + 6.0 * y[:, None] * np.array([1, -1, 0, 0])
    few = np.where(rng.random(800) < 0.5, y, -1)
    model = AdversarialAutoencoderClassifier(
        early_stopping=early_stopping,
        batch_size=200,
        learning_rate=1e-2,
        **{**SHORT, "max_iter": 15},
    )
    score, array_s = (model.fit(rows, few).score(X, y) for rows in (files(tmp_path, X)[kind], X))
    assert score > max(0.75, array_s - 0.05)


@pytest.mark.parametrize("shape", [(60,), (60, 3, 4)], ids=str)
def test_a_file_that_is_no_table_is_an_error_before_it_is_read(shape, every_file_is_large):
    rows = SlicesOnly(np.zeros(shape))
    with pytest.raises(ValueError, match=r"Expected 2D array|expected <= 2|dim 3"):
        AdversarialAutoencoder(**SHORT).fit(rows)
    assert rows.longest <= 2


def test_complex_values_in_a_file_are_an_error(tmp_path, every_file_is_large):
    with pytest.raises(ValueError, match="Complex data not supported"):
        AdversarialAutoencoder(**SHORT).fit(memmap(tmp_path, np.ones((60, 4), complex)))


def test_a_classifier_without_labels_says_so_of_a_file_too(counts, tmp_path, every_file_is_large):
    with pytest.raises(ValueError, match="requires y to be passed"):
        AdversarialAutoencoderClassifier(**SHORT).fit(memmap(tmp_path, counts[0]), None)


def test_another_default_dtype_leaves_a_fit_on_a_file_alone(counts, every_file_is_large):
    torch.set_default_dtype(torch.float64)
    try:
        fit = AdversarialAutoencoder(**SHORT).fit(SlicesOnly(counts[0]))
    finally:
        torch.set_default_dtype(torch.float32)
    assert np.isfinite(fit.transform(counts[0])).all()


def test_integers_in_a_file_are_read_as_those_of_an_array_are(tmp_path, every_file_is_large):
    X = np.random.default_rng(0).integers(0, 255, (60, 4), dtype=np.uint8)
    model = AdversarialAutoencoder(**SHORT).fit(X)
    codes = model.transform(memmap(tmp_path, X))
    assert codes.dtype == np.float64
    np.testing.assert_array_equal(codes, model.transform(X))


def test_a_value_in_a_large_file_that_is_not_finite_is_an_error(
    counts, tmp_path, every_file_is_large
):
    X = counts[0].copy()
    X[70, 3] = np.inf
    model = AdversarialAutoencoder(**SHORT)
    with pytest.raises(ValueError, match="X contains infinity"):
        model.fit(memmap(tmp_path, X))
    assert not hasattr(model, "n_features_in_")


def test_a_large_file_of_other_columns_is_an_error(counts, tmp_path, every_file_is_large):
    model = AdversarialAutoencoder(**SHORT).fit(counts[0])
    with pytest.raises(ValueError, match="X has 11 features"):
        model.transform(memmap(tmp_path, counts[0][:, 1:]))


def test_labels_of_another_number_than_a_file_s_rows_are_an_error(
    counts, tmp_path, every_file_is_large
):
    model = AdversarialAutoencoderClassifier(**SHORT)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(memmap(tmp_path, counts[0]), counts[1][:-1])


def test_values_that_a_loss_does_not_allow_are_found_in_a_file(
    counts, tmp_path, every_file_is_large
):
    with pytest.raises(ValueError, match=r"expected values in \[0, 1\], got values from 0 to 2"):
        AdversarialAutoencoder(reconstruction_loss="bernoulli", **SHORT).fit(
            memmap(tmp_path, 2 * counts[0])
        )


def test_data_sets_of_hdf5_are_files(counts, tmp_path, every_file_is_large):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        rows = file.create_dataset("rows", data=counts[0], chunks=(16, 12), compression="gzip")
        model = AdversarialAutoencoder(**SHORT).fit(rows)
        np.testing.assert_array_equal(model.transform(rows), model.transform(counts[0]))
    expected = AdversarialAutoencoder(**SHORT).fit(memmap(tmp_path, counts[0]))
    np.testing.assert_array_equal(model.transform(counts[0]), expected.transform(counts[0]))


# ---------------------------------------------------------------------------- blocks, rows, passes


@pytest.mark.parametrize("n_rows", [1, 7, 1000])
def test_blocks_are_all_rows_in_their_order(counts, n_rows):
    found = list(blocks(FileRows(SlicesOnly(counts[0])), n_rows))
    assert max(map(len, found)) <= n_rows
    np.testing.assert_array_equal(np.concatenate(found), counts[0])


def test_bounds_are_those_of_the_columns(counts):
    low, high = column_bounds(FileRows(SlicesOnly(counts[0] - 0.25)))
    np.testing.assert_array_equal(low, counts[0].min(axis=0) - 0.25)
    np.testing.assert_array_equal(high, counts[0].max(axis=0) - 0.25)


def test_rows_are_taken_in_any_order(counts, tmp_path):
    index = np.array([3, 149, 4, 3, 0, 100])
    for source in map(FileRows, files(tmp_path, counts[0]).values()):
        np.testing.assert_array_equal(source.take(index), counts[0][index])


@pytest.mark.parametrize(("n", "expected"), [(4, [0, 49, 99, 149]), (500, range(150))], ids=str)
def test_rows_that_stand_for_a_file_come_from_all_over_it(counts, n, expected):
    found = thinned_rows(FileRows(SlicesOnly(counts[0])), n)
    np.testing.assert_array_equal(found, counts[0][list(expected)])
    assert thinned_rows(counts[0], n) is counts[0]


def numbered(n_rows, places=None):
    """Return streamed rows whose one column is their number."""
    rows = np.arange(n_rows, dtype=np.float64)[:, None]
    streamed = StreamedRows(
        FileRows(SlicesOnly(rows)), ColumnScaling.identity(1), torch.device("cpu")
    )
    return streamed if places is None else streamed.subset(torch.as_tensor(places))


def test_some_of_some_rows_are_those_rows():
    some = numbered(1000).subset(torch.arange(0, 1000, 10)).subset(torch.tensor([3, 50, 99]))
    assert len(some) == 3
    assert some[torch.tensor([2, 0])].tolist() == [[990.0], [30.0]]
    assert torch.cat(list(some.split(2))).tolist() == [[30.0], [500.0], [990.0]]
    assert sorted(some.thinned().flatten().tolist()) == [30.0, 500.0, 990.0]


def passes(rows, batch_size=16, seed=0, **labels):
    batches = StreamedBatches(rows, batch_size, new_generator(seed), **labels)
    return [list(batches) for _ in range(2)]


@pytest.fixture
def windows_are_small(monkeypatch):
    """Let a window have 100 rows of one column of float64, in runs of five."""
    monkeypatch.setattr("skaae._sources._BLOCK_BYTES", 800)
    monkeypatch.setattr("skaae._streams._RUNS_IN_A_WINDOW", 20)


@pytest.mark.parametrize("held_out", [[], [0, 1, 2, 500, 999], list(range(0, 1000, 3))], ids=len)
def test_a_pass_meets_every_row_once(windows_are_small, held_out):
    kept = np.setdiff1d(np.arange(1000), held_out)
    y = torch.as_tensor(kept) % 7
    for batches in passes(numbered(1000, kept), y=y):
        assert len({len(batch.x) for batch in batches}) == 1
        met = torch.cat([batch.x for batch in batches]).flatten()
        assert len(met) > len(kept) - len(batches)  # of each batch less than a row is left
        assert len(met.unique()) == len(met)
        assert set(met.int().tolist()) <= set(kept.tolist())
        assert torch.equal(met.long() % 7, torch.cat([batch.y for batch in batches]))


def test_passes_differ_and_a_seed_repeats_them(windows_are_small):
    first, again, other = (passes(numbered(1000), seed=seed) for seed in (0, 0, 1))
    flat = [torch.cat([batch.x for batch in one]) for one in (*first, *again, other[0])]
    assert not torch.equal(flat[0], flat[1])
    assert torch.equal(flat[0], flat[2])
    assert torch.equal(flat[1], flat[3])
    assert not torch.equal(flat[0], flat[4])


def test_a_batch_mixes_rows_from_all_over_the_file(windows_are_small):
    # Of 1,000 numbers drawn at random, 16 have a standard deviation of 289 around 500.
    means = torch.stack([batch.x.mean() for batch in passes(numbered(1000))[0]])
    spreads = torch.stack([batch.x.std() for batch in passes(numbered(1000))[0]])
    assert (means - 500).abs().max() < 4 * 289 / 16**0.5
    assert spreads.median() > 200


def test_rows_with_a_label_come_on_top(windows_are_small):
    y = torch.full((1000,), -1)
    y[[5, 600]] = torch.tensor([0, 1])
    for batch in passes(numbered(1000), y=y, least_labeled=6)[0]:
        extra = slice(batch.n_fair, None)
        assert batch.n_extra == 6
        assert set(batch.x[extra].flatten().tolist()) <= {5.0, 600.0}
        assert torch.equal(batch.y[extra], (batch.x[extra].flatten() == 600).long())


def test_neighbours_are_those_in_the_window(windows_are_small):
    """A window of a hundred of a thousand numbers has each number's nearest some ten away."""
    for batch in passes(numbered(1000), n_neighbors=2)[0]:
        n = batch.n_fair
        assert (batch.n_pairs, batch.n_extra) == (n, n)
        apart = (batch.x[:n] - batch.x[n:]).abs()
        assert apart.min() > 0
        assert apart.max() < 100


@pytest.mark.parametrize("batch_size", [16, 300])
@pytest.mark.parametrize("n_rows", [999, 9999])
def test_no_more_than_a_window_and_a_batch_are_in_memory(windows_are_small, n_rows, batch_size):
    # 9,999 rows in batches of 16 make 625 of 15, and 624 rows that are left over.
    rows = numbered(n_rows)
    windows = rows.windows(0, batch_size)
    met = np.concatenate([run for window in windows for run in window])
    np.testing.assert_array_equal(np.sort(met), np.arange(n_rows))
    assert max(sum(map(len, window)) for window in windows) <= 1.6 * max(100, batch_size)
    read = []
    rows.read = lambda window: read.append(window) or StreamedRows.read(rows, window)
    batches = list(StreamedBatches(rows, batch_size, new_generator(0)))
    assert len({len(batch.x) for batch in batches}) == 1
    met = sum(len(batch.x) for batch in batches)
    offered = sum(len(run) for window in read for run in window)
    assert offered - met <= 1.6 * max(100, batch_size) + batch_size


@pytest.mark.parametrize(("chunk_rows", "longest"), [(1, 5), (10, 10), (500, 12)])
def test_runs_are_as_long_as_what_a_file_keeps_together(windows_are_small, chunk_rows, longest):
    rows = numbered(1000)
    rows.source._rows.chunks = (chunk_rows, 1)
    runs = [run for window in rows.windows(0, 16) for run in window]
    assert max(map(len, runs)) == longest


def readers():
    return [thread for thread in threading.enumerate() if "read-ahead" in thread.name]


def test_reading_ahead_ends_with_a_pass_that_is_broken_off(windows_are_small):
    batches = iter(StreamedBatches(numbered(1000), 16, new_generator(0)))
    next(batches)
    assert readers()
    batches.close()
    assert not readers()


def test_a_file_that_fails_ends_the_fit(counts, every_file_is_large, blocks_are_small):
    class Failing(SlicesOnly):
        def __getitem__(self, rows):
            if threading.current_thread() is not threading.main_thread():
                raise OSError("the disk is gone")
            return super().__getitem__(rows)

    model = AdversarialAutoencoder(**SHORT)
    with pytest.raises(OSError, match="the disk is gone"):
        model.fit(Failing(counts[0]))
    assert not hasattr(model, "model_")
    assert not readers()
