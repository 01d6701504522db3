"""How well the aggregated posterior q(z) meets the prior p(z)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from skaae._device import in_halves, new_generator, normal_draws
from skaae._model import AutoencoderModel
from skaae._modes import evaluation
from skaae._sorting import sorted_columns
from skaae._streams import StreamedRows, as_read, subset
from skaae.losses import ReconstructionLoss

_N_PROJECTIONS = 128
_N_REFERENCES = 8
_MAX_ROWS = 10_000
# Rows that go through the networks at once.
_BLOCK = 2048
_N_SPREAD_DRAWS = 4_096

# A mismatch is called clear when it is both far above what chance gives and large in itself:
# 0.2 standard deviations of the prior, averaged over directions.
_CLEAR_RATIO = 3.0
_CLEAR_DISTANCE = 0.2
# Codes that keep less than this share of the prior's deviation in some direction have collapsed.
_COLLAPSED_SPREAD = 0.1


@dataclass(frozen=True)
class PriorMatch:
    """Distance of codes from the prior, beside the same distance of two prior samples.

    Attributes
    ----------
    distance : float
        Sliced Wasserstein-1 distance of codes drawn from q(z) and codes drawn from p(z), in
        standard deviations of the prior.
    reference : float
        The same for two samples of the prior of the same size, averaged over repetitions: what a
        perfect match gives.
    spread : float
        Smallest standard deviation of the codes in any direction, as a share of the prior's:
        1 is perfect, 0 is collapse.
    n_samples : int
        Size of each sample.
    held_out : bool or None
        Whether the rows took no part in training; None where that is not known.

    References
    ----------
    N. Bonneel et al., *Sliced and Radon Wasserstein Barycenters of Measures*, 2015.

    Examples
    --------
    >>> from skaae.metrics import PriorMatch
    >>> match = PriorMatch(distance=0.3, reference=0.1, spread=0.9, n_samples=500, held_out=True)
    >>> round(match.ratio, 3), match.collapsed
    (3.0, False)
    """

    distance: float
    reference: float
    spread: float
    n_samples: int
    held_out: bool | None

    @property
    def ratio(self) -> float:
        """Distance / reference; about 1 is a perfect match."""
        return self.distance / self.reference if self.reference > 0.0 else float("inf")

    @property
    def collapsed(self) -> bool:
        """Whether the codes leave some direction of the prior all but unused."""
        return self.spread < _COLLAPSED_SPREAD

    @property
    def mismatched(self) -> bool:
        """Whether the codes are clearly not distributed as the prior."""
        return self.ratio > _CLEAR_RATIO and self.distance > _CLEAR_DISTANCE


def sliced_distance(a: Tensor, b: Tensor, directions: Tensor) -> Tensor:
    """Return the Wasserstein-1 distance along `directions`, averaged over them.

    Parameters
    ----------
    a, b : Tensor of shape (n_samples, n_components)
        Of the same number of rows.
    directions : Tensor of shape (n_components, n_directions)
        Of unit length.

    Returns
    -------
    distance : Tensor of shape ()
    """
    ours, theirs = sorted_columns(a @ directions), sorted_columns(b @ directions)
    return (ours - theirs).abs().mean()


def random_directions(n_components: int, n_directions: int, generator: torch.Generator) -> Tensor:
    """Return random unit vectors as columns, shape (n_components, n_directions)."""
    directions = normal_draws(n_components, n_directions, generator=generator)
    unit: Tensor = directions / directions.norm(dim=0)
    return unit


def measure_prior_match(
    model: AutoencoderModel,
    x: Tensor | StreamedRows,
    y: Tensor | None = None,
    *,
    seed: int,
    held_out: bool | None,
) -> PriorMatch:
    """Return how well the codes of rows `x` (in the networks' units) meet their prior.

    Where classes have their parts of the prior, that is the one of the classes `y`. Of labels that
    the encoder infers nothing is said. At most 10,000 of the rows, drawn at random, are looked at.
    """
    generator = new_generator(seed, x.device)
    order = torch.randperm(len(x), generator=new_generator(seed))[:_MAX_ROWS].to(x.device)
    (order,) = as_read(x, order)
    x, y = subset(x, order), None if y is None else y[order]
    asked = y if model.role.matches_classes else None

    def coded(rows: Tensor) -> Tensor:
        return model.encode(rows, generator)[0].codes

    with evaluation(model):
        codes = torch.cat([in_halves(coded, part) for part in x.split(_BLOCK)])
    directions = random_directions(codes.shape[1], _N_PROJECTIONS, generator)
    prior_codes = model.sample_prior(len(codes), generator, asked)
    distance = sliced_distance(codes, prior_codes, directions)
    reference = torch.stack(
        [
            sliced_distance(
                model.sample_prior(len(codes), generator, asked),
                model.sample_prior(len(codes), generator, asked),
                directions,
            )
            for _ in range(_N_REFERENCES)
        ]
    ).mean()
    if asked is not None:
        asked = asked[torch.arange(_N_SPREAD_DRAWS, device=x.device) % len(asked)]
    return PriorMatch(
        distance.item(),
        reference.item(),
        _spread(codes, model.sample_prior(_N_SPREAD_DRAWS, generator, asked)),
        len(codes),
        held_out,
    )


def _spread(codes: Tensor, prior_codes: Tensor) -> float:
    """Return the smallest ratio of standard deviations of codes and prior over directions."""
    if not torch.isfinite(codes).all():
        return 0.0
    # On the CPU first: MPS has no float64.
    ours, theirs = (
        torch.cov(rows.cpu().double().T, correction=0).reshape(rows.shape[1], -1)
        for rows in (codes, prior_codes)
    )
    # A prior on the simplex has no spread along the diagonal: leave such directions out.
    values, vectors = torch.linalg.eigh(theirs)
    kept = values > 1e-6 * values.max().clamp_min(1e-12)
    if not kept.any():  # a constant prior, which leaves nothing to spread
        return 1.0
    whitening = vectors[:, kept] / values[kept].sqrt()
    ratios = torch.linalg.eigvalsh(whitening.T @ ours @ whitening)
    return float(ratios.min().clamp_min(0.0).sqrt())


def warn_if_mismatched(match: PriorMatch, name: str, weight: float) -> None:
    """Raise a ConvergenceWarning that says what to change where codes clearly miss the prior.

    `weight` is the divergence's in the fit.
    """
    figures = (
        f"sliced Wasserstein distance {match.distance:.3f} where two samples of the prior give "
        f"{match.reference:.3f}; smallest spread {match.spread:.2f} of the prior's"
    )
    if match.collapsed:
        advice = (
            "The codes have collapsed: they leave a direction of the prior unused. Lower "
            f"n_components, lower divergence_weight (it was {weight:.3g}), or train longer "
            "(max_iter)"
        )
    elif match.mismatched:
        advice = (
            "The codes do not follow the prior, so samples will not look like the data. Raise "
            f"divergence_weight (it was {weight:.3g}), train longer (max_iter), or try "
            "divergence='mmd'"
        )
    else:
        return
    warnings.warn(f"{name}: {advice} ({figures}).", ConvergenceWarning, stacklevel=4)


def look_at_held_out(
    model: AutoencoderModel,
    loss: ReconstructionLoss,
    x: Tensor | StreamedRows,
    y: Tensor | None,
    scale: float,
    seed: int,
) -> dict[str, float]:
    """Return held-out measures; ``criterion`` adds what is lost of the rows and of the prior."""

    def lost(rows: Tensor, classes: Tensor | None) -> Tensor:
        given = model.given_columns(classes)
        return loss(model.decode_codes(model.mean_codes(rows), given), rows)

    model.eval()
    with torch.no_grad():
        losses: list[Tensor] = []
        n_seen = 0
        for rows in x.split(_BLOCK):
            classes = None if y is None else y[n_seen : n_seen + len(rows)]
            losses.append(in_halves(lost, rows, classes))
            n_seen += len(rows)
        reconstruction = float(torch.cat(losses).mean())
    match = measure_prior_match(model, x, y, seed=seed, held_out=None)
    model.train()
    return {
        "validation_reconstruction": reconstruction,
        "prior_distance": match.distance,
        "criterion": reconstruction / scale + max(0.0, match.distance - match.reference),
    }
