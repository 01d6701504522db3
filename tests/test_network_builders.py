"""What users' builders and modules are checked for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from skaae.networks import (
    build_network,
    runs_in_double,
)


def test_any_callable_builds():
    network = build_network(nn.Linear, 4, 2, "encoder")
    assert network(torch.zeros(3, 4)).shape == (3, 2)


@pytest.mark.parametrize("n_outputs", [2, 3])
def test_wrong_number_of_outputs_names_expected_and_got(n_outputs):
    message = rf"decoder.*to \(2, 5\), but answered \(2, {n_outputs}\)"
    with pytest.raises(ValueError, match=message):
        build_network(lambda *_: nn.Linear(4, n_outputs), 4, 5, "decoder")


def test_wrong_number_of_inputs_names_the_columns():
    with pytest.raises(ValueError, match="encoder: the network failed on rows of 4 columns"):
        build_network(lambda *_: nn.Linear(3, 2), 4, 2, "encoder")


def test_answer_of_further_dimensions_is_an_error():
    with pytest.raises(ValueError, match=r"to \(2, 4\), but answered \(2, 1, 4\)"):
        build_network(lambda *_: nn.Unflatten(1, (1, 4)), 4, 4, "encoder")


def test_answer_that_is_no_tensor_is_named():
    with pytest.raises(ValueError, match="but answered tuple"):
        build_network(lambda *_: nn.LSTM(4, 2), 4, 2, "encoder")


@pytest.mark.parametrize("answer", [None, torch.relu, nn.Linear], ids=["None", "function", "class"])
def test_builder_of_something_else_than_a_module_is_a_type_error(answer):
    with pytest.raises(TypeError, match=r"encoder: expected the builder to return a torch.nn.Mod"):
        build_network(lambda *_: answer, 4, 2, "encoder")


def test_module_is_copied():
    module = nn.Linear(4, 2)
    before = module.weight.detach().clone()
    network = build_network(module, 4, 2, "encoder")
    with torch.no_grad():
        network.weight += 1.0
    assert torch.equal(module.weight, before)
    assert torch.equal(network.weight, before + 1.0)


def test_check_leaves_running_statistics_and_mode_alone():
    module = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2))
    network = build_network(module, 4, 2, "encoder")
    assert network.training
    assert network[1].num_batches_tracked == 0


def test_check_runs_in_the_dtype_of_the_network():
    network = build_network(nn.Linear(4, 2).double(), 4, 2, "encoder")
    assert network.weight.dtype == torch.float64


def test_network_without_parameters_is_checked_too():
    assert isinstance(build_network(nn.Identity(), 4, 4, "encoder"), nn.Identity)
    with pytest.raises(ValueError, match=r"answered \(2, 4\)"):
        build_network(nn.Identity(), 4, 2, "encoder")


class Making(nn.Linear):
    """A network that makes a tensor on its way, without a word of where."""

    def forward(self, x):
        return super().forward(x) + torch.ones(1)


def test_network_is_checked_where_it_lies_also_while_others_are_shapes_only():
    network = Making(3, 2)
    with torch.device("meta"):
        assert build_network(network, 3, 2, "encoder").weight.device.type == "cpu"
        assert runs_in_double(network, 3)
