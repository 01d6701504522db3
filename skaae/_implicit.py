"""Generative models that only sample: the GAN, the GMMN, the WGAN-GP."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skaae._codec import Graph
from skaae._compat import Interval, StrOptions
from skaae._decoding import look_at_generator, warn_of_generator
from skaae._device import (
    Seeds,
    apply_in_batches,
    new_generator,
    resolve_device,
    resolve_precision,
)
from skaae._implicit_model import ImplicitModel
from skaae._latent import Latent
from skaae._modes import gradients, inference
from skaae._parameters import AutoencoderParameters
from skaae._persistence import Fitted, SavingMixin
from skaae._portable import PortableEstimator
from skaae._prior_match import random_directions, sliced_distance
from skaae._rows import fit_compact_scaling, rows_in_units
from skaae._runs import History, Watch, begin, epochs_so_far, watched_run
from skaae._safety import unchanged_on_error, warn_of_ending
from skaae._scaling import ColumnScaling
from skaae._scoped_randomness import ScopedRandomness
from skaae._sources import checked_rows, column_bounds, thinned_rows
from skaae._streams import StreamedRows
from skaae._tensors import block_of, dtype_name
from skaae.divergences import DIVERGENCES, Divergence, JensenShannon, as_divergence
from skaae.networks import DECODERS, MLP, draws_at_random, resolve_builder
from skaae.posteriors import Deterministic
from skaae.priors import as_prior
from skaae.training import (
    Budget,
    ImplicitStep,
    batches_of,
    resolve_batch_size,
)

# Without it a generative adversarial network ends in a few kinds of rows.
_GRADIENT_PENALTY = 10.0
_N_PROJECTIONS = 256
_MAX_SCORED_ROWS = 10_000
_SHARED = (
    "n_components",
    "prior",
    "hidden_layer_sizes",
    "batch_size",
    "max_iter",
    "weight_decay",
    "device",
    "precision",
    "random_state",
    "verbose",
)


class ImplicitGenerativeModel(SavingMixin, PortableEstimator):
    r"""Sampler of rows like those given: a GAN, a moment-matching network, a WGAN-GP.

    A network g is trained so that its rows are distributed as the given ones,

    .. math:: \min_g D(p_g \| p), \qquad x = g(z), \quad z \sim p(z),

    with the same priors p(z) and divergences D as the autoencoders, but of rows instead of codes.
    There is no encoder, so it neither maps nor maps back; it is what the adversarial autoencoder
    came from and is compared with. ``divergence="jensen_shannon"`` is the generative adversarial
    network, whose discriminator's slope is penalised, ``"mmd"`` the generative moment matching
    network, ``"wasserstein"`` the Wasserstein GAN with gradient penalty.

    Parameters
    ----------
    n_components : int, default=10
        Dimension of a code.
    prior : str, Prior, distribution, array or object with ``sample``, default="normal"
        As in :class:`AdversarialAutoencoder`.
    divergence : str or Divergence, default="jensen_shannon"
        One that compares samples: all but ``"posterior_kl"`` and ``"mutual_information"``.
        ``"jensen_shannon"`` stands for ``JensenShannon(gradient_penalty=10.0)`` here: the plain
        generative adversarial network of 2014, ``JensenShannon()``, ends in a few kinds of rows.
    bounded : bool, default=False
        Whether samples stay between the least and the greatest value of each column, as pixels
        do.
    hidden_layer_sizes : sequence of int, default=(512, 512)
        Hidden layers of the generator.
    generator : {"mlp", "convolutional"}, callable or nn.Module, default=None
        A network of your own: a callable ``(n_inputs, n_outputs) -> nn.Module``, or a module,
        which is copied. None is an :class:`~skaae.networks.MLP` of `hidden_layer_sizes`.
    learning_rate : float, default=0.0005
        Of the generator; the discriminator has its own, on the divergence. Both fall to zero along
        half a cosine.
    batch_size, max_iter, weight_decay, device, precision, random_state, verbose
        As in :class:`AdversarialAutoencoder`.

    Attributes
    ----------
    model_ : ImplicitModel
        The networks: ``model_.generator``, ``model_.discriminator``.
    history_ : list of dict
        Every loss of every epoch.
    n_iter_ : int
        Epochs trained.
    prior_ : Prior
        The distribution of the codes that ``sample`` decodes.
    device_ : torch.device
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Where `X` has column names.

    Raises
    ------
    ValueError
        At ``fit``, for an unknown name, a size that is not positive, NaN or too few rows, a prior
        whose dimension is not `n_components`, or a network of the wrong shape. A fitted estimator
        then stays as it was.

    Warns
    -----
    ConvergenceWarning
        If samples hardly vary or leave rows out, a loss was not finite, or Ctrl-C ended
        training.

    References
    ----------
    I. Goodfellow et al., *Generative Adversarial Nets*, 2014.
    L. Mescheder, A. Geiger, S. Nowozin, *Which Training Methods for GANs do actually Converge?*,
    2018.
    Y. Li, K. Swersky, R. Zemel, *Generative Moment Matching Networks*, 2015.
    I. Gulrajani et al., *Improved Training of Wasserstein GANs*, 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skaae import ImplicitGenerativeModel
    >>> X, _ = load_iris(return_X_y=True)
    >>> gan = ImplicitGenerativeModel(
    ...     2, divergence="mmd", hidden_layer_sizes=(64, 64), max_iter=100, random_state=0
    ... ).fit(X)
    >>> gan.sample(5, random_state=0).shape
    (5, 4)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{name: AutoencoderParameters._parameter_constraints[name] for name in _SHARED},
        "divergence": [
            StrOptions({name for name, case in DIVERGENCES.items() if case.of_samples}),
            Divergence,
        ],
        "bounded": ["boolean"],
        "generator": AutoencoderParameters._parameter_constraints["decoder"],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
    }

    _fitted_attributes: ClassVar[dict[str, Fitted]] = {
        **SavingMixin._fitted_attributes,
        "model_": Fitted(ImplicitModel),
        "_scaling": Fitted(ColumnScaling, shape=("n_features",)),
        "_bounds": Fitted(tuple | None, shape=("n_features",)),
    }

    model_: ImplicitModel

    def __init__(
        self,
        n_components: int = 10,
        *,
        prior: Any = "normal",
        divergence: str | Divergence = "jensen_shannon",
        bounded: bool = False,
        hidden_layer_sizes: Sequence[int] = (512, 512),
        generator: Any = None,
        learning_rate: float = 5e-4,
        batch_size: int | str = "auto",
        max_iter: int | None = None,
        weight_decay: float = 1000.0,
        device: str | torch.device = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.prior = prior
        self.divergence = divergence
        self.bounded = bounded
        self.hidden_layer_sizes = hidden_layer_sizes
        self.generator = generator
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.weight_decay = weight_decay
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> ImplicitGenerativeModel:
        """Train the generator on the rows of `X`.

        Parameters
        ----------
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)
            In any units; at least two rows. Large files are read while they train.
        y : Ignored
            Present for consistency.

        Returns
        -------
        self : ImplicitGenerativeModel

        Raises
        ------
        ValueError
            As the class says; a fitted estimator then stays as it was.
        """
        with unchanged_on_error(self, X), gradients():
            self._validate_params()
            given = X, X if y is None else y
            X = checked_rows(self, X, reset=True, least=2)
            seeds, checkpoints = begin(self, X)
            device = resolve_device(self.device)
            scaling = fit_compact_scaling(X)
            x = rows_in_units(X, scaling, device)
            bounds = tuple(map(torch.as_tensor, column_bounds(X))) if self.bounded else None
            step = self._new_step(x, bounds, scaling, seeds)
            batches = batches_of(x, resolve_batch_size(self.batch_size, len(x)), step.generator)
            budget = (
                Budget.default(len(x), batches.n_batches)
                if self.max_iter is None
                else Budget(self.max_iter, batches.n_batches)
            )
            settled = {
                "_scaling": scaling,
                "device_": device,
                "_output_dtype": np.dtype(dtype_name(X)),
                "_bounds": bounds,
            }

            def fitted_so_far(history: History) -> dict[str, Any]:
                model = copy.deepcopy(step.model).eval()
                return {**settled, **epochs_so_far(history), "model_": model}

            watch = Watch(lambda: given, fitted_so_far)
            outcome = watched_run(self, step, batches, budget, watch, checkpoints=checkpoints)
            step.model.eval()
            self.__dict__.update(
                {**settled, **epochs_so_far(outcome.history), "model_": step.model}
            )
            generation = look_at_generator(step.model, x, seeds.measure)
        if checkpoints is not None and not outcome.interrupted:
            checkpoints.remove()
        if not warn_of_ending(outcome, stacklevel=3):
            warn_of_generator(generation, type(self).__name__)
        return self

    def _new_step(
        self, x: Tensor | StreamedRows, bounds: Any, scaling: ColumnScaling, seeds: Seeds
    ) -> ImplicitStep:
        divergence = (
            JensenShannon(gradient_penalty=_GRADIENT_PENALTY)
            if self.divergence == "jensen_shannon"
            else as_divergence(self.divergence)
        )
        if not divergence.of_samples:
            raise ValueError(
                "ImplicitGenerativeModel: expected a divergence that compares samples, such as "
                f"'jensen_shannon' or 'mmd', got {divergence}."
            )
        latent = Latent.create(
            "code",
            self.n_components,
            prior=as_prior(self.prior),
            posterior=Deterministic(),
            divergence=divergence,
            seed=seeds.latents,
        )
        default = MLP(self.hidden_layer_sizes, linear_path=False)
        builder = resolve_builder(self.generator, default, DECODERS)
        if bounds is not None:  # in the units of the rows
            bounds = tuple(scaling.forward(bound).float() for bound in bounds)
        # Built on the CPU, so that a seed gives the same weights on every device.
        with ScopedRandomness(new_generator(seeds.weights)):
            model = ImplicitModel(x.shape[1], latent, generator=builder, bounds=bounds)
        model = model.to(x.device, torch.float32)
        largest = max((p.numel() for p in model.generator.parameters()), default=0)
        return ImplicitStep(
            model,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay / len(x),
            generator=new_generator(seeds.training, x.device),
            autocast_dtype=resolve_precision(self.precision, x.device, largest),
            scoped_randomness=draws_at_random(builder) or not latent.is_ours,
        )

    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        """Return new rows.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState or None, default=None
            A seed gives the same rows again; None draws afresh.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
            In the data's units and dtype.

        Raises
        ------
        ValueError
            If `n_samples` is not a positive integer.
        """
        with self._drawing(n_samples, random_state) as generator:
            codes = self.model_.latent.sample_prior(n_samples, generator).numpy()
            rows: np.ndarray = apply_in_batches(
                lambda z: self.model_(z),
                codes.astype(self._output_dtype),
                n_outputs=self.n_features_in_,
                dtype=torch.float32,
                device=self.device_,
                after=self._in_bounds,
            )
        return rows

    def _in_bounds(self, rows: Tensor) -> Tensor:
        """Return rows in the data's units, between the bounds to the last digit."""
        rows = self._scaling.inverse(rows)
        return rows if self._bounds is None else rows.clamp(*(b.to(rows) for b in self._bounds))

    def _graphs(self) -> dict[str, Graph]:
        check_is_fitted(self)
        units = self.model_.latent.scaling
        n_components = self.model_.latent.n_components
        codes = {"codes": torch.zeros(2, n_components, dtype=torch.float32, device="cpu")}
        return {
            "decoder": Graph(
                lambda model, z: self._in_bounds(model(units.forward(z))), codes, "rows"
            )
        }

    def score(self, X: Any, y: Any = None) -> float:
        r"""Return minus the sliced Wasserstein distance of `X` from as many samples.

        .. math:: -E_\theta \, W_1(\theta^T x, \theta^T g(z)), \qquad |\theta| = 1

        in the units in which every column counts alike. Higher is better; samples and directions
        are the same for every call. Of a large file 10,000 rows are looked at, evenly spaced.

        Parameters
        ----------
        X : {array-like, sparse matrix, Tensor} of shape (n_samples, n_features)
        y : Ignored

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
        check_is_fitted(self)
        X = thinned_rows(checked_rows(self, X, reset=False), _MAX_SCORED_ROWS)
        with inference():
            directions = random_directions(X.shape[1], _N_PROJECTIONS, new_generator(0))
            directions = directions.to(X.device if isinstance(X, Tensor) else "cpu")
            ours, theirs = (
                self._scaling.forward_(block_of(rows, slice(None))).to(directions)
                for rows in (self.sample(len(X), random_state=0), X)
            )
            return -float(sliced_distance(ours, theirs, directions))
