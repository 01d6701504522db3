"""What tests of training steps share: small models, and parts that keep what they are asked."""

import torch
from torch import nn

from skaae._device import new_generator
from skaae._latent import Latent
from skaae._model import AutoencoderModel, LabelRole
from skaae._scoped_randomness import ScopedRandomness
from skaae.divergences import AdversarialDivergence, Divergence
from skaae.losses import as_loss
from skaae.networks import MLP
from skaae.posteriors import as_posterior
from skaae.priors import Categorical, as_prior
from skaae.training import Term, TrainingStep


def scattered(n_rows, n_columns, seed=1):
    return torch.randn(n_rows, n_columns, generator=new_generator(seed))


class Kept(Divergence):
    """The mean square of codes less that of prior codes; it keeps what it was asked."""

    bears_bfloat16 = True

    def __init__(self):
        self.asked = []

    def encoder_loss(self, sample, prior_codes, **rest):
        self.asked.append({"codes": sample.codes, "prior_codes": prior_codes, **rest})
        return sample.codes.square().mean() - prior_codes.square().mean()


class KeptAdversary(AdversarialDivergence):
    """A discriminator that is to be high on codes, and codes that are to be low on it."""

    bears_bfloat16 = True

    def __init__(self, learning_rate=0.03, n_discriminator_steps=1):
        super().__init__((), learning_rate=learning_rate)
        self.n_discriminator_steps = n_discriminator_steps
        self.asked, self.judged = [], []

    def build_discriminator(self, n_inputs):
        return nn.Linear(n_inputs, 1)

    def discriminator_loss(self, codes, prior_codes, discriminator, **rest):
        loss = (discriminator(prior_codes) - discriminator(codes)).mean()
        self.judged.append({"codes": codes, "prior_codes": prior_codes, "loss": loss, **rest})
        return loss

    def encoder_loss(self, sample, prior_codes, *, discriminator, **rest):
        answers = discriminator(sample.codes)
        asked = {"codes": sample.codes, "prior_codes": prior_codes, "discriminator": discriminator}
        self.asked.append({"answers": answers, **asked, **rest})
        return answers.mean()


class KeptTerm(Term):
    """The mean of the codes' cubes, or of the last of them; it keeps its view."""

    name = "cubes"

    def __call__(self, view):
        self.view = view
        return view.samples[-1].codes.pow(3).mean()


def code_latent(divergence, prior="normal", posterior="deterministic", n_components=2):
    return Latent.create(
        "code",
        n_components,
        prior=as_prior(prior),
        posterior=as_posterior(posterior),
        divergence=divergence,
        seed=0,
    )


def label_latent(divergence, n_labels=3):
    return Latent.create(
        "label",
        n_labels,
        prior=Categorical(),
        posterior=as_posterior("deterministic"),
        divergence=divergence,
        seed=0,
    )


def small_model(*latents, builder=None, n_features=5, **role):
    """Return a model of few weights, none of them 0; one latent of codes unless told otherwise."""
    latents = latents or (code_latent(Kept()),)
    builder = builder or MLP((4,), linear_path=False)
    with ScopedRandomness(new_generator(0)):
        model = AutoencoderModel(
            n_features, latents, encoder=builder, decoder=builder, role=LabelRole(**role)
        )
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.5)
    return model


def step_of(model, kind=TrainingStep, **changes):
    """Return a step without noise, decay and half precision, of rows' sum of squares."""
    settings = {
        "loss": as_loss("squared_error"),
        "divergence_weights": [1.0] * len(model.latents),
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "input_noise": 0.0,
        "generator": new_generator(0),
        "autocast_dtype": None,
        "scoped_randomness": False,
    }
    return kind(model, **{**settings, **changes})


def gradient_of(optimizer, parameter):
    """Return the gradient of an optimiser's only step so far, as its first moment has it."""
    return optimizer.state[parameter]["exp_avg"] / (1 - optimizer.param_groups[0]["betas"][0])


def squared_error(outputs, rows):
    return 0.5 * (outputs - rows).square().sum(dim=1).mean()


def settings_of(optimizer, key):
    """Return what each of an optimiser's parameters is moved by."""
    return {
        parameter: group[key] for group in optimizer.param_groups for parameter in group["params"]
    }
