"""Where a map starts from, and how far its neighbours are, without laying it out."""

import numpy as np
import pytest
import torch
from step_cases import Kept, code_latent, scattered

from skaae._layout import n_prior_draws
from skaae.priors import Normal
from skaae.training import _places, map_of


@pytest.fixture
def asked(monkeypatch):
    """Return what the layout and the transport to the prior are asked; each doubles places."""
    kept = {}

    def lay_out(starts, neighbors, generator):
        kept.update(starts=starts, neighbors=neighbors, generator=generator)
        kept["state"] = generator.get_state()
        return 2.0 * starts

    def carried_to_prior(places, prior_codes, sample, generator):
        kept.update(places=places, prior_codes=prior_codes, sample=sample)
        kept["same"] = generator is kept["generator"]
        return 2.0 * places

    monkeypatch.setattr(_places, "lay_out", lay_out)
    monkeypatch.setattr(_places, "carried_to_prior", carried_to_prior)
    return kept


@pytest.mark.parametrize("block", [5, 16, 17, 100])
@pytest.mark.parametrize("n_columns", [1, 2, 3])
def test_every_row_starts_where_it_is_told(asked, monkeypatch, block, n_columns):
    monkeypatch.setattr(_places, "_BLOCK", block)
    x, sizes = scattered(16, 5), []

    def start(rows):
        assert not torch.is_grad_enabled()
        sizes.append(len(rows))
        return rows[:, :n_columns]

    found = map_of(x, code_latent(Kept(), n_components=3), start, 4, 0)
    assert max(sizes) <= block
    assert torch.equal(asked["starts"][:, :n_columns], x[:, :n_columns])
    assert (asked["starts"][:, n_columns:] == 0.0).all()
    assert asked["starts"].shape == (16, 3)
    assert torch.equal(found.places, 4.0 * asked["starts"])


def test_draws_are_of_the_latent_in_its_units(asked, global_states):
    x, before = scattered(16, 5), global_states()
    latent = code_latent(Kept(), prior=Normal(7.0))
    map_of(x, latent, lambda x: x[:, :2], 4, 3)
    assert asked["prior_codes"].shape == (n_prior_draws(16), 2)
    np.testing.assert_allclose(asked["prior_codes"].std(dim=0), 1.0, atol=0.1)
    generator = torch.Generator().manual_seed(3)
    for name, n in {"prior_codes": n_prior_draws(16), "sample": 16}.items():
        assert torch.equal(asked[name], latent.sample_prior(n, generator))
    assert asked["same"]
    assert global_states() == before
    assert torch.equal(asked["state"], torch.Generator().manual_seed(3).get_state())


@pytest.mark.parametrize(
    ("n_neighbors", "expected"), [(1, 1), (4, 4), (15, 15), (16, 15), (99, 15)]
)
def test_there_are_no_more_neighbours_than_other_rows(asked, n_neighbors, expected):
    map_of(scattered(16, 5), code_latent(Kept()), lambda x: x[:, :2], n_neighbors, 0)
    assert asked["neighbors"].shape == (16, expected)


@pytest.mark.parametrize("measured", [5, 40, 100])
def test_reach_is_the_median_over_rows_from_all_over(asked, monkeypatch, measured):
    monkeypatch.setattr(_places, "_MEASURED_ROWS", measured)
    x = scattered(40, 5)
    found = map_of(x, code_latent(Kept()), lambda x: x[:, :2], 3, 0)
    places = np.linspace(0, 39, min(measured, 40)).astype(int)
    apart = torch.cdist(x, x).sort(dim=1).values[places, 3]
    # Of an even number PyTorch takes the lower of the two in the middle.
    assert found.reach == pytest.approx(float(apart.median()) / 5**0.5, rel=1e-5)
