import pytest
import torch
from torch.autograd import forward_ad

from skaae._sorting import order_of_columns, sorted_columns

FLOATS = [torch.float32, torch.float64, torch.bfloat16]


@pytest.fixture(params=FLOATS, ids=str)
def x(request):
    return torch.randn(300, 7, generator=torch.Generator().manual_seed(0)).to(request.param)


def test_columns_are_in_ascending_order(x):
    found = sorted_columns(x)
    assert found.dtype == x.dtype
    assert (found.diff(dim=0) >= 0).all()
    for column, ordered in zip(x.T, found.T):
        assert sorted(column.tolist()) == ordered.tolist()


def test_the_order_is_that_of_the_values(x):
    assert torch.equal(x.gather(0, order_of_columns(x)), sorted_columns(x))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_where_torch_has_them(x, value):
    x[5] = value
    assert torch.equal(sorted_columns(x).isnan(), x.sort(dim=0).values.isnan())
    assert torch.equal(sorted_columns(x).isinf(), x.sort(dim=0).values.isinf())


def test_gradients_go_where_the_values_came_from(x):
    x.requires_grad_()
    weights = torch.arange(float(x.numel())).view(x.shape).to(x.dtype)
    (found,) = torch.autograd.grad((sorted_columns(x) * weights).sum(), x)
    # The weight of a value is that of its rank.
    ranks = (x.T[:, :, None] > x.T[:, None, :]).sum(dim=2).T
    free_of_ties = torch.tensor([[len(set(column.tolist())) == len(column)] for column in x.T]).T
    expected = weights.gather(0, ranks)
    assert torch.equal(found[:, free_of_ties[0]], expected[:, free_of_ties[0]])
    assert x.dtype == torch.bfloat16 or free_of_ties.all()


def test_without_gradients_there_is_no_graph(x):
    x.requires_grad_()
    with torch.no_grad():
        assert not sorted_columns(x).requires_grad


@pytest.mark.parametrize("n_columns", [0, 1, 3])
def test_what_is_sorted_stays_as_it_was(n_columns):
    x = torch.arange(5.0).flip(0)[:, None].repeat(1, n_columns)
    before = x.clone()
    assert torch.equal(sorted_columns(x), before.flip(0))
    assert torch.equal(x, before)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # of PyTorch's own use
def test_tangents_go_where_the_values_came_from():
    x = torch.tensor([[3.0], [1.0], [2.0]])
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, torch.tensor([[30.0], [10.0], [20.0]]))
        tangent = forward_ad.unpack_dual(sorted_columns(dual)).tangent
    assert tangent.flatten().tolist() == [10.0, 20.0, 30.0]


def test_functions_that_sort_may_be_transformed():
    x = torch.tensor([[3.0], [1.0], [2.0]])
    weights = torch.tensor([[10.0], [20.0], [30.0]])
    gradient = torch.func.grad(lambda x: (weights * sorted_columns(x)).sum())(x)
    assert gradient.flatten().tolist() == [30.0, 10.0, 20.0]
    several = torch.func.vmap(sorted_columns)(torch.stack([x, -x]))
    assert several.squeeze().tolist() == [[1.0, 2.0, 3.0], [-3.0, -2.0, -1.0]]
