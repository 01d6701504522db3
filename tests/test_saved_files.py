"""Where a saved estimator is written: whole or not at all, and over nothing of others."""

import pytest
import safetensors.torch
import torch
from estimator_cases import short_fits_may_warn
from persistence_cases import WEIGHTS, fitted_small, roundtrip

import skaae

pytestmark = short_fits_may_warn


def test_weights_are_read_by_others_too(tmp_path):
    model = fitted_small()
    model.save(tmp_path / "model")
    tensors = safetensors.torch.load_file(tmp_path / "model" / WEIGHTS)
    own = model.model_.state_dict()
    assert torch.equal(tensors["model.decoder.linear.weight"], own["decoder.linear.weight"])


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_a_saved_estimator_is_replaced(tmp_path, name):
    fitted_small().save(tmp_path / name)
    other = fitted_small(seed=1)
    other.save(tmp_path / name)
    found = skaae.load(tmp_path / name)
    assert found.random_state == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["model", "model.zip"])
@pytest.mark.parametrize(
    "broken", ["skaae._persistence._files.os.fsync", "skaae._persistence._files.os.replace"]
)
def test_a_failure_leaves_the_former_one_whole(tmp_path, monkeypatch, name, broken):
    fitted_small().save(tmp_path / name)
    other = fitted_small(seed=1)

    def fail(*args):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(broken, fail)
        with pytest.raises(OSError, match="full"):
            other.save(tmp_path / name)
    assert skaae.load(tmp_path / name).random_state == 0
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_that_cannot_take_its_place_brings_the_former_back(tmp_path, monkeypatch):
    fitted_small().save(tmp_path / "model")
    other = fitted_small(seed=1)
    replace_file, calls = skaae._persistence._files.os.replace, iter(range(9))

    def fail_at_second(source, target):
        if next(calls) == 1:
            raise OSError("no space")
        replace_file(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("skaae._persistence._files.os.replace", fail_at_second)
        with pytest.raises(OSError, match="no space"):
            other.save(tmp_path / "model")
    assert skaae.load(tmp_path / "model").random_state == 0
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def _folder_of_others(path):
    path.mkdir()
    (path / "thesis.tex").write_text("years of work")


def _file_of_others(path):
    path.write_text("years of work")


def _saved_with_more(path):
    fitted_small().save(path)
    (path / "notes.txt").write_text("mine")


def _link(path):
    fitted_small().save(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize("name", ["model", "model.zip"])
@pytest.mark.parametrize("there", [_folder_of_others, _file_of_others, _link])
def test_what_save_did_not_write_is_not_replaced(tmp_path, there, name):
    there(tmp_path / name)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    with pytest.raises(FileExistsError, match="save did not write"):
        fitted_small().save(tmp_path / name)
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_files_beside_a_saved_estimator_are_not_lost(tmp_path):
    _saved_with_more(tmp_path / "model")
    with pytest.raises(FileExistsError, match="save did not write"):
        fitted_small().save(tmp_path / "model")
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"
    assert skaae.load(tmp_path / "model").n_iter_ == 1


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "model").mkdir()
    assert roundtrip(fitted_small(), tmp_path).n_iter_ == 1


def test_nothing_there_is_said_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        skaae.load(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="no folder to write in, found none"):
        fitted_small().save(tmp_path / "no folder" / "model")


def test_what_is_in_the_way_is_named(tmp_path):
    _saved_with_more(tmp_path / "model")
    with pytest.raises(FileExistsError, match=r"notes\.txt.*choose a path in it, such as"):
        fitted_small().save(tmp_path / "model")


@pytest.mark.parametrize("path", [".", "..", "", "/"])
def test_a_path_without_a_name_is_refused(tmp_path, monkeypatch, path):
    """Also where the folder is empty, which could otherwise be replaced."""
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    with pytest.raises(ValueError, match="a path that ends in a name"):
        fitted_small().save(path)
    assert [path.name for path in tmp_path.rglob("*")] == ["inside"]


def test_what_is_too_large_to_be_read_again_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("skaae._persistence._documents._MOST_OPENED", 3)
    with pytest.raises(ValueError, match="at most 3 lists"):
        fitted_small().save(tmp_path / "model")
    assert not list(tmp_path.iterdir())
