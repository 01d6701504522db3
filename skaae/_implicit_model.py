"""A network from codes to rows, and its discriminator."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from skaae._latent import Latent
from skaae.networks import as_described, build_network
from skaae.priors import Prior


class ImplicitModel(nn.Module):
    """A generator of rows, in the networks' units, from codes in units of the prior.

    Parameters
    ----------
    n_features : int
    latent : Latent
        The prior of the codes, and the divergence of generated rows from given ones.
    generator : callable or nn.Module
        Builder ``(n_inputs, n_outputs) -> nn.Module``.
    bounds : tuple of Tensor of shape (n_features,), or None
        Least and greatest value of each column, between which rows stay.
    has_discriminators : bool, default=True
        Whether to build a discriminator; sampling needs none.

    Attributes
    ----------
    generator : nn.Module
    discriminator : nn.Module or None
        On rows.
    """

    #: Of the names of weights that only training needs.
    discriminator_prefix: ClassVar[str] = "discriminator."

    low: Tensor | None
    high: Tensor | None

    def __init__(
        self,
        n_features: int,
        latent: Latent,
        *,
        generator: Any,
        bounds: tuple[Tensor, Tensor] | None,
        has_discriminators: bool = True,
    ) -> None:
        super().__init__()
        self.builders = {"generator": as_described(generator)}
        self.latent = latent
        self.n_features = n_features
        self.generator = build_network(generator, latent.n_components, n_features, "generator")
        self.discriminator = (
            latent.divergence.build_discriminator(n_features)
            if latent.is_adversarial and has_discriminators
            else None
        )
        low, high = bounds or (None, None)
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    @property
    def prior(self) -> Prior:
        """The distribution of codes, in its own units."""
        return self.latent.prior

    @property
    def latents(self) -> tuple[Latent, ...]:
        """The latent, alone."""
        return (self.latent,)

    @property
    def arguments(self) -> dict[str, Any]:
        """What a model with networks of these shapes is built from."""
        low, high = self.low, self.high
        bounds = None if low is None or high is None else (low.cpu(), high.cpu())
        described = {"n_features": self.n_features, "latent": self.latent, "bounds": bounds}
        return described | self.builders

    @property
    def lengths(self) -> dict[str, int]:
        """Lengths that arrays beside the model have."""
        return {"n_features": self.n_features, "n_components": self.latent.n_components}

    def inference_state(self) -> dict[str, Tensor]:
        """Return the weights that sampling needs, by name."""
        state = self.state_dict()
        prefix = self.discriminator_prefix
        return {name: value for name, value in state.items() if not name.startswith(prefix)}

    def unbounded(self, codes: Tensor) -> Tensor:
        """Return what the network makes of codes, before it is brought between bounds."""
        # Autocast answers in bfloat16; losses stay in the precision of the codes.
        outputs: Tensor = self.generator(codes).to(codes.dtype)
        return outputs

    def forward(self, codes: Tensor) -> Tensor:
        """Return the row of each code, shape (n_samples, n_features)."""
        outputs = self.unbounded(codes)
        if self.low is None or self.high is None:
            return outputs
        return torch.lerp(self.low, self.high, torch.sigmoid(outputs))
