"""The adversarial autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from skaae._aggregated_posterior import AggregatedPosterior
from skaae._incremental import IncrementalAutoencoder
from skaae._neighborhoods import NeighborhoodAutoencoder
from skaae._persistence import Fitted
from skaae._sources import Rows, RowSource, bounded_block, evenly_spaced
from skaae._tensors import as_array
from skaae.divergences import Divergence
from skaae.losses import ReconstructionLoss
from skaae.posteriors import Posterior

# Of so many training rows the codes are kept, to draw others like them.
_KEPT_CODES = 2_000


class AdversarialAutoencoder(NeighborhoodAutoencoder, IncrementalAutoencoder):
    r"""Nonlinear dimensionality reduction to a prior of your choice, with a way back and samples.

    An encoder q(z|x) and a decoder p(x|z) are trained to minimise

    .. math:: E[-\log p(x|z)] + w \, D(q(z) \| p(z)), \qquad q(z) = E_x[q(z|x)],

    so that codes of the data are distributed as the prior p(z). Then ``transform`` encodes,
    ``inverse_transform`` decodes, and ``sample`` decodes draws from the prior.

    Parameters
    ----------
    n_components : int, default=2
        Dimension of a code.
    prior : str, Prior, distribution, array or object with ``sample``, default="normal"
        p(z): ``"normal"``, ``"uniform"``, ``"gaussian_mixture"``, ``"swiss_roll"``,
        ``"categorical"``; an object of :mod:`skaae.priors`; a frozen :mod:`scipy.stats` or a
        :mod:`torch.distributions` distribution; an array of codes, drawn from with replacement;
        or any object with ``sample``.
    divergence : str or Divergence, default="jensen_shannon"
        D: ``"jensen_shannon"`` (the paper's adversary), ``"kullback_leibler"``,
        ``"reverse_kullback_leibler"``, ``"pearson"``, ``"wasserstein"``, ``"mmd"``,
        ``"sliced_wasserstein"``, ``"posterior_kl"`` (the variational autoencoder's),
        ``"mutual_information"`` (of one-hot codes), or an object of :mod:`skaae.divergences`.
    divergence_weight : float or "auto", default="auto"
        The weight w. ``"auto"`` is a constant of the divergence times the reconstruction loss of
        the best constant row, which makes the balance independent of the number of columns, or
        twice what as many principal components leave of that loss, where it is less and ``fit``
        lays out no map; with ``"posterior_kl"`` it is 1.
    neighbors_weight : float, default=0.0
        Weight of a term that keeps the codes of neighbouring rows together, as t-SNE and UMAP do,
        times the loss that ``divergence_weight="auto"`` multiplies. 0 leaves it out; 1 is a good
        start for a map (:doc:`/guide/maps`).
    n_neighbors : int, default=15
        Nearest rows, in the networks' units, that count as a row's neighbours.
    posterior : str or Posterior, default="deterministic"
        q(z|x): ``"deterministic"``, ``"gaussian"``, ``"universal"``, ``"hierarchical"`` or an
        object of :mod:`skaae.posteriors`.
    reconstruction_loss : str or ReconstructionLoss, default="squared_error"
        ``"squared_error"``, ``"bernoulli"`` or an object of :mod:`skaae.losses`:
        -log p(x|z). Columns are scaled for the first and left alone for the second, which takes
        values in [0, 1].
    hidden_layer_sizes : sequence of int, default=(512, 512)
        Hidden layers of the encoder; the decoder has them in reverse order.
    encoder, decoder : {"mlp", "convolutional"}, callable or nn.Module, default=None
        Networks of your own: a callable ``(n_inputs, n_outputs) -> nn.Module``, or a module,
        which is copied. None is an :class:`~skaae.networks.MLP` of `hidden_layer_sizes`; with
        `neighbors_weight` the encoder's has 192 anchors and no linear path.
    learning_rate : float or "auto", default="auto"
        Of encoder and decoder; falls to zero along half a cosine. ``"auto"`` is 0.001 up to 30,000
        rows and rises in proportion to 0.002 at 60,000: the budget grows more slowly than the rows.
        Where ``fit`` lays out a map it grows with batches of more than 256 rows, up to twice that.
    batch_size : int or "auto", default="auto"
        ``"auto"`` is an eighth of the rows, at least 64 and at most 256, on a map 512. All batches
        of a pass have one size of at least two, the one nearest to this that divides the rows
        evenly.
    max_iter : int, default=None
        Epochs. None counts steps too: 100 epochs, but at least 1,250 steps (below 125 rows 10 a
        row, and 300 at least) and at most 4,000, on a map 1,600, unless rows would be seen fewer
        than three times.
    weight_decay : float, default=1000.0
        Decay of the networks' weights, divided by the number of rows: what keeps networks from
        learning 150 rows by heart. Where principal components leave less than half of a row, or
        leave it spread over more than ten directions, and little of that can be told from them,
        decoder and discriminators decay up to fifty times as fast (:doc:`/guide/networks`).
        Where ``fit`` lays out a map it is a tenth. The linear path is not decayed.
    input_noise : float or "auto", default="auto"
        Standard deviation of noise on the encoder's input in training, in the networks' units;
        falls to zero with the learning rate. ``"auto"`` is 0.6, or 1.25 times the square
        root of the share of variance that as many principal components leave, where that is less.
        Where ``fit`` lays out a map it stays, and ``"auto"`` reaches no further than neighbours.
    early_stopping : bool, default=False
        Whether to hold out rows, stop when their reconstruction and their distance from the prior
        stop improving, and keep the best state.
    validation_fraction : float, default=0.1
        Share of rows to hold out with `early_stopping`. Without it, from 2,000 rows on, at most
        1,000 rows are set aside to measure ``prior_match_``.
    n_iter_no_change : int, default=10
        Looks at held-out rows (one an epoch, but 50 steps apart at least) without improvement
        before training stops.
    tol : float, default=1e-4
        Improvement that counts, in shares of the data's variation.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last fitted weights.
    device : str or torch.device, default="auto"
        ``"auto"`` takes CUDA, then MPS, then the CPU.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Of matrix products in training. ``"auto"`` takes bfloat16 where the hardware multiplies
        it natively and layers are large.
    random_state : int, RandomState or None, default=None
        Seed of everything random in ``fit``. Neither NumPy's nor PyTorch's global generator is
        read or moved; None draws a seed from the operating system.
    verbose : int, default=0
        1 logs a line an epoch to the logger ``skaae``, or to standard output if it has no handler.

    Attributes
    ----------
    model_ : AutoencoderModel
        The networks: ``model_.encoder``, ``model_.decoder``, ``model_.discriminators``.
    history_ : list of dict
        Every loss of every epoch.
    n_iter_ : int
        Epochs trained.
    best_iter_ : int
        Epoch whose state was kept.
    prior_ : Prior
        The distribution of the codes that ``sample`` decodes, in the units of codes.
    prior_match_ : PriorMatch
        How well codes meet the prior, beside what two samples of the prior give.
    divergence_weight_ : float
        The weight w of the fit: what ``"auto"`` came to.
    n_samples_seen_ : int
        Rows that training was given, over all calls of ``partial_fit``.
    device_ : torch.device
        Where training ran.
    n_features_in_ : int
        Columns of `X`.
    feature_names_in_ : ndarray of shape (n_features,)
        Where `X` has column names.

    Raises
    ------
    ValueError
        At ``fit``, for an unknown name, a size that is not positive, NaN or too few rows, a prior
        whose dimension is not `n_components`, a network of the wrong shape, or parts that do not
        fit together. A fitted estimator then stays as it was.

    Warns
    -----
    ConvergenceWarning
        If codes clearly miss the prior, codes or decoder have collapsed, a loss was not finite, or
        Ctrl-C ended training.

    References
    ----------
    A. Makhzani, J. Shlens, N. Jaitly, I. Goodfellow, B. Frey, *Adversarial Autoencoders*, 2015.
    S. Damrich et al., *From t-SNE to UMAP with Contrastive Learning*, 2023.
    P. Ghosh et al., *From Variational to Deterministic Autoencoders*, 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skaae import AdversarialAutoencoder
    >>> X, _ = load_iris(return_X_y=True)
    >>> aae = AdversarialAutoencoder(
    ...     n_components=2, hidden_layer_sizes=(64, 64), max_iter=100, random_state=0
    ... ).fit(X)
    >>> aae.transform(X).shape
    (150, 2)
    >>> aae.inverse_transform([[0.0, 0.0]]).shape
    (1, 4)
    >>> aae.sample(5, random_state=0).shape
    (5, 4)
    """

    _fitted_attributes: ClassVar[dict[str, Fitted]] = {
        **IncrementalAutoencoder._fitted_attributes,
        "_aggregated_posterior": Fitted(AggregatedPosterior, optional=True),
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        prior: Any = "normal",
        divergence: str | Divergence = "jensen_shannon",
        divergence_weight: float | str = "auto",
        neighbors_weight: float = 0.0,
        n_neighbors: int = 15,
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
        self.neighbors_weight = neighbors_weight
        self.n_neighbors = n_neighbors

    def _set_answers(self, X: Rows) -> None:
        index, codec = evenly_spaced(len(X), min(len(X), _KEPT_CODES)), self._codec
        if isinstance(X, RowSource):
            size = bounded_block(X, len(index))
            blocks = [X.take(index[start : start + size]) for start in range(0, len(index), size)]
            codes = np.concatenate([codec.encode(block) for block in blocks])
        else:
            codes = codec.encode(X[index])
        self._aggregated_posterior = AggregatedPosterior(
            as_array(codes), self.model_.latents[0].prior
        )

    def fit(self, X: Any, y: Any = None) -> AdversarialAutoencoder:
        """Train encoder and decoder on the rows of `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)
            In any units; at least two rows. Large files are read while they train: memory maps, and
            what has a shape, a dtype and slices of rows, as in HDF5 and Zarr.
        y : Ignored

        Returns
        -------
        self : AdversarialAutoencoder

        Raises
        ------
        ValueError
            As the class says; a fitted estimator then stays as it was.
        """
        self._fit(X, y)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> AdversarialAutoencoder:
        """Train for one pass over `X`, going on from the last call.

        The first call settles the scaling of the columns, so let its rows be typical, and builds
        the model; what that is built from is not looked at again. ``learning_rate``,
        ``input_noise``, ``divergence_weight``, ``weight_decay`` and ``batch_size`` may be set
        between calls; for codes that meet the prior closely, lower the first two towards the end.
        :func:`skaae.metrics.prior_match` tells how closely.

        Parameters
        ----------
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)
        y : Ignored

        Returns
        -------
        self : AdversarialAutoencoder

        Raises
        ------
        ValueError
            As for ``fit``, or if rows have other columns than before.
        """
        self._partial_fit(X)
        self.__dict__.pop("_aggregated_posterior", None)  # of a model that has moved on
        return self

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Return the decoder's mean E[x|z] for each code.

        Parameters
        ----------
        X : {array-like, Tensor} of shape (n_samples, n_components)
            Codes, in the prior's units.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            In the data's units; float32 if the codes are, else float64; a tensor if they are.

        Raises
        ------
        NotFittedError, ValueError
            Before ``fit``; or if codes have another width, or hold NaN or infinity.
        """
        return self._codec.decode(self._validated_codes(X))

    def sample(
        self,
        n_samples: int = 1,
        *,
        random_state: int | np.random.RandomState | None = None,
        source: str = "prior",
    ) -> np.ndarray:
        """Return new rows: codes drawn from the prior, decoded to their mean.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState or None, default=None
            A seed gives the same rows again; None draws afresh.
        source : {"prior", "aggregated_posterior"}, default="prior"
            Where codes are drawn from. ``"aggregated_posterior"`` is a mixture of at most ten
            Gaussians fitted to the codes of up to 2,000 training rows (Ghosh et al. 2020): for
            codes that do not fill the prior, of which ``prior_match_`` tells.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the data's units and dtype.

        Raises
        ------
        ValueError
            If `n_samples` is not a positive integer, `source` is none of the two, or the codes of
            training rows are asked for after ``partial_fit``, which keeps none.
        """
        with self._drawing(n_samples, random_state) as generator:
            return self._codec.decode(self._codes_of(source, n_samples, generator))

    def _codes_of(self, source: str, n_samples: int, generator: torch.Generator) -> np.ndarray:
        """Return codes drawn from the prior, or from where those of training rows lie."""
        if source == "prior":
            return self._drawn_codes(n_samples, generator)
        if source != "aggregated_posterior":
            raise ValueError(f"source: expected 'prior' or 'aggregated_posterior', got {source!r}.")
        if not hasattr(self, "_aggregated_posterior"):
            raise ValueError(
                "source='aggregated_posterior': expected codes of training rows, which partial_fit "
                "does not keep; draw from the prior, or use fit."
            )
        codes = self._aggregated_posterior.sample(n_samples, generator).numpy()
        return codes.astype(self._output_dtype)

    def score(self, X: Any, y: Any = None) -> float:
        r"""Return the mean log-likelihood of rows given their codes, up to a constant.

        .. math:: \frac{1}{n} \sum_i \log p(x_i | z_i) + \text{const}, \qquad z_i = E[z | x_i]

        With squared error it is minus half the squared distance of row and reconstruction in the
        networks' units; with Bernoulli minus the cross-entropy in nats. Higher is better.

        Parameters
        ----------
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)
        y : Ignored

        Returns
        -------
        score : float

        Raises
        ------
        NotFittedError, ValueError
            As for ``transform``; with Bernoulli also if values lie outside [0, 1].
        """
        X = self._validated_for_loss(X)
        return -float(self._codec.row_losses(X).mean())
