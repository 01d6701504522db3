"""scikit-learn's own checks, and those that it does not collect."""

import inspect

import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import skaae
from skaae import (
    AdversarialAutoencoder,
    AdversarialAutoencoderClassifier,
    AdversarialAutoencoderClusterer,
    ConditionalAdversarialAutoencoder,
    ImplicitGenerativeModel,
)
from skaae.divergences import MMD
from skaae.networks import MLP
from skaae.posteriors import UniversalApproximator
from skaae.priors import GaussianMixture

# Short budgets may miss the prior, of which the estimator warns; the checks are about the API.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SHORT = {"max_iter": 2, "hidden_layer_sizes": (32,)}

# The checks ask classifiers and clusterers to be right, on 50 to 300 rows: all of them in a batch,
# a few large steps get there.
LABELS = {
    "max_iter": 20,
    "hidden_layer_sizes": (32,),
    "learning_rate": 2e-2,
    "batch_size": 300,
}

CONFIGURATIONS = [
    AdversarialAutoencoder(max_iter=2),
    AdversarialAutoencoder(**SHORT),
    AdversarialAutoencoder(divergence="mmd", **SHORT),
    AdversarialAutoencoder(divergence="sliced_wasserstein", **SHORT),
    AdversarialAutoencoder(divergence="wasserstein", **SHORT),
    AdversarialAutoencoder(divergence="posterior_kl", posterior="gaussian", **SHORT),
    AdversarialAutoencoder(posterior="universal", **SHORT),
    AdversarialAutoencoder(prior="gaussian_mixture", **SHORT),
    ConditionalAdversarialAutoencoder(**SHORT),
    ConditionalAdversarialAutoencoder(
        label_role="discriminator", prior="gaussian_mixture", **SHORT
    ),
    AdversarialAutoencoderClassifier(**LABELS),
    AdversarialAutoencoderClassifier(cluster_heads=True, n_components=2, **LABELS),
    AdversarialAutoencoderClusterer(n_init=2, **LABELS),
    AdversarialAutoencoderClusterer(cluster_heads=True, n_components=2, n_init=1, **LABELS),
    ImplicitGenerativeModel(**SHORT),
]


@parametrize_with_checks(CONFIGURATIONS)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([AdversarialAutoencoder()])
def test_sklearn_checks_of_the_default_trained_as_long_as_by_default(estimator, check):
    check(estimator)


# The figures that scikit-learn's checks ask of a classifier and of a clusterer, on their rows, of
# the defaults: the checks themselves fit some fifty times.
@pytest.mark.slow
def test_the_default_classifier_is_as_right_as_the_checks_ask():
    X, y = make_blobs(300, random_state=0)
    X = StandardScaler().fit_transform(X)
    assert AdversarialAutoencoderClassifier(random_state=0).fit(X, y).score(X, y) > 0.83


@pytest.mark.slow
def test_the_default_clusterer_is_as_right_as_the_checks_ask():
    X, y = make_blobs(50, random_state=1)
    X = StandardScaler().fit_transform(X)
    labels = AdversarialAutoencoderClusterer(3, random_state=0).fit_predict(X)
    assert adjusted_rand_score(y, labels) > 0.4


def configuration_id(estimator):
    changed = {"cluster_heads", "divergence", "label_role", "posterior", "prior"}
    values = estimator.get_params(deep=False).items()
    return "-".join([type(estimator).__name__, *(str(v) for k, v in values if k in changed)])


NOT_COLLECTED = [
    estimator_checks.check_param_validation,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_set_output_transform_polars,
    estimator_checks.check_global_output_transform_pandas,
    estimator_checks.check_global_set_output_transform_polars,
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_transformer_get_feature_names_out_pandas,
    estimator_checks.check_get_feature_names_out_error,
    estimator_checks.check_dataframe_column_names_consistency,
    estimator_checks.check_n_features_in_after_fitting,
    estimator_checks.check_estimators_partial_fit_n_features,
]


# The checks of set_output fit frames and transform arrays and the other way round, which
# scikit-learn remarks upon.
@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize("estimator", CONFIGURATIONS[1:], ids=configuration_id)
@pytest.mark.parametrize("check", NOT_COLLECTED, ids=lambda check: check.__name__)
def test_checks_that_are_not_collected(estimator, check):
    if not hasattr(estimator, "transform") and any(
        part in check.__name__ for part in ("output", "transformer", "get_feature_names_out")
    ):
        pytest.skip("it is no transformer")
    # None of them asks for quality.
    check(type(estimator).__name__, clone(estimator).set_params(max_iter=2))


def public_estimators():
    members = (getattr(skaae, name) for name in skaae.__all__)
    return {member for member in members if inspect.isclass(member) and hasattr(member, "fit")}


def test_every_public_estimator_is_checked():
    assert public_estimators() == {type(estimator) for estimator in CONFIGURATIONS}


@pytest.mark.parametrize(
    "case", sorted(public_estimators(), key=str), ids=lambda case: case.__name__
)
def test_samples_are_asked_for_by_number_and_all_else_by_name(case):
    """So that an argument stands for the same in all of them."""
    _, n_samples, *others = inspect.signature(case.sample).parameters.values()
    assert n_samples.name == "n_samples"
    assert "random_state" in {other.name for other in others}
    assert {other.kind for other in others} == {inspect.Parameter.KEYWORD_ONLY}


def public_nouns():
    packages = (skaae.priors, skaae.divergences, skaae.posteriors, skaae.losses, skaae.networks)
    registries = [
        getattr(package, name) for package in packages for name in dir(package) if name.isupper()
    ]
    return sorted(
        {
            case
            for registry in registries
            if isinstance(registry, dict)
            for case in registry.values()
            if hasattr(case, "get_params")
        },
        key=lambda case: case.__name__,
    )


@pytest.mark.parametrize("case", public_nouns(), ids=lambda case: case.__name__)
def test_a_noun_documents_what_it_takes(case):
    """Every parameter of a case stands in its docstring, and every case has an example."""
    documented = inspect.getdoc(case)
    assert ">>>" in documented
    inherits = "Parameters are those of" in documented
    for name in inspect.signature(case).parameters:
        assert inherits or name in documented


def test_a_diagram_shows_the_nouns_and_links_to_nowhere():
    estimator = AdversarialAutoencoder(prior=GaussianMixture(7), divergence=MMD())
    diagram = make_pipeline(StandardScaler(), estimator)._repr_html_()
    assert "AdversarialAutoencoder" in diagram
    assert "GaussianMixture(" in diagram
    assert "MMD(" in diagram
    assert estimator._get_doc_link() == ""  # scikit-learn's documentation does not have it


def test_nested_parameters_reach_the_nouns():
    estimator = AdversarialAutoencoder(
        encoder=MLP((8,)), posterior=UniversalApproximator(n_noise=2)
    )
    estimator.set_params(encoder__activation="tanh", posterior__n_noise=3)
    assert estimator.encoder.activation == "tanh"
    assert estimator.posterior.n_noise == 3
