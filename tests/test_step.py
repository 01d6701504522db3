"""The step: its objective and gradients against formulas, and what each part of it is told."""

import numpy as np
import torch
from step_cases import (
    Kept,
    KeptAdversary,
    KeptTerm,
    code_latent,
    gradient_of,
    label_latent,
    scattered,
    settings_of,
    small_model,
    squared_error,
    step_of,
)
from torch import nn
from torch.nn import functional

from skaae.losses import Bernoulli
from skaae.priors import GaussianMixture
from skaae.training import Batch

LABELS = torch.tensor([0, 2, -1, 1, 1, 0])


def rows(n_rows=6):
    return scattered(n_rows, 5)


# ------------------------------------------------------------------------------- the objective


def test_the_gradient_is_that_of_the_weighted_sum():
    model, x = small_model(), rows()
    codes = model.encode(x, None)[0].codes
    objective = (
        squared_error(model.decode(codes), x)
        + 3.0 * codes.square().mean()
        + 2.0 * codes.pow(3).mean()
    )
    parameters = [*model.encoder.parameters(), *model.decoder.parameters()]
    expected = torch.autograd.grad(objective, parameters)
    step = step_of(model, divergence_weights=[3.0], terms=[KeptTerm(2.0)], learning_rate=1e-12)
    step(Batch(x))
    for parameter, gradient in zip(parameters, expected):
        torch.testing.assert_close(gradient_of(step.optimizer, parameter), gradient)


def test_each_latent_has_its_weight():
    model = small_model(code_latent(Kept()), label_latent(Kept()), infers=True, reconstructs=True)
    x = rows()
    code, labels = (sample.codes for sample in model.encode(x, None))
    objective = (
        squared_error(model.decode(code, labels), x)
        + 3.0 * code.square().mean()
        + 5.0 * labels.square().mean()
    )
    expected = torch.autograd.grad(objective, list(model.encoder.parameters()))
    step = step_of(model, divergence_weights=[3.0, 5.0], learning_rate=1e-12)
    step(Batch(x))
    for parameter, gradient in zip(model.encoder.parameters(), expected):
        torch.testing.assert_close(gradient_of(step.optimizer, parameter), gradient)


def test_losses_are_those_of_the_weights_before_the_step():
    model = small_model(
        code_latent(KeptAdversary()), label_latent(Kept()), infers=True, reconstructs=True
    )
    x = rows()
    code, labels = (sample.codes.detach() for sample in model.encode(x, None))
    reconstruction = squared_error(model.decode(code, labels), x).detach()
    losses = step_of(model, terms=[KeptTerm(2.0)])(Batch(x))
    code_divergence, label_divergence = (latent.divergence for latent in model.latents)
    prior_labels = label_divergence.asked[0]["prior_codes"]
    expected = {
        "reconstruction": reconstruction,
        "regularization": code_divergence.asked[0]["answers"].mean(),
        "label_regularization": labels.square().mean() - prior_labels.square().mean(),
        "cubes": labels.pow(3).mean(),
        "discriminator": code_divergence.judged[0]["loss"],
    }
    assert set(losses) == set(expected)
    for name, value in losses.items():
        assert not value.requires_grad
        torch.testing.assert_close(value, expected[name].detach())


def test_labels_that_reconstruction_does_not_train_get_no_gradient_of_it():
    model, x = small_model(code_latent(Kept()), label_latent(Kept()), infers=True), rows()
    code, labels = (sample.codes for sample in model.encode(x, None))
    objective = squared_error(model.decode(code, labels.detach()), x)
    expected = torch.autograd.grad(objective, list(model.encoder.parameters()))
    step = step_of(model, divergence_weights=[0.0, 0.0], learning_rate=1e-12)
    step(Batch(x))
    for parameter, gradient in zip(model.encoder.parameters(), expected):
        torch.testing.assert_close(gradient_of(step.optimizer, parameter), gradient)


def test_the_decoder_is_given_labels():
    model, x = small_model(n_given=3), rows()
    columns = torch.zeros(6, 3)
    columns[[0, 5], 0] = columns[[3, 4], 1] = columns[1, 2] = 1.0
    expected = squared_error(model.decode(model.encode(x, None)[0].codes, columns), x)
    losses = step_of(model)(Batch(x, LABELS))
    torch.testing.assert_close(losses["reconstruction"], expected.detach())


