"""The step, the loop, the batches and where training starts."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from step_cases import step_of
from torch import nn

from skaae import AdversarialAutoencoder
from skaae._device import new_generator
from skaae._latent import Latent
from skaae._model import AutoencoderModel
from skaae._scoped_randomness import ScopedRandomness
from skaae.divergences import DIVERGENCES, as_divergence
from skaae.losses import as_loss
from skaae.networks import MLP
from skaae.posteriors import as_posterior
from skaae.priors import as_prior
from skaae.training import (
    Batch,
    Budget,
    EarlyStopping,
    ResidentBatches,
    held_out_rows,
    principal_components,
    run,
    start_at_principal_components,
)


def make_model(
    n_features=6,
    n_components=2,
    divergence="jensen_shannon",
    posterior="deterministic",
    prior="normal",
):
    latent = Latent.create(
        "code",
        n_components,
        prior=as_prior(prior),
        posterior=as_posterior(posterior),
        divergence=as_divergence(divergence),
        seed=0,
    )
    with ScopedRandomness(new_generator(0)):
        return AutoencoderModel(n_features, (latent,), encoder=MLP((8,)), decoder=MLP((8,)))


@pytest.fixture
def rows():
    return torch.randn(64, 6, generator=new_generator(1))


# ---------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize(("n_rows", "batch_size"), [(64, 16), (65, 16), (7, 16), (100, 30)])
def test_batches_are_equal_and_no_row_comes_twice(n_rows, batch_size):
    rows = torch.arange(n_rows, dtype=torch.float32)[:, None]
    batches = list(ResidentBatches(rows, batch_size, new_generator(0)))
    assert len({len(batch.x) for batch in batches}) == 1
    seen = torch.cat([batch.x for batch in batches]).flatten()
    assert len(seen.unique()) == len(seen) > n_rows - len(batches)


def test_passes_come_in_different_orders():
    batches = ResidentBatches(torch.arange(32.0)[:, None], 32, new_generator(0))
    (first,), (second,) = list(batches), list(batches)
    assert not torch.equal(first.x, second.x)


def test_labeled_rows_are_drawn_on_top_where_there_are_few():
    y = torch.full((1000,), -1)
    y[:10] = torch.arange(10)
    rows = torch.arange(1000.0)[:, None]
    batches = list(ResidentBatches(rows, 100, new_generator(0), y=y, least_labeled=16))
    for batch in batches:
        assert (len(batch.x), batch.n_extra, batch.n_fair) == (115, 15, 100)
        assert (batch.y[batch.n_fair :] >= 0).all()
        assert (y[batch.x[:, 0].long()] == batch.y).all()
    fair = torch.cat([batch.x[: batch.n_fair] for batch in batches])
    assert len(fair.unique()) == 1000


def test_no_rows_are_added_where_labels_abound():
    y = torch.zeros(100, dtype=torch.long)
    batches = ResidentBatches(torch.zeros(100, 1), 50, new_generator(0), y=y, least_labeled=16)
    assert {batch.n_extra for batch in batches} == {0}


# ------------------------------------------------------------------------------------------- step


def start(model, loss, rows):
    pca = principal_components(rows, model.n_components, seed=0)
    start_at_principal_components(model, loss, rows, pca)


def first_gradient(optimizer, parameter):
    """Return the gradient of an optimiser's only step so far, as its first moment has it."""
    return optimizer.state[parameter]["exp_avg"] / (1 - optimizer.param_groups[0]["betas"][0])


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_a_step_moves_encoder_and_decoder(rows, divergence):
    posterior = "gaussian" if divergence == "posterior_kl" else "deterministic"
    prior = "categorical" if divergence == "mutual_information" else "normal"
    model = make_model(divergence=divergence, posterior=posterior, prior=prior)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    losses = step_of(model)(Batch(rows))
    assert all(torch.isfinite(value) for value in losses.values())
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters())]
    # A network that starts at zero behind a linear path moves its last layer first.
    assert sum(moved) > len(moved) / 2


def test_the_joint_objective_does_not_reach_the_discriminator(rows):
    """The encoder's loss runs through the discriminator; its weights' gradients are their own."""
    model = make_model()
    step = step_of(model, learning_rate=1e-12)
    codes = model.encode(rows, new_generator(0))[0].codes.detach()
    prior_codes = model.latents[0].sample_prior(64, new_generator(0))
    discriminator = model.discriminators["code"]
    loss = model.latents[0].divergence.discriminator_loss(
        codes, prior_codes, discriminator, generator=new_generator(0)
    )
    expected = torch.autograd.grad(loss, list(discriminator.parameters()))
    step(Batch(rows))  # draws the same prior codes first: its generator has the same seed
    optimizer = step.discriminator_optimizers["code"]
    for parameter, gradient in zip(discriminator.parameters(), expected):
        torch.testing.assert_close(first_gradient(optimizer, parameter), gradient)


