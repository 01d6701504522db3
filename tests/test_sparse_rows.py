"""Sparse rows: what estimators make of them is what they make of the dense ones."""

import numpy as np
import pytest
from estimator_cases import SHORT, short_fits_may_warn
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from source_cases import ESTIMATORS, answers

from skaae import AdversarialAutoencoder, AdversarialAutoencoderClusterer
from skaae._sources import SparseRows

pytestmark = short_fits_may_warn

TAKING_SPARSE_ROWS = [name for name in ESTIMATORS if name != "clusterer"]


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("name", TAKING_SPARSE_ROWS)
def test_sparse_rows_give_what_dense_rows_give(counts, name, container):
    X, y = counts
    expected = answers(clone(ESTIMATORS[name]).fit(X, y), X, y)
    found = answers(clone(ESTIMATORS[name]).fit(container(X), y), container(X), y)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_sparse_rows_go_on_as_dense_rows_do(counts):
    dense, thin = (AdversarialAutoencoder(**SHORT) for _ in range(2))
    for _ in range(2):
        dense.partial_fit(counts[0])
        thin.partial_fit(sparse.csr_matrix(counts[0]))
    np.testing.assert_array_equal(thin.transform(counts[0]), dense.transform(counts[0]))


def test_sparse_float32_rows_give_float32_codes(counts):
    X = sparse.csr_matrix(counts[0], dtype=np.float32)
    assert AdversarialAutoencoder(**SHORT).fit_transform(X).dtype == np.float32


def test_no_more_than_a_batch_is_dense_at_once(counts, blocks_are_small, monkeypatch):
    monkeypatch.setattr("skaae._streams._LEAST_THINNED_ROWS", 10)
    n_dense = []
    for method in ("take", "__getitem__"):
        read = getattr(SparseRows, method)

        def watched(self, rows, read=read):
            n_dense.append(len(block := read(self, rows)))
            return block

        monkeypatch.setattr(SparseRows, method, watched)
    rows = sparse.csr_matrix(np.tile(counts[0], (20, 1)))
    model = AdversarialAutoencoder(batch_size=100, **SHORT).fit(rows)
    model.partial_fit(rows)
    model.transform(rows)
    model.score(rows)
    assert sum(n_dense) > 5 * rows.shape[0]
    assert max(n_dense) <= 100


def test_words_in_a_pipeline():
    texts = ["a cat sat", "the cat ran", "one dog sat", "the dog ran"] * 10
    y = [0, 0, 1, 1] * 10
    pipeline = make_pipeline(
        TfidfVectorizer(),
        AdversarialAutoencoder(2, hidden_layer_sizes=(32,), max_iter=100, random_state=0),
        LogisticRegression(C=100.0),
    )
    assert pipeline.fit(texts, y).score(["a cat ran", "one dog ran"], [0, 1]) == 1.0


def test_a_sparse_value_that_is_not_finite_is_an_error(counts):
    X = sparse.csr_matrix(counts[0])
    X.data[3] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        AdversarialAutoencoder(**SHORT).fit(X)


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.dia_array, sparse.coo_matrix])
@pytest.mark.parametrize("shape", [(60, 4), (60_000, 6_000)], ids=str)
def test_a_clusterer_refuses_sparse_rows(container, shape):
    with pytest.raises(TypeError, match=r"[Ss]parse data was passed"):
        AdversarialAutoencoderClusterer(**SHORT).fit(container(shape))
