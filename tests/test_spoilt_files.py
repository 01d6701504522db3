"""Saved estimators spoilt at random: a file loads, or is refused with a ValueError, in a second."""

import json
import time
import zipfile

import numpy as np
import pytest
from estimator_cases import short_fits_may_warn
from persistence_cases import DOCUMENT, WEIGHTS
from watching import actions

import skaae

pytestmark = [
    short_fits_may_warn,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning"),
]


SPOILT = [None, True, -1, 0, 10**9, 10**30, 1.5, "", "x", [], {}, [[]], {"tuple": [1]}]
SPOILT += [{"float": "nan"}, {"dict": {}}, {"dtype": "int8"}, {"tensor": "array.0"}, [1] * 999]


def places_of(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, item in items:
        yield from places_of(item, (*path, key))


def spoil_value(data, rng):
    document = json.loads(data)
    places = [path for path in places_of(document) if path]
    path = places[rng.integers(len(places))]
    place = document
    for key in path[:-1]:
        place = place[key]
    choice = rng.integers(4)
    if choice == 0:
        del place[path[-1]]
    elif choice == 1:  # what stands elsewhere
        other = document
        for key in places[rng.integers(len(places))]:
            other = other[key]
        place[path[-1]] = json.loads(json.dumps(other))
    else:
        place[path[-1]] = SPOILT[rng.integers(len(SPOILT))]
    return json.dumps(document).encode()


def flip_bytes(data, rng):
    spoilt = bytearray(data)
    # The header of weights is where bytes mean most.
    end = len(spoilt) if rng.integers(2) else min(len(spoilt), 2_000)
    for _ in range(rng.integers(1, 4)):
        spoilt[rng.integers(end)] = rng.integers(256)
    return bytes(spoilt)


def truncate(data, rng):
    return data[: rng.integers(len(data))]


def spoilt_copy(original, folder, rng):
    """Write a spoilt copy of a saved estimator, a folder or a zip, and return its path."""
    files = {name: (original / name).read_bytes() for name in (DOCUMENT, WEIGHTS)}
    name = (DOCUMENT, WEIGHTS)[rng.integers(2)]
    change = (spoil_value, spoil_value, spoil_value, flip_bytes, truncate)[rng.integers(5)]
    name = DOCUMENT if change is spoil_value else name
    in_zip = change is not spoil_value and rng.integers(2)
    if not in_zip:
        files[name] = change(files[name], rng)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return folder
    path = folder / "model.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    path.write_bytes(change(path.read_bytes(), rng))
    return path


def loads(path):
    """Return whether a file loads; it may only be refused with a ValueError that names it.

    Either way nothing is written, started, imported or executed.
    """
    seconds, loaded = _loading(path)
    if seconds >= 1.0:  # what else the process does meanwhile counts too
        seconds, loaded = _loading(path)
    assert seconds < 1.0
    return loaded


def _loading(path):
    """Return the seconds that loading a file, or refusing it, computes for, and whether it does."""
    start, loaded = time.process_time(), True
    with actions() as found:
        try:
            skaae.load(path)
        except ValueError as error:
            named, loaded = str(path) in str(error), False
            assert named
    seconds = time.process_time() - start
    assert found == []
    return seconds, loaded


def n_loaded(originals, folder, seeds):
    names, n_loaded = sorted(path.name for path in originals.iterdir()), 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        original = originals / names[rng.integers(len(names))]
        try:
            n_loaded += loads(spoilt_copy(original, folder, rng))
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
    return n_loaded


def test_spoilt_files_load_or_are_refused(originals, tmp_path):
    # Some changes do no harm: a seed, a figure of the history, a digit of a weight.
    assert 0 < n_loaded(originals, tmp_path, range(100)) < 75


@pytest.mark.slow
def test_many_spoilt_files_load_or_are_refused(originals, tmp_path):
    n_loaded(originals, tmp_path, range(200, 10_200))