def test_rows_drawn_for_their_labels_are_seen_by_terms_alone():
    model, x = small_model(n_given=3), rows()
    divergence, term = model.latents[0].divergence, KeptTerm(2.0)
    code = model.encode(x, None)[0].codes.detach()
    expected = model.decode(code[:4], model.given_columns(LABELS[:4])).detach()
    losses = step_of(model, terms=[term])(Batch(x, LABELS, n_extra=2))
    torch.testing.assert_close(losses["reconstruction"], squared_error(expected, x[:4]))
    torch.testing.assert_close(divergence.asked[0]["codes"], code[:4])
    assert divergence.asked[0]["prior_codes"].shape == (4, 2)
    torch.testing.assert_close(losses["cubes"], code.pow(3).mean())


def test_a_term_sees_the_batch_and_the_step():
    model, term = small_model(), KeptTerm(1.0)
    x, places = rows(), scattered(6, 2, 2)
    step = step_of(model, terms=[term], input_noise=0.5, autocast_dtype=torch.bfloat16)
    step(Batch(x, LABELS, n_pairs=2, places=places))
    view = term.view
    assert view.model is model
    assert view.generator is step.generator
    assert view.rows is x
    assert view.y is LABELS
    assert view.n_pairs == 2
    assert view.places is places
    assert not torch.equal(view.x, x)
    assert len(view.samples[0].codes) == 6
    with view.autocast("cpu"):
        assert nn.Linear(5, 2)(x).dtype == torch.bfloat16


# -------------------------------------------------------------------- divergences and their prior


def test_a_divergence_is_told_codes_draws_and_its_latent():
    model = small_model()
    step = step_of(model)
    step(Batch(rows()))
    (asked,) = model.latents[0].divergence.asked
    assert asked["prior"] is model.latents[0]
    assert asked["discriminator"] is None
    assert asked["generator"] is step.generator
    assert asked["prior_codes"].shape == asked["codes"].shape == (6, 2)
    again = model.latents[0].sample_prior(6, torch.Generator().manual_seed(0))
    torch.testing.assert_close(asked["prior_codes"], again)


def test_a_discriminator_takes_all_its_steps_before_codes_move():
    divergence = KeptAdversary(n_discriminator_steps=3)
    model = small_model(code_latent(divergence))
    x = rows()
    codes = model.encode(x, None)[0].codes.detach()
    step = step_of(model)
    before = copy_of(model.discriminators)
    losses = step(Batch(x))
    assert len(divergence.judged) == 3
    for judged in divergence.judged:
        torch.testing.assert_close(judged["codes"], codes)
        assert not judged["codes"].requires_grad
        assert judged["generator"] is step.generator
    draws = [judged["prior_codes"] for judged in divergence.judged]
    assert all(draw.shape == (6, 2) for draw in draws)
    assert not torch.equal(draws[0], draws[1])
    assert losses["discriminator"] == divergence.judged[0]["loss"]
    # The gradient is the difference of means; codes are then held against what has learnt from it.
    after = model.discriminators["code"]
    (asked,) = divergence.asked
    assert asked["discriminator"] is after
    torch.testing.assert_close(asked["answers"], after(asked["codes"]))
    # Adam's first steps are as long as its rate.
    moved = (after.weight - before["code.weight"]).abs()
    assert 0.03 < moved.max() < 3.5 * 0.03


def copy_of(module):
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def test_known_labels_stand_beside_codes_and_draws():
    """A column for each class and one for rows without a label."""
    divergence = KeptAdversary()
    model, x = small_model(code_latent(divergence), n_discriminated=4), rows()
    step_of(model)(Batch(x, LABELS))
    columns = functional.one_hot(torch.where(LABELS < 0, 3, LABELS), 4).float()
    for asked in (*divergence.judged, *divergence.asked):
        assert torch.equal(asked["codes"][:, 2:], columns)
        assert torch.equal(asked["prior_codes"][:, 2:], columns)
        assert asked["codes"].shape == asked["prior_codes"].shape == (6, 6)


def test_inferred_labels_stand_beside_codes_without_a_gradient():
    # Of a rate so small that it stands still.
    code, label = KeptAdversary(1e-12), KeptAdversary(1e-12)
    model = small_model(
        code_latent(code), label_latent(label), infers=True, reconstructs=True, n_discriminated=3
    )
    x = rows()
    codes, labels = (sample.codes for sample in model.encode(x, None))
    judged = model.discriminators["code"](torch.cat([codes, labels.detach()], dim=1))
    objective = squared_error(model.decode(codes, labels), x) + 4.0 * judged.mean()
    expected = torch.autograd.grad(objective, list(model.encoder.parameters()))
    step = step_of(model, divergence_weights=[4.0, 0.0], learning_rate=1e-12)
    step(Batch(x, LABELS))
    for parameter, gradient in zip(model.encoder.parameters(), expected):
        torch.testing.assert_close(gradient_of(step.optimizer, parameter), gradient)
    for asked in (*code.judged, *code.asked):
        torch.testing.assert_close(asked["codes"][:, 2:], labels)
        torch.testing.assert_close(asked["prior_codes"][:, 2:], labels)
    # The labels' own divergence sees nothing beside them, and draws of their prior.
    for asked in (*label.judged, *label.asked):
        torch.testing.assert_close(asked["codes"], labels)
        assert torch.equal(asked["prior_codes"].sum(dim=1), torch.ones(6))


