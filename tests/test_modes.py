"""Modes of PyTorch that computation runs in."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from skaae._modes import evaluation


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_holds_and_restores_the_mode(training):
    module = nn.Dropout().train(training)
    with evaluation(module):
        assert not module.training
        assert not torch.is_grad_enabled()
    assert module.training is training
    assert torch.is_grad_enabled()


def test_evaluation_restores_the_mode_after_an_error():
    module = nn.Dropout().train()

    def fail():
        with evaluation(module):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert module.training
