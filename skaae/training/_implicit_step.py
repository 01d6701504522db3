"""One minibatch of a generator: discriminator updates, then its own."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from skaae._device import ScopedRandomness
from skaae._implicit_model import ImplicitModel
from skaae.posteriors import PosteriorSample
from skaae.training._batches import Batch
from skaae.training._step import adam

# Rows have many more directions than codes have, and a discriminator is soon sure of them.
_BETAS = (0.5, 0.99)


class ImplicitStep:
    r"""Minimise :math:`D(p_g(x) \| p(x))` on a batch, for rows :math:`g(z), z \sim p(z)`.

    Parameters
    ----------
    model : ImplicitModel
    learning_rate : float
    weight_decay : float
        Decoupled decay of weight matrices, the discriminator's too.
    generator : torch.Generator
        On the device of the model.
    autocast_dtype : torch.dtype or None
        Of the generating network; the discriminator runs in float32.
    scoped_randomness : bool
        Whether the network may draw at random.
    """

    def __init__(
        self,
        model: ImplicitModel,
        *,
        learning_rate: float,
        weight_decay: float,
        generator: torch.Generator,
        autocast_dtype: torch.dtype | None,
        scoped_randomness: bool,
    ) -> None:
        self.model = model
        self.generator = generator
        self.autocast_dtype = autocast_dtype
        self.scoped_randomness = scoped_randomness
        self._parameters = [p for p in model.generator.parameters() if p.requires_grad]
        self.optimizer = adam([model.generator], learning_rate, weight_decay, _BETAS)
        self._discriminator_optimizers = [
            adam([discriminator], model.latent.divergence.learning_rate, weight_decay, _BETAS)
            for discriminator in ([] if model.discriminator is None else [model.discriminator])
        ]
        self._groups = [
            group
            for optimizer in (self.optimizer, *self._discriminator_optimizers)
            for group in optimizer.param_groups
        ]

    def set_rate(self, factor: float) -> None:
        """Set every learning rate to `factor` times its initial value."""
        for group in self._groups:
            group["lr"] = factor * group["initial_lr"]

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Update on a batch of rows in the networks' units; return its losses, detached."""
        divergence, x = self.model.latent.divergence, batch.x
        losses = {}
        with self._randomness():
            for _ in range(divergence.n_discriminator_steps):
                with torch.no_grad():
                    drawn = self._draw(len(x))
                loss = divergence.discriminator_loss(
                    drawn, x, self.model.discriminator, generator=self.generator
                )
                (optimizer,) = self._discriminator_optimizers
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                losses["discriminator"] = loss.detach()
            loss = divergence.encoder_loss(
                PosteriorSample(self._draw(len(x))),
                x,
                prior=None,
                discriminator=self.model.discriminator,
                generator=self.generator,
            )
        self.optimizer.zero_grad(set_to_none=True)
        # Naming the inputs keeps gradients out of the discriminator.
        loss.backward(inputs=self._parameters)
        self.optimizer.step()
        return {"divergence": loss.detach(), **losses}

    def _draw(self, n_samples: int) -> Tensor:
        codes = self.model.latent.sample_prior(n_samples, self.generator)
        with self._autocast(codes.device.type):
            return self.model(codes)

    def _autocast(self, device_type: str) -> AbstractContextManager:
        if self.autocast_dtype is None:
            return nullcontext()
        return torch.autocast(device_type, self.autocast_dtype)

    def _randomness(self) -> AbstractContextManager:
        return ScopedRandomness(self.generator) if self.scoped_randomness else nullcontext()
