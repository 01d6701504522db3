"""The estimators that use labels or infer them."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, train_test_split
from sklearn.svm import SVC
from torch import nn

from skaae import (
    AdversarialAutoencoderClassifier,
    AdversarialAutoencoderClusterer,
    ConditionalAdversarialAutoencoder,
)
from skaae.divergences import DIVERGENCES
from skaae.metrics import hungarian_accuracy, prior_match
from skaae.networks import MLP
from skaae.priors import GaussianMixture

SHORT = {"max_iter": 5, "hidden_layer_sizes": (16,), "random_state": 0}

short_fits_may_warn = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def split(digits):
    X, y = digits
    return train_test_split(X, y, test_size=0.25, random_state=0)


def with_few_labels(y, n_each, seed=0):
    """Return `y` with -1 everywhere but for `n_each` rows of each class."""
    order = np.random.default_rng(seed).permutation(len(y))
    kept = np.concatenate([order[y[order] == label][:n_each] for label in np.unique(y)])
    few = np.full_like(y, -1)
    few[kept] = y[kept]
    return few


# -------------------------------------------------------------------------------- conditional


@pytest.fixture(scope="module")
def styled(split, device):
    X_train, _, y_train, _ = split
    model = ConditionalAdversarialAutoencoder(8, device=device, random_state=0)
    return model.fit(X_train, y_train)


def test_samples_are_of_the_class_asked_for(styled, split):
    X_train, _, y_train, _ = split
    y = np.repeat(styled.classes_, 50)
    reader = SVC().fit(X_train, y_train)
    assert reader.score(styled.sample(len(y), y=y, random_state=0), y) > 0.9


def test_the_style_holds_less_of_the_class_than_rows_do(styled, split):
    X_train, X_test, y_train, y_test = split
    reader = SVC().fit(styled.transform(X_train), y_train)
    assert reader.score(styled.transform(X_test), y_test) < 0.6


def test_a_row_is_decoded_best_in_its_own_class(styled, split):
    _, X_test, _, y_test = split
    assert styled.score(X_test, y_test) > styled.score(X_test, (y_test + 1) % 10)


@short_fits_may_warn
def test_sampled_classes_are_as_frequent_as_in_training(split, device):
    X_train, _, y_train, _ = split
    kept = (y_train == 3) | (np.arange(len(y_train)) % 3 == 0) & (y_train == 5)
    model = ConditionalAdversarialAutoencoder(device=device, **SHORT)
    model.fit(X_train[kept], y_train[kept])
    frequencies = np.bincount(y_train[kept])[[3, 5]] / kept.sum()
    np.testing.assert_allclose(model.class_frequencies_, frequencies)


@pytest.mark.parametrize("labeled", [0.5])
def test_classes_take_their_place_in_the_prior(split, device, labeled):
    """Rows of a class, with or without label, get codes in the class's mode."""
    X_train, X_test, y_train, y_test = split
    hidden = np.random.default_rng(0).random(len(y_train)) > labeled
    prior = GaussianMixture(n_components=10)
    model = ConditionalAdversarialAutoencoder(
        2, label_role="discriminator", prior=prior, device=device, random_state=0
    )
    model.fit(X_train, np.where(hidden, -1, y_train))
    angles = 2.0 * np.pi * np.arange(10) / 10
    means = 4.0 * np.c_[np.cos(angles), np.sin(angles)]
    codes = model.transform(X_test)
    nearest = np.square(codes[:, None] - means).sum(axis=2).argmin(axis=1)
    assert np.mean(nearest == y_test) > 0.8
    drawn = model.sample(200, y=np.repeat(np.arange(10), 20), random_state=0)
    reader = SVC().fit(X_train, y_train)
    assert reader.score(drawn, np.repeat(np.arange(10), 20)) > 0.8


