"""Rows in batches: how many, which come on top, and what a batch says of them."""

import numpy as np
import pytest
import torch
from source_cases import SlicesOnly

from skaae._device import new_generator
from skaae._scaling import ColumnScaling
from skaae._sources import FileRows
from skaae._streams import StreamedRows
from skaae.distributed import _RANKS, Ranks
from skaae.training import Batch, ResidentBatches, StreamedBatches, batches_of
from skaae.training import _batches as module


def numbered(n_rows, in_a_file=False):
    """Return rows of one column that say which they are."""
    rows = torch.arange(float(n_rows))[:, None]
    if not in_a_file:
        return rows
    source = FileRows(SlicesOnly(rows.numpy()))
    return StreamedRows(source, ColumnScaling.identity(1), torch.device("cpu"))


@pytest.fixture(params=[False, True], ids=["resident", "file"])
def rows_of(request):
    return lambda n_rows: numbered(n_rows, request.param)


@pytest.fixture
def in_process():
    """Return a function that lets this process be one of several."""
    tokens = []

    def be(rank, size):
        tokens.append(_RANKS.set(Ranks(rank, size)))

    yield be
    for token in reversed(tokens):
        _RANKS.reset(token)


def few_labels(n_rows, *labeled):
    y = torch.full((n_rows,), -1)
    y[list(labeled)] = torch.arange(len(labeled))
    return y


# ------------------------------------------------------------------------------------- their size


@pytest.mark.parametrize(
    ("n_rows", "asked", "n_batches", "size"),
    [
        (64, 16, 4, 16),
        (65, 16, 4, 16),
        (100, 30, 3, 33),
        (100, 27, 4, 25),
        (5, 5, 1, 5),
        (5, 1, 2, 2),
        (4, 1, 2, 2),
        (3, 2, 1, 3),
        (1, 1, 1, 1),
    ],
)
def test_batches_divide_the_rows_by_two_at_least(rows_of, n_rows, asked, n_batches, size):
    batches = batches_of(rows_of(n_rows), asked, new_generator(0))
    assert (batches.n_batches, batches.batch_size) == (n_batches, size)
    assert [len(batch.x) for batch in batches] == [size] * n_batches


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_each_of_several_processes_has_its_third(rank, in_process, monkeypatch):
    monkeypatch.setattr(module, "check_same_rows", lambda *args: None)
    in_process(rank, 3)
    batches = batches_of(numbered(32), 10, new_generator(0))
    assert (batches.n_batches, batches.batch_size) == (3, 9)
    order = torch.randperm(32, generator=torch.Generator().manual_seed(0))
    for k, batch in enumerate(batches):
        expected = order[9 * k : 9 * (k + 1)][3 * rank : 3 * (rank + 1)]
        assert batch.x.flatten().tolist() == expected.tolist()
    # Two rows for each are the least.
    assert batches_of(numbered(14), 1, new_generator(0)).batch_size == 6


def test_processes_that_train_together_are_asked_for_the_same_rows(in_process, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "check_same_rows", lambda *args: asked.append(args))
    rows, y = numbered(32), torch.zeros(32, dtype=torch.long)
    batches_of(rows, 8, new_generator(0), y=y)
    assert asked == []
    in_process(0, 2)
    batches_of(rows, 8, new_generator(0), y=y)
    batches_of(rows, 8, new_generator(0))
    ((given, n_rows, labels), (_, _, no_labels)) = asked
    assert given is rows
    assert n_rows == 32
    assert labels is y
    assert no_labels is None


def test_rows_of_a_file_are_streamed_and_others_are_not():
    assert type(batches_of(numbered(8), 4, new_generator(0))) is ResidentBatches
    assert type(batches_of(numbered(8, True), 4, new_generator(0))) is StreamedBatches


# -------------------------------------------------------------------------- what a batch says


