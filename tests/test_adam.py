import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from skaae._model import ClusterHeads
from skaae.networks import MLP
from skaae.training._adam import Adam

BETAS = (0.5, 0.99)


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.ReLU(), nn.Linear(5, 3))


def loss_of(model, step):
    x = torch.randn(7, 6, generator=torch.Generator().manual_seed(step))
    return (model(x) - x[:, :3]).square().mean()


@pytest.mark.parametrize("kind", ["plain", "fused"])
def test_steps_are_those_of_the_optimiser_of_pytorch(kind):
    """Bit for bit where that one takes the same kernel."""
    ours, theirs = network(), network()
    adam = Adam({ours: 1.0}, 0.01, 0.5, BETAS)
    matrices = [p for p in theirs.parameters() if p.ndim > 1]
    vectors = [p for p in theirs.parameters() if p.ndim == 1]
    reference = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.5}, {"params": vectors, "weight_decay": 0.0}],
        lr=0.01,
        betas=BETAS,
        fused=kind == "fused",
    )
    for step in range(10):
        adam.descend(loss_of(ours, step))
        reference.zero_grad()
        loss_of(theirs, step).backward()
        reference.step()
    for mine, other in zip(ours.parameters(), theirs.parameters()):
        if kind == "fused":
            assert torch.equal(mine, other)
        torch.testing.assert_close(mine, other)


def test_parameters_that_a_loss_leaves_out_have_steps_of_their_own():
    """As where only some batches have labels."""
    ours, theirs = nn.ModuleList([network(), network()]), nn.ModuleList([network(), network()])
    adam = Adam({ours: 1.0}, 0.01, 0.0, BETAS)
    reference = torch.optim.AdamW(
        theirs.parameters(), lr=0.01, betas=BETAS, weight_decay=0.0, fused=True
    )

    def loss(models, step):
        return sum(loss_of(model, step) for model in models[: 1 + step % 2])

    for step in (1, 1, 0, 0, 1, 0, 1):
        adam.descend(loss(ours, step))
        reference.zero_grad()
        loss(theirs, step).backward()
        reference.step()
    for mine, other in zip(ours.parameters(), theirs.parameters()):
        assert torch.equal(mine, other)
        assert adam.state[mine]["step"] == reference.state[other]["step"]


def test_moments_that_are_taken_away_or_put_back_count():
    model, fresh = network(), network()
    adam = Adam({model: 1.0}, 0.01, 0.0, BETAS)
    adam.descend(loss_of(model, 0))
    kept = {
        p: {key: value.clone() for key, value in state.items()} for p, state in adam.state.items()
    }
    weights = copy.deepcopy(model.state_dict())
    adam.descend(loss_of(model, 1))
    after = copy.deepcopy(model.state_dict())

    adam.state.clear()
    adam.state.update(kept)
    model.load_state_dict(weights)
    adam.descend(loss_of(model, 1))
    assert all(torch.equal(value, after[name]) for name, value in model.state_dict().items())

    adam.state.clear()
    model.load_state_dict(fresh.state_dict())
    adam.descend(loss_of(model, 0))
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_a_copy_goes_on_alike():
    model = network()
    adam = Adam({model: 1.0}, 0.01, 0.5, BETAS)
    adam.descend(loss_of(model, 0))
    again = network()
    again.load_state_dict(copy.deepcopy(model.state_dict()))
    copied = Adam({again: 1.0}, 0.01, 0.5, BETAS)
    copied.load_state_dict(copy.deepcopy(adam.state_dict()))
    for m, optimizer in ((model, adam), (again, copied)):
        optimizer.descend(loss_of(m, 1))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))


def test_gradients_may_lie_in_memory_otherwise_than_parameters():
    """The gradient of a transposed weight is the transpose of one."""
    weight = torch.arange(6.0).reshape(2, 3)
    straight, turned = nn.ParameterList([weight.clone()]), nn.ParameterList([weight.clone()])
    target = torch.tensor([[1.0, -2.0], [0.0, 3.0], [5.0, 1.0]])
    Adam({straight: 1.0}, 0.1, 0.0, BETAS).descend((straight[0] * target.T.contiguous()).sum())
    Adam({turned: 1.0}, 0.1, 0.0, BETAS).descend((turned[0].T * target).sum())
    assert torch.equal(straight[0], turned[0])
    assert not torch.equal(straight[0], weight)


