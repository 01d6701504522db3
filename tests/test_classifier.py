"""The classifier for few labels."""

import numpy as np
import pytest
from estimator_cases import SHORT, share_read_from_samples, short_fits_may_warn
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from skaae import (
    AdversarialAutoencoderClassifier,
)


def with_few_labels(y, n_each, seed=0):
    """Return `y` with -1 everywhere but for `n_each` rows of each class."""
    order = np.random.default_rng(seed).permutation(len(y))
    kept = np.concatenate([order[y[order] == label][:n_each] for label in np.unique(y)])
    few = np.full_like(y, -1)
    few[kept] = y[kept]
    return few


@pytest.fixture(scope="module", params=[False, True], ids=["style", "heads"])
def classifier(request, split, device):
    X_train, _, y_train, _ = split
    model = AdversarialAutoencoderClassifier(
        2,
        cluster_heads=request.param,
        hidden_layer_sizes=(128, 128),
        learning_rate=2e-3,
        max_iter=70,
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
    assert share_read_from_samples(classifier, split, 20) > 0.85


def test_probabilities_are_those_of_the_prediction(classifier, split):
    X_test = split[1]
    probabilities = classifier.predict_proba(X_test)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    assert (classifier.classes_[probabilities.argmax(axis=1)] == classifier.predict(X_test)).all()


@pytest.mark.parametrize("classifier", [False], indirect=True, ids=["style"])
def test_a_style_is_decoded_in_the_class_asked_for_and_holds_little_of_its_own(classifier, split):
    X_train, X_test, y_train, y_test = split
    styles, asked = classifier.transform(X_test), (y_test + 3) % 10
    reader = SVC().fit(X_train, y_train)
    assert reader.score(classifier.inverse_transform(styles, asked), asked) > 0.95
    style_reader = SVC().fit(classifier.transform(X_train), y_train)
    assert style_reader.score(styles, y_test) < 0.4


@pytest.mark.parametrize("classifier", [True], indirect=True, ids=["heads"])
def test_heads_make_the_code_a_map_of_the_classes(classifier, split):
    """With ten labels of a class."""
    X_train, X_test, y_train, y_test = split
    reader = SVC().fit(classifier.transform(X_train), y_train)
    assert reader.score(classifier.transform(X_test), y_test) > 0.93
    heads = classifier.model_.heads.positions.detach().cpu().numpy()
    distances = np.linalg.norm(heads[:, None] - heads, axis=2)[np.triu_indices(10, 1)]
    assert distances.min() > 0.8 * classifier.head_distance


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


@pytest.mark.parametrize("label", [0, -1])
def test_one_class_is_refused(label, wine):
    X, _ = wine
    with pytest.raises(ValueError, match=r"without a label \(-1, .* got labels of one class only"):
        AdversarialAutoencoderClassifier(**SHORT).fit(X, np.full(len(X), label))


@short_fits_may_warn
def test_a_grid_search_over_the_classifier(wine):
    search = GridSearchCV(
        AdversarialAutoencoderClassifier(2, **SHORT), {"consistency_weight": [0.0, 1.0]}, cv=2
    )
    search.fit(*wine)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.consistency_weight == search.best_params_["consistency_weight"]
