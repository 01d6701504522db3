"""What every estimator that samples shares: devices that another machine lacks."""

import pytest
import torch

from skaae._portable import device_here


@pytest.mark.parametrize(
    ("n_gpus", "expected"),
    [(4, torch.device("cuda", 3)), (1, torch.device("cuda", 0)), (0, torch.device("cpu"))],
)
def test_a_device_that_is_not_here_gives_way_to_one_of_its_kind(monkeypatch, n_gpus, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    assert device_here(torch.device("cuda", 3)) == expected
