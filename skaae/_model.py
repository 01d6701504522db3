"""The networks of an autoencoder and how rows run through them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from skaae._labels import one_hot
from skaae._latent import Latent
from skaae.networks import (
    OWN_BUILDERS,
    LinearPathNetwork,
    as_described,
    build_network,
    runs_in_double,
)
from skaae.posteriors import PosteriorSample
from skaae.priors import HeadPrior, Prior


@dataclass(frozen=True)
class LabelRole:
    """What labels do in a model; the default is nothing.

    Labels given to the decoder and labels that the encoder infers (a latent of one-hot codes) enter
    the decoder alike: as further columns beside the code.

    Attributes
    ----------
    n_given : int
        Label columns that the decoder is given.
    n_discriminated : int
        Label columns that the divergence of the code sees beside it, on both sides: it then
        compares joint distributions of code and label.
    matches_classes : bool
        Whether the prior's codes are drawn in the rows' classes, so that each class has its part
        of the prior; otherwise codes and labels are independent under the prior, and the code
        tells nothing of the label.
    infers : bool
        Whether the second latent is the label.
    reconstructs : bool
        Whether reconstruction trains inferred labels too.
    has_heads : bool
        Whether an inferred label enters as a shift of the code instead: z + y W.
    """

    n_given: int = 0
    n_discriminated: int = 0
    matches_classes: bool = False
    infers: bool = False
    reconstructs: bool = False
    has_heads: bool = False


# An optimiser moves a weight by about its learning rate a step, a thousandth of the way that a head
# has to go to stand apart from the others.
_HEAD_SCALE = 10.0
_HEAD_SPREAD = 4.0


class ClusterHeads(nn.Module):
    """Where in the space of codes each label stands: labels y to y W.

    Attributes
    ----------
    weight : nn.Parameter of shape (n_labels, n_components)
        W / 10.
    """

    def __init__(self, n_labels: int, n_components: int) -> None:
        super().__init__()
        weight = torch.randn(n_labels, n_components) * (_HEAD_SPREAD / _HEAD_SCALE)
        self.weight = nn.Parameter(weight)

    @property
    def positions(self) -> Tensor:
        """The heads W, shape (n_labels, n_components), in standard deviations of the prior."""
        return _HEAD_SCALE * self.weight

    def forward(self, labels: Tensor) -> Tensor:
        """Return y W."""
        return labels @ self.positions


class AutoencoderModel(nn.Module):
    """Encoder, decoder, and for each latent a discriminator where its divergence trains one.

    Rows are in the networks' units and codes in units of the prior (see
    :class:`~skaae._latent.Latent`); there are no losses and no optimisers here.

    Parameters
    ----------
    n_features : int
    latents : tuple of Latent
        The code, and behind it the label where the encoder infers one.
    encoder, decoder : callable or nn.Module
        Builders ``(n_inputs, n_outputs) -> nn.Module``.
    role : LabelRole, default=LabelRole()
    has_discriminators : bool, default=True
        Whether to build discriminators; inference needs none.

    Attributes
    ----------
    encoder, decoder : nn.Module
    discriminators : nn.ModuleDict
        By name of the latent.
    builders : dict of str to object
        What encoder and decoder were built by.
    heads : ClusterHeads or None
        What each label adds to the code.
    n_label_inputs : int
        Label columns that the decoder takes beside the code.
    runs_in_double : bool
        Whether float64 rows may be inferred in float64; not all networks of users allow it.
    """

    #: Of the names of weights that only training needs.
    discriminator_prefix: ClassVar[str] = "discriminators."

    def __init__(
        self,
        n_features: int,
        latents: tuple[Latent, ...],
        *,
        encoder: Any,
        decoder: Any,
        role: LabelRole | None = None,
        has_discriminators: bool = True,
    ) -> None:
        super().__init__()
        self.builders = {"encoder": as_described(encoder), "decoder": as_described(decoder)}
        self.latents = latents
        self.role = role = role or LabelRole()
        self.n_features = n_features
        self.n_components = latents[0].n_components
        self.n_labels = n_labels = latents[1].n_components if role.infers else role.n_given
        self._n_outputs = [latent.posterior.n_outputs(latent.n_components) for latent in latents]
        self._n_noise = [latent.posterior.input_noise().shape[1] for latent in latents]
        n_noise = sum(self._n_noise)
        self.encoder = build_network(
            encoder, n_features + n_noise, sum(self._n_outputs), "encoder", n_noise=n_noise
        )
        if role.infers and not role.reconstructs and isinstance(self.encoder, LinearPathNetwork):
            # Labels that start out equally likely everywhere, and are not told apart by their use
            # for reconstruction, have no gradient to leave that by.
            self.encoder.start_at_random(slice(self._n_outputs[0], None))
        self.n_label_inputs = n_beside = 0 if role.has_heads else n_labels
        self.decoder = build_network(decoder, self.n_components + n_beside, n_features, "decoder")
        self.runs_in_double = (
            type(encoder) in OWN_BUILDERS or runs_in_double(self.encoder, n_features + n_noise)
        ) and (
            type(decoder) in OWN_BUILDERS
            or runs_in_double(self.decoder, self.n_components + n_beside)
        )
        self.heads = ClusterHeads(n_labels, self.n_components) if role.has_heads else None
        self.discriminators = nn.ModuleDict()
        if has_discriminators:
            self.add_discriminators()
        self.posterior_networks = nn.ModuleDict(
            {latent.name: latent.posterior.build(latent.n_components) for latent in latents}
        )

    def add_discriminators(self) -> None:
        """Build new discriminators where there are none, on the CPU."""
        for latent in self.latents:
            if latent.is_adversarial and latent.name not in self.discriminators:
                n_labels = self.role.n_discriminated if latent is self.latents[0] else 0
                n_inputs = latent.n_components + n_labels
                self.discriminators[latent.name] = latent.divergence.build_discriminator(n_inputs)

    # --------------------------------------------------------- what it is made of

    @property
    def arguments(self) -> dict[str, Any]:
        """What a model with networks of these shapes is built from."""
        described = {"n_features": self.n_features, "latents": self.latents, "role": self.role}
        return described | self.builders

    @property
    def lengths(self) -> dict[str, int]:
        """Lengths that arrays beside the model have."""
        lengths = {"n_features": self.n_features, "n_components": self.n_components}
        return lengths | ({"n_labels": self.n_labels} if self.n_labels else {})

    def inference_state(self) -> dict[str, Tensor]:
        """Return the weights that inference needs, by name."""
        state = self.state_dict()
        prefix = self.discriminator_prefix
        return {name: value for name, value in state.items() if not name.startswith(prefix)}

    def __deepcopy__(self, memo: dict[int, Any]) -> AutoencoderModel:
        # Networks are copied; latents and builders are descriptions, never changed, and may hold
        # much data.
        memo[id(self.latents)] = self.latents
        memo[id(self.builders)] = self.builders
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

    # ------------------------------------------------------------- encoding

    def _outputs(self, x: Tensor, noise: list[Tensor]) -> tuple[Tensor, ...]:
        inputs = torch.cat([x, *noise], dim=1) if noise else x
        # Autocast answers in bfloat16; codes and losses stay in the precision of the rows.
        outputs: Tensor = self.encoder(inputs).to(x.dtype)
        if len(self.latents) == 1:
            return (outputs,)
        parts: tuple[Tensor, ...] = outputs.split(self._n_outputs, dim=1)
        return parts

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
        samples = []
        for latent, outputs in zip(self.latents, self._outputs(x, self._draw_noise(x, generator))):
            networks = self._networks_of(latent)
            samples.append(latent.project(latent.posterior.sample(outputs, networks, generator)))
        return samples

    def label_logits(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return the log odds of the inferred label, shape (n_samples, n_labels)."""
        return self._outputs(x, self._draw_noise(x, generator))[1]

    def _draw_noise(self, x: Tensor, generator: torch.Generator) -> list[Tensor]:
        return [
            torch.randn(len(x), size, generator=generator, device=x.device, dtype=x.dtype)
            for size in self._n_noise
            if size
        ]

    def mean_codes(self, x: Tensor) -> list[Tensor]:
        """Return E[z|x] of each latent, without random draws."""
        draws = [latent.posterior.input_noise().to(x) for latent in self.latents]
        n_draws = max(len(noise) for noise in draws)
        totals: list[Tensor] = []
        for k in range(n_draws):
            noise = [rows[k % len(rows)].expand(x.shape[0], -1) for rows in draws if rows.shape[1]]
            means = self._means(self._outputs(x, noise))
            totals = [t + m for t, m in zip(totals, means)] if totals else means
        return [total / n_draws for total in totals]

    def _means(self, outputs: tuple[Tensor, ...]) -> list[Tensor]:
        return [
            latent.prior.project(latent.posterior.mean(part, self._networks_of(latent)))
            for latent, part in zip(self.latents, outputs)
        ]

    def _networks_of(self, latent: Latent) -> nn.ModuleDict:
        return cast(nn.ModuleDict, self.posterior_networks[latent.name])

    def code_of(self, x: Tensor) -> Tensor:
        """Return the code of each row as users see it, without random draws."""
        codes = self.mean_codes(x)
        return codes[0] if self.heads is None else self.shifted(*codes)

    # ------------------------------------------------------------- decoding

    def shifted(self, code: Tensor, labels: Tensor) -> Tensor:
        """Return the code as users see it: with heads z + y W, else z."""
        return code if self.heads is None else code + self.heads(labels)

    def decode(self, code: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the decoder's outputs, shape (n_samples, n_features).

        Parameters
        ----------
        code : Tensor of shape (n_samples, n_components)
            As users see it: with heads, already shifted.
        labels : Tensor of shape (n_samples, n_labels) or None
            One-hot or probabilities; not looked at where there are heads.
        """
        beside = labels is not None and self.heads is None
        outputs: Tensor = self.decoder(
            torch.cat([code, cast(Tensor, labels)], dim=1) if beside else code
        )
        return outputs

    def given_columns(self, y: Tensor | None) -> Tensor | None:
        """Return the label columns that the decoder is given for classes `y`, if it is any."""
        return one_hot(y, self.role.n_given) if self.role.n_given and y is not None else None

    def decode_codes(self, codes: list[Tensor], given: Tensor | None = None) -> Tensor:
        """Return the decoder's outputs for codes of all latents and given label columns."""
        if not self.role.infers:
            return self.decode(codes[0], given)
        code, labels = codes
        return self.decode(self.shifted(code, labels), labels)

    # ----------------------------------------------------------- the priors

    @property
    def prior(self) -> Prior:
        """The distribution of codes as users see them, in its own units."""
        code = self.latents[0]
        if self.heads is None:
            return code.prior
        heads = self.heads.positions.detach().cpu().double() * code.scaling.scale.cpu()
        shares = self.latents[1].category_probabilities().double().numpy()
        return HeadPrior(code.prior, heads.numpy(), shares / shares.sum())

    def sample_prior(
        self, n_samples: int, generator: torch.Generator, y: Tensor | None = None
    ) -> Tensor:
        """Draw codes from the prior of the code, shape (n_samples, n_components).

        With classes `y`, each is of its class's part of the prior; where there is none (-1), of any
        part that belongs to a class, as often as the prior draws from it.
        """
        code, n_classes = self.latents[0], self.role.n_discriminated - 1
        has_idle_parts = code.prior.n_classes(self.n_components) > n_classes
        if y is not None and self.role.matches_classes and has_idle_parts:
            shares = code.prior.class_weights(self.n_components)[:n_classes]
            weights = torch.as_tensor(shares, dtype=torch.float32, device=generator.device)
            drawn = torch.multinomial(weights, len(y), replacement=True, generator=generator)
            y = torch.where(y < 0, drawn, y)
        return code.sample_prior(n_samples, generator, y)

    def to_prior_units(self, code: Tensor) -> Tensor:
        """Return the code in the prior's own units, which are those that users see."""
        return self.latents[0].scaling.inverse(code)

    def from_prior_units(self, code: Tensor) -> Tensor:
        """Return a user's code in the units of the networks."""
        return self.latents[0].scaling.forward(code)
