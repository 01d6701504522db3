"""Whether a fit can go on from another, and the model to go on with."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from skaae._device import new_generator
from skaae._model import AutoencoderModel
from skaae.losses import ReconstructionLoss
from skaae.priors import Prior

_N_COMPARED_DRAWS = 64


def continued_model(
    fitted: AutoencoderModel,
    asked: AutoencoderModel,
    *,
    losses: tuple[ReconstructionLoss, ReconstructionLoss],
    classes: tuple[np.ndarray | None, np.ndarray | None],
) -> AutoencoderModel:
    """Return a copy of a fitted model, to go on with as `asked` would begin.

    Parameters
    ----------
    fitted, asked : AutoencoderModel
    losses, classes : tuple of two
        Of the fit before, and of the one that goes on.

    Raises
    ------
    ValueError
        If they differ in something that training does not change.
    """
    if fitted.n_features != asked.n_features:
        raise _refusal("n_features_in_", fitted.n_features, asked.n_features)
    before, now = (None if c is None else c.tolist() for c in classes)
    if before != now:
        raise _refusal("classes_", before, now)
    if _name(losses[0]) != _name(losses[1]):
        raise _refusal("reconstruction_loss", *losses)
    for name, before, now in _parameters(fitted, asked):
        if before != now:
            raise _refusal(name, before, now)
    if not _draw_alike(fitted.latents[0].prior, asked.latents[0].prior, asked.n_components):
        raise _refusal("prior", "the distribution", "one that draws other codes")
    for name in ("encoder", "decoder"):
        before, now = (repr(getattr(model, name)) for model in (fitted, asked))
        if before != now:
            map_alone = ("Softmax" in before) != ("Softmax" in now)
            told = "neighbors_weight" if map_alone else "hidden_layer_sizes"
            raise _refusal(f"{name} (or {told})", before, now)
    model = copy.deepcopy(fitted)
    # More rows may have labels by now, and the frequencies of labels be known better.
    model.latents = (model.latents[0], *asked.latents[1:])
    return model


def _refusal(name: str, before: Any, now: Any) -> ValueError:
    return ValueError(
        f"warm_start=True: expected {name}={before} as fitted before, got {now}. Set "
        "warm_start=False to start anew."
    )


def _parameters(
    fitted: AutoencoderModel, asked: AutoencoderModel
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the parameters that both models were built from: name, before, now."""
    if fitted.role.infers:
        yield "n_clusters", fitted.latents[1].n_components, asked.latents[1].n_components
        yield "cluster_heads", fitted.role.has_heads, asked.role.has_heads
    for before, now in zip(fitted.latents, asked.latents):
        prefix = "" if before is fitted.latents[0] else f"{before.name}_"
        yield f"{prefix}n_components", before.n_components, now.n_components
        for noun in ("prior", "posterior", "divergence"):
            # The prior of labels is the frequencies of classes, which may change.
            if (prefix, noun) != ("label_", "prior"):
                yield prefix + noun, _name(getattr(before, noun)), _name(getattr(now, noun))
    yield "label_role", fitted.role, asked.role


def _name(noun: Any) -> str:
    # Objects of others, such as a frozen distribution, say where in memory their copy lies.
    return re.sub(r" at 0x[0-9a-f]+", "", repr(noun))


def _draw_alike(before: Prior, now: Prior, n_components: int) -> bool:
    """Return whether one seed gives the same codes: names alone do not tell distributions apart."""
    draws = [
        prior.sample(_N_COMPARED_DRAWS, n_components, generator=new_generator(0))
        for prior in (before, now)
    ]
    return torch.equal(*draws)
