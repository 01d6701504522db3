"""One minibatch of a generator: discriminator updates, then its own."""

from __future__ import annotations

import torch
from torch import Tensor

from skaae._implicit_model import ImplicitModel
from skaae.distributed import drawn_in_parts
from skaae.posteriors import PosteriorSample
from skaae.training._adam import Adam
from skaae.training._base_step import BaseStep
from skaae.training._batches import Batch

# Rows have many more directions than codes have, and a discriminator is soon sure of them.
_BETAS = (0.5, 0.99)


class ImplicitStep(BaseStep):
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
        Of the networks; a small discriminator, or one whose slope counts, runs in float32.
    scoped_randomness : bool
        Whether the network may draw at random.
    """

    model: ImplicitModel

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
        super().__init__(
            model,
            generator=generator,
            autocast_dtype=autocast_dtype,
            scoped_randomness=scoped_randomness,
        )
        self.optimizer = Adam({model.generator: 1.0}, learning_rate, weight_decay, _BETAS)
        self._discriminator_optimizers = [
            Adam({discriminator: 1.0}, model.latent.divergence.learning_rate, weight_decay, _BETAS)
            for discriminator in ([] if model.discriminator is None else [model.discriminator])
        ]

    @property
    def optimizers(self) -> list[Adam]:
        """Return the generating network's optimiser and that of the discriminator, if any."""
        return [self.optimizer, *self._discriminator_optimizers]

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Update on a batch of rows in the networks' units; return its losses, detached."""
        divergence, x = self.model.latent.divergence, batch.x
        losses = {}
        with self._randomness():
            for step in range(divergence.n_discriminator_steps):
                with torch.no_grad():
                    drawn = self._draw(len(x))
                with self._judging(divergence, self.model.discriminator):
                    loss = divergence.discriminator_loss(
                        drawn, x, self.model.discriminator, generator=self.generator
                    )
                self._discriminator_optimizers[0].descend(loss)
                if step == 0:
                    losses["discriminator"] = loss.detach()
            sample = PosteriorSample(self._draw(len(x)))
            with self._judging(divergence, self.model.discriminator):
                loss = divergence.encoder_loss(
                    sample,
                    x,
                    prior=None,
                    discriminator=self.model.discriminator,
                    generator=self.generator,
                )
        self.optimizer.descend(loss)
        return {"divergence": loss.detach(), **losses}

    def _answers(self, batch: Batch, generator: torch.Generator) -> list[Tensor]:
        # Between bounds nothing shows how far weights are gone, until their product is NaN.
        return [self.model.unbounded(self.model.latent.sample_prior(len(batch.x), generator))]

    def _draw(self, n_samples: int) -> Tensor:
        latent = self.model.latent
        codes = drawn_in_parts(lambda n: latent.sample_prior(n, self.generator), n_samples)
        with self._autocast(codes.device.type):
            rows: Tensor = self.model(codes)
        return rows
