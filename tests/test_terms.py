"""Terms of the objective, against their formulas."""

import dataclasses
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from skaae._device import new_generator
from skaae._latent import Latent
from skaae._model import AutoencoderModel, LabelRole
from skaae._scoped_randomness import ScopedRandomness
from skaae.divergences import MMD, MutualInformation
from skaae.networks import MLP
from skaae.posteriors import Deterministic, UniversalApproximator
from skaae.priors import Categorical, Normal
from skaae.training import Classification, Consistency, HeadDistance, Neighbors
from skaae.training._terms import View, _distances_to_nearest, _kept_statistics


def make_model(**changes):
    code = Latent.create(
        "code", 2, prior=Normal(), posterior=Deterministic(), divergence=MMD(), seed=0
    )
    label = Latent.create(
        "label",
        3,
        prior=Categorical(),
        posterior=changes.pop("posterior", Deterministic()),
        divergence=MutualInformation(),
        seed=0,
    )
    encoder = MLP((8,), linear_path=False, batch_norm=changes.pop("batch_norm", False))
    role = LabelRole(infers=True, **changes)
    with ScopedRandomness(new_generator(0)):
        return AutoencoderModel(4, (code, label), encoder=encoder, decoder=MLP((8,)), role=role)


def view(model, x, y=None):
    generator = new_generator(0)
    samples = model.encode(x, generator)
    return View(model, x, x, samples, y, generator, lambda device_type: nullcontext())


@pytest.fixture
def x():
    return torch.randn(20, 4, generator=new_generator(1))


@pytest.mark.parametrize("known", [{0: 0, 1: 2, 3: 1}, {4: 0}, {2: 0, 7: 0}, {5: 1}])
def test_classification_averages_over_labeled_rows(x, known):
    model, y = make_model(), torch.full((20,), -1)
    y[list(known)] = torch.tensor(list(known.values()))
    logits = model.label_logits(x, new_generator(0))
    expected = functional.cross_entropy(logits[list(known)], torch.tensor(list(known.values())))
    torch.testing.assert_close(Classification(1.0)(view(model, x, y)), expected)


def test_classification_of_rows_without_labels_is_zero(x):
    y = torch.full((20,), -1)
    assert Classification(1.0)(view(make_model(), x, y)) == 0.0


def test_the_direction_is_sought_at_the_size_that_rows_differ_by(x, monkeypatch):
    """At a smaller one it is what changes labels at once, and wrong labels stay wrong."""
    shifts = []
    divergence = Consistency._divergence

    def spied(view, log_p, shift):
        shifts.append(shift.detach())
        return divergence(view, log_p, shift)

    monkeypatch.setattr(Consistency, "_divergence", staticmethod(spied))
    here = view(make_model(), x)
    Consistency(1.0, radius=0.4)(here)
    probe, move = (shift / _distances_to_nearest(x) for shift in shifts)
    torch.testing.assert_close(move.norm(dim=1), torch.full((20,), 0.4))
    assert 0.12 < probe.std() < 0.18


def test_the_direction_is_the_slope_where_noise_leads(x, monkeypatch):
    """Against the gradient of the divergence at noise of the view's own generator."""
    shifts = []
    divergence = Consistency._divergence

    def spied(view, log_p, shift):
        shifts.append(shift)
        return divergence(view, log_p, shift)

    monkeypatch.setattr(Consistency, "_divergence", staticmethod(spied))
    model, x = make_model().double(), x.double()
    here = view(model, x)
    before = here.generator.get_state()
    found = Consistency(1.0, radius=0.4)(here)
    here.generator.set_state(before)
    noise = torch.randn(20, 4, dtype=torch.float64, generator=here.generator)
    probe, move = shifts
    nearest = _distances_to_nearest(x)
    share = probe.detach() / (nearest * noise)
    torch.testing.assert_close(share, share[:1, :1].expand(20, 4))
    q = model.label_logits(x, None).detach().softmax(dim=1)
    probe = probe.detach().requires_grad_(True)
    kl = (q * (q.log() - model.label_logits(x + probe, None).log_softmax(dim=1))).sum(dim=1)
    (slope,) = torch.autograd.grad(kl.mean(), probe)
    expected = 0.4 * nearest * slope / slope.norm(dim=1, keepdim=True)
    torch.testing.assert_close(move, expected)
    kl = (q * (q.log() - model.label_logits(x + move, None).log_softmax(dim=1))).sum(dim=1)
    torch.testing.assert_close(found, kl.mean())


def test_rows_that_are_not_data_run_in_the_precision_of_the_networks(x):
    asked_for = []

    def autocast(device_type):
        asked_for.append(device_type)
        return torch.autocast(device_type, torch.bfloat16)

    model, seen = make_model(), []
    model.encoder.register_forward_hook(lambda *call: seen.append(call[-1].dtype))
    dataclasses.replace(view(model, x), autocast=autocast).label_logits_of(x)
    assert asked_for == ["cpu"]
    assert seen == [torch.float32, torch.bfloat16]


def test_an_encoder_with_noise_takes_it_from_the_generator_of_the_step(x, global_states):
    model, before = make_model(posterior=UniversalApproximator()), global_states()
    found = [Consistency(1.0, radius=0.5)(view(model, x)).item() for _ in range(2)]
    assert found[0] == found[1]
    assert global_states() == before


