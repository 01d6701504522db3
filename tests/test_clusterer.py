"""The clusterer."""

import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from estimator_cases import SHORT, short_fits_may_warn
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier

from skaae import (
    AdversarialAutoencoderClusterer,
)
from skaae.metrics import hungarian_accuracy


@pytest.fixture(scope="module")
def clusterer(split, device):
    return AdversarialAutoencoderClusterer(
        10,
        hidden_layer_sizes=(128,),
        learning_rate=5e-3,
        max_iter=80,
        n_init=1,
        device=device,
        random_state=0,
    ).fit(split[0])


def test_clusters_are_nearer_to_the_classes_than_those_of_k_means(clusterer, split):
    X_train, X_test, _, y_test = split
    theirs = KMeans(10, n_init=10, random_state=0).fit(X_train).predict(X_test)
    ours = hungarian_accuracy(y_test, clusterer.predict(X_test))
    assert ours > hungarian_accuracy(y_test, theirs)


def test_no_cluster_is_empty(clusterer):
    assert np.bincount(clusterer.labels_, minlength=10).min() > 0


def test_fewer_rows_than_clusters_are_refused(split):
    with pytest.raises(ValueError, match="at least as many rows as n_clusters=8"):
        AdversarialAutoencoderClusterer(8, **SHORT).fit(split[0][:4])


@short_fits_may_warn
def test_parameters_set_after_a_fit_do_not_change_its_clusters(split):
    model = AdversarialAutoencoderClusterer(3, **SHORT).fit(split[0][:50])
    with pytest.raises(ValueError, match=r"among \[0, 1, 2\], got \[4\]"):
        model.set_params(n_clusters=5).sample(2, y=4)


def test_a_fit_whose_warnings_are_errors_is_whole(split):
    model = AdversarialAutoencoderClusterer(3, **SHORT)
    X = np.outer(np.arange(40.0), np.ones(4))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            model.fit(X)
    assert (model.labels_ == model.predict(X)).all()
    assert model.cluster_centers_.shape == (3, 4)


@short_fits_may_warn
@pytest.mark.parametrize(("n_rows", "batch_size"), [(20, 1), (3, 2)])
def test_no_batch_has_a_single_row(split, n_rows, batch_size):
    model = AdversarialAutoencoderClusterer(2, batch_size=batch_size, **SHORT)
    assert np.isfinite(model.fit(split[0][:n_rows]).transform(split[0])).all()


def test_labels_are_the_predictions_of_the_rows(clusterer, split):
    assert (clusterer.labels_ == clusterer.predict(split[0])).all()


def test_centers_belong_to_their_clusters(clusterer):
    assert np.mean(clusterer.predict(clusterer.cluster_centers_) == np.arange(10)) >= 0.9


def test_samples_are_of_the_cluster_asked_for(clusterer):
    clusters = np.repeat(np.arange(10), 20)
    drawn = clusterer.sample(len(clusters), y=clusters, random_state=0)
    assert np.mean(clusterer.predict(drawn) == clusters) > 0.85


@short_fits_may_warn
def test_heads_need_no_label_to_map_back(split):
    X = split[0]
    model = AdversarialAutoencoderClusterer(5, n_components=2, cluster_heads=True, **SHORT).fit(X)
    assert model.inverse_transform(model.transform(X)).shape == X.shape
    assert model.cluster_centers_.shape == (5, 64)


def test_a_map_with_heads_tells_classes_better_than_principal_components(split, device):
    """Without any label, in the plane."""
    X_train, X_test, y_train, y_test = split
    model = AdversarialAutoencoderClusterer(
        12,
        n_components=2,
        cluster_heads=True,
        hidden_layer_sizes=(128, 128),
        learning_rate=2e-3,
        max_iter=70,
        n_init=1,
        device=device,
        random_state=0,
    ).fit(X_train)
    ours, theirs = (
        KNeighborsClassifier()
        .fit(reducer.transform(X_train), y_train)
        .score(reducer.transform(X_test), y_test)
        for reducer in (model, PCA(2).fit(X_train))
    )
    assert ours > theirs + 0.1
    heads = model.model_.heads.positions.detach().cpu().numpy()
    distances = np.linalg.norm(heads[:, None] - heads, axis=2)[np.triu_indices(12, 1)]
    assert distances.min() > 0.8 * model.head_distance


@pytest.mark.parametrize(("n_rows", "told"), [(4, True), (6, False)])
def test_a_cluster_below_a_tenth_of_an_even_share_is_dead(n_rows, told):
    model = AdversarialAutoencoderClusterer(2)
    model.labels_ = np.repeat([0, 1], [n_rows, 100 - n_rows])
    with pytest.warns(match=r"1 of 2 clusters have .*: \[0\]") if told else nullcontext():
        model._warn_of_labels()


def test_dead_clusters_are_named(split):
    # Without the pull to equal parts nothing keeps clusters alive.
    model = AdversarialAutoencoderClusterer(
        10,
        hidden_layer_sizes=(64,),
        max_iter=15,
        n_init=1,
        label_divergence_weight=0.0,
        consistency_weight=0.0,
        random_state=0,
    )
    with pytest.warns(ConvergenceWarning, match="clusters have") as caught:
        model.fit(split[0][:600])
    empty = np.flatnonzero(np.bincount(model.labels_, minlength=10) == 0)
    assert len(empty)
    (told,) = [str(each.message) for each in caught if "clusters have" in str(each.message)]
    assert f"{len(empty)} of 10 clusters have (almost) no rows: {empty.tolist()}. " in told
    assert "Lower n_clusters, raise label_divergence_weight, or train longer (max_iter)." in told