@short_fits_may_warn
def test_rows_without_a_class_are_decoded_and_scored_without_one(wine):
    X, y = wine
    few = np.where(np.arange(len(y)) % 2, y, -1)
    model = ConditionalAdversarialAutoencoder(**SHORT).fit(X, few)
    codes = model.transform(X)
    without, with_class = (model.inverse_transform(codes, labels) for labels in (few, y))
    marked = few == -1
    np.testing.assert_allclose(without[~marked], with_class[~marked])
    assert (without[marked] != with_class[marked]).any()
    folds = KFold(3, shuffle=True, random_state=0)
    assert np.isfinite(cross_val_score(model, X, few, cv=folds)).all()


def test_the_match_is_with_the_part_of_the_prior_that_classes_take(wine):
    """Three classes take three of ten modes, and no warning says that seven are empty."""
    X, y = wine
    model = ConditionalAdversarialAutoencoder(
        label_role="discriminator", prior="gaussian_mixture", random_state=0
    ).fit(X, y)
    assert model.prior_match_.ratio < 2.0
    assert prior_match(model, X, y, random_state=0).ratio < 2.0
    assert prior_match(model, X, random_state=0).ratio > 4.0


@short_fits_may_warn
@pytest.mark.parametrize("divergence", [n for n, d in DIVERGENCES.items() if d.of_samples])
@pytest.mark.parametrize("label_role", ["decoder", "discriminator"])
def test_every_divergence_of_samples_takes_labels(wine, divergence, label_role):
    X, y = wine
    model = ConditionalAdversarialAutoencoder(
        label_role=label_role, prior="gaussian_mixture", divergence=divergence, **SHORT
    ).fit(X, y)
    assert np.isfinite(model.sample(4, y=[0, 1, 2, 0])).all()
    assert np.isfinite(model.score(X, y))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_role": "discriminator"}, "prior with a class for each of the 3 classes"),
        (
            {"label_role": "discriminator", "prior": GaussianMixture(n_components=2)},
            "has 2. Use for example",
        ),
        (
            {
                "label_role": "discriminator",
                "prior": "gaussian_mixture",
                "divergence": "posterior_kl",
                "posterior": "gaussian",
            },
            "divergence that compares samples",
        ),
    ],
)
def test_priors_and_divergences_without_classes_are_refused(wine, changes, message):
    with pytest.raises(ValueError, match=message):
        ConditionalAdversarialAutoencoder(**changes, **SHORT).fit(*wine)


@short_fits_may_warn
def test_the_decoder_needs_classes(wine):
    X, y = wine
    model = ConditionalAdversarialAutoencoder(**SHORT).fit(X, y)
    with pytest.raises(ValueError, match="the decoder needs classes; pass y"):
        model.inverse_transform(model.transform(X))
    with pytest.raises(ValueError, match=r"among \[0, 1, 2\], got \[7\]"):
        model.sample(3, y=7)


# --------------------------------------------------------------------------------- classifier


@pytest.fixture(scope="module", params=[False, True], ids=["style", "heads"])
def classifier(request, split, device):
    X_train, _, y_train, _ = split
    model = AdversarialAutoencoderClassifier(
        2,
        cluster_heads=request.param,
        hidden_layer_sizes=(128, 128),
        device=device,
        random_state=0,
    )
    return model.fit(X_train, with_few_labels(y_train, 10))


def test_rows_without_label_help(classifier, split):
    """Against a classifier that sees the 100 labelled rows alone."""
    X_train, X_test, y_train, y_test = split
    few = with_few_labels(y_train, 10)
    alone = SVC(C=10.0).fit(X_train[few >= 0], few[few >= 0])
    assert classifier.score(X_test, y_test) > max(0.93, alone.score(X_test, y_test))


def test_samples_of_the_classifier_are_of_the_class_asked_for(classifier, split):
    X_train, _, y_train, _ = split
    y = np.repeat(classifier.classes_, 20)
    reader = SVC().fit(X_train, y_train)
    assert reader.score(classifier.sample(len(y), y=y, random_state=0), y) > 0.85


def test_probabilities_are_those_of_the_prediction(classifier, split):
    X_test = split[1]
    probabilities = classifier.predict_proba(X_test)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    assert (classifier.classes_[probabilities.argmax(axis=1)] == classifier.predict(X_test)).all()