@pytest.mark.parametrize(
    "term",
    [Classification(0.7), Consistency(0.7, 0.1), Neighbors(0.7), HeadDistance(0.7, 4.0)],
    ids=lambda term: term.name,
)
def test_a_term_knows_its_weight(term):
    assert term.weight == 0.7


def test_consistency_is_the_worst_of_many_moves(x):
    """The move that is found changes labels more than random moves of its length."""
    model = make_model().double()
    for parameter in model.encoder.parameters():
        nn.init.normal_(parameter, generator=new_generator(2))
    here, term = view(model, x.double()), Consistency(1.0, radius=0.05)
    found = term(here)
    log_p = here.label_logits.detach().log_softmax(dim=1)
    radii = term.radius * _distances_to_nearest(here.x)
    random = [
        term._divergence(
            here,
            log_p,
            radii * functional.normalize(torch.randn(20, 4, generator=new_generator(seed)), dim=1),
        ).item()
        for seed in range(50)
    ]
    assert found.item() > 0.8 * max(random)
    assert found.item() > 1.5 * np.mean(random)


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_copies_are_not_the_nearest_row(unit):
    # They would leave no room to move in at all.
    distances = _distances_to_nearest(unit * torch.tensor([[0.0], [1.0], [4.0], [4.002]]))
    expected = unit * torch.tensor([1.0, 1.0, 3.0, 3.002])
    torch.testing.assert_close(distances, expected[:, None])


def test_noise_on_copies_does_not_make_them_the_nearest_row(x):
    rows = torch.cat([x, x])
    noise = 1e-2 * torch.randn(rows.shape, generator=new_generator(2))
    model = make_model(batch_norm=True)
    here, noisy = view(model, rows), view(model, rows + noise)
    noisy = dataclasses.replace(noisy, rows=rows)
    term = Consistency(1.0, radius=0.5)
    assert term(noisy).item() == pytest.approx(term(here).item(), rel=0.2)


def test_a_single_row_does_not_move():
    assert _distances_to_nearest(torch.ones(1, 3)) == 0.0
    x = torch.ones(1, 4)
    assert Consistency(1.0, radius=0.5)(view(make_model(), x)) == 0.0


def test_moved_rows_leave_running_statistics_alone(x):
    model = make_model(batch_norm=True)
    here = view(model, x)
    before = {name: value.clone() for name, value in model.encoder.named_buffers()}
    Consistency(1.0, radius=0.5)(here)
    for name, value in model.encoder.named_buffers():
        if "running" in name:
            torch.testing.assert_close(value, before[name])
    with _kept_statistics(model.encoder):
        pass
    assert {m.momentum for m in model.encoder.modules() if isinstance(m, nn.BatchNorm1d)} == {0.1}


def test_heads_pay_for_what_their_distance_lacks(x):
    model = make_model(has_heads=True)
    with torch.no_grad():
        model.heads.weight.copy_(torch.tensor([[0.1, 0.2], [0.13, 0.2], [0.1, 1.1]]))
    assert (model.heads.positions[1, 0] - model.heads.positions[0, 0]).item() == pytest.approx(0.3)
    # Distances 0.3, 9 and 9.005: only the first falls short of 4.
    torch.testing.assert_close(HeadDistance(1.0, 4.0)(view(model, x)), torch.tensor(3.7))


def test_heads_shift_the_code(x):
    model = make_model(has_heads=True)
    code, labels = model.mean_codes(x)
    torch.testing.assert_close(model.code_of(x), code + labels @ model.heads.positions)
    torch.testing.assert_close(model.decode_codes([code, labels]), model.decode(model.code_of(x)))


def test_neighbours_are_told_from_the_rest_of_the_batch(x):
    """Against the formula, a pair at a time; rows drawn for labels between them play no part."""
    model = make_model()
    codes = model.encode(x, new_generator(0))[0].codes
    here = dataclasses.replace(view(model, x), n_pairs=6)
    rows, beside = codes[:6].detach(), codes[-6:].detach()
    q = [[1 / (1 + 100 * float((a - b).square().sum())) for b in beside] for a in rows]
    q = np.array(q)
    own = np.diag(q)
    expected = -np.mean(np.log(own / q.sum(axis=1)) + np.log(own / q.sum(axis=0))) / 2
    assert Neighbors(1.0)(here).item() == pytest.approx(expected, rel=1e-4)


def test_without_neighbours_and_places_there_is_nothing_to_pull(x):
    found = Neighbors(1.0)(view(make_model(), x))
    assert (found.shape, found.item()) == ((), 0.0)


def test_codes_that_coincide_have_a_gradient():
    codes = torch.zeros(8, 2, requires_grad=True)
    here = dataclasses.replace(view(make_model(), torch.zeros(8, 4)), n_pairs=4)
    here.samples[0] = dataclasses.replace(here.samples[0], codes=codes)
    Neighbors(1.0)(here).backward()
    assert torch.isfinite(codes.grad).all()


def test_codes_are_pulled_to_their_places(x):
    model = make_model()
    places = torch.randn(20, 2, generator=new_generator(3))
    here = dataclasses.replace(view(model, x), places=places)
    codes = here.samples[0].codes.detach().double().numpy()
    apart = np.linalg.norm(codes - places.double().numpy(), axis=1)
    expected = np.log(1.0 + (5.0 * apart) ** 2).mean()
    assert Neighbors(1.0)(here).item() == pytest.approx(expected, rel=1e-5)
