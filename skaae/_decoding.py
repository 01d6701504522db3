"""Whether what comes out of a decoder still depends on what goes in."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from sklearn.exceptions import ConvergenceWarning
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


# A sample is near a row if it is no farther than the row's fifth neighbour, or than this share of
# the rows' variance: rows on a thin sheet are nearer to each other than samples come. As many
# samples of the rows' own distribution are near 0.97 of them.
_N_NEIGHBORS = 5
_NEAR_SHARE = 0.1
_LEAST_COVERAGE = 0.5
# Of fewer nothing is said.
_LEAST_ROWS = 20


@dataclass(frozen=True)
class Generation:
    """What a generator makes of draws from the prior.

    Attributes
    ----------
    spread : float
        Variance of samples, summed over columns, as a share of the rows' own.
    coverage : float
        Share of rows with a sample near them; 1 where there are too few to tell.
    """

    spread: float
    coverage: float


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
        return Generation(float("nan"), 0.0)
    coverage = covered_share(samples.cpu().double(), rows.cpu().double())
    return Generation(spread_ratio(samples, rows), coverage)


def covered_share(samples: Tensor, rows: Tensor) -> float:
    """Return the share of different rows with a sample near them; 1 where these are few.

    Both on the CPU, in float64.

    References
    ----------
    M. Naeem, S. Oh, Y. Uh, Y. Choi, J. Yoo, *Reliable Fidelity and Diversity Metrics for Generative
    Models*, 2020.
    """
    center = rows.mean(dim=0)
    near = _NEAR_SHARE * (rows - center).square().sum(dim=1).mean()
    # Copies have no neighbours but themselves.
    rows = torch.unique(rows, dim=0) - center
    if len(rows) < _LEAST_ROWS:
        return 1.0
    # By PyTorch, whose threads are in hand, unlike those of neighbour searches.
    apart = _squared_distances(rows, rows).fill_diagonal_(float("inf"))
    reach = apart.kthvalue(_N_NEIGHBORS, dim=1).values.clamp_min(near)
    nearest = _squared_distances(rows, samples - center).min(dim=1).values
    return float((nearest <= reach).double().mean())


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    return a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - 2.0 * a @ b.T


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
    elif generation.coverage < _LEAST_COVERAGE:
        problem = f"left rows out: no more than {generation.coverage:.0%} have a sample near them"
    else:
        return
    warnings.warn(
        f"{name}: The generator has {problem}. Lower learning_rate, train longer (max_iter), or "
        "try another divergence of 'jensen_shannon', 'wasserstein' and 'mmd'.",
        ConvergenceWarning,
        stacklevel=3,
    )
