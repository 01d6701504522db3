"""A pass that is left in its middle is gone on with: the rest of its batches, the same draws."""

import numpy as np
import pytest
import torch
from source_cases import SlicesOnly

from skaae._device import new_generator
from skaae._scaling import ColumnScaling
from skaae._sources import FileRows
from skaae._streams import StreamedRows
from skaae.training import ResidentBatches, StreamedBatches
from skaae.training._pass import Pass

N_ROWS = 300
Y = torch.full((N_ROWS,), -1)
Y[::50] = 1
KINDS = {
    "rows": {},
    "labels on top": {"y": Y, "least_labeled": 8},
    "neighbours beside": {"n_neighbors": 3},
    "both": {"y": Y, "least_labeled": 8, "n_neighbors": 3},
}


@pytest.fixture(params=["resident", "file"])
def batches_of(request, monkeypatch):
    """Return a function to batches of numbered rows and what they draw from."""
    # A window of a file then has 100 rows of one column of float64, in runs of five.
    monkeypatch.setattr("skaae._sources._BLOCK_BYTES", 800)
    monkeypatch.setattr("skaae._streams._RUNS_IN_A_WINDOW", 20)
    rows, case = torch.arange(float(N_ROWS))[:, None], ResidentBatches
    if request.param == "file":
        source = FileRows(SlicesOnly(np.arange(N_ROWS, dtype=np.float64)[:, None]))
        rows, case = StreamedRows(source, ColumnScaling.identity(1), torch.device("cpu")), None
    case = case or StreamedBatches

    def batches(**beside):
        generator = new_generator(0)
        return case(rows, 30, generator, **beside), generator

    return batches


def trained(batches, generator):
    """Return each batch, and what the step on it draws from the generator of both."""
    return [(batch, torch.rand((), generator=generator).item()) for batch in batches]


def flat(steps):
    return [(batch.x.flatten().tolist(), drawn) for batch, drawn in steps]


@pytest.mark.parametrize("n_done", [1, 4, 9])
@pytest.mark.parametrize("kind", KINDS)
def test_the_rest_is_what_it_would_have_been(batches_of, kind, n_done):
    batches, generator = batches_of(**KINDS[kind])
    whole = flat(trained(Pass().rest_of(batches, generator), generator))
    assert len(whole) == 10
    batches, generator = batches_of(**KINDS[kind])
    left = Pass()
    for _ in zip(range(n_done), left.rest_of(batches, generator)):
        torch.rand((), generator=generator)
        left.add({"loss": torch.ones(())})
    kept, state = left.tensors(), generator.get_state()
    batches, generator = batches_of(**KINDS[kind])
    generator.set_state(state)
    going_on = Pass.of(kept, n_done, torch.device("cpu"))
    assert flat(trained(going_on.rest_of(batches, generator), generator)) == whole[n_done:]


def test_a_pass_draws_what_its_batches_alone_would(batches_of):
    (ours, our_generator), (theirs, their_generator) = batches_of(), batches_of()
    assert flat(trained(Pass().rest_of(ours, our_generator), our_generator)) == flat(
        trained(theirs, their_generator)
    )


def test_losses_add_up_across_what_was_kept():
    first = Pass(began=torch.zeros(3, dtype=torch.uint8))
    for value in (1.0, 2.0):
        first.add({"loss": torch.tensor(value)})
    second = Pass.of(first.tensors(), first.n_batches, torch.device("cpu"))
    second.add({"loss": torch.tensor(4.0)})
    assert (second.n_batches, second.totals["loss"].item()) == (3, 7.0)
    # What was kept is a copy.
    assert first.totals["loss"].item() == 3.0


def test_a_pass_at_its_start_has_nothing_to_keep():
    assert Pass().tensors() == {}