def test_the_discriminator_steps_as_often_as_it_is_told(rows):
    model = make_model(divergence=DIVERGENCES["jensen_shannon"](n_discriminator_steps=3))
    step = step_of(model)
    step(Batch(rows))
    state = step.discriminator_optimizers["code"].state
    assert {int(entry["step"]) for entry in state.values()} == {3}


def test_weight_zero_leaves_reconstruction_alone(rows):
    """Without the divergence the encoder's gradient is that of plain reconstruction."""
    model = make_model()
    nn.init.normal_(model.encoder.network[-1].weight, generator=new_generator(3))
    expected = torch.autograd.grad(
        0.5 * (model.decode(model.encoder(rows)) - rows).square().sum(dim=1).mean(),
        list(model.encoder.parameters()),
    )
    step = step_of(model, divergence_weights=[0.0], learning_rate=1e-12)
    step(Batch(rows))
    for parameter, gradient in zip(model.encoder.parameters(), expected):
        torch.testing.assert_close(first_gradient(step.optimizer, parameter), gradient)


def test_frozen_parameters_stay(rows):
    model = make_model()
    model.encoder.requires_grad_(False)
    before = [parameter.clone() for parameter in model.encoder.parameters()]
    step_of(model)(Batch(rows))
    assert all(torch.equal(a, b) for a, b in zip(before, model.encoder.parameters()))


@pytest.mark.parametrize("learning_rate", [1e-3, 0.1])
def test_decay_never_takes_more_than_a_tenth_of_a_weight(rows, learning_rate):
    """The decay is divided by the number of rows, which may be 2."""
    step = step_of(make_model(), weight_decay=500.0, learning_rate=learning_rate)
    for group in step.optimizer.param_groups:
        assert group["weight_decay"] * learning_rate <= 0.1


def test_linear_paths_and_biases_do_not_decay(rows):
    model = make_model()
    step = step_of(model, weight_decay=100.0, learning_rate=1e-3)
    decays = {
        id(parameter): group["weight_decay"]
        for group in step.optimizer.param_groups
        for parameter in group["params"]
    }
    assert decays[id(model.encoder.linear.weight)] == 0.0
    assert decays[id(model.encoder.network[0].bias)] == 0.0
    assert decays[id(model.encoder.network[0].weight)] == 100.0


# ------------------------------------------------------------------------------------------- loop


class CountingStep:
    """A step with one weight, which counts its calls."""

    def __init__(self):
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.model.weight)
        self.rates = []
        self.n_forgotten = 0

    def forget(self):
        self.n_forgotten += 1

    def is_sound(self, batch):
        return bool(self.model.weight.isfinite().all())

    def set_rate(self, factor):
        self.rates.append(factor)

    def __call__(self, x):
        with torch.no_grad():
            self.model.weight += 1.0
        return {"reconstruction": x.mean()}


def test_the_history_averages_over_batches():
    batches = [torch.tensor([1.0]), torch.tensor([3.0])]
    outcome = run(CountingStep(), batches, Budget(3, 2))
    assert [entry["reconstruction"] for entry in outcome.history] == [2.0, 2.0, 2.0]


def test_the_rate_warms_up_and_falls_to_zero():
    step = CountingStep()
    run(step, [torch.ones(1)] * 10, Budget(100, 10))
    rates = np.array(step.rates)
    assert rates[0] == pytest.approx(0.01, rel=0.01)
    assert rates[100:].max() == rates[100]
    assert (np.diff(rates[100:]) < 0).all()
    # Half a cosine: at the middle of the budget half the rate.
    assert rates[500] == pytest.approx(0.5)
    assert rates[-1] < 1e-4


def test_a_single_pass_keeps_the_rate():
    step = CountingStep()
    run(step, [torch.ones(1)] * 5, Budget.one_pass(5))
    assert step.rates == [1.0] * 5


def test_stopping_restores_the_best_state():
    step = CountingStep()
    criteria = iter([3.0, 1.0, 2.0, 2.0, 2.0, 0.0])
    outcome = run(
        step,
        [torch.ones(1)] * 50,
        Budget(6, 50),
        look=lambda: {"criterion": next(criteria)},
        stopping=EarlyStopping(n_iter_no_change=3, tol=0.1),
    )
    assert len(outcome.history) == 5
    assert outcome.best_epoch == 2
    assert float(step.model.weight.detach()) == 100.0


def test_looks_are_fifty_steps_apart_at_least():
    outcome = run(
        CountingStep(), [torch.ones(1)] * 20, Budget(7, 20), look=lambda: {"criterion": 0.0}
    )
    looked = [entry["epoch"] for entry in outcome.history if "criterion" in entry]
    assert looked == [3, 6, 7]


