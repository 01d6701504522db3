"""What a fitted autoencoder answers: rows to codes, draws from the prior."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skaae._codec import Codec, Graph
from skaae._compat import answers_frames
from skaae._fitted import FittedAutoencoder
from skaae._labels import codes_of
from skaae._modes import inference
from skaae._prior_match import PriorMatch, measure_prior_match
from skaae._rows import check_values, rows_in_units
from skaae._sources import Rows, checked_codes, checked_rows
from skaae._tensors import as_array, as_floats


class EncodingEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, FittedAutoencoder):
    """An estimator with a fitted autoencoder, whatever trained it."""

    def _validated(self, X: Any, *, reset: bool) -> Rows:
        # BatchNorm in a user's network needs two rows, and so does any spread of a column.
        rows: Rows = checked_rows(self, X, reset=reset, least=2 if reset else 1)
        return rows

    def _validated_for_loss(self, X: Any) -> Rows:
        """Return rows that may be judged by the loss; ValueError where they cannot be of p(x|z)."""
        check_is_fitted(self)
        rows = self._validated(X, reset=False)
        check_values(self._loss, rows)
        return rows

    @property
    def _codec(self) -> Codec:
        check_is_fitted(self)
        return Codec(self.model_, self._scaling, self._loss, self.device_)

    def _graphs(self) -> dict[str, Graph]:
        return self._codec.graphs()

    def transform(self, X: Any) -> np.ndarray:
        """Return the mean code E[z|x] of each row; with cluster heads, its place on the map.

        Parameters
        ----------
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            In the prior's units; float32 if `X` is, else float64. A tensor gives a tensor, on its
            device and without gradients, unless ``set_output`` asks for frames.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If rows have another number of columns than those of the fit, or hold NaN or infinity.
        """
        codec = self._codec
        if isinstance(X, Tensor) and answers_frames(self):
            X = as_array(as_floats(X))
        return codec.encode(self._validated(X, reset=False))

    def _prior_match(self, X: Any, y: Any, *, seed: int) -> PriorMatch:
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        with inference():
            x = rows_in_units(X, self._scaling, self.device_)
            classes = None
            if y is not None and self.model_.role.matches_classes:
                codes = codes_of(y, self.classes_, len(x), allow_unlabeled=True)
                classes = torch.as_tensor(codes, device=x.device)
            return measure_prior_match(self.model_, x, classes, seed=seed, held_out=None)

    def _validated_codes(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        codes: np.ndarray = checked_codes(X, self.model_.n_components, type(self).__name__)
        return codes

    def _drawn_codes(self, n_samples: Any, generator: torch.Generator, y: Any = None) -> np.ndarray:
        """Return codes drawn from the prior, in its units."""
        codes = self.model_.to_prior_units(self.model_.sample_prior(n_samples, generator, y))
        return codes.numpy().astype(self._output_dtype)

    def _label_codes(self, y: Any, n_samples: int) -> np.ndarray:
        """Return the integer class of each entry of `y`."""
        return codes_of(y, self.classes_, n_samples)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.model_.n_components