def test_without_labels_nothing_stands_beside_codes_of_a_step():
    divergence = KeptAdversary()
    model = small_model(code_latent(divergence))
    step_of(model)(Batch(rows(), LABELS))
    assert divergence.asked[0]["codes"].shape == (6, 2)


def test_draws_are_of_the_rows_classes_where_classes_have_their_part():
    prior = GaussianMixture(n_components=3)
    divergence = KeptAdversary()
    model = small_model(
        code_latent(divergence, prior=prior), n_discriminated=4, matches_classes=True
    )
    y = torch.tensor([0, 1, 2] * 20)
    step_of(model)(Batch(rows(60), y))
    for asked in (*divergence.judged, *divergence.asked):
        drawn, columns = asked["prior_codes"][:, :2], asked["prior_codes"][:, 2:]
        assert torch.equal(columns.argmax(dim=1), y)
        means = torch.stack([drawn[y == label].mean(dim=0) for label in range(3)])
        spread = torch.stack([drawn[y == label].std(dim=0) for label in range(3)])
        assert torch.pdist(means).min() > 3.0 * spread.max()


def test_draws_are_of_the_whole_prior_where_they_have_none():
    prior = GaussianMixture(n_components=3)
    divergence = KeptAdversary()
    model = small_model(code_latent(divergence, prior=prior), n_discriminated=4)
    step_of(model)(Batch(rows(60), torch.zeros(60, dtype=torch.long)))
    drawn = divergence.asked[0]["prior_codes"][:, :2]
    # One part of it would have a tenth of this spread.
    np.testing.assert_allclose(drawn.std(dim=0), 1.0, atol=0.25)


# -------------------------------------------------------------------------- noise and randomness


def noise_of(step, n_rows=4_000):
    """Return what a step adds to rows of nothing, as its encoder sees them."""
    seen = []
    hook = step.model.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(*inputs))
    step(Batch(torch.zeros(n_rows, 5)))
    hook.remove()
    return seen[0]


def test_noise_is_of_each_number_and_falls_with_the_rate():
    step = step_of(small_model(), input_noise=0.4)
    noise = noise_of(step)
    np.testing.assert_allclose(noise.std(dim=0), 0.4, rtol=0.05)
    assert torch.corrcoef(noise.T).fill_diagonal_(0.0).abs().max() < 0.1
    step.set_rate(0.25)
    np.testing.assert_allclose(noise_of(step).std(), 0.1, rtol=0.05)
    step.set_rate(1.0)
    np.testing.assert_allclose(noise_of(step).std(), 0.4, rtol=0.05)


def test_noise_on_a_map_stays():
    step = step_of(small_model(), input_noise=0.4, noise_falls=False)
    step.set_rate(0.25)
    np.testing.assert_allclose(noise_of(step).std(), 0.4, rtol=0.05)
    assert step.optimizer.param_groups[0]["lr"] == 0.25e-3


def test_clean_rows_are_restored_from_noisy_ones():
    model, x = small_model(), rows()
    step = step_of(model, input_noise=0.5)
    noise = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    outputs = model.decode(model.encode(x + 0.5 * noise, None)[0].codes)
    torch.testing.assert_close(step(Batch(x))["reconstruction"], squared_error(outputs, x).detach())


def dropping_out(n_inputs, n_outputs):
    return nn.Sequential(nn.Dropout(0.5), nn.Linear(n_inputs, n_outputs))


def test_networks_that_draw_are_led_to_the_generator_of_the_step(global_states):
    before = global_states()
    found = []
    for seed in (0, 0, 1):
        model = small_model(builder=dropping_out)
        step = step_of(model, scoped_randomness=True, generator=torch.Generator().manual_seed(seed))
        found.append(step(Batch(rows()))["reconstruction"].item())
    assert found[0] == found[1] != found[2]
    assert global_states() == before


