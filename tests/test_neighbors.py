import numpy as np
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from neighbor_cases import clusters, reference, scattered
from scipy.sparse import csr_array
from source_cases import SlicesOnly

from skaae import AdversarialAutoencoder, load
from skaae._device import new_generator
from skaae._neighbors import (
    _fill_from_candidates,
    _in_fewer_columns,
    _Search,
    nearest_neighbors,
    neighbors_of,
)
from skaae._rows import rows_in_units
from skaae._scaling import ColumnScaling
from skaae._sources import FileRows, SparseRows
from skaae._streams import StreamedRows
from skaae.distributed import _RANKS, Ranks
from skaae.training import batches_of


@pytest.mark.parametrize("n", [16, 31, 32, 33, 64, 700])
def test_the_nearest_are_those_of_scikit_learn(n):
    x = scattered(n)
    found = nearest_neighbors(x, 15).numpy()
    np.testing.assert_array_equal(found, reference(x.numpy(), 15))


@pytest.mark.parametrize("spread", [1.0, 0.03])
def test_blocks_find_what_lies_in_tight_clusters(monkeypatch, spread):
    """Far from the middle, products of few digits would call all rows of a cluster equally near."""
    monkeypatch.setattr("skaae._neighbors._BLOCK_BYTES", 7 * 4 * 512)
    centres = 4.0 * scattered(4, 50, seed=1)
    x = centres.repeat_interleave(125, dim=0) + spread * scattered(500, 50)
    found, expected = nearest_neighbors(x, 15).numpy(), reference(x.double().numpy(), 15)
    shared = [len(set(a) & set(b)) / 15 for a, b in zip(found, expected)]
    assert np.mean(shared) > 0.99


@pytest.fixture(params=[torch.bfloat16, torch.float32], ids=["bfloat16", "float32"])
def candidates_first(request, monkeypatch):
    """Let candidates be chosen by products of a dtype, wherever this runs and however few rows."""
    rounds = request.param == torch.bfloat16
    monkeypatch.setattr("skaae._neighbors.multiplies_bfloat16", lambda device: rounds)
    monkeypatch.setattr("skaae._neighbors._LEAST_ROUGH", 0)
    monkeypatch.setattr("skaae._neighbors._LEAST_ROWS_A_COLUMN", 4)


@pytest.mark.parametrize("spread", [10.0, 1.0, 0.1, 0.01])
@pytest.mark.parametrize("n_columns", [3, 50])
def test_candidates_find_the_same(spread, n_columns, candidates_first):
    x = clusters(spread, n_columns)
    apart = torch.cdist(x.double(), x.double()).square().fill_diagonal_(torch.inf)
    found = apart.gather(1, nearest_neighbors(x, 15)).sort(dim=1).values
    exact = apart.topk(15, dim=1, largest=False).values
    # What float32 tells apart, among rows as long as these.
    digits = 4.0 * torch.finfo(torch.float32).eps * x.double().square().sum(dim=1).max()
    assert (found - exact).max() <= digits


@pytest.mark.parametrize("candidates_first", [torch.bfloat16], indirect=True)
def test_candidates_that_help_no_row_are_given_up(candidates_first, monkeypatch):
    x, calls = 50.0 + 0.05 * scattered(512, 20), []
    x[-1] += 1e3
    exact = reference(x.double().numpy(), 5)
    monkeypatch.setattr("skaae._neighbors._BLOCK_BYTES", 50 * 2 * 512)
    search = _Search.__call__

    def counted(self, rows, n_neighbors):
        calls.append(self._near.dtype)
        return search(self, rows, n_neighbors)

    monkeypatch.setattr(_Search, "__call__", counted)
    found = nearest_neighbors(x, 5)
    assert calls.count(torch.bfloat16) == 1
    np.testing.assert_array_equal(found, exact)


