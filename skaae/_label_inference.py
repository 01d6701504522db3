"""Autoencoders whose encoder infers a label beside the code."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch

from skaae._base import BaseAdversarialAutoencoder
from skaae._compat import Interval, StrOptions
from skaae._latent import Latent
from skaae._model import LabelRole
from skaae.divergences import DIVERGENCES, Divergence, as_divergence
from skaae.posteriors import Deterministic
from skaae.priors import Categorical
from skaae.training import Budget, Consistency, HeadDistance, Reference, Term


class LabelInferringAutoencoder(BaseAdversarialAutoencoder):
    """A one-hot label and a code, each with a prior of its own; the classifier and the clusterer.

    Weights count in shares of the reconstruction loss of the best constant row.
    """

    #: Whether, without heads, reconstruction trains labels too: it keeps clusters that nobody named
    #: from ending in one, and leads labels that are known astray, to say what a narrow code has no
    #: room for.
    _labels_reconstruct: ClassVar[bool] = False
    # A code beside a label leaves less than its components alone.
    _code_alone = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAdversarialAutoencoder._parameter_constraints,
        # A label has no density that a posterior could be compared by.
        "label_divergence": [StrOptions(set(DIVERGENCES) - {"posterior_kl"}), Divergence],
        "label_divergence_weight": [Interval(Real, 0, None, closed="left")],
        "consistency_weight": [Interval(Real, 0, None, closed="left")],
        "consistency_radius": [Interval(Real, 0, None, closed="neither")],
        "cluster_heads": ["boolean"],
        "head_distance": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int,
        *,
        label_divergence: str | Divergence,
        label_divergence_weight: float,
        consistency_weight: float,
        consistency_radius: float,
        cluster_heads: bool,
        head_distance: float,
        **parameters: Any,
    ) -> None:
        super().__init__(n_components, **parameters)
        self.label_divergence = label_divergence
        self.label_divergence_weight = label_divergence_weight
        self.consistency_weight = consistency_weight
        self.consistency_radius = consistency_radius
        self.cluster_heads = cluster_heads
        self.head_distance = head_distance

    def _label_prior(self, frequencies: np.ndarray) -> Categorical:
        n_labels = self._n_labels(frequencies)
        return Categorical(np.full(n_labels, 1.0 / n_labels))

    def _latents(self, seed: int, frequencies: np.ndarray) -> tuple[Latent, ...]:
        label = Latent.create(
            "label",
            self._n_labels(frequencies),
            prior=self._label_prior(frequencies),
            posterior=Deterministic(),
            divergence=as_divergence(self.label_divergence),
            seed=seed,
        )
        return (self._code_latent(seed), label)

    def _role(self, n_labels: int) -> LabelRole:
        # The divergence sees labels beside codes, so that samples of any label with any code look
        # like rows. One that knows densities instead of samples has no place for them.
        sees_labels = as_divergence(self.divergence).of_samples
        return LabelRole(
            n_discriminated=n_labels if sees_labels else 0,
            infers=True,
            reconstructs=self._labels_reconstruct and not self.cluster_heads,
            has_heads=self.cluster_heads,
        )

    def _divergence_weights(self, latents: tuple[Latent, ...], reference: Reference) -> list[float]:
        code_weight, _ = super()._divergence_weights(latents, reference)
        return [code_weight, self.label_divergence_weight * reference.loss]

    def _terms(self, reference: Reference) -> list[Term]:
        terms: list[Term] = []
        if self.consistency_weight > 0.0:
            weight = self.consistency_weight * reference.constant_loss
            terms.append(Consistency(weight, self.consistency_radius))
        if self.cluster_heads and self.head_distance > 0.0:
            terms.append(HeadDistance(reference.constant_loss, self.head_distance))
        return terms

    def _builder(self, role: str, registry: dict[str, Any]) -> Any:
        builder = super()._builder(role, registry)
        chosen = getattr(self, role)
        # Without it the clusters end in one, and few labels spread badly.
        if role == "encoder" and (chosen is None or isinstance(chosen, str)):
            builder.set_params(batch_norm=True)
        return builder

    # ------------------------------------------------------------ inference

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability q(y|x) of each label.

        Parameters
        ----------
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)
            Sparse rows for the classifier alone.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_labels)
            Columns are in the order of ``classes_``, or of the clusters' numbers; a tensor if `X`
            is.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If rows have another number of columns than those of the fit, or hold NaN or infinity.
        """
        codec = self._codec
        return codec.label_probabilities(self._validated(X, reset=False))

    def inverse_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Return the decoder's mean E[x|z, y] for each code.

        Parameters
        ----------
        X : {array-like, Tensor} of shape (n_samples, n_components)
            Codes as ``transform`` answers them.
        y : label or array-like of shape (n_samples,)
            Labels to decode in; with `cluster_heads` not looked at, because there the code has its
            label's place.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            In the data's units; float32 if the codes are, else float64; a tensor if they are.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If codes have another width, or hold NaN or infinity, or the decoder needs `y` and got
            none or others than the labels.
        """
        codes = self._validated_codes(X)
        if self.model_.role.has_heads:
            return self._codec.decode(codes)
        if y is None:
            raise ValueError(
                f"{type(self).__name__}: the decoder needs labels beside codes; pass y, one label "
                f"or one for each of the {len(codes)} rows."
            )
        return self._codec.decode(codes, self._label_columns(self._label_codes(y, len(codes))))

    def sample(self, n_samples: int = 1, *, y: Any = None, random_state: Any = None) -> np.ndarray:
        """Return new rows, of labels that you choose: codes drawn from the prior, decoded.

        Parameters
        ----------
        n_samples : int, default=1
        y : label or array-like of shape (n_samples,), default=None
            Labels to draw; None draws them from their prior.
        random_state : int, RandomState or None, default=None
            A seed gives the same rows again; None draws afresh.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the data's units and dtype.

        Raises
        ------
        ValueError
            If `n_samples` is not a positive integer, or `y` is not among the labels.
        """
        with self._drawing(n_samples, random_state) as generator:
            if y is None:
                labels = self.model_.latents[1].sample_prior(n_samples, generator).numpy()
            else:
                labels = self._label_columns(self._label_codes(y, n_samples))
            return self._decoded(self._drawn_codes(n_samples, generator), labels)

    def _decoded(self, codes: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return rows for codes that are not shifted to their heads yet."""
        codec = self._codec
        if self.model_.role.has_heads:
            return codec.decode(codec.shift(codes, labels))
        return codec.decode(codes, labels)

    def _label_columns(self, labels: np.ndarray) -> np.ndarray:
        columns: np.ndarray = np.eye(self.model_.latents[1].n_components)[labels]
        return columns

    def _mean_prior_code(self, n_samples: int) -> np.ndarray:
        """Return the prior's mean, once for each sample, in its own units."""
        zeros = torch.zeros(n_samples, self.model_.n_components, dtype=torch.float32, device="cpu")
        mean = self.model_.latents[0].prior.project(zeros)  # on a simplex: its middle
        return self.model_.to_prior_units(mean).numpy().astype(self._output_dtype)

    def _budget(self, n_samples: int, n_batches: int, reference: Reference) -> Budget:
        if self.max_iter is not None:
            return super()._budget(n_samples, n_batches, reference)
        return Budget.for_labels(n_samples, n_batches)
