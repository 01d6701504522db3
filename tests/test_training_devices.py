"""Steps, terms and batches compute where rows lie, whatever PyTorch's default device is.

The default here is one that holds no numbers: a tensor that landed there could not be used.
"""

from contextlib import nullcontext

import pytest
import torch
from step_cases import (
    Kept,
    KeptAdversary,
    code_latent,
    label_latent,
    scattered,
    small_model,
    step_of,
)

from skaae._device import new_generator
from skaae._implicit_model import ImplicitModel
from skaae.networks import MLP
from skaae.training import (
    Batch,
    Classification,
    Consistency,
    HeadDistance,
    ImplicitStep,
    Neighbors,
    batches_of,
)
from skaae.training._snapshot import restore, tensors_of
from skaae.training._terms import View

ROWS = scattered(40, 5)
LABELS = torch.arange(40) % 3
FEW_LABELS = torch.where(torch.arange(40) < 4, LABELS, -1)


def resident_batches(_):
    settings = {"y": FEW_LABELS, "least_labeled": 8, "n_neighbors": 3}
    batches = batches_of(ROWS, 20, new_generator(0), **settings)
    return [part for batch in batches for part in (batch.x, batch.y)]


def a_step(model):
    step = step_of(model, input_noise=0.3, terms=[Neighbors(1.0)])
    return taken(step, Batch(ROWS, LABELS, n_pairs=10))


def a_step_without_an_encoder(model):
    step = ImplicitStep(
        model,
        learning_rate=0.01,
        weight_decay=0.0,
        generator=new_generator(0),
        autocast_dtype=None,
        scoped_randomness=False,
    )
    assert step.is_sound(Batch(ROWS))
    return taken(step, Batch(ROWS))


def taken(step, batch):
    """Return the losses of a step, and its state, put back once."""
    losses = step(batch)
    restore(step, tensors_of(step, None))
    return [*losses.values(), *tensors_of(step, None).values()]


def terms_of_a_view(model):
    generator = new_generator(0)
    samples = model.encode(ROWS, generator)
    view = View(model, ROWS, ROWS, samples, LABELS, generator, lambda _: nullcontext(), n_pairs=10)
    terms = Classification(1.0), Consistency(1.0, 0.3), Neighbors(1.0), HeadDistance(1.0, 4.0)
    return [term(view).detach() for term in terms]


def no_model():
    return None


def plain_model():
    return small_model(code_latent(KeptAdversary()), n_given=3, n_discriminated=4)


def model_with_labels():
    return small_model(code_latent(Kept()), label_latent(Kept()), infers=True, has_heads=True)


def implicit_model():
    return ImplicitModel(
        5, code_latent(KeptAdversary()), generator=MLP((4,), linear_path=False), bounds=None
    )


@pytest.mark.parametrize(
    ("compute", "make_model"),
    [
        (resident_batches, no_model),
        (a_step, plain_model),
        (a_step_without_an_encoder, implicit_model),
        (terms_of_a_view, model_with_labels),
    ],
    ids=lambda case: case.__name__,
)
def test_the_default_device_makes_no_difference(compute, make_model):
    with torch.random.fork_rng():
        models = []
        for _ in range(2):
            torch.manual_seed(0)
            models.append(make_model())
    expected = compute(models[0])
    with torch.device("meta"):
        found = compute(models[1])
    for one, other in zip(found, expected, strict=True):
        assert one.device.type == "cpu"
        assert torch.equal(one, other)