def test_rounded_products_are_trusted_only_where_rounding_cannot_matter():
    spread = torch.where(torch.arange(400) < 200, 0.001, 3.0)[:, None]
    x = 6.0 * torch.eye(20)[torch.arange(400) // 200] + spread * scattered(400, 20)
    x -= x.mean(dim=0)
    found = torch.empty(400, 5, dtype=torch.int64)
    sure = _fill_from_candidates(found, x, torch.arange(400), _Search(x, torch.bfloat16))
    assert not sure[:200].any()
    assert sure[200:].float().mean() > 0.5
    exact = _Search(x, torch.float32)(torch.arange(400), 5)[1]
    assert torch.equal(found[sure], exact[sure])


def test_rows_in_fewer_columns_are_no_farther_apart(monkeypatch):
    monkeypatch.setattr("skaae._neighbors._LEAST_ROWS_A_COLUMN", 4)
    x = clusters(10.0, 50)
    x -= x.mean(dim=0)
    fewer = _in_fewer_columns(x)
    assert fewer.shape[1] < 25
    exact, apart = torch.cdist(x.double(), x.double()), torch.cdist(fewer.double(), fewer.double())
    assert (apart <= exact + 2.0**-16 * x.norm(dim=1)).all()
    assert apart.sum() > 0.95 * exact.sum()


@pytest.mark.parametrize(
    "x",
    [scattered(500, 50), clusters(10.0, 50)[:150], torch.zeros(0, 50)],
    ids=["all columns alike", "few rows a column", "no row"],
)
def test_rows_stay_as_they_are_where_fewer_columns_would_not_do(x):
    assert _in_fewer_columns(x) is x


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("spread", [10.0, 0.1])
def test_no_row_is_nearer_than_a_search_says(dtype, spread):
    x = clusters(spread, 50, n=64)
    x[0] *= 30.0
    search, rows = _Search(x, dtype), torch.arange(64)
    near, places = search(rows, 63)
    exact = torch.cdist(x.double(), x.double()).gather(1, places)
    least = torch.stack([search.least_distance(rows, each) for each in near.T], dim=1)
    assert (least <= exact).all()
    # Not by saying nothing: what is far apart is known to be.
    far = exact > 8.0
    assert far.any()
    assert (least[far] > (0.5 if dtype == torch.bfloat16 else 0.9) * exact[far]).all()


def test_copies_of_a_row_are_neighbours_and_itself_is_not():
    x = scattered(4).repeat(5, 1)
    found = nearest_neighbors(x, 4)
    assert (found % 4 == torch.arange(20)[:, None] % 4).all()
    assert (found != torch.arange(20)[:, None]).all()


def test_sparse_rows_have_the_neighbours_of_dense_ones():
    X = np.random.default_rng(0).poisson(0.7, size=(80, 12)).astype(np.float64)
    X[:, 3] = 1.0  # a column that says nothing
    X += (X > 0) * np.random.default_rng(1).random(X.shape)
    scaling = ColumnScaling.fit(X)
    sparse = rows_in_units(SparseRows(csr_array(X)), scaling, torch.device("cpu"))
    dense = rows_in_units(X, scaling, torch.device("cpu"))
    np.testing.assert_array_equal(neighbors_of(sparse, 5), neighbors_of(dense, 5))


def batches(rows, **kwargs):
    return batches_of(rows, 20, new_generator(0), n_neighbors=3, **kwargs)


def places_of(batch, x):
    """Return where a batch's rows stand among `x`."""
    place = {tuple(row.tolist()): k for k, row in enumerate(x)}
    return [place[tuple(row.tolist())] for row in batch.x]


def test_beside_each_row_of_a_batch_comes_a_neighbour():
    x = scattered(60)
    expected = reference(x.numpy(), 3)
    drawn = set()
    for batch in batches(x):
        assert (batch.n_pairs, batch.n_fair, batch.n_extra) == (20, 20, 20)
        places = places_of(batch, x)
        pairs = list(zip(places[:20], places[20:]))
        assert all(b in expected[a] for a, b in pairs)
        drawn |= {list(expected[a]).index(b) for a, b in pairs}
    assert drawn == {0, 1, 2}


def in_a_file(x):
    rows = FileRows(SlicesOnly(x.numpy()))
    return StreamedRows(rows, ColumnScaling.identity(x.shape[1]), torch.device("cpu"))


@pytest.mark.parametrize("rows", [lambda x: x, in_a_file], ids=["resident", "file"])
def test_neighbours_come_after_rows_drawn_for_labels(rows):
    x = scattered(60)
    expected = reference(x.numpy(), 3)
    y = torch.full((60,), -1)
    y[:4] = torch.arange(4)
    for batch in batches(rows(x), y=y, least_labeled=8):
        assert (batch.n_pairs, batch.n_fair) == (20, 20)
        assert batch.n_extra > 20
        places = places_of(batch, x)
        assert set(places[20:-20]) <= {0, 1, 2, 3}
        assert all(b in expected[a] for a, b in zip(places[:20], places[-20:]))
        assert batch.y.tolist() == y[places].tolist()


@pytest.mark.parametrize("rank", [0, 1])
def test_each_process_pairs_its_own_part_of_a_batch(rank, monkeypatch):
    x = scattered(60)
    expected = reference(x.numpy(), 3)
    monkeypatch.setattr("skaae.training._batches.check_same_rows", lambda *args: None)
    whole = [places_of(batch, x) for batch in batches(x)]
    token = _RANKS.set(Ranks(rank, 2))
    try:
        parts = [places_of(batch, x) for batch in batches(x)]
    finally:
        _RANKS.reset(token)
    for own, both in zip(parts, whole, strict=True):
        part = slice(10 * rank, 10 * (rank + 1))
        assert own[:10] == both[:20][part]
        assert own[10:] == both[20:][part]
        assert all(b in expected[a] for a, b in zip(own[:10], own[10:]))


@pytest.mark.parametrize("n_neighbors", [3, 80])
def test_windows_may_have_few_rows(windows_of_thirty_rows, n_neighbors):
    x = scattered(200)
    rows = in_a_file(x)
    for batch_size in (10, 50):
        found = list(batches_of(rows, batch_size, new_generator(0), n_neighbors=n_neighbors))
        assert len(found) == 200 // batch_size
        assert {batch.n_pairs for batch in found} == {batch_size}


@pytest.fixture
def windows_of_thirty_rows(monkeypatch):
    monkeypatch.setattr("skaae._sources._BLOCK_BYTES", 30 * 6 * 4)
    monkeypatch.setattr("skaae._streams._RUNS_IN_A_WINDOW", 10)


@short_fits_may_warn
@pytest.mark.parametrize("container", [csr_array, SlicesOnly])
def test_fits_to_sparse_rows_and_files_keep_neighbours_together(container, every_file_is_large):
    X = np.random.default_rng(0).poisson(0.7, size=(150, 12)).astype(np.float64)
    model = AdversarialAutoencoder(2, neighbors_weight=1.0, n_neighbors=5, **SHORT)
    model.fit(container(X))
    assert 0 < model.history_[-1]["neighbors"] < model.history_[0]["neighbors"]


@short_fits_may_warn
def test_one_row_alone_has_no_neighbour():
    X = scattered(60).numpy()
    model = AdversarialAutoencoder(neighbors_weight=1.0, n_neighbors=3, **SHORT).partial_fit(X)
    model.partial_fit(X[:1])
    assert model.history_[-1]["neighbors"] == 0.0


@short_fits_may_warn
def test_the_term_can_be_turned_off_between_passes():
    X = scattered(60).numpy()
    model = AdversarialAutoencoder(neighbors_weight=1.0, n_neighbors=3, **SHORT).partial_fit(X)
    model.set_params(neighbors_weight=0.0).partial_fit(X)
    assert ["neighbors" in entry for entry in model.history_] == [True, False]
    model.set_params(neighbors_weight=1.0).partial_fit(X)
    assert "neighbors" in model.history_[-1]


def kept_neighbors(X, codes, k=15):
    """Return the share of each row's nearest neighbours that are its code's too."""
    near, mapped = reference(X, k), reference(codes, k)
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(near, mapped)])


