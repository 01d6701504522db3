"""What the steps of all models share."""

import numpy as np
import pytest
import torch
from estimator_cases import short_fits_may_warn
from step_cases import (
    Kept,
    KeptAdversary,
    code_latent,
    label_latent,
    scattered,
    settings_of,
    small_model,
    step_of,
)
from torch import nn
from torch.nn import functional

from skaae import AdversarialAutoencoder
from skaae.divergences import JensenShannon, Wasserstein
from skaae.networks import MLP
from skaae.priors import GaussianMixture
from skaae.training import MOMENTS, Batch


def rows():
    return scattered(6, 5)


# ------------------------------------------------------------------------------------ precision


@short_fits_may_warn
@pytest.mark.parametrize(
    ("divergence", "units", "expected"),
    [
        (JensenShannon, 512, torch.bfloat16),
        (JensenShannon, 256, torch.float32),
        # The penalty is on the critic's slope.
        (Wasserstein, 512, torch.float32),
    ],
)
def test_only_large_discriminators_run_in_half_the_digits(monkeypatch, divergence, units, expected):
    asked_in = set()
    build = divergence.build_discriminator

    def watched(self, n_inputs):
        discriminator = build(self, n_inputs)
        discriminator.register_forward_hook(lambda *call: asked_in.add(call[-1].dtype))
        return discriminator

    monkeypatch.setattr(divergence, "build_discriminator", watched)
    X = np.random.default_rng(0).normal(size=(40, 5))
    AdversarialAutoencoder(
        2,
        divergence=divergence((units, units)),
        hidden_layer_sizes=(8,),
        precision="bfloat16",
        max_iter=1,
        random_state=0,
    ).fit(X)
    assert asked_in == {expected}


class Judged(KeptAdversary):
    """An adversary whose discriminator has one matrix, and says what it answers in."""

    def __init__(self, bears_bfloat16=True, n_units=2**17):
        super().__init__()
        self.bears_bfloat16, self.n_units = bears_bfloat16, n_units
        self.answered_in = []

    def build_discriminator(self, n_inputs):
        discriminator = nn.Linear(n_inputs, self.n_units, bias=False)
        discriminator.register_forward_hook(lambda *call: self.answered_in.append(call[-1].dtype))
        return discriminator


@pytest.mark.parametrize(
    ("divergence", "autocast_dtype", "expected"),
    [
        (Judged(), torch.bfloat16, torch.bfloat16),
        (Judged(n_units=2**17 - 1), torch.bfloat16, torch.float32),
        (Judged(bears_bfloat16=False), torch.bfloat16, torch.float32),
        (Judged(), None, torch.float32),
    ],
)
def test_the_widest_layer_decides(divergence, autocast_dtype, expected):
    """Of 2**18 weights on; it is asked of codes and draws, and of codes again by their loss."""
    step = step_of(small_model(code_latent(divergence)), autocast_dtype=autocast_dtype)
    step(Batch(rows()))
    assert divergence.answered_in == [expected] * 3


class Weightless(KeptAdversary):
    """A discriminator that has nothing to learn: how far out a code is."""

    def build_discriminator(self, n_inputs):
        return nn.AvgPool1d(n_inputs)


def test_a_discriminator_may_have_no_weights():
    divergence = Weightless()
    step = step_of(small_model(code_latent(divergence)), autocast_dtype=torch.bfloat16)
    step(Batch(rows()))
    torch.testing.assert_close(
        divergence.asked[0]["answers"], divergence.asked[0]["codes"].mean(dim=1, keepdim=True)
    )


# ------------------------------------------------------------------------------- what is set


def test_rates_of_all_are_a_share_of_their_own():
    step = step_of(small_model(code_latent(KeptAdversary())), learning_rate=0.01)
    for factor in (0.5, 0.1):
        step.set_rate(factor)
    assert set(settings_of(step.optimizers[0], "lr").values()) == {0.1 * 0.01}
    assert set(settings_of(step.optimizers[1], "lr").values()) == {0.1 * 0.03}


# -------------------------------------------------------------------- what optimisers remember


def test_moments_are_told_by_the_names_of_parameters():
    model = small_model(code_latent(KeptAdversary()))
    step = step_of(model)
    assert step.moments() == {}
    step(Batch(rows()))
    moments = step.moments()
    names = dict(model.named_parameters())
    assert set(moments) == {f"{key}.{name}" for key in MOMENTS for name in names}
    for optimizer in step.optimizers:
        for parameter, state in optimizer.state.items():
            (name,) = (n for n, p in names.items() if p is parameter)
            for key in MOMENTS:
                assert moments[f"{key}.{name}"] is state[key]


