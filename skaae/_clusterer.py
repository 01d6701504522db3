"""Clustering, by an autoencoder that infers a label nobody gave."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import ClusterMixin
from sklearn.exceptions import ConvergenceWarning

from skaae._compat import Interval
from skaae._decoding import Decoding
from skaae._device import Seeds, new_generator
from skaae._label_inference import LabelInferringAutoencoder
from skaae._labels import codes_of
from skaae._persistence import Fitted
from skaae._sources import Rows, evenly_spaced, thinned_rows
from skaae._tensors import as_array
from skaae.checkpoints import Checkpoints
from skaae.distributed import current_ranks
from skaae.divergences import Divergence, MutualInformation
from skaae.losses import ReconstructionLoss
from skaae.posteriors import Posterior, PosteriorSample
from skaae.training import Budget, Outcome, Reference
from skaae.training._interruption import interrupt_is_for_caller

# A cluster with less than this share of an equal part of the rows counts as dead.
_DEAD_SHARE = 0.1
# Of the epochs, by which starts are compared: what clusters become is settled in the first tenth.
_TRIED_SHARE = 0.1
_LEAST_TRIED_STEPS = 150
_MAX_COMPARED_ROWS = 10_000


class AdversarialAutoencoderClusterer(ClusterMixin, LabelInferringAutoencoder):
    r"""Clustering that maps new rows, maps back, and samples by cluster.

    The encoder answers a cluster q(y|x), by a softmax, and a code z that keeps the rest: the style.
    Rows are decoded from both, and

    .. math:: E[-\log p(x|y, z)] + w D(q(z, y) \| p(z) q(y)) + w_y D_y(q(y) \| p(y))
        + w_v \, E[KL(q(y|x) \| q(y|x + r))]

    is minimised: codes are as the prior in every cluster, clusters equally frequent, sure, and they
    do not change with small moves r of a row, so their borders lie where rows are sparse. With
    `cluster_heads` reconstruction trains the code, the heads and the decoder, not the labels.

    Parameters
    ----------
    n_clusters : int, default=8
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
    n_init : int, default=4
        Starts, with other weights (but for networks that are passed as modules) and batches. Each
        trains for the first tenth of the epochs (150 steps at least, a quarter at most); the one
        whose clusters are then the surest and most even, as
        :class:`~skaae.divergences.MutualInformation` counts, trains anew for all of them, which
        alone ``verbose`` and callbacks tell of. A fit that goes on from a fitted one
        (``warm_start``) has one.
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
    labels_ : ndarray of shape (n_samples,)
        Cluster of each row that was fitted.
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        Each cluster, decoded with the mean style.
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
        At ``fit``, as :class:`AdversarialAutoencoder` does, and if there are fewer rows than
        clusters.

    Warns
    -----
    ConvergenceWarning
        If a cluster has less than a tenth of an even share of the rows, codes clearly miss the
        prior, codes or decoder have collapsed, a loss was not finite, or Ctrl-C ended training.

    References
    ----------
    A. Makhzani et al., *Adversarial Autoencoders*, 2015, sections 6 and 7.
    W. Hu et al., *Learning Discrete Representations via Information Maximizing Self-Augmented
    Training*, 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skaae import AdversarialAutoencoderClusterer
    >>> X, _ = load_iris(return_X_y=True)
    >>> aae = AdversarialAutoencoderClusterer(
    ...     3, n_components=2, hidden_layer_sizes=(64, 64), max_iter=50, random_state=0
    ... )
    >>> labels = aae.fit_predict(X)
    >>> aae.sample(5, y=labels[0], random_state=0).shape
    (5, 4)
    """

    _labels_reconstruct = True
    #: Whether a fit trains for the first epochs only.
    _only_begins: bool = False
    _fitted_attributes: ClassVar[dict[str, Fitted]] = {
        **LabelInferringAutoencoder._fitted_attributes,
        "labels_": Fitted(np.ndarray, "i", ("n_samples",)),
        "cluster_centers_": Fitted(np.ndarray, "f", ("n_labels", "n_features")),
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **LabelInferringAutoencoder._parameter_constraints,
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        n_components: int = 10,
        prior: Any = "normal",
        divergence: str | Divergence = "jensen_shannon",
        divergence_weight: float | str = "auto",
        label_divergence: str | Divergence = "mutual_information",
        label_divergence_weight: float = 1.0,
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
        n_init: int = 4,
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
        self.n_clusters = n_clusters
        self.n_init = n_init

    def _validated_with_labels(self, X: Any, y: Any) -> Any:
        X, *rest = super()._validated_with_labels(X, y)
        if len(X) < self.n_clusters:
            raise ValueError(
                f"n_samples={len(X)}: expected at least as many rows as n_clusters="
                f"{self.n_clusters}."
            )
        return X, *rest

    def _n_labels(self, frequencies: np.ndarray) -> int:
        return self.n_clusters

    def fit(self, X: Any, y: Any = None) -> AdversarialAutoencoderClusterer:
        """Train on the rows of `X` and assign them to clusters.

        Parameters
        ----------
        X : {array-like, Tensor} of shape (n_samples, n_features)
            In any units; at least as many rows as clusters. Large files are read while they train.
        y : Ignored
            Present for consistency.

        Returns
        -------
        self : AdversarialAutoencoderClusterer

        Raises
        ------
        ValueError
            As the class says; a fitted estimator then stays as it was.
        """
        self._fit(X, y)
        return self

    def _train(
        self,
        X: Rows,
        y: np.ndarray | None,
        learnt: dict[str, Any],
        seeds: Seeds,
        scored: Callable[[], tuple[Any, Any]],
        checkpoints: Checkpoints | None,
    ) -> tuple[Outcome, dict[str, Any], Decoding]:
        goes_on = checkpoints is not None and checkpoints.start is not None
        is_warm = self.warm_start and hasattr(self, "model_")
        is_one = self.n_init == 1 or self.n_clusters == 1
        if self._only_begins or is_one or goes_on or is_warm:
            return super()._train(X, y, learnt, seeds, scored, checkpoints)
        starts = [seeds, *seeds.others(self.n_init - 1)]
        beginning, losses, best, interrupted = self._beginning(), [], None, False
        for start in starts:
            try:
                trained = beginning._train(X, y, learnt, start, scored, None)
                losses.append(self._label_loss(X, *trained[:2]))
            except KeyboardInterrupt:
                if best is None or interrupt_is_for_caller():
                    raise
                interrupted = True
                break
            if best is None or losses[-1] < min(losses[:-1]):
                best = trained
            interrupted = trained[0].interrupted
            if interrupted:
                break
        if interrupted and best is not None:
            return replace(best[0], interrupted=True), best[1], best[2]
        seeds = starts[current_ranks().of_first(int(np.argmin(losses)))]
        if checkpoints is not None:
            checkpoints.about["seeds"] = asdict(seeds)
        return super()._train(X, y, learnt, seeds, scored, checkpoints)

    def _beginning(self) -> AdversarialAutoencoderClusterer:
        """Return a copy that trains for the first epochs only, and tells nobody."""
        other = copy.copy(self)
        other._only_begins = True
        other.verbose = 0
        other.__dict__.pop("_skl_callbacks", None)
        return other

    def _budget(self, n_samples: int, n_batches: int, reference: Reference) -> Budget:
        budget = super()._budget(n_samples, n_batches, reference)
        return budget.beginning(_TRIED_SHARE, _LEAST_TRIED_STEPS) if self._only_begins else budget

    def _label_loss(self, X: Rows, outcome: Outcome, fitted: dict[str, Any]) -> float:
        """Return how far labels are from being sure and even; infinity after a failure."""
        if not outcome.finite:
            return float("inf")
        other = copy.copy(self)
        other.__dict__.update(fitted)
        rows = thinned_rows(X, _MAX_COMPARED_ROWS)
        rows = rows[evenly_spaced(len(rows), min(len(rows), _MAX_COMPARED_ROWS))]
        labels = torch.as_tensor(as_array(other._codec.label_probabilities(rows)))
        loss = MutualInformation().encoder_loss(
            PosteriorSample(labels),
            labels,
            prior=fitted["model_"].latents[1],
            discriminator=None,
            generator=new_generator(0),
        )
        return float(loss.nan_to_num(nan=float("inf")))

    def _set_answers(self, X: Rows) -> None:
        self.labels_ = as_array(self._codec.label_probabilities(X)).argmax(axis=1)
        centers = self._decoded(self._mean_prior_code(self.n_clusters), np.eye(self.n_clusters))
        self.cluster_centers_ = centers

    def _warn_of_labels(self) -> None:
        counts = np.bincount(self.labels_, minlength=self.n_clusters)
        dead = np.flatnonzero(counts < _DEAD_SHARE * len(self.labels_) / self.n_clusters)
        if len(dead):
            warnings.warn(
                f"{type(self).__name__}: {len(dead)} of {self.n_clusters} clusters have (almost) "
                f"no rows: {dead.tolist()}. Lower n_clusters, raise label_divergence_weight, or "
                "train longer (max_iter).",
                ConvergenceWarning,
                stacklevel=4,
            )

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable cluster of each row.

        Parameters
        ----------
        X : {array-like, Tensor} of shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            From 0 to n_clusters - 1; a tensor if `X` is.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If rows have another number of columns than those of the fit, or hold NaN or infinity.
        """
        clusters: np.ndarray = self.predict_proba(X).argmax(axis=1)
        return clusters

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # scikit-learn's check of sparse rows holds every predict_proba to four classes.
        tags.input_tags.sparse = False
        return tags

    def _label_codes(self, y: Any, n_samples: int) -> np.ndarray:
        return codes_of(y, np.arange(self.model_.latents[1].n_components), n_samples)