def test_heads_make_the_code_a_map_of_the_classes(split, device):
    X_train, X_test, y_train, y_test = split
    model = AdversarialAutoencoderClassifier(
        2, cluster_heads=True, hidden_layer_sizes=(128, 128), device=device, random_state=0
    ).fit(X_train, y_train)
    reader = SVC().fit(model.transform(X_train), y_train)
    assert reader.score(model.transform(X_test), y_test) > 0.93
    heads = model.model_.heads.positions.detach().cpu().numpy()
    distances = np.linalg.norm(heads[:, None] - heads, axis=2)[np.triu_indices(10, 1)]
    assert distances.min() > 0.8 * model.head_distance


@short_fits_may_warn
def test_strings_may_be_labels(wine):
    X, y = wine
    names = np.array(["red", "white", "", "rose"])[np.where(np.arange(len(y)) % 3 == 0, 2, y % 2)]
    model = AdversarialAutoencoderClassifier(2, **SHORT).fit(X, names)
    assert model.classes_.tolist() == ["red", "white"]
    with pytest.raises(ValueError, match=r"among \['red', 'white'\], got \['rose'\]"):
        model.sample(2, y="rose")
    assert model.sample(2, y="white").shape == (2, 13)


@short_fits_may_warn
@pytest.mark.parametrize("label_divergence", ["mutual_information", "jensen_shannon", "mmd"])
def test_label_divergences(wine, label_divergence):
    X, y = wine
    model = AdversarialAutoencoderClassifier(2, label_divergence=label_divergence, **SHORT)
    last = model.fit(X, y).history_[-1]
    assert np.isfinite(last["label_regularization"])
    assert ("label_discriminator" in last) == (label_divergence == "jensen_shannon")


@short_fits_may_warn
def test_reconstruction_trains_no_labels_of_the_classifier(wine):
    """Without any other term, labels stay as they began."""
    X, y = wine
    before, after = (
        AdversarialAutoencoderClassifier(
            2,
            label_divergence_weight=0.0,
            divergence_weight=0.0,
            consistency_weight=0.0,
            classification_weight=1e-30,
            weight_decay=0.0,
            hidden_layer_sizes=(),
            learning_rate=rate,
            max_iter=20,
            random_state=0,
        )
        .fit(X, y)
        .predict_proba(X)
        for rate in (1e-9, 1e-2)
    )
    np.testing.assert_allclose(before, after, atol=1e-4)


@short_fits_may_warn
def test_rows_with_the_only_label_of_a_class_are_trained_on(wine):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    y = np.full(2000, -1)
    y[[5, 6, 7]] = [0, 1, 2]
    model = AdversarialAutoencoderClassifier(2, early_stopping=True, validation_fraction=0.5)
    model.set_params(**{**SHORT, "max_iter": 1}).fit(X, y)
    np.testing.assert_allclose(model.class_frequencies_, 1 / 3)
    assert model.history_[0]["classification"] > 0.0


def test_one_class_is_refused(wine):
    X, _ = wine
    with pytest.raises(ValueError, match="one class only"):
        AdversarialAutoencoderClassifier(**SHORT).fit(X, np.zeros(len(X), dtype=int))


@short_fits_may_warn
def test_a_grid_search_over_the_classifier(wine):
    search = GridSearchCV(
        AdversarialAutoencoderClassifier(2, **SHORT), {"consistency_weight": [0.0, 1.0]}, cv=2
    )
    search.fit(*wine)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.consistency_weight == search.best_params_["consistency_weight"]


# ---------------------------------------------------------------------------------- clusterer