def test_a_batch_is_rows_alone_unless_told_otherwise():
    batch = Batch(torch.zeros(4, 2))
    assert (batch.y, batch.n_extra, batch.n_pairs, batch.places) == (None, 0, 0, None)
    assert batch.n_fair == 4
    (batch,) = ResidentBatches(numbered(4), 4, new_generator(0))
    assert (batch.y, batch.n_extra, batch.n_pairs, batch.places) == (None, 0, 0, None)


def test_labels_and_places_go_with_their_rows(rows_of):
    y, places = torch.arange(20) % 7, scattered_places(20)
    for batch in batches_of(rows_of(20), 5, new_generator(0), y=y):
        assert batch.y.tolist() == (batch.x.flatten().long() % 7).tolist()
    for batch in ResidentBatches(numbered(20), 5, new_generator(0), places=places):
        assert torch.equal(batch.places, places[batch.x.flatten().long()])


def scattered_places(n_rows):
    return torch.randn(n_rows, 2, generator=new_generator(2))


def test_rows_that_know_their_places_have_no_neighbours_beside_them():
    batches = ResidentBatches(
        numbered(20), 5, new_generator(0), n_neighbors=3, places=scattered_places(20)
    )
    assert {(batch.n_pairs, len(batch.x)) for batch in batches} == {(0, 5)}


@pytest.mark.parametrize("n_neighbors", [1, 2, 7, 50])
def test_neighbours_are_among_the_nearest(rows_of, n_neighbors):
    found = set()
    for seed in range(8):
        for batch in batches_of(rows_of(8), 8, new_generator(seed), n_neighbors=n_neighbors):
            assert (batch.n_pairs, batch.n_extra, batch.n_fair) == (8, 8, 8)
            apart = (batch.x[8:] - batch.x[:8]).flatten()
            found |= set(apart[batch.x[:8].flatten() == 0].tolist())
    assert found <= set(range(1, min(n_neighbors, 7) + 1))
    assert len(found) >= min(n_neighbors, 2)


# ------------------------------------------------------------------ rows drawn for their labels


@pytest.mark.parametrize(
    ("n_labeled", "least_labeled", "n_extra"),
    [
        # Four batches of 10 rows, which have a quarter of these each.
        (4, 5, 4),
        (4, 1, 0),
        (4, 2, 1),
        (20, 4, 0),
        (12, 6, 3),
        # No more than a batch has rows.
        (4, 30, 9),
        (0, 5, 0),
        (4, 0, 0),
    ],
)
def test_labels_come_as_often_as_is_asked_for(rows_of, n_labeled, least_labeled, n_extra):
    y = few_labels(40, *range(n_labeled))
    drawn = []
    for batch in batches_of(rows_of(40), 10, new_generator(0), y=y, least_labeled=least_labeled):
        assert (batch.n_extra, batch.n_fair) == (n_extra, 10)
        assert batch.y.tolist() == y[batch.x.flatten().long()].tolist()
        drawn += batch.x[10:].flatten().tolist()
    assert set(drawn) <= set(range(n_labeled))
    if len(drawn) > 10:
        assert len(set(drawn)) > 1


def test_without_labels_none_are_drawn(rows_of):
    (batch,) = batches_of(rows_of(8), 8, new_generator(0), least_labeled=5)
    assert (batch.y, batch.n_extra) == (None, 0)


def test_processes_divide_rows_drawn_for_labels_too(in_process, monkeypatch):
    monkeypatch.setattr(module, "check_same_rows", lambda *args: None)
    y = few_labels(40, 3, 7, 11)
    found = []
    for rank in (0, 1):
        in_process(rank, 2)
        batches = batches_of(numbered(40), 40, new_generator(0), y=y, least_labeled=8)
        # 5 are missing, which two cannot share.
        assert batches.n_extra == 4
        (batch,) = batches
        assert (batch.n_fair, batch.n_extra) == (20, 2)
        found += batch.x[20:].flatten().tolist()
    generator = torch.Generator().manual_seed(0)
    torch.randperm(40, generator=generator)
    drawn = torch.randint(3, (4,), generator=generator)
    assert found == torch.tensor([3.0, 7.0, 11.0])[drawn].tolist()