def test_a_step_goes_on_from_moments_as_if_they_were_its_own():
    pairs = []
    for _ in range(2):
        model = small_model(code_latent(KeptAdversary()))
        pairs.append((model, step_of(model)))
    (model, step), (other, again) = pairs
    step(Batch(rows()))
    other.load_state_dict(model.state_dict())
    moments = step.moments()
    again.set_moments(moments)
    again.generator.set_state(step.generator.get_state())
    kept = {name: value.clone() for name, value in moments.items()}
    step.generator, before = again.generator, again.generator.get_state()
    again(Batch(rows()))
    # What it was given is not written to.
    assert all(torch.equal(value, kept[name]) for name, value in moments.items())
    step.generator.set_state(before)
    step(Batch(rows()))
    for mine, theirs in zip(model.parameters(), other.parameters()):
        assert torch.equal(mine, theirs)


def test_parameters_of_which_a_moment_is_missing_start_anew():
    model = small_model()
    step = step_of(model)
    step(Batch(rows()))
    (name, *others) = (name for name, _ in model.named_parameters())
    moments = dict(step.moments())
    del moments[f"exp_avg_sq.{name}"]
    again = step_of(model)
    again.set_moments(moments)
    assert set(again.moments()) == {f"{key}.{other}" for key in MOMENTS for other in others}


def test_forgetting_lets_every_optimiser_start_anew():
    step = step_of(small_model(code_latent(KeptAdversary())))
    step(Batch(rows()))
    step.forget()
    assert step.moments() == {}


# ------------------------------------------------------------------------------ randomness


@pytest.mark.parametrize("matches_classes", [False, True])
def test_a_step_leaves_the_global_generators_alone(global_states, matches_classes):
    labels, prior = torch.tensor([0, 2, -1, 1, 1, 0]), GaussianMixture(n_components=3)
    role = {"n_discriminated": 4, "matches_classes": matches_classes}
    model = small_model(code_latent(KeptAdversary(), prior, "hierarchical"), **role)
    inferring = small_model(code_latent(Kept()), label_latent(KeptAdversary()), infers=True)
    before = global_states()
    for each in (model, inferring):
        step = step_of(each, input_noise=0.3)
        step(Batch(rows(), labels))
        assert step.is_sound(Batch(rows(), labels))
    assert global_states() == before


def inferring_model():
    return small_model(code_latent(Kept()), label_latent(Kept()), infers=True)


def model_that_matches_classes():
    prior = GaussianMixture(n_components=3)
    return small_model(code_latent(Kept(), prior), n_discriminated=4, matches_classes=True)


@pytest.mark.parametrize("make_model", [inferring_model, model_that_matches_classes])
def test_draws_of_priors_follow_from_the_generator_of_the_step(make_model):
    labels, found = torch.tensor([0, 2, -1, 1, 1, 0]), []
    for _ in range(2):
        model = make_model()
        step_of(model)(Batch(rows(), labels))
        found.append([latent.divergence.asked[0]["prior_codes"] for latent in model.latents])
    for one, again in zip(*found, strict=True):
        assert torch.equal(one, again)


# -------------------------------------------------------------------------- is what it has sound


def sound(step):
    return step.is_sound(Batch(rows()))


def test_soundness_takes_no_draw_of_training_and_leaves_the_mode():
    step = step_of(small_model(code_latent(Kept(), posterior="gaussian")))
    before = step.generator.get_state()
    assert sound(step)
    assert torch.equal(step.generator.get_state(), before)
    assert step.model.training


class DrawsWheneverAsked(nn.Linear):
    """A network that draws in evaluation too, as some average over dropout."""

    def forward(self, x):
        return super().forward(functional.dropout(x, training=True))


def test_soundness_is_asked_of_the_same_draws_each_time(global_states):
    model, seen = small_model(builder=DrawsWheneverAsked), []
    model.decoder.register_forward_hook(lambda *call: seen.append(call[-1]))
    step, before = step_of(model, scoped_randomness=True), global_states()
    assert sound(step)
    assert sound(step)
    first, again = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one, other)
    assert global_states() == before


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e20])
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_weights_that_lead_astray_are_not_sound(part, value):
    model = small_model(builder=MLP((), linear_path=False))
    with torch.no_grad():
        next(iter(getattr(model, part).parameters()))[0, 0] = value
    assert not sound(step_of(model))


def test_answers_to_other_codes_are_looked_at_too():
    """What a decoder makes of rows whose code is 0 says nothing of its weights."""
    model = small_model(builder=MLP((), linear_path=False))
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.zero_()
        next(iter(model.decoder.parameters())).fill_(1e13)
    assert not sound(step_of(model))
    with torch.no_grad():
        next(iter(model.decoder.parameters())).fill_(1e9)
    assert sound(step_of(model))
