"""Whether what comes out of a decoder still depends on what goes in."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from skaae._device import in_halves, new_generator
from skaae._implicit_model import ImplicitModel
from skaae._model import AutoencoderModel
from skaae._modes import evaluation
from skaae._rows import constant_loss
from skaae._sources import evenly_spaced
from skaae._streams import StreamedRows, subset
from skaae.losses import ReconstructionLoss

_N_ROWS = 1_000
# Outputs that vary less than this share of what they could are constant: a hundredth of the
# variance that as many principal components keep.
_CONSTANT_SHARE = 0.01
# Samples of a generator, which starts at random, vary by a twentieth before it has learnt anything.
_CONSTANT_SAMPLES = 0.001
# Those that vary a hundred times as much as the rows, ten in deviations, have gone astray.
_ASTRAY_SAMPLES = 100.0
# Decoders that lose this much more than a constant row have gone astray.
_ASTRAY = 2.0


# Rows are left out where the nearest sample is clearly farther than the nearest row: by as much as
# this, and by this share of the rows' variance.
_FARTHER = 1.5
_FARTHER_BY = 0.2


@dataclass(frozen=True)
class Generation:
    """What a generator makes of draws from the prior.

    Attributes
    ----------
    spread : float
        Variance of samples, summed over columns, as a share of the rows' own.
    missed : float
        Mean squared distance of rows from the nearest sample, as a share of their variance.
    apart : float
        The same from the nearest other row.
    """

    spread: float
    missed: float
    apart: float

    @property
    def misses(self) -> bool:
        """Whether samples are clearly farther from rows than other rows are."""
        return self.missed > _FARTHER * self.apart + _FARTHER_BY


@dataclass(frozen=True)
class Decoding:
    """What a decoder makes of codes.

    Attributes
    ----------
    spread : float
        Variance of its outputs, summed over columns, as a share of the rows' own.
    lost : float
        Reconstruction loss, as a share of the best constant row's.
    """

    spread: float
    lost: float


def spread_ratio(outputs: Tensor, x: Tensor) -> float:
    """Return the variance of `outputs` over that of rows `x`; 1 where those do not vary."""
    ours, theirs = (float(rows.double().var(dim=0).sum()) for rows in (outputs.cpu(), x.cpu()))
    return ours / theirs if theirs > 0.0 else 1.0


def some_rows(x: Tensor | StreamedRows) -> Tensor:
    """Return places of at most 1,000 rows, from all over them."""
    return torch.as_tensor(evenly_spaced(len(x), min(len(x), _N_ROWS)), device=x.device)


def look_at_decoder(
    model: AutoencoderModel, loss: ReconstructionLoss, x: Tensor | StreamedRows, y: Tensor | None
) -> Decoding:
    """Return what the decoder makes of the mean codes of some training rows, in their units."""
    places = some_rows(x)
    rows = torch.cat(list(subset(x, places).split(_N_ROWS)))

    def restored(rows: Tensor, classes: Tensor | None) -> Tensor:
        return model.decode_codes(model.mean_codes(rows), model.given_columns(classes))

    with evaluation(model):
        outputs = in_halves(restored, rows, None if y is None else y[places])
        lost = float(loss(outputs, rows).mean())
        return Decoding(spread_ratio(loss.mean(outputs), rows), lost / constant_loss(loss, rows))


def warn_of_decoder(decoding: Decoding, name: str, explained: float) -> bool:
    """Raise a ConvergenceWarning where outputs are constant or astray; return whether they are.

    `explained` is the share of the rows' variance that as many principal components keep.
    """
    if not decoding.lost < _ASTRAY:
        problem = (
            f"The decoder has gone astray: it loses {decoding.lost:.3g} times what one constant "
            "row does. Lower learning_rate or divergence_weight"
        )
    elif decoding.spread < _CONSTANT_SHARE * explained:
        problem = (
            "The decoder has collapsed: it answers (almost) the same row for every code "
            f"({decoding.spread:.2g} of the rows' variance). Lower divergence_weight or "
            "learning_rate, or train longer (max_iter)"
        )
    else:
        return False
    warnings.warn(f"{name}: {problem}.", ConvergenceWarning, stacklevel=4)
    return True


def look_at_generator(model: ImplicitModel, x: Tensor | StreamedRows, seed: int) -> Generation:
    """Return what the generator makes of as many codes as there are training rows to look at."""
    rows = torch.cat(list(subset(x, some_rows(x)).split(_N_ROWS)))
    codes = model.latent.sample_prior(len(rows), new_generator(seed, x.device))
    with evaluation(model):
        samples = in_halves(model, codes)
    if not torch.isfinite(samples).all():
        return Generation(float("nan"), float("nan"), float("nan"))
    ours, theirs = (each.cpu().double().numpy() for each in (samples, rows))
    variance = float(theirs.var(axis=0).sum())
    if not variance > 0.0:
        return Generation(1.0, 0.0, 0.0)
    return Generation(
        spread_ratio(samples, rows),
        _nearest(ours, theirs) / variance,
        _nearest(theirs, None) / variance,
    )


def _nearest(rows: np.ndarray, others: np.ndarray | None) -> float:
    """Return the mean squared distance of `others`, or of `rows`, from the nearest other row."""
    distances, _ = NearestNeighbors(n_neighbors=1).fit(rows).kneighbors(others)
    return float(np.square(distances).mean())


def warn_of_generator(generation: Generation, name: str) -> None:
    """Raise a ConvergenceWarning where samples hardly vary, far too much, or leave rows out."""
    spread = generation.spread
    if not spread < _ASTRAY_SAMPLES:
        problem = f"gone astray: its rows vary {spread:.2g} times as much as those given"
    elif spread < _CONSTANT_SAMPLES:
        problem = (
            "collapsed: it answers (almost) the same row for every code "
            f"({spread:.2g} of the rows' variance)"
        )
    elif generation.misses:
        problem = (
            "left out many rows: their mean squared distance from the nearest sample is "
            f"{generation.missed:.2g} of their variance, from the nearest other row "
            f"{generation.apart:.2g}"
        )
    else:
        return
    warnings.warn(
        f"{name}: The generator has {problem}. Lower learning_rate, train longer (max_iter), or "
        "try divergence='mmd' or 'wasserstein'.",
        ConvergenceWarning,
        stacklevel=3,
    )
