"""The step of a model without an encoder: its gradients, and what its divergence is told."""

import pytest
import torch
from step_cases import Kept, KeptAdversary, code_latent, gradient_of, scattered, settings_of
from torch import nn

from skaae._device import new_generator
from skaae._implicit_model import ImplicitModel
from skaae._scoped_randomness import ScopedRandomness
from skaae.networks import MLP
from skaae.training import Batch, ImplicitStep


def small_model(divergence, builder=None, prior="normal", bounds=None):
    with ScopedRandomness(new_generator(0)):
        model = ImplicitModel(
            5,
            code_latent(divergence, prior=prior),
            generator=builder or MLP((4,), linear_path=False),
            bounds=bounds,
        )
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.5)
    return model


def step_of(model, **changes):
    settings = {
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "generator": new_generator(0),
        "autocast_dtype": None,
        "scoped_randomness": False,
    }
    return ImplicitStep(model, **{**settings, **changes})


def drawn_by(model, generator, n_rows=6):
    return model(model.latent.sample_prior(n_rows, generator))


def test_a_network_moves_by_the_gradient_of_the_divergence_of_its_draws():
    model, x = small_model(Kept()), scattered(6, 5)
    drawn = drawn_by(model, torch.Generator().manual_seed(0))
    loss = drawn.square().mean() - x.square().mean()
    parameters = list(model.generator.parameters())
    expected = torch.autograd.grad(loss, parameters)
    step = step_of(model, learning_rate=1e-12)
    losses = step(Batch(x))
    (asked,) = model.latent.divergence.asked
    assert asked["prior_codes"] is x
    assert asked["prior"] is None
    assert asked["discriminator"] is None
    assert asked["generator"] is step.generator
    assert set(losses) == {"divergence"}
    assert not losses["divergence"].requires_grad
    torch.testing.assert_close(losses["divergence"], loss.detach())
    for parameter, gradient in zip(parameters, expected):
        torch.testing.assert_close(gradient_of(step.optimizer, parameter), gradient)


def test_a_discriminator_tells_draws_from_rows_before_the_network_moves():
    divergence = KeptAdversary(n_discriminator_steps=2)
    model, x = small_model(divergence), scattered(6, 5)
    generator = torch.Generator().manual_seed(0)
    draws = [drawn_by(model, generator).detach() for _ in range(3)]
    before = model.discriminator.weight.detach().clone()
    step = step_of(model)
    losses = step(Batch(x))
    for judged, expected in zip(divergence.judged, draws, strict=False):
        torch.testing.assert_close(judged["codes"], expected)
        assert not judged["codes"].requires_grad
        assert judged["prior_codes"] is x
        assert judged["generator"] is step.generator
    assert len(divergence.judged) == 2
    (asked,) = divergence.asked
    assert asked["discriminator"] is model.discriminator
    assert asked["prior_codes"] is x
    torch.testing.assert_close(asked["codes"].detach(), draws[2])
    # By a discriminator that has learnt by then, as Adam's first steps are as long as its rate.
    torch.testing.assert_close(asked["answers"], model.discriminator(asked["codes"]))
    assert 0.03 < (model.discriminator.weight - before).abs().max() < 2.5 * 0.03
    assert set(losses) == {"divergence", "discriminator"}
    assert losses["discriminator"] == divergence.judged[0]["loss"]
    assert losses["divergence"] == asked["answers"].mean()
    assert not losses["discriminator"].requires_grad


def test_each_network_has_its_rate_and_all_matrices_decay():
    model = small_model(KeptAdversary(0.03))
    step = step_of(model, learning_rate=0.01, weight_decay=0.5)
    first, second = step.optimizers
    assert first is step.optimizer
    assert settings_of(first, "lr") == dict.fromkeys(model.generator.parameters(), 0.01)
    assert settings_of(second, "lr") == dict.fromkeys(model.discriminator.parameters(), 0.03)
    for optimizer in (first, second):
        for parameter, decay in settings_of(optimizer, "weight_decay").items():
            assert decay == (0.5 if parameter.ndim > 1 else 0.0)


def test_without_a_discriminator_there_is_one_optimiser():
    step = step_of(small_model(Kept()))
    assert step.optimizers == [step.optimizer]


def test_networks_run_in_the_precision_asked_for():
    model, seen = small_model(KeptAdversary()), []
    model.generator.register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    step_of(model, autocast_dtype=torch.bfloat16)(Batch(scattered(6, 5)))
    assert seen == [torch.bfloat16, torch.bfloat16]


class Judged(KeptAdversary):
    """An adversary whose discriminator is large, and says what it answers in."""

    def build_discriminator(self, n_inputs):
        self.answered_in = []
        discriminator = nn.Linear(n_inputs, 2**18 // n_inputs + 1)
        discriminator.register_forward_hook(lambda *call: self.answered_in.append(call[-1].dtype))
        return discriminator


def test_large_discriminators_run_in_it_too():
    divergence = Judged()
    step_of(small_model(divergence), autocast_dtype=torch.bfloat16)(Batch(scattered(6, 5)))
    assert divergence.answered_in == [torch.bfloat16] * 3


def test_a_step_leaves_the_global_generators_alone(global_states):
    step, before = step_of(small_model(KeptAdversary())), global_states()
    step(Batch(scattered(6, 5)))
    assert step.is_sound(Batch(scattered(6, 5)))
    assert global_states() == before


def test_networks_that_draw_are_led_to_the_generator_of_the_step(global_states):
    def builder(n_inputs, n_outputs):
        return nn.Sequential(nn.Linear(n_inputs, n_outputs), nn.Dropout(0.5))

    before, found = global_states(), []
    for seed in (0, 0, 1):
        generator = torch.Generator().manual_seed(seed)
        step = step_of(small_model(Kept(), builder), scoped_randomness=True, generator=generator)
        found.append(step(Batch(scattered(6, 5)))["divergence"].item())
    assert found[0] == found[1] != found[2]
    assert global_states() == before


@pytest.mark.parametrize("bounds", [None, (torch.zeros(5), torch.ones(5))], ids=["", "bounds"])
@pytest.mark.parametrize(("weight", "expected"), [(1.0, True), (1e13, False)])
def test_soundness_is_of_drawn_rows_before_they_are_brought_between_bounds(
    weight, expected, bounds
):
    model = small_model(Kept(), MLP((), linear_path=False), bounds=bounds)
    with torch.no_grad():
        model.generator[0].weight.fill_(weight)
    step, batch = step_of(model), Batch(scattered(6, 5))
    before = step.generator.get_state()
    assert step.is_sound(batch) is expected
    assert torch.equal(step.generator.get_state(), before)
    seen = []
    model.generator.register_forward_hook(lambda *call: seen.append(call[-1].shape))
    step.is_sound(batch)
    assert seen == [(6, 5)]


def test_soundness_is_of_the_same_rows_each_time():
    model, seen = small_model(Kept()), []
    model.generator.register_forward_hook(lambda *call: seen.append(call[-1]))
    step = step_of(model)
    for _ in range(2):
        assert step.is_sound(Batch(scattered(6, 5)))
    assert torch.equal(*seen)
