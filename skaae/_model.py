"""The networks of an autoencoder and how rows run through them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from skaae._latent import Latent
from skaae.networks import build_network
from skaae.posteriors import PosteriorSample


class AutoencoderModel(nn.Module):
    """Encoder, decoder, and for each latent a discriminator where its divergence trains one.

    Rows are in the networks' units and codes in units of the prior (see
    :class:`~skaae._latent.Latent`); there are no losses and no optimisers here.

    Parameters
    ----------
    n_features : int
    latents : sequence of Latent
        Their codes lie side by side, in this order, in the decoder's input.
    encoder, decoder : callable or nn.Module
        Builders ``(n_inputs, n_outputs) -> nn.Module``.

    Attributes
    ----------
    encoder, decoder : nn.Module
    discriminators : nn.ModuleDict
        By name of the latent.
    """

    def __init__(
        self, n_features: int, latents: tuple[Latent, ...], *, encoder: Any, decoder: Any
    ) -> None:
        super().__init__()
        self.latents = latents
        self.n_features = n_features
        self.n_components = sum(latent.n_components for latent in latents)
        self._n_outputs = [latent.posterior.n_outputs(latent.n_components) for latent in latents]
        self._n_noise = [latent.posterior.input_noise().shape[1] for latent in latents]
        self.encoder = build_network(
            encoder, n_features + sum(self._n_noise), sum(self._n_outputs), "encoder"
        )
        self.decoder = build_network(decoder, self.n_components, n_features, "decoder")
        self.discriminators = nn.ModuleDict(
            {
                latent.name: latent.divergence.build_discriminator(latent.n_components)
                for latent in latents
                if latent.is_adversarial
            }
        )
        self.posterior_networks = nn.ModuleDict(
            {latent.name: latent.posterior.build(latent.n_components) for latent in latents}
        )

    def __deepcopy__(self, memo: dict) -> AutoencoderModel:
        # Networks are copied; latents are descriptions, never changed, and may hold much data.
        memo[id(self.latents)] = self.latents
        new = self.__class__.__new__(self.__class__)
        memo[id(self)] = new
        new.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return new

    def __repr__(self) -> str:
        parts = {"encoder": self.encoder, "decoder": self.decoder, **self.discriminators}
        sizes = (
            f"{name}={sum(p.numel() for p in part.parameters()):,} weights"
            for name, part in parts.items()
        )
        return f"{type(self).__name__}({', '.join(sizes)})"

    def _outputs(self, x: Tensor, noise: list[Tensor]) -> tuple[Tensor, ...]:
        inputs = torch.cat([x, *noise], dim=1) if noise else x
        # Autocast answers in bfloat16; codes and losses stay in the precision of the rows.
        return self.encoder(inputs).to(x.dtype).split(self._n_outputs, dim=1)

    def encode(self, x: Tensor, generator: torch.Generator) -> list[PosteriorSample]:
        """Draw a code from q(z|x) for each row and latent.

        Parameters
        ----------
        x : Tensor of shape (n_samples, n_features)
        generator : torch.Generator

        Returns
        -------
        samples : list of PosteriorSample, one for each latent
        """
        noise = [
            torch.randn(len(x), size, generator=generator, device=x.device, dtype=x.dtype)
            for size in self._n_noise
            if size
        ]
        samples = []
        for latent, outputs in zip(self.latents, self._outputs(x, noise)):
            networks = self._networks_of(latent)
            samples.append(latent.project(latent.posterior.sample(outputs, networks, generator)))
        return samples

    def mean_codes(self, x: Tensor) -> Tensor:
        """Return E[z|x], shape (n_samples, n_components), without random draws."""
        draws = [latent.posterior.input_noise().to(x) for latent in self.latents]
        n_draws = max(len(noise) for noise in draws)
        total = torch.zeros(len(x), self.n_components, dtype=x.dtype, device=x.device)
        for k in range(n_draws):
            noise = [rows[k % len(rows)].expand(len(x), -1) for rows in draws if rows.shape[1]]
            total = total + torch.cat(self._means(self._outputs(x, noise)), dim=1)
        return total / n_draws

    def _means(self, outputs: tuple[Tensor, ...]) -> list[Tensor]:
        return [
            latent.prior.project(latent.posterior.mean(part, self._networks_of(latent)))
            for latent, part in zip(self.latents, outputs)
        ]

    def _networks_of(self, latent: Latent) -> nn.ModuleDict:
        return cast(nn.ModuleDict, self.posterior_networks[latent.name])

    def sample_prior(self, n_samples: int, generator: torch.Generator) -> Tensor:
        """Draw codes from the priors, shape (n_samples, n_components)."""
        parts = [latent.sample_prior(n_samples, generator) for latent in self.latents]
        return torch.cat(parts, dim=1)

    def to_prior_units(self, codes: Tensor) -> Tensor:
        """Return codes in the priors' own units, which are those that users see."""
        return self._each(codes, lambda latent, part: latent.scaling.inverse(part))

    def from_prior_units(self, codes: Tensor) -> Tensor:
        """Return users' codes in the units of the networks."""
        return self._each(codes, lambda latent, part: latent.scaling.forward(part))

    def _each(self, codes: Tensor, function: Callable[[Latent, Tensor], Tensor]) -> Tensor:
        parts = codes.split([latent.n_components for latent in self.latents], dim=1)
        return torch.cat([function(*pair) for pair in zip(self.latents, parts)], dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        """Return the decoder's outputs, shape (n_samples, n_features)."""
        return self.decoder(codes)
