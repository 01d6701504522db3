"""Classification with few labels, by an autoencoder that infers the others."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted

from skaae._compat import Interval, safe_indexing
from skaae._fitted import CLASSES
from skaae._label_inference import LabelInferringAutoencoder
from skaae._labels import UNLABELED, encode_labels, mark_unlabeled
from skaae._persistence import Fitted
from skaae._tensors import as_array, entries_at
from skaae.divergences import Divergence
from skaae.losses import ReconstructionLoss
from skaae.posteriors import Posterior
from skaae.priors import Categorical
from skaae.training import Classification, Reference, Term


class AdversarialAutoencoderClassifier(ClassifierMixin, LabelInferringAutoencoder):
    r"""Classifier for few labels and many rows, which also maps, maps back, and samples by class.

    The encoder answers a label q(y|x), by a softmax, and a code z that keeps the rest: the style.
    All rows, labelled or not, are decoded from both, and

    .. math:: E[-\log p(x|y, z)] + w D(q(z, y) \| p(z) q(y)) + w_y D_y(q(y) \| p(y))
        + w_c \, E_{labelled}[-\log q(y|x)] + w_v \, E[KL(q(y|x) \| q(y|x + r))]

    is minimised: codes are as the prior whatever the label, labels as frequent as among the
    labelled rows, sure, right where they are known, and do not change with small moves r of a row.
    Reconstruction trains the code and the decoder, not the labels, which it would make say what a
    narrow code has no room for.

    Parameters
    ----------
    n_components : int, default=10
        Dimension of the code z.
    prior : str, Prior, distribution, array or object with ``sample``, default="normal"
        Of the code z.
    divergence : str or Divergence, default="jensen_shannon"
        Of the codes from their prior.
    label_divergence : str or Divergence, default="mutual_information"
        Of the labels from theirs; ``"jensen_shannon"`` is the paper's adversary.
    label_divergence_weight : float, default=1.0
        This weight and the following count in shares of the reconstruction loss of the best
        constant row, so that they mean the same for 10 columns and for 1,000.
    classification_weight : float, default=10.0
        Of the cross-entropy of labelled rows.
    consistency_weight : float, default=10.0
        Of the divergence between a row's label and that of the same row moved a little in the
        direction that changes the label most (virtual adversarial training). 0 leaves it out.
    consistency_radius : float, default=0.4
        How far a row is moved, as a share of the distance to the nearest other row of its batch.
    cluster_heads : bool, default=False
        Whether each label has a place W_y in the space of codes, the decoder sees z + W_y, and
        ``transform`` answers that sum: a map on which labels are apart.
    head_distance : float, default=4.0
        Heads nearer to each other than this, in standard deviations of the prior, are pushed
        apart.
    hidden_layer_sizes : sequence of int, default=(1000, 1000)
        Hidden layers of the encoder, which normalises them over the batch; the decoder has them in
        reverse order.
    learning_rate : float or "auto", default="auto"
        Of encoder, decoder and heads, as in :class:`AdversarialAutoencoder`.
    max_iter : int, default=None
        Epochs. None counts steps too: 200 epochs, but at least 1,500 steps (below 150 rows 10 a
        row, and 300 at least) and at most 10,000, unless rows would be seen fewer than ten times.
    input_noise : float, default=0.0
        Standard deviation of noise on the encoder's input in training, in the networks' units.
    divergence_weight, posterior, reconstruction_loss, encoder, decoder, batch_size, weight_decay
        As in :class:`AdversarialAutoencoder`.
    early_stopping, validation_fraction, n_iter_no_change, tol, warm_start
        As in :class:`AdversarialAutoencoder`.
    device, precision, random_state, verbose
        As in :class:`AdversarialAutoencoder`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    class_frequencies_ : ndarray of shape (n_classes,)
        Shares of the classes among labelled rows: the prior p(y).
    prior_ : Prior
        The distribution of the codes that ``sample`` decodes; with `cluster_heads` a mixture of
        priors around the heads.
    model_, history_, n_iter_, best_iter_, prior_match_
    divergence_weight_, n_samples_seen_, device_
        As in :class:`AdversarialAutoencoder`; ``prior_match_`` is that of the codes.
    n_features_in_, feature_names_in_
        As in :class:`AdversarialAutoencoder`.

    Raises
    ------
    ValueError
        At ``fit``, as :class:`AdversarialAutoencoder` does, and if fewer than two classes have a
        labelled row.

    Warns
    -----
    ConvergenceWarning
        If codes clearly miss the prior, codes or decoder have collapsed, a loss was not finite, or
        Ctrl-C ended training.

    References
    ----------
    A. Makhzani et al., *Adversarial Autoencoders*, 2015, sections 5 and 7.
    T. Miyato et al., *Virtual Adversarial Training*, 2018.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skaae import AdversarialAutoencoderClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> few = y.copy()
    >>> few[::2] = -1  # these rows have no label
    >>> aae = AdversarialAutoencoderClassifier(
    ...     2, hidden_layer_sizes=(64, 64), max_iter=50, random_state=0
    ... ).fit(X, few)
    >>> aae.score(X[::2], y[::2]) > 0.9
    True
    >>> aae.sample(5, y=1, random_state=0).shape
    (5, 4)
    """

    _takes_labels = True
    _least_labeled = 64
    _fitted_attributes: ClassVar[dict[str, Fitted]] = {
        **LabelInferringAutoencoder._fitted_attributes,
        **CLASSES,
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **LabelInferringAutoencoder._parameter_constraints,
        "classification_weight": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        n_components: int = 10,
        *,
        prior: Any = "normal",
        divergence: str | Divergence = "jensen_shannon",
        divergence_weight: float | str = "auto",
        label_divergence: str | Divergence = "mutual_information",
        label_divergence_weight: float = 1.0,
        classification_weight: float = 10.0,
        consistency_weight: float = 10.0,
        consistency_radius: float = 0.4,
        cluster_heads: bool = False,
        head_distance: float = 4.0,
        posterior: str | Posterior = "deterministic",
        reconstruction_loss: str | ReconstructionLoss = "squared_error",
        hidden_layer_sizes: Sequence[int] = (1000, 1000),
        encoder: Any = None,
        decoder: Any = None,
        learning_rate: float | str = "auto",
        batch_size: int | str = "auto",
        max_iter: int | None = None,
        weight_decay: float = 1000.0,
        input_noise: float | str = 0.0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        device: str | torch.device = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            n_components,
            prior=prior,
            divergence=divergence,
            divergence_weight=divergence_weight,
            label_divergence=label_divergence,
            label_divergence_weight=label_divergence_weight,
            consistency_weight=consistency_weight,
            consistency_radius=consistency_radius,
            cluster_heads=cluster_heads,
            head_distance=head_distance,
            posterior=posterior,
            reconstruction_loss=reconstruction_loss,
            hidden_layer_sizes=hidden_layer_sizes,
            encoder=encoder,
            decoder=decoder,
            learning_rate=learning_rate,
            batch_size=batch_size,
            max_iter=max_iter,
            weight_decay=weight_decay,
            input_noise=input_noise,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            tol=tol,
            warm_start=warm_start,
            device=device,
            precision=precision,
            random_state=random_state,
            verbose=verbose,
        )
        self.classification_weight = classification_weight

    def _label_prior(self, frequencies: np.ndarray) -> Categorical:
        if len(frequencies) < 2:
            raise ValueError(
                "y: expected rows of at least two classes, beside those without a label (-1, or "
                "the empty string), got labels of one class only."
            )
        return Categorical(frequencies)

    def _scored_rows(self, X: Any, y: Any) -> tuple[Any, Any]:
        marked = mark_unlabeled(y)
        labeled = np.flatnonzero(encode_labels(marked)[1] != UNLABELED)
        return (X, y) if len(labeled) == len(y) else (safe_indexing(X, labeled), marked[labeled])

    def _terms(self, reference: Reference) -> list[Term]:
        return [
            Classification(self.classification_weight * reference.constant_loss),
            *super()._terms(reference),
        ]

    def fit(self, X: Any, y: Any) -> AdversarialAutoencoderClassifier:
        """Train on the rows of `X` and the labels of those that have one.

        Parameters
        ----------
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)
            In any units; at least two rows. Large files are read while they train.
        y : array-like of shape (n_samples,)
            Classes. -1 marks rows without a label, if at least two other classes remain; among
            strings the empty one does, among objects also None and NaN.

        Returns
        -------
        self : AdversarialAutoencoderClassifier

        Raises
        ------
        ValueError
            As the class says; a fitted estimator then stays as it was.
        """
        self._fit(X, y)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,)
            A tensor if `X` is and classes are numbers.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If rows have another number of columns than those of the fit, or hold NaN or infinity.
        """
        check_is_fitted(self)
        classes: np.ndarray = entries_at(self.classes_, self.predict_proba(X).argmax(axis=1))
        return classes

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of rows whose class is predicted.

        Parameters
        ----------
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Classes.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If rows have another number of columns than those of the fit, or hold NaN or infinity.
        """
        y, predicted, weights = map(as_array, (y, self.predict(X), sample_weight))
        return float(accuracy_score(y, predicted, sample_weight=weights))
