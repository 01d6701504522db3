"""The adversarial autoencoder of rows with a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skaae._base import BaseAdversarialAutoencoder
from skaae._compat import StrOptions
from skaae._fitted import CLASSES
from skaae._labels import codes_of, one_hot
from skaae._latent import Latent
from skaae._model import LabelRole
from skaae._persistence import Fitted
from skaae.divergences import Divergence, as_divergence
from skaae.losses import ReconstructionLoss
from skaae.posteriors import Posterior
from skaae.priors import ClassPrior, Prior


class ConditionalAdversarialAutoencoder(BaseAdversarialAutoencoder):
    r"""Codes without the class, or codes with a place for each class.

    ``label_role="decoder"`` gives the class to the decoder,

    .. math:: E[-\log p(x|z, y)] + w \, D(q(z, y) \| p(z) \, q(y)),

    so the code need not hold it, and the divergence, which sees the class beside the code, lets it
    hold nothing of it: what stays is what rows of a class differ in, their style. Then
    ``sample(n, y=...)`` draws in a class, and ``inverse_transform(transform(X), y)`` shows rows in
    the style of `X` in another class.

    ``label_role="discriminator"`` gives the class to the discriminator only,

    .. math:: E[-\log p(x|z)] + w \, D(q(z, y) \| p(z, y)),

    so that each class is matched to its own part of the prior (a mode of a Gaussian mixture, a
    stretch of the swiss roll), and rows without a label to the whole.

    Parameters
    ----------
    n_components : int, default=2
        Dimension of a code.
    label_role : {"decoder", "discriminator"}, default="decoder"
    prior : str, Prior, distribution, array or object with ``sample``, default="normal"
        With ``label_role="discriminator"`` one with at least as many classes as `y`:
        ``"gaussian_mixture"``, ``"swiss_roll"`` or ``"categorical"``. The classes of `y`, sorted,
        take the prior's classes from the first on.
    divergence : str or Divergence, default="jensen_shannon"
        As in :class:`AdversarialAutoencoder`. ``label_role="discriminator"`` takes the
        divergences that compare samples: all but ``"posterior_kl"`` and
        ``"mutual_information"``.
    divergence_weight, posterior, reconstruction_loss, hidden_layer_sizes, encoder, decoder
        As in :class:`AdversarialAutoencoder`.
    learning_rate, batch_size, max_iter, weight_decay, input_noise
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
        Shares of the classes among labelled rows, from which ``sample`` draws unless told `y`.
    prior_ : Prior
        The distribution of the codes that ``sample`` decodes: with ``label_role="discriminator"``
        the parts of the prior that belong to classes, as frequent as these.
    model_, history_, n_iter_, best_iter_, prior_match_
    divergence_weight_, n_samples_seen_, device_
        As in :class:`AdversarialAutoencoder`.
    n_features_in_, feature_names_in_
        As in :class:`AdversarialAutoencoder`.

    Raises
    ------
    ValueError
        At ``fit``, as :class:`AdversarialAutoencoder` does, and if every row is marked as
        unlabelled (-1 alone is a class) or the prior has fewer classes than `y`.

    Warns
    -----
    ConvergenceWarning
        If codes clearly miss the prior, codes or decoder have collapsed, a loss was not finite, or
        Ctrl-C ended training.

    References
    ----------
    A. Makhzani et al., *Adversarial Autoencoders*, 2015, sections 2.3 and 4.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skaae import ConditionalAdversarialAutoencoder
    >>> X, y = load_digits(return_X_y=True)
    >>> aae = ConditionalAdversarialAutoencoder(
    ...     4, hidden_layer_sizes=(128, 128), max_iter=10, random_state=0
    ... ).fit(X, y)
    >>> aae.sample(5, y=3, random_state=0).shape
    (5, 64)
    >>> aae.inverse_transform(aae.transform(X[:3]), y=[0, 1, 2]).shape
    (3, 64)
    """

    _takes_labels = True
    _fitted_attributes: ClassVar[dict[str, Fitted]] = {
        **BaseAdversarialAutoencoder._fitted_attributes,
        **CLASSES,
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseAdversarialAutoencoder._parameter_constraints,
        "label_role": [StrOptions({"decoder", "discriminator"})],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        label_role: str = "decoder",
        prior: Any = "normal",
        divergence: str | Divergence = "jensen_shannon",
        divergence_weight: float | str = "auto",
        posterior: str | Posterior = "deterministic",
        reconstruction_loss: str | ReconstructionLoss = "squared_error",
        hidden_layer_sizes: Sequence[int] = (512, 512),
        encoder: Any = None,
        decoder: Any = None,
        learning_rate: float | str = "auto",
        batch_size: int | str = "auto",
        max_iter: int | None = None,
        weight_decay: float = 1000.0,
        input_noise: float | str = "auto",
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
        self.label_role = label_role

    def _latents(self, seed: int, frequencies: np.ndarray) -> tuple[Latent, ...]:
        code = self._code_latent(seed)
        if self.label_role == "discriminator":
            n_classes = len(frequencies)
            n_offered = code.prior.n_classes(self.n_components)
            if n_offered < n_classes:
                raise ValueError(
                    f"label_role='discriminator': expected a prior with a class for each of the "
                    f"{n_classes} classes of y, but {code.prior} has {n_offered}. Use for example "
                    f"prior=GaussianMixture(n_components={n_classes}) of skaae.priors."
                )
            if not code.divergence.of_samples:
                raise ValueError(
                    "label_role='discriminator': expected a divergence that compares samples, such "
                    f"as 'jensen_shannon' or 'mmd', got {code.divergence}."
                )
        return (code,)

    def _role(self, n_classes: int) -> LabelRole:
        # One column more for rows without a label.
        n_discriminated = n_classes + 1 if as_divergence(self.divergence).of_samples else 0
        if self.label_role == "decoder":
            return LabelRole(n_given=n_classes, n_discriminated=n_discriminated)
        return LabelRole(n_discriminated=n_discriminated, matches_classes=True)

    def fit(self, X: Any, y: Any) -> ConditionalAdversarialAutoencoder:
        """Train encoder and decoder on the rows of `X` and their classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)
            In any units; at least two rows. Large files are read while they train.
        y : array-like of shape (n_samples,)
            Classes. -1 marks rows without a label, if at least two other classes remain; among
            strings the empty one does, among objects also None and NaN. With
            ``label_role="decoder"`` such rows are decoded without a class.

        Returns
        -------
        self : ConditionalAdversarialAutoencoder

        Raises
        ------
        ValueError
            As the class says; a fitted estimator then stays as it was.
        """
        self._fit(X, y)
        return self

    @property
    def prior_(self) -> Prior:
        """The distribution of the codes that ``sample`` decodes, in the units of codes."""
        prior: Prior = super().prior_
        if not self.model_.role.matches_classes:
            return prior
        return ClassPrior(prior, self.class_frequencies_)

    def inverse_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Return the decoder's mean E[x|z, y] for each code.

        Parameters
        ----------
        X : {array-like, Tensor} of shape (n_samples, n_components)
            Codes, in the prior's units.
        y : label or array-like of shape (n_samples,)
            Classes to decode in, or what marks rows without one; with
            ``label_role="discriminator"`` not looked at, because there the code holds the class.

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
            none or others than the classes.
        """
        codes = self._validated_codes(X)
        return self._codec.decode(codes, self._given_columns(y, len(codes)))

    def sample(self, n_samples: int = 1, *, y: Any = None, random_state: Any = None) -> np.ndarray:
        """Return new rows, of classes that you choose: codes drawn from the prior, decoded.

        Parameters
        ----------
        n_samples : int, default=1
        y : label or array-like of shape (n_samples,), default=None
            Classes to draw; None draws them as frequent as among the labelled rows.
        random_state : int, RandomState or None, default=None
            A seed gives the same rows again; None draws afresh.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the data's units and dtype.

        Raises
        ------
        ValueError
            If `n_samples` is not a positive integer, or `y` is not among the classes.
        """
        with self._drawing(n_samples, random_state) as generator:
            matched = self.model_.role.matches_classes
            classes = (
                self._drawn_classes(n_samples, generator)
                if y is None
                else self._label_codes(y, n_samples)
            )
            codes = self._drawn_codes(
                n_samples, generator, torch.as_tensor(classes) if matched else None
            )
            return self._codec.decode(codes, None if matched else self._columns(classes))

    def score(self, X: Any, y: Any = None) -> float:
        r"""Return the mean log-likelihood of rows given codes and classes, up to a constant.

        .. math:: \frac{1}{n} \sum_i \log p(x_i | z_i, y_i) + \text{const}

        as in :class:`AdversarialAutoencoder`. Higher is better.

        Parameters
        ----------
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Classes, or what marks rows without one; with ``label_role="discriminator"`` not looked
            at.

        Returns
        -------
        score : float

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If rows have another number of columns than those of the fit, hold NaN or infinity, or,
            with Bernoulli, values outside [0, 1]; or if the decoder needs `y` and got none or
            others than the classes.
        """
        X = self._validated_for_loss(X)
        return -float(self._codec.row_losses(X, self._given_columns(y, len(X))).mean())

    def _given_columns(self, y: Any, n_samples: int) -> np.ndarray | None:
        """Return the label columns of the decoder, if it has any."""
        check_is_fitted(self)
        if not self.model_.role.n_given:
            return None
        if y is None:
            raise ValueError(
                "label_role='decoder': the decoder needs classes; pass y, one label or one for "
                f"each of the {n_samples} rows, among {self.classes_.tolist()}."
            )
        codes = codes_of(y, self.classes_, n_samples, allow_unlabeled=True)
        return self._columns(codes)

    def _columns(self, codes: np.ndarray) -> np.ndarray:
        n_classes = len(self.classes_)
        return one_hot(torch.as_tensor(codes, device="cpu"), n_classes).numpy()

    def _drawn_classes(self, n_samples: int, generator: torch.Generator) -> np.ndarray:
        weights = torch.as_tensor(self.class_frequencies_)
        return torch.multinomial(weights, n_samples, replacement=True, generator=generator).numpy()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
