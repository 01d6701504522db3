import numpy as np
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from scipy.sparse import csr_array
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from skaae import AdversarialAutoencoder
from skaae._neighbors import nearest_neighbors, neighbors_of
from skaae._rows import rows_in_units
from skaae._scaling import ColumnScaling
from skaae._sources import SparseRows
from skaae.training import batches_of


def scattered(n, n_columns=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, n_columns, generator=generator)


def reference(x, n_neighbors):
    return NearestNeighbors(n_neighbors=n_neighbors).fit(x).kneighbors(return_distance=False)


@pytest.mark.parametrize("n", [16, 31, 32, 33, 64, 700])
def test_the_nearest_are_those_of_scikit_learn(n):
    x = scattered(n)
    found = nearest_neighbors(x, 15).numpy()
    np.testing.assert_array_equal(found, reference(x.numpy(), 15))


def test_few_digits_find_the_nearest_too(monkeypatch):
    """Candidates of bfloat16 products, put in order by exact distances."""
    x = torch.as_tensor(load_digits().data[:600], dtype=torch.float32) + 0.1 * scattered(600, 64)
    monkeypatch.setattr("skaae._neighbors.resolve_precision", lambda *args: torch.bfloat16)
    found = nearest_neighbors(x, 10).numpy()
    expected = reference(x.numpy(), 10)
    shared = [len(set(a) & set(b)) / 10 for a, b in zip(found, expected)]
    assert np.mean(shared) > 0.99


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
    return batches_of(rows, 20, torch.Generator().manual_seed(0), n_neighbors=3, **kwargs)


def test_beside_each_row_of_a_batch_comes_a_neighbour():
    x = scattered(60)
    expected = reference(x.numpy(), 3)
    place = {tuple(row.tolist()): k for k, row in enumerate(x)}
    drawn = set()
    for batch in batches(x):
        assert (batch.has_neighbors, batch.n_fair, batch.n_extra) == (True, 20, 20)
        pairs = [
            (place[tuple(a.tolist())], place[tuple(b.tolist())])
            for a, b in zip(batch.x[:20], batch.x[20:])
        ]
        assert all(b in expected[a] for a, b in pairs)
        drawn |= {list(expected[a]).index(b) for a, b in pairs}
    assert drawn == {0, 1, 2}


def test_neighbours_come_after_rows_drawn_for_labels():
    y = torch.full((60,), -1)
    y[:4] = torch.arange(4)
    for batch in batches(scattered(60), y=y, least_labeled=8):
        assert batch.n_fair == 20
        n_labeled = batch.n_extra - 20
        assert n_labeled > 0
        assert (batch.y[20 : 20 + n_labeled] >= 0).all()
        assert len(batch.y) == len(batch.x)


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
