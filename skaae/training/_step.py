"""One minibatch: discriminator updates, then the joint update of encoder and decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from skaae._labels import one_hot
from skaae._latent import Latent
from skaae._model import AutoencoderModel
from skaae.distributed import drawn_in_parts
from skaae.losses import ReconstructionLoss
from skaae.posteriors import PosteriorSample
from skaae.training._adam import Adam
from skaae.training._base_step import BaseStep
from skaae.training._batches import Batch
from skaae.training._terms import Term, View

# Adam's betas. A discriminator with momentum makes the codes circle around the prior instead of
# settling: on digits in 16 dimensions their mean ended 0.5 standard deviations off with 0.5, and
# 0.05 off without. The autoencoder may have some.
_BETAS = (0.5, 0.99)
_DISCRIMINATOR_BETAS = (0.0, 0.99)


class TrainingStep(BaseStep):
    r"""Minimise the objective on a batch.

    .. math:: E[-\log p(x|z)] + \sum_l w_l D_l(q(z_l) \| p(z_l)) + \sum_t w_t T_t

    over the latents l and the further terms t.

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
        few codes by heart; biases, linear paths and heads are left alone.
    input_noise : float
        Standard deviation of the noise that the encoder's rows are given, in their units; falls
        with the learning rate.
    generator : torch.Generator
        On the device of the model.
    autocast_dtype : torch.dtype or None
        Of the networks; small discriminators, and those whose slope counts, run in float32.
    scoped_randomness : bool
        Whether the networks may draw at random, as dropout does, so that their draws have to be
        led to `generator`.
    terms : sequence of Term, default=()
        What the objective has beside reconstruction and divergences.
    decoder_decay_factor, adversary_decay_factor : float, default=1.0
        What the decay of the decoder and of the discriminators is multiplied by. The encoder needs
        its bends to meet the prior.
    noise_falls : bool, default=True
        Whether the input noise falls with the learning rate.
    """

    model: AutoencoderModel

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
        terms: Sequence[Term] = (),
        decoder_decay_factor: float = 1.0,
        adversary_decay_factor: float = 1.0,
        noise_falls: bool = True,
    ) -> None:
        super().__init__(
            model,
            generator=generator,
            autocast_dtype=autocast_dtype,
            scoped_randomness=scoped_randomness,
        )
        self.loss = loss
        self.divergence_weights = divergence_weights
        self.input_noise = self._noise = input_noise
        self.noise_falls = noise_falls
        self.terms = tuple(terms)
        parts: dict[nn.Module, float] = {
            model.encoder: 1.0,
            model.posterior_networks: 1.0,
            model.decoder: decoder_decay_factor,
        }
        if model.heads is not None:
            parts[model.heads] = 0.0
        self.optimizer = Adam(parts, learning_rate, weight_decay, _BETAS)
        self.discriminator_optimizers = {
            latent.name: Adam(
                {model.discriminators[latent.name]: adversary_decay_factor},
                latent.divergence.learning_rate,
                weight_decay,
                _DISCRIMINATOR_BETAS,
            )
            for latent in model.latents
            if latent.is_adversarial
        }

    @property
    def optimizers(self) -> list[Adam]:
        """Return the autoencoder's optimiser and those of the discriminators."""
        return [self.optimizer, *self.discriminator_optimizers.values()]

    def adjust(
        self,
        *,
        divergence_weights: list[float],
        learning_rate: float,
        weight_decay: float,
        input_noise: float,
        terms: Sequence[Term],
    ) -> None:
        """Set what training may go on with from here, the optimisers' moments kept."""
        self.divergence_weights = divergence_weights
        self.terms = tuple(terms)
        self.input_noise = input_noise
        for group in self.optimizer.param_groups:
            group["initial_lr"] = learning_rate
        for optimizer in self.optimizers:
            optimizer.set_decay(weight_decay)

    def set_rate(self, factor: float) -> None:
        """Set every learning rate, and the input noise, to `factor` times its initial value.

        Noise that falls with the rate leaves, at the end, codes of clean rows to meet the prior.
        Where a map says where rows belong, noise that stays teaches what is near them.
        """
        super().set_rate(factor)
        if self.noise_falls:
            self._noise = factor * self.input_noise

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Update on a batch of rows in the networks' units; return its losses, detached."""
        x, n_fair = batch.x, batch.n_fair
        with self._randomness():
            noisy = self._with_noise(x)
            with self._autocast(x.device.type):
                encoded = self.model.encode(noisy, self.generator)
            # Rows drawn for their labels are no fair sample of q(z), nor of the data.
            fair = [sample.first(n_fair) for sample in encoded] if batch.n_extra else encoded
            y = None if batch.y is None else batch.y[:n_fair]
            columns = self._label_columns(fair, y)
            discriminator = self._discriminator_updates(fair, columns, y)
            with self._autocast(x.device.type):
                codes = [sample.codes for sample in fair]
                if not self.model.role.reconstructs:
                    codes[1:] = [labels.detach() for labels in codes[1:]]
                outputs = self.model.decode_codes(codes, self.model.given_columns(y))
            reconstruction = self.loss(outputs.to(x.dtype), x[:n_fair]).mean()
            regularization = self._regularization(fair, columns, y)
            losses = {"reconstruction": reconstruction}
            objective = reconstruction
            for latent, weight, value in zip(
                self.model.latents, self.divergence_weights, regularization
            ):
                losses[_named("regularization", latent)] = value
                objective = objective + weight * value
            view = View(
                self.model,
                noisy,
                x,
                encoded,
                batch.y,
                self.generator,
                self._autocast,
                batch.n_pairs,
                batch.places,
            )
            for term in self.terms:
                losses[term.name] = term(view)
                objective = objective + term.weight * losses[term.name]
        self.optimizer.descend(objective)
        losses |= discriminator
        return {name: value.detach() for name, value in losses.items()}

    def _answers(self, batch: Batch, generator: torch.Generator) -> list[Tensor]:
        codes, given = self.model.mean_codes(batch.x), self.model.given_columns(batch.y)
        # As codes of other rows may be; a prior of the user's may have draws to keep count of.
        normal = torch.randn(
            codes[0].shape, generator=generator, dtype=codes[0].dtype, device=codes[0].device
        )
        drawn = [self.model.latents[0].prior.project(normal), *codes[1:]]
        return [*codes, *(self.model.decode_codes(each, given) for each in (codes, drawn))]

    def _with_noise(self, x: Tensor) -> Tensor:
        if not self._noise:
            return x

        def draw(n_rows: int) -> Tensor:
            shape = (n_rows, *x.shape[1:])
            return torch.randn(shape, generator=self.generator, dtype=x.dtype, device=x.device)

        return drawn_in_parts(draw, len(x)).mul_(self._noise).add_(x)

    def _label_columns(
        self, samples: list[PosteriorSample], y: Tensor | None
    ) -> list[Tensor | None]:
        """Return, for each latent, the label columns that its divergence sees beside it.

        Known labels have a column more, for rows that have none.
        """
        role = self.model.role
        columns = None
        if role.n_discriminated and role.infers:
            columns = samples[1].codes.detach()
        elif role.n_discriminated and y is not None:
            columns = one_hot(y, role.n_discriminated - 1, unlabeled_column=True)
        return [columns, *[None] * (len(samples) - 1)]

    def _prior_codes(self, latent: Latent, columns: Tensor | None, n: int, y: Any) -> Tensor:
        if latent is not self.model.latents[0]:
            return drawn_in_parts(lambda n: latent.sample_prior(n, self.generator), n)
        if y is not None and self.model.role.matches_classes:
            return _beside(self.model.sample_prior(n, self.generator, y), columns)
        codes = drawn_in_parts(lambda n: self.model.sample_prior(n, self.generator), n)
        return _beside(codes, columns)

    def _discriminator_updates(
        self, samples: list[PosteriorSample], columns: list[Tensor | None], y: Tensor | None
    ) -> dict[str, Tensor]:
        losses = {}
        for latent, sample, labels in zip(self.model.latents, samples, columns):
            codes = _beside(sample.codes.detach(), labels)
            for step in range(latent.divergence.n_discriminator_steps):
                discriminator = self.model.discriminators[latent.name]
                prior_codes = self._prior_codes(latent, labels, len(codes), y)
                with self._judging(latent.divergence, discriminator):
                    loss = latent.divergence.discriminator_loss(
                        codes,
                        prior_codes,
                        discriminator,
                        generator=self.generator,
                    )
                self.discriminator_optimizers[latent.name].descend(loss)
                if step == 0:
                    losses[_named("discriminator", latent)] = loss
        return losses

    def _regularization(
        self, samples: list[PosteriorSample], columns: list[Tensor | None], y: Tensor | None
    ) -> list[Tensor]:
        values = []
        for latent, sample, labels in zip(self.model.latents, samples, columns):
            adversarial = latent.is_adversarial
            discriminator = self.model.discriminators[latent.name] if adversarial else None
            beside = replace(sample, codes=_beside(sample.codes, labels))
            prior_codes = self._prior_codes(latent, labels, len(sample.codes), y)
            with self._judging(latent.divergence, discriminator):
                value = latent.divergence.encoder_loss(
                    beside,
                    prior_codes,
                    prior=latent,
                    discriminator=discriminator,
                    generator=self.generator,
                )
            values.append(value)
        return values


def _named(loss: str, latent: Latent) -> str:
    """Return what the history calls a loss of a latent; the code is not named."""
    return loss if latent.name == "code" else f"{latent.name}_{loss}"


def _beside(codes: Tensor, columns: Tensor | None) -> Tensor:
    return codes if columns is None else torch.cat([codes, columns], dim=1)