def test_what_the_loss_does_not_depend_on_stays_and_gets_no_gradient():
    used, unused, other = network(), network(), network()
    adam = Adam({used: 1.0, unused: 1.0}, 0.01, 0.5, BETAS)
    adam.descend(loss_of(used, 0) + loss_of(other, 0))
    fresh = network()
    assert all(torch.equal(a, b) for a, b in zip(unused.parameters(), fresh.parameters()))
    assert all(parameter.grad is None for parameter in other.parameters())
    assert not torch.equal(used[0].weight, fresh[0].weight)


def test_moments_of_a_dead_unit_skip_the_numbers_that_are_slow():
    """They halve from step to step, until 126 steps later they would be subnormal."""
    model = network()
    adam = Adam({model: 1.0}, 0.01, 0.0, BETAS)
    adam.descend(loss_of(model, 0))
    tiny = torch.finfo(torch.float32).tiny
    for _ in range(160):
        adam.descend(0.0 * loss_of(model, 0))
        moments = [adam.state[p]["exp_avg"].abs() for p in model.parameters()]
        assert all(bool(((m == 0.0) | (m >= tiny)).all()) for m in moments)
    assert all(bool((m == 0.0).all()) for m in moments)


def test_moments_that_are_not_finite_stay_so():
    model = network()
    adam = Adam({model: 1.0}, 0.01, 0.0, BETAS)
    for _ in range(30):
        adam.descend(torch.nan * loss_of(model, 0))
    assert all(bool(adam.state[p]["exp_avg"].isnan().all()) for p in model.parameters())


def test_nothing_to_train_is_no_error():
    frozen = network().requires_grad_(False)
    Adam({frozen: 1.0}, 0.01, 0.5, BETAS).descend(torch.tensor(1.0))


def test_linear_paths_and_biases_do_not_decay():
    model = MLP((4,))(6, 3)
    adam = Adam({model: 1.0}, 0.01, 0.5, BETAS)
    decayed = {id(p) for p in adam.param_groups[0]["params"]}
    named = {name for name, p in model.named_parameters() if id(p) in decayed}
    assert named == {n for n, p in model.named_parameters() if p.ndim > 1 and "linear" not in n}
    assert len(named) == 2


@pytest.mark.parametrize(("asked", "expected"), [(0.5, 0.5), (1000.0, 10.0)])
def test_a_step_takes_a_tenth_of_a_weight_at_most(asked, expected):
    adam = Adam({network(): 1.0}, 0.01, asked, BETAS)
    assert [group["weight_decay"] for group in adam.param_groups] == [expected, 0.0]


def test_a_later_decay_takes_a_tenth_at_most_too():
    adam = Adam({network(): 1.0}, 0.01, 0.5, BETAS)
    for asked, expected in ((0.25, 0.25), (1000.0, 10.0)):
        adam.set_decay(asked)
        assert [group["weight_decay"] for group in adam.param_groups] == [expected, 0.0]


def test_each_part_has_its_factor_and_heads_have_none():
    first, second, heads = network(), network(), ClusterHeads(3, 2)
    model = nn.ModuleList([first, second, heads])
    adam = Adam({first: 1.0, second: 3.0, heads: 2.0}, 0.01, 0.5, BETAS)
    decays = {
        parameter: group["weight_decay"]
        for group in adam.param_groups
        for parameter in group["params"]
    }
    assert set(decays) == set(model.parameters())
    for part, decay in ((first, 0.5), (second, 1.5), (heads, 0.0)):
        for parameter in part.parameters():
            assert decays[parameter] == (decay if parameter.ndim > 1 else 0.0)


def test_rates_are_shares_of_the_first_one():
    ours, theirs = network(), network()
    adam = Adam({ours: 1.0}, 0.02, 0.0, BETAS)
    reference = torch.optim.Adam(theirs.parameters(), lr=0.02, betas=BETAS)
    for step, factor in enumerate((0.5, 0.5, 0.1, 1.0)):
        adam.set_rate(factor)
        reference.param_groups[0]["lr"] = factor * 0.02
        adam.descend(loss_of(ours, step))
        reference.zero_grad()
        loss_of(theirs, step).backward()
        reference.step()
    for mine, other in zip(ours.parameters(), theirs.parameters()):
        torch.testing.assert_close(mine, other)


def test_a_fit_imports_no_compiler():
    """It has 800 modules, which take longer than many a fit."""
    program = (
        "import sys, warnings; warnings.simplefilter('ignore'); import numpy as np; "
        "from skaae import AdversarialAutoencoder; X = np.eye(9); "
        "model = AdversarialAutoencoder(2, hidden_layer_sizes=(4,), max_iter=1).fit(X); "
        "model.inverse_transform(model.transform(X)); model.sample(2); "
        "print('torch._dynamo' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.strip() == "False", found.stderr