@pytest.fixture(scope="module")
def clusterer(split, device):
    return AdversarialAutoencoderClusterer(
        10, hidden_layer_sizes=(128, 128), device=device, random_state=0
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


@short_fits_may_warn
def test_dead_clusters_are_named(split):
    model = AdversarialAutoencoderClusterer(10, **SHORT).fit(split[0])
    model.labels_ = np.where(model.labels_ == 7, 2, model.labels_)
    with pytest.warns(ConvergenceWarning, match=r"1 of 10 clusters have .* no rows: \[7\]"):
        model._warn_of_dead_clusters()


# ------------------------------------------------------------------------------------ the rest


ESTIMATORS = [
    ConditionalAdversarialAutoencoder(**SHORT),
    AdversarialAutoencoderClassifier(2, **SHORT),
    AdversarialAutoencoderClusterer(3, n_components=2, **SHORT),
]


@short_fits_may_warn
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_a_seed_gives_the_same_fit_and_pickling_keeps_it(wine, estimator):
    X, y = wine
    fits = [clone(estimator).fit(X, y) for _ in range(2)]
    loaded = pickle.loads(pickle.dumps(fits[0]))
    for other in (fits[1], loaded):
        assert (other.transform(X) == fits[0].transform(X)).all()
        assert (
            other.sample(3, y=1, random_state=0) == fits[0].sample(3, y=1, random_state=0)
        ).all()


@short_fits_may_warn
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_stopping_ends_training_at_the_best_look(wine, estimator):
    X, y = wine
    model = clone(estimator).set_params(
        early_stopping=True, max_iter=400, n_iter_no_change=1, tol=1.0
    )
    model.fit(X, y)
    # No look improves by that much, so the second is the last.
    looks = [entry for entry in model.history_ if "criterion" in entry]
    assert len(looks) == 2
    assert model.n_iter_ < 400
    best = min(looks, key=lambda entry: entry["criterion"])
    assert model.best_iter_ == best["epoch"]


@short_fits_may_warn
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_a_warm_start_goes_on_from_the_codes_before(wine, estimator):
    X, y = wine
    model = clone(estimator).set_params(max_iter=100).fit(X, y)
    before = model.transform(X)
    still = {"max_iter": 1, "learning_rate": 1e-9, "weight_decay": 0.0, "random_state": 1}
    warm = model.set_params(warm_start=True, **still).fit(X, y).transform(X)
    fresh = clone(estimator).set_params(**still).fit(X, y).transform(X)
    # Running statistics move on where layers are normalised over the batch.
    assert np.abs(warm - before).max() < 0.2 * np.abs(fresh - before).max()


@short_fits_may_warn
def test_a_warm_start_takes_more_labels(wine):
    X, y = wine
    few = np.where(np.arange(len(y)) % 2, y, -1)
    model = AdversarialAutoencoderClassifier(2, warm_start=True, **SHORT).fit(X, few)
    model.fit(X, y)
    frequencies = np.bincount(y) / len(y)
    np.testing.assert_allclose(model.class_frequencies_, frequencies)
    np.testing.assert_allclose(
        model.model_.latents[1].category_probabilities(), frequencies, atol=1e-6
    )


@short_fits_may_warn
def test_a_warm_start_needs_the_same_classes(wine):
    X, y = wine
    model = AdversarialAutoencoderClassifier(2, warm_start=True, **SHORT).fit(X, y)
    with pytest.raises(ValueError, match="warm_start=True: expected"):
        model.fit(X, y + 1)


@short_fits_may_warn
def test_a_warm_start_needs_the_same_heads(wine):
    model = AdversarialAutoencoderClassifier(2, warm_start=True, **SHORT).fit(*wine)
    with pytest.raises(ValueError, match="warm_start=True: expected role of labels"):
        model.set_params(cluster_heads=True).fit(*wine)


# ------------------------------------------------------------------------------------ encoders


@short_fits_may_warn
@pytest.mark.parametrize(
    ("encoder", "normalised"),
    [
        (None, True),
        ("mlp", True),
        ("convolutional", True),
        (MLP((8,)), False),
        (MLP((8,), batch_norm=True), True),
    ],
    ids=str,
)
def test_encoders_that_infer_labels_are_normalised_unless_they_are_yours(
    digits, encoder, normalised
):
    X, _ = digits
    model = AdversarialAutoencoderClusterer(3, encoder=encoder, **SHORT).fit(X[:100])
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    assert any(isinstance(m, norms) for m in model.model_.encoder.modules()) == normalised
