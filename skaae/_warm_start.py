"""Whether a fit can go on from another, and the model to go on with."""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np

from skaae._model import AutoencoderModel
from skaae.losses import ReconstructionLoss


def continued_model(
    fitted: AutoencoderModel,
    asked: AutoencoderModel,
    before: dict[str, Any],
    now: dict[str, Any],
) -> AutoencoderModel:
    """Return a copy of a fitted model, to go on with as `asked` would begin.

    Parameters
    ----------
    fitted, asked : AutoencoderModel
    before, now : dict
        :func:`description` of `fitted` and of `asked`.

    Raises
    ------
    ValueError
        If they differ in something that training cannot change.
    """
    for name, value in now.items():
        if value != before[name]:
            raise ValueError(
                f"warm_start=True: expected {name}={before[name]} as fitted before, got "
                f"{value}. Set warm_start=False to start anew."
            )
    model = copy.deepcopy(fitted)
    # More rows may have labels by now, and the frequencies of labels be known better.
    model.latents = (model.latents[0], *asked.latents[1:])
    return model


def description(
    model: AutoencoderModel, loss: ReconstructionLoss, classes: np.ndarray | None
) -> dict[str, Any]:
    """Return what has to agree for a fit to go on from another."""
    nouns = {
        (noun if latent.name == "code" else f"{latent.name}_{noun}"): _name(getattr(latent, noun))
        for latent in model.latents
        for noun in ("n_components", "prior", "posterior", "divergence")
        if (latent.name, noun) != ("label", "prior")
    }
    return {
        "n_features_in_": model.n_features,
        "reconstruction_loss": repr(loss),
        **nouns,
        "role of labels": repr(model.role),
        "classes_": None if classes is None else classes.tolist(),
        "sizes of weights": [tuple(values.shape) for values in model.state_dict().values()],
    }


def _name(noun: Any) -> str:
    # Objects of others, such as a frozen distribution, say where in memory their copy lies.
    return re.sub(r" at 0x[0-9a-f]+", "", repr(noun))
