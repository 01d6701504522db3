"""A softmax before the last layer, whose outputs are means of anchors."""

import numpy as np
import pytest
import torch

from skaae._device import new_generator
from skaae._scoped_randomness import ScopedRandomness
from skaae.networks import MLP, LinearPathNetwork


def build(builder, n_inputs, n_outputs):
    with ScopedRandomness(new_generator(0)):
        return builder(n_inputs, n_outputs)


def test_outputs_are_means_of_anchors():
    network = build(MLP((8,), linear_path=False, n_anchors=5), 3, 2)
    x = 10.0 * torch.randn(40, 3, generator=new_generator(0))
    weights, last = network[:-1](x), network[-1]
    assert weights.shape == (40, 5)
    assert (weights > 0).all()
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(40))
    expected = torch.stack([w @ last.weight.T for w in weights]) + last.bias
    torch.testing.assert_close(network(x), expected)


def test_anchors_start_as_far_apart_as_codes_do():
    network = build(MLP((8,), linear_path=False, n_anchors=500), 3, 2)
    np.testing.assert_allclose(network[-1].weight.detach().std(dim=1), 1.0, atol=0.1)


def test_anchors_may_stand_beside_a_linear_path():
    network = build(MLP((8,), n_anchors=5), 3, 2)
    assert isinstance(network, LinearPathNetwork)
    x = torch.randn(4, 3, generator=new_generator(0))
    torch.testing.assert_close(network(x), network.network(x) + network.linear(x))


@pytest.mark.parametrize("n_anchors", [-1, 1, 1.5])
def test_a_number_of_anchors_is_no_other_number(n_anchors):
    with pytest.raises(ValueError, match="n_anchors"):
        MLP(n_anchors=n_anchors)(3, 2)
