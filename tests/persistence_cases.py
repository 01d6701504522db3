"""What tests of saved estimators share: fits of a moment and the files they become."""

import copy
import functools
import json

import numpy as np
import pytest
import safetensors.torch
import torch
from source_cases import answers
from watching import cost

import skaae
from skaae import (
    AdversarialAutoencoder,
    AdversarialAutoencoderClassifier,
    ImplicitGenerativeModel,
)
from skaae.posteriors import _fixed_numbers

DOCUMENT, WEIGHTS = "model.json", "weights.safetensors"


def fitted_small(seed=0, **parameters):
    """Return an estimator of four columns, of a test's own where it may change it."""
    return copy.deepcopy(_fitted_small(seed, **parameters))


@functools.cache
def _fitted_small(seed, **parameters):
    rows = np.random.default_rng(0).normal(size=(40, 4))
    small = {"hidden_layer_sizes": (3,), "max_iter": 1, "random_state": seed}
    return AdversarialAutoencoder(**(small | parameters)).fit(rows)


def save_originals(folder):
    """Save an estimator of each kind, small, for tests to copy and spoil.

    What Python and packages import and compile when it is first needed is there then: PyTorch for
    shapes without memory and, as scikit-learn, for messages, zips for names, we for annotations.
    """
    rows = np.random.default_rng(0).normal(size=(40, 4))
    labels = np.array(["a", "b"])[np.arange(40) % 2]
    small = {"hidden_layer_sizes": (3,), "max_iter": 1, "random_state": 0}
    fitted_small(prior="gaussian_mixture").save(folder / "autoencoder")
    fitted_small(posterior="universal").partial_fit(rows).save(folder / "training", training=True)
    AdversarialAutoencoderClassifier(**small).fit(rows, labels).save(folder / "classifier")
    ImplicitGenerativeModel(2, bounded=True, **small).fit(rows).save(folder / "implicit")
    for path in folder.iterdir():
        skaae.load(path)
    "".encode("cp437"), repr(torch.ones(1)), repr(AdversarialAutoencoder())
    return folder


def roundtrip(model, folder, name="model", **options):
    model.save(folder / name, **options)
    _fixed_numbers.cache_clear()  # as a new process finds it
    return skaae.load(folder / name)


def assert_answer_alike(model, other, X, y=None):
    for before, after in zip(answers(model, X, y), answers(other, X, y), strict=True):
        assert before.dtype == after.dtype
        assert np.array_equal(before, after)


def document_of(folder):
    return json.loads((folder / DOCUMENT).read_text())


def edit_document(folder, edit):
    """Let `edit` change the parsed document in place, and write it again."""
    document = document_of(folder)
    edit(document)
    (folder / DOCUMENT).write_text(json.dumps(document))


def edit_weights(folder, edit):
    """Let `edit` change the dict of tensors in place, and write it again."""
    tensors = safetensors.torch.load((folder / WEIGHTS).read_bytes())
    edit(tensors)
    (folder / WEIGHTS).write_bytes(safetensors.torch.save(tensors))


def set_at(*path, to):
    def edit(document):
        place = document
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return edit


def cost_of_refusal(path, match):
    """Return what it costs to refuse a file by its name, in not too many words."""
    with cost() as found, pytest.raises(ValueError, match=match) as caught:
        skaae.load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 2_000
    return found


def assert_refused(path, match, seconds=1.0, memory=300_000_000):
    """Assert a ValueError that names the file, in time, with little memory and no trace."""
    found = cost_of_refusal(path, match)
    if found.cpu >= seconds:  # what else the process does meanwhile counts too
        found = cost_of_refusal(path, match)
    assert found.cpu < seconds
    assert found.wall < 5 * seconds  # others compute here too; a wait for ever is longer
    assert found.memory is None or found.memory < memory
    assert found.actions == []