def test_neighbours_stay_together_on_the_map(digits):
    X = (digits[0][:900] / 16).astype(np.float32)
    kept = {}
    for weight in (0.0, 1.0):
        model = AdversarialAutoencoder(
            2, neighbors_weight=weight, hidden_layer_sizes=(128,), max_iter=60, random_state=0
        )
        kept[weight] = kept_neighbors(X, model.fit_transform(X))
    assert kept[1.0] > kept[0.0] + 0.03


@short_fits_may_warn
def test_fewer_rows_than_neighbours():
    X = scattered(8).numpy()
    model = AdversarialAutoencoder(neighbors_weight=1.0, n_neighbors=15, **SHORT).fit(X)
    assert np.isfinite(model.transform(X)).all()


@short_fits_may_warn
def test_maps_are_saved_and_loaded(tmp_path, digits):
    X = digits[0][:200]
    model = AdversarialAutoencoder(neighbors_weight=1.0, **SHORT).fit(X)
    model.save(tmp_path / "map")
    loaded = load(tmp_path / "map")
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    assert loaded._reference == model._reference


@pytest.mark.parametrize("n", [4, 40, 400])
def test_lengths_come_through_products_of_few_digits(n):
    """Whatever precision a user lets float32 products have."""
    x = 3.0 * scattered(n, 8)
    search = _Search(x, torch.float32)
    for held in (search._parts, search._others[:n, 8:]):
        assert torch.equal(held, held.bfloat16().float())
    total = search._parts.double().sum(dim=1)
    exact = 0.5 * x.double().square().sum(dim=1)
    torch.testing.assert_close(total, exact, rtol=1e-6, atol=0.0)
