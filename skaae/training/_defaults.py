"""What ``"auto"`` stands for, and which rows are held out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from skaae._device import new_generator
from skaae._streams import StreamedRows
from skaae.training._pilot import directions_of_rest, predictable_share

_LARGEST_BATCH = 256
# Of rows that know their places: less noise in the gradient, so fewer and longer steps do.
_LARGEST_BATCH_ON_MAP = 512
# On few rows a higher rate learns them by heart; many rows it makes more of, in the same steps.
_BASE_RATE = 1e-3
_ROWS_AT_BASE_RATE = 30_000
# Noise on the rows, and what it is over the standard deviation that principal components leave.
_NOISE = 0.6
_NOISE_OF_THE_REST = 1.25
_DECAY_ON_MAP = 0.1
# Of codes that may keep all of a row; the prior counts for something there too.
_LEAST_UNEXPLAINED = 0.01
# Decoder and discriminators decay as they do for the whole row where a tenth of what principal
# components leave can be told from them (a twentieth of the row, where that is less), or where they
# leave half of the row, spread over so many directions at most.
_OF_PREDICTABLE = 10.0
_MOST_DIRECTIONS = 10.0
# More decay than that for the sake of directions, and a discriminator sees codes no more.
_MOST_FOR_DIRECTIONS = 10.0
# Rows that are set aside to measure the prior match, where there are plenty.
_MAX_MEASURED_ROWS = 1_000
_MIN_ROWS_TO_SET_ASIDE = 2_000


@dataclass(frozen=True)
class Reference:
    """What weights, decay and noise are relative to.

    Where as many principal components restore nearly all of a row, a code has little left to win:
    a divergence that is weighed against the whole row pushes it about, and networks that decay as
    they do for the whole row learn the rest by heart, unless there is something in it to learn.

    Parameters
    ----------
    constant_loss : float
        Reconstruction loss of the best constant row.
    unexplained : float
        Share of the rows' variance that as many principal components as a code has leave.
    share : float, default=1.0
        Share of the constant row's loss that there is to win: twice what is unexplained, 1 at most.
    decoder_decay_factor, adversary_decay_factor : float, default=1.0
        What the decay of the decoder and of discriminators is multiplied by.
    decay_factor : float, default=1.0
        What all decay is multiplied by.
    most_noise : float, default=0.6
        Of what ``input_noise="auto"`` comes to.
    is_map : bool, default=False
        Whether rows know their places among the codes.
    """

    constant_loss: float
    unexplained: float
    share: float = 1.0
    decoder_decay_factor: float = 1.0
    adversary_decay_factor: float = 1.0
    decay_factor: float = 1.0
    most_noise: float = _NOISE
    is_map: bool = False

    @classmethod
    def of(
        cls, constant_loss: float, x: Tensor, pca: PCA, seed: int, *, code_alone: bool = True
    ) -> Reference:
        """Return the reference of rows `x` with that loss and those principal components.

        Unless a code alone restores rows, there is all of them to win.
        """
        explained = float(np.sum(pca.explained_variance_ratio_))
        # Rows that do not vary have no ratio.
        unexplained = 1.0 - explained if np.isfinite(explained) else 1.0
        unexplained = max(unexplained, _LEAST_UNEXPLAINED)
        if not code_alone:
            return cls(constant_loss, unexplained)
        of_half = 2.0 * unexplained
        share, told, bends = min(1.0, of_half), 0.0, 1.0
        directions = directions_of_rest(x, pca)
        if directions > _MOST_DIRECTIONS:
            bends = max((_MOST_DIRECTIONS / directions) ** 2, 2.0 * _LEAST_UNEXPLAINED)
        if min(share, bends) < 1.0:
            enough = 1.0 / (_OF_PREDICTABLE * max(1.0, of_half))
            told = min(1.0, predictable_share(x, pca, seed, enough) / enough)
        for_all = 1.0 / max(share, told)
        for_decoder = 1.0 / max(min(share, bends), told)
        for_adversary = min(for_decoder, max(for_all, _MOST_FOR_DIRECTIONS))
        return cls(constant_loss, unexplained, share, for_decoder, for_adversary)

    def on_map(self, reach: float) -> Reference:
        """Return the reference of rows that belong where a map says, neighbours at `reach`.

        Codes are then no principal components, so there is all of a row to learn, and to be told
        where each belongs keeps networks from learning by heart as decay does. Noise beyond the
        neighbours would blur who they are.
        """
        return replace(
            self,
            share=1.0,
            decoder_decay_factor=1.0,
            adversary_decay_factor=1.0,
            decay_factor=_DECAY_ON_MAP,
            most_noise=min(self.most_noise, reach),
            is_map=True,
        )

    @property
    def loss(self) -> float:
        """The loss that there is to win."""
        return self.constant_loss * self.share


def resolve_batch_size(batch_size: int | str, n_samples: int, *, is_map: bool = False) -> int:
    """Return the rows in a batch; ``"auto"`` makes several batches a pass on few rows too."""
    if batch_size == "auto":
        largest = _LARGEST_BATCH_ON_MAP if is_map else _LARGEST_BATCH
        return min(largest, max(64, n_samples // 8), n_samples)
    return min(int(batch_size), n_samples)


def resolve_learning_rate(
    learning_rate: float | str,
    n_samples: int,
    batch_size: int | str = "auto",
    *,
    is_map: bool = False,
) -> float:
    """Return the learning rate; ``"auto"`` doubles it between 30,000 and 60,000 rows.

    On a map it grows with batches of more than 256 rows.
    """
    if learning_rate != "auto":
        return float(learning_rate)
    rate = _BASE_RATE * min(max(n_samples / _ROWS_AT_BASE_RATE, 1.0), 2.0)
    if not is_map:
        return rate
    return rate * max(resolve_batch_size(batch_size, n_samples, is_map=True) / _LARGEST_BATCH, 1.0)


def resolve_input_noise(input_noise: float | str, reference: Reference) -> float:
    """Return the noise; ``"auto"`` is less where principal components leave little."""
    if input_noise == "auto":
        return min(reference.most_noise, _NOISE_OF_THE_REST * float(reference.unexplained**0.5))
    return float(input_noise)


def held_out_rows(
    x: Tensor | StreamedRows,
    fraction: float,
    *,
    seed: int,
    early_stopping: bool,
    y: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Return the indices of rows to train on and of rows held out, in random order.

    Without early stopping rows are held out only where there are plenty, for the prior match. Rows
    whose labels training cannot do without are never held out: all that have one where those are
    few, else one of each class of `y`.

    Raises
    ------
    ValueError
        If early stopping leaves fewer than two rows on either side.
    """
    order = torch.randperm(len(x), generator=new_generator(seed)).to(x.device)
    needed = torch.zeros_like(order, dtype=torch.bool) if y is None else _needed(y[order])
    n_held_out = min(round(fraction * len(x)), int((~needed).sum()))
    if not early_stopping:
        plenty = len(x) >= _MIN_ROWS_TO_SET_ASIDE and n_held_out >= 2
        n_held_out = min(n_held_out, _MAX_MEASURED_ROWS) if plenty else 0
    elif n_held_out < 2 or len(x) - n_held_out < 2:
        raise ValueError(
            f"early_stopping=True with validation_fraction={fraction} leaves {n_held_out} of "
            f"{len(x)} rows to hold out; expected at least 2 there and 2 to train on. Set "
            "early_stopping=False or pass more rows; none are held out whose labels are needed."
        )
    if n_held_out == 0:
        return torch.arange(len(x), device=x.device), None
    order = torch.cat([order[~needed], order[needed]])
    return order[n_held_out:], order[:n_held_out]


def _needed(y: Tensor) -> Tensor:
    """Return which rows training needs for their labels."""
    labeled = y >= 0
    if labeled.sum() < len(y) / 2:
        return labeled
    needed = torch.zeros_like(labeled)
    for label in y[labeled].unique():
        needed[(y == label).nonzero()[0]] = True
    return needed