@pytest.mark.parametrize("few", [3, 2])
def test_few_rows_with_a_label_are_read_once(few, monkeypatch):
    """Many are read when they are drawn, and say the same."""
    monkeypatch.setattr(module, "_MOST_LABELED_ROWS_IN_MEMORY", few)
    rows, taken = numbered(40, in_a_file=True), []
    take = rows.source.take
    rows.source.take = lambda places: taken.append(len(places)) or take(places)
    y = few_labels(40, 3, 7, 11)
    batches = batches_of(rows, 10, new_generator(0), y=y, least_labeled=4)
    for _ in range(2):
        for batch in batches:
            assert set(batch.x[10:].flatten().tolist()) <= {3.0, 7.0, 11.0}
            assert batch.y.tolist() == y[batch.x.flatten().long()].tolist()
    assert taken == ([3] if few == 3 else [3] * 8)


# ------------------------------------------------------------------------------- rows of a file


def test_a_file_is_read_ahead_of_the_step(monkeypatch):
    monkeypatch.setattr("skaae._sources._BLOCK_BYTES", 40)
    monkeypatch.setattr("skaae._streams._RUNS_IN_A_WINDOW", 2)
    rows = numbered(60, in_a_file=True)
    batches, read = StreamedBatches(rows, 10, new_generator(0)), []
    rows.read = lambda window: read.append(len(window)) or StreamedRows.read(rows, window)
    n_met, ahead = 0, []
    for batch in batches:
        n_met += len(batch.x)
        ahead.append(len(read))
    assert n_met == 60
    assert len(read) >= 6
    assert ahead[0] < len(read)


def test_a_pass_over_several_windows_has_no_more_batches_than_it_says(monkeypatch):
    """Budgets count on these, though there are the rows for two more."""
    monkeypatch.setattr("skaae._sources._BLOCK_BYTES", 40)
    monkeypatch.setattr("skaae._streams._RUNS_IN_A_WINDOW", 2)
    batches = StreamedBatches(numbered(59, in_a_file=True), 5, new_generator(0))
    assert [len(batch.x) for batch in batches] == [4] * 12
    assert batches.n_batches == 12


def test_neighbours_in_a_window_are_sought_among_whole_batches(monkeypatch):
    """As many rows as may be compared, but one batch at least."""
    monkeypatch.setattr(module, "_COMPARED_ROWS", 25)
    compared = []
    nearest = module.nearest_neighbors

    def watched(x, n_neighbors):
        compared.append((len(x), n_neighbors))
        return nearest(x, n_neighbors)

    monkeypatch.setattr(module, "nearest_neighbors", watched)
    for batch_size, expected in ((10, [(20, 3)] * 3), (30, [(30, 3)] * 2)):
        compared.clear()
        rows = numbered(60, in_a_file=True)
        found = list(StreamedBatches(rows, batch_size, new_generator(0), n_neighbors=3))
        assert compared == expected
        assert len(torch.cat([batch.x[: batch.n_fair] for batch in found]).unique()) == 60


def test_each_pass_over_a_file_draws_from_the_generator():
    batches = StreamedBatches(numbered(60, in_a_file=True), 10, new_generator(0))
    first, second = (torch.cat([batch.x for batch in batches]).flatten() for _ in range(2))
    again = StreamedBatches(numbered(60, in_a_file=True), 10, new_generator(0))
    np.testing.assert_array_equal(torch.cat([batch.x for batch in again]).flatten(), first)
    assert not torch.equal(first, second)


def test_items_are_read_in_their_order():
    assert list(module._ahead(lambda item: 2 * item, [1, 2, 3])) == [2, 4, 6]
    assert list(module._ahead(lambda item: 2 * item, [1])) == [2]
