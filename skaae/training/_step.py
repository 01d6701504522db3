"""One minibatch: discriminator updates, then the joint update of encoder and decoder."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from skaae._device import ScopedRandomness
from skaae._model import AutoencoderModel
from skaae.losses import ReconstructionLoss
from skaae.networks import LinearPathNetwork

# Adam's betas. A discriminator with momentum makes the codes circle around the prior instead of
# settling: on digits in 16 dimensions their mean ended 0.5 standard deviations off with 0.5, and
# 0.05 off without. The autoencoder may have some.
_BETAS = (0.5, 0.99)
_DISCRIMINATOR_BETAS = (0.0, 0.99)


class TrainingStep:
    r"""Minimise :math:`E[-\log p(x|z)] + \sum_l w_l D_l(q(z_l) \| p(z_l))` on a batch.

    One encoding serves both the discriminators (detached) and the joint objective. The step owns
    the optimisers and knows neither epochs nor estimators.

    Parameters
    ----------
    model : AutoencoderModel
    loss : ReconstructionLoss
    divergence_weights : sequence of float
        One for each latent.
    learning_rate : float
    weight_decay : float
        Decoupled decay of weight matrices, the discriminators' too, which would otherwise learn
        few codes by heart; biases and linear paths are left alone.
    input_noise : float
        Standard deviation of the noise that the encoder's rows are given, in their units; falls
        with the learning rate.
    generator : torch.Generator
        On the device of the model.
    autocast_dtype : torch.dtype or None
        For encoder and decoder; discriminators are small and run in float32.
    scoped_randomness : bool
        Whether the networks may draw at random, as dropout does, so that their draws have to be
        led to `generator`.
    """

    def __init__(
        self,
        model: AutoencoderModel,
        loss: ReconstructionLoss,
        *,
        divergence_weights: list[float],
        learning_rate: float,
        weight_decay: float,
        input_noise: float,
        generator: torch.Generator,
        autocast_dtype: torch.dtype | None,
        scoped_randomness: bool,
    ) -> None:
        self.model = model
        self.loss = loss
        self.divergence_weights = divergence_weights
        self.input_noise = self._noise = input_noise
        self.generator = generator
        self.autocast_dtype = autocast_dtype
        self.scoped_randomness = scoped_randomness
        self._parameters = [
            parameter
            for part in (model.encoder, model.decoder, model.posterior_networks)
            for parameter in part.parameters()
            if parameter.requires_grad
        ]
        self.optimizer = _adam(
            [model.encoder, model.decoder, model.posterior_networks],
            learning_rate,
            weight_decay,
            _BETAS,
        )
        self.discriminator_optimizers = {
            latent.name: _adam(
                [model.discriminators[latent.name]],
                latent.divergence.learning_rate,
                weight_decay,
                _DISCRIMINATOR_BETAS,
            )
            for latent in model.latents
            if latent.is_adversarial
        }
        self._groups = [
            group
            for optimizer in (self.optimizer, *self.discriminator_optimizers.values())
            for group in optimizer.param_groups
        ]

    def set_weight_decay(self, weight_decay: float) -> None:
        """Set the decay of weight matrices."""
        for optimizer in (self.optimizer, *self.discriminator_optimizers.values()):
            group = optimizer.param_groups[0]
            group["weight_decay"] = _bounded_decay(weight_decay, group["initial_lr"])

    def set_rate(self, factor: float) -> None:
        """Set every learning rate, and the input noise, to `factor` times its initial value.

        Noise that falls with the rate leaves, at the end, codes of clean rows to meet the prior.
        """
        self._noise = factor * self.input_noise
        for group in self._groups:
            group["lr"] = factor * group["initial_lr"]

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        """Update on a batch of rows in the networks' units; return its losses, detached."""
        with self._randomness():
            noisy = x
            if self._noise:
                noise = torch.randn(x.shape, generator=self.generator, device=x.device)
                noisy = x + self._noise * noise
            with self._autocast(x.device.type):
                samples = self.model.encode(noisy, self.generator)
            discriminator = self._discriminator_updates(samples)
            with self._autocast(x.device.type):
                outputs = self.model.decode(torch.cat([s.codes for s in samples], dim=1))
            reconstruction = self.loss(outputs.to(x.dtype), x).mean()
            regularization = self._regularization(samples)
        objective = reconstruction
        for weight, term in zip(self.divergence_weights, regularization):
            objective = objective + weight * term
        self.optimizer.zero_grad(set_to_none=True)
        # Naming the inputs keeps gradients out of the discriminators.
        objective.backward(inputs=self._parameters)
        self.optimizer.step()
        losses = {
            "reconstruction": reconstruction.detach(),
            "regularization": torch.stack(regularization).sum().detach(),
        }
        if self.discriminator_optimizers:
            losses["discriminator"] = discriminator
        return losses

    def _discriminator_updates(self, samples: list) -> Tensor:
        total = torch.zeros((), device=self.generator.device)
        for latent, sample in zip(self.model.latents, samples):
            codes = sample.codes.detach()
            for step in range(latent.divergence.n_discriminator_steps):
                optimizer = self.discriminator_optimizers[latent.name]
                loss = latent.divergence.discriminator_loss(
                    codes,
                    latent.sample_prior(len(codes), self.generator),
                    self.model.discriminators[latent.name],
                    generator=self.generator,
                )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                if step == 0:
                    total = total + loss.detach()
        return total

    def _regularization(self, samples: list) -> list[Tensor]:
        return [
            latent.divergence.encoder_loss(
                sample,
                latent.sample_prior(len(sample.codes), self.generator),
                prior=latent,
                discriminator=(
                    self.model.discriminators[latent.name] if latent.is_adversarial else None
                ),
                generator=self.generator,
            )
            for latent, sample in zip(self.model.latents, samples)
        ]

    def _autocast(self, device_type: str) -> AbstractContextManager:
        if self.autocast_dtype is None:
            return nullcontext()
        return torch.autocast(device_type, self.autocast_dtype)

    def _randomness(self) -> AbstractContextManager:
        return ScopedRandomness(self.generator) if self.scoped_randomness else nullcontext()


def _bounded_decay(weight_decay: float, learning_rate: float) -> float:
    """Return a decay that takes at most a tenth of a weight in one step, on any number of rows."""
    return min(weight_decay, 0.1 / learning_rate)


def _adam(
    parts: list[nn.Module], learning_rate: float, weight_decay: float, betas: tuple[float, float]
) -> torch.optim.Optimizer:
    """Return an optimiser whose first group decays and whose second does not."""
    linear_paths = {
        id(parameter)
        for part in parts
        for module in part.modules()
        if isinstance(module, LinearPathNetwork)
        for parameter in module.linear.parameters()
    }
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for part in parts:
        for parameter in part.parameters():
            if parameter.requires_grad:
                decays = parameter.ndim > 1 and id(parameter) not in linear_paths
                groups[decays].append(parameter)
    decay = _bounded_decay(weight_decay, learning_rate)
    return torch.optim.AdamW(
        [
            {"params": groups[True], "weight_decay": decay, "initial_lr": learning_rate},
            {"params": groups[False], "weight_decay": 0.0, "initial_lr": learning_rate},
        ],
        lr=learning_rate,
        betas=betas,
        fused=True,
    )