# ------------------------------------------------------------------------------------------ start


def test_training_starts_at_principal_components(rows):
    rows = rows @ torch.diag(torch.tensor([5.0, 3.0, 1.0, 0.5, 0.2, 0.1])) + 1.0
    model = make_model()
    start_at_principal_components(
        model, as_loss("squared_error"), rows, principal_components(rows, 2, seed=0)
    )
    pca = PCA(2, whiten=True).fit(rows.numpy())
    expected = pca.transform(rows.numpy())
    codes = model.mean_codes(rows)[0].detach().numpy()
    assert np.abs(codes) == pytest.approx(np.abs(expected), abs=1e-4)
    restored = model.decode(torch.as_tensor(codes)).detach().numpy()
    assert restored == pytest.approx(pca.inverse_transform(expected), abs=1e-4)


@pytest.mark.parametrize("posterior", ["gaussian", "universal", "hierarchical"])
def test_posteriors_with_more_outputs_start_at_principal_components_too(rows, posterior):
    model = make_model(divergence="mmd", posterior=posterior)
    start_at_principal_components(
        model, as_loss("squared_error"), rows, principal_components(rows, 2, seed=0)
    )
    outputs = model._outputs(rows, [torch.zeros(64, n) for n in model._n_noise if n])[0][:, :2]
    expected = PCA(2, whiten=True).fit_transform(rows.numpy())
    assert np.abs(outputs.detach().numpy()) == pytest.approx(np.abs(expected), abs=1e-4)


def test_the_start_survives_rows_that_span_fewer_dimensions(rows):
    rows = rows[:, :1].expand(-1, 6).contiguous()
    model = make_model(n_components=4)
    start_at_principal_components(
        model, as_loss("squared_error"), rows, principal_components(rows, 2, seed=0)
    )
    assert torch.isfinite(model.mean_codes(rows)[0]).all()


def test_bernoulli_starts_at_the_mean_row():
    rows = torch.rand(500, 6, generator=new_generator(0)) ** 3
    model = make_model()
    loss = as_loss("bernoulli")
    start(model, loss, rows)
    decoded = loss.mean(model.decode(torch.zeros(1, 2))).detach()
    torch.testing.assert_close(decoded[0], rows.mean(dim=0))


# ------------------------------------------------------------------------------- what it achieves


@pytest.mark.parametrize("divergence", [n for n, case in DIVERGENCES.items() if case.of_samples])
def test_codes_of_held_out_rows_meet_the_prior(divergence):
    """A curved sheet in five dimensions, mapped to N(0, I) by every divergence on samples."""
    generator = np.random.default_rng(0)
    sheet = generator.uniform(-1, 1, size=(1500, 2))
    lift = np.c_[sheet, sheet**2, sheet[:, :1] * sheet[:, 1:]]
    rows = lift + 0.05 * generator.normal(size=lift.shape)
    model = AdversarialAutoencoder(
        divergence=divergence,
        hidden_layer_sizes=(32,),
        learning_rate=3e-3,
        max_iter=40,
        random_state=0,
    ).fit(rows[:1000])
    from skaae.metrics import prior_match

    assert prior_match(model, rows[1000:], random_state=0).ratio < 2.0


# ------------------------------------------------------------------------------ rows held out


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(
    ("y", "needed"),
    [
        (np.where(np.arange(4000) % 4 == 0, np.arange(4000) % 3, -1), np.arange(0, 4000, 4)),
        (np.where(np.arange(4000) == 17, 1, 0), [17]),
        (np.where(np.arange(4000) == 17, 1, np.where(np.arange(4000) % 3, 0, -1)), [17]),
    ],
    ids=["few labels", "one row of a class", "one row of a class, some unlabelled"],
)
@pytest.mark.parametrize("seed", range(3))
def test_rows_whose_labels_are_needed_are_not_held_out(y, needed, early_stopping, seed):
    x, y = torch.zeros(4000, 1), torch.as_tensor(y)
    train, held_out = held_out_rows(x, 0.6, seed=seed, early_stopping=early_stopping, y=y)
    assert set(needed) <= set(train.tolist())
    assert sorted([*train.tolist(), *held_out.tolist()]) == list(range(4000))
    assert len(held_out) == (2400 if early_stopping else 1000)


def test_no_rows_are_held_out_where_all_are_needed():
    x, y = torch.zeros(2500, 1), torch.arange(2500)
    train, held_out = held_out_rows(x, 0.1, seed=0, early_stopping=False, y=y)
    assert len(train) == 2500
    assert held_out is None
    with pytest.raises(ValueError, match=r"leaves 0 of 2500 rows.*labels are needed"):
        held_out_rows(x, 0.1, seed=0, early_stopping=True, y=y)
