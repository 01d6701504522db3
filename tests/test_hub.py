"""The layer over the Hugging Face Hub, with a local folder and a faked API."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from estimator_cases import short_fits_may_warn
from persistence_cases import DOCUMENT, WEIGHTS, fitted_small
from source_cases import ESTIMATORS

import skaae
from skaae.hub import model_card, push_to_hub

pytestmark = short_fits_may_warn


class FakeHub:
    """Repositories in memory, fetched into a cache of links as huggingface_hub does."""

    def __init__(self, cache):
        self.cache, self.repositories, self.calls = cache, {}, []

    def HfApi(self, token=None):
        self.calls.append(("token", token))
        return self

    def create_repo(self, repo_id, *, private, exist_ok):
        self.calls.append(("create", repo_id, private, exist_ok))
        self.repositories.setdefault(repo_id, {})

    def upload_folder(self, *, repo_id, folder_path, commit_message):
        files = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}
        self.repositories[repo_id] |= files
        return SimpleNamespace(commit_url=f"https://huggingface.co/{repo_id}/commit/1")

    def snapshot_download(self, repo_id, *, revision, token, allow_patterns):
        self.calls.append(("download", repo_id, revision, token))
        (self.cache / "blobs").mkdir(parents=True)
        (self.cache / "snapshot").mkdir()
        for name in allow_patterns:
            (self.cache / "blobs" / name).write_bytes(self.repositories[repo_id][name])
            (self.cache / "snapshot" / name).symlink_to(self.cache / "blobs" / name)
        return str(self.cache / "snapshot")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    fake = FakeHub(tmp_path / "cache")
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    return fake


@pytest.fixture
def rows():
    return np.random.default_rng(1).normal(size=(5, 4))


def test_what_is_pushed_is_loaded(hub, rows):
    model = fitted_small()
    url = push_to_hub(model, "user/small", private=True, token="secret")
    loaded = skaae.from_pretrained("user/small", revision="v1", token="secret")
    assert np.array_equal(loaded.transform(rows), model.transform(rows))
    assert url == "https://huggingface.co/user/small/commit/1"
    assert hub.calls == [
        ("token", "secret"),
        ("create", "user/small", True, True),
        ("download", "user/small", "v1", "secret"),
    ]
    assert hub.repositories["user/small"].keys() == {DOCUMENT, WEIGHTS, "README.md"}


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_what_is_here_is_not_fetched(monkeypatch, tmp_path, rows, name):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    model = fitted_small()
    model.save(tmp_path / name)
    loaded = skaae.from_pretrained(tmp_path / name, device="cpu")
    assert np.array_equal(loaded.transform(rows), model.transform(rows))


def test_links_in_a_folder_of_ones_own_are_refused(tmp_path):
    fitted_small().save(tmp_path / "model")
    (tmp_path / "model" / WEIGHTS).rename(tmp_path / "elsewhere")
    (tmp_path / "model" / WEIGHTS).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="symbolic link"):
        skaae.from_pretrained(tmp_path / "model")


def test_a_hostile_repository_is_refused(hub):
    push_to_hub(fitted_small(), "user/small")
    hub.repositories["user/small"][WEIGHTS] = b"\x80\x04."
    with pytest.raises(ValueError, match="expected safetensors"):
        skaae.from_pretrained("user/small")


def test_an_unfitted_estimator_is_not_pushed(hub):
    with pytest.raises(Exception, match="not fitted"):
        push_to_hub(ESTIMATORS["autoencoder"], "user/small")
    assert not hub.repositories


def test_what_is_too_large_to_be_read_again_is_not_pushed(hub, monkeypatch):
    monkeypatch.setattr("skaae._persistence._documents.LARGEST", 100)
    with pytest.raises(ValueError, match="at most 100 bytes"):
        push_to_hub(fitted_small(), "user/small")
    assert not hub.repositories


def test_the_card_tells_parameters_and_versions():
    card = model_card(fitted_small(seed=7), "user/small")
    assert 'skaae.from_pretrained("user/small")' in card
    assert "random_state=7" in card
    assert "rows of 4\ncolumns" in card
    assert f"- skaae {skaae.__version__}" in card
    assert card.startswith("---\nlibrary_name: skaae\n")
    assert "http" not in card  # a page that is not there yet


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r'pip install "skaae\[hub\]"'):
        skaae.from_pretrained("user/small")
    with pytest.raises(ImportError, match=r'pip install "skaae\[hub\]"'):
        push_to_hub(fitted_small(), "user/small")