def test_noise_on_rows_of_double_precision_is_drawn_in_it():
    step = step_of(small_model().double(), input_noise=0.5)
    noise = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(step._with_noise(torch.zeros(6, 5, dtype=torch.float64)), 0.5 * noise)


def test_networks_run_in_the_precision_asked_for_and_losses_do_not():
    model, loss, x, seen = small_model(), Bernoulli(), rows().sigmoid(), []
    for network in (model.encoder, model.decoder):
        network.register_forward_hook(lambda *call: seen.append(call[-1]))
    losses = step_of(model, loss=loss, autocast_dtype=torch.bfloat16)(Batch(x))
    assert [outputs.dtype for outputs in seen] == [torch.bfloat16, torch.bfloat16]
    torch.testing.assert_close(losses["reconstruction"], loss(seen[1].detach().float(), x).mean())
    assert model.latents[0].divergence.asked[0]["codes"].dtype == torch.float32
    assert {value.dtype for value in losses.values()} == {torch.float32}


# ------------------------------------------------------------------------------- its optimisers


def test_each_part_decays_by_its_factor():
    model = small_model(
        code_latent(KeptAdversary(), posterior="hierarchical"),
        label_latent(Kept()),
        infers=True,
        has_heads=True,
    )
    step = step_of(model, weight_decay=0.5, decoder_decay_factor=3.0, adversary_decay_factor=4.0)
    decays = settings_of(step.optimizer, "weight_decay")
    decays |= settings_of(step.discriminator_optimizers["code"], "weight_decay")
    assert set(decays) == set(model.parameters())
    expected = {"encoder": 0.5, "posterior_networks": 0.5, "decoder": 1.5, "discriminators": 2.0}
    for name, parameter in model.named_parameters():
        decay = expected.get(name.split(".")[0], 0.0) if parameter.ndim > 1 else 0.0
        assert decays[parameter] == decay, name


def test_decay_is_that_of_the_encoder_everywhere_unless_told_otherwise():
    model = small_model(code_latent(KeptAdversary()))
    step = step_of(model, weight_decay=2.0)
    for optimizer in step.optimizers:
        assert set(settings_of(optimizer, "weight_decay").values()) == {0.0, 2.0}


def test_heads_move():
    model = small_model(code_latent(Kept()), label_latent(Kept()), infers=True, has_heads=True)
    before = model.heads.weight.detach().clone()
    step_of(model)(Batch(rows()))
    assert (model.heads.weight != before).all()


def test_the_autoencoder_has_momentum_and_discriminators_have_none():
    step = step_of(small_model(code_latent(KeptAdversary())))
    assert step.optimizers == [step.optimizer, step.discriminator_optimizers["code"]]
    first, second = step.optimizers
    assert {betas[0] for betas in settings_of(first, "betas").values()} == {0.5}
    assert {betas[0] for betas in settings_of(second, "betas").values()} == {0.0}


def test_only_adversaries_have_an_optimiser():
    model = small_model(code_latent(Kept()), label_latent(KeptAdversary()), infers=True)
    step = step_of(model, learning_rate=0.01)
    assert set(step.discriminator_optimizers) == {"label"}
    assert set(settings_of(step.optimizer, "lr").values()) == {0.01}
    rates = settings_of(step.discriminator_optimizers["label"], "lr")
    assert rates == dict.fromkeys(model.discriminators["label"].parameters(), 0.03)


def test_training_may_go_on_with_other_settings():
    model, x = small_model(code_latent(KeptAdversary())), rows()
    factors = {"decoder_decay_factor": 3.0, "adversary_decay_factor": 4.0}
    step, term = step_of(model, **factors), KeptTerm(4.0)
    step(Batch(x))
    moments = {key: value.clone() for key, value in step.moments().items()}
    step.adjust(
        divergence_weights=[7.0],
        learning_rate=0.02,
        weight_decay=0.5,
        input_noise=0.5,
        terms=iter([term]),
    )
    step.set_rate(0.5)
    assert all(torch.equal(value, moments[key]) for key, value in step.moments().items())
    first, second = step.optimizers
    assert set(settings_of(first, "lr").values()) == {0.01}
    assert set(settings_of(second, "lr").values()) == {0.015}
    assert set(settings_of(first, "weight_decay").values()) == {0.0, 0.5, 1.5}
    assert set(settings_of(second, "weight_decay").values()) == {0.0, 2.0}
    assert step.divergence_weights == [7.0]
    np.testing.assert_allclose(noise_of(step).std(), 0.25, rtol=0.05)
    assert term.view.x.shape == (4_000, 5)
