"""Where rows belong on a map: t-SNE's objective, and the way from there to the prior."""

import numpy as np
import pytest
import torch
from estimator_cases import SHORT, short_fits_may_warn
from scipy import stats
from scipy.stats import ks_2samp, spearmanr
from sklearn.neighbors import KNeighborsClassifier
from source_cases import SlicesOnly

from skaae import AdversarialAutoencoder
from skaae._device import new_generator
from skaae._latent import Latent
from skaae._layout import _attraction, _repulsion, carried_to_prior, lay_out, n_prior_draws
from skaae._neighbors import nearest_neighbors
from skaae._scaling import ColumnScaling
from skaae._sources import FileRows
from skaae._streams import StreamedRows
from skaae.distributed import _RANKS, Ranks
from skaae.divergences import as_divergence
from skaae.metrics import prior_match
from skaae.posteriors import as_posterior
from skaae.priors import PRIORS, Normal, as_prior
from skaae.training import map_of

N_NEIGHBORS = 5


def scattered(n, n_columns, seed=0):
    return torch.randn(n, n_columns, generator=new_generator(seed))


def groups(n_groups=4, size=60, n_columns=8):
    """Return rows around as many centres, and which each belongs to."""
    labels = torch.arange(n_groups).repeat_interleave(size)
    return 6.0 * scattered(n_groups, n_columns, 1)[labels] + scattered(
        len(labels), n_columns
    ), labels


def divergence_of_pairs(places, neighbors):
    """Return t-SNE's KL(P | Q) for P uniform over pairs of neighbours, from its definition."""
    n = len(places)
    p = torch.zeros(n, n, dtype=places.dtype)
    p.scatter_(1, neighbors, 1.0)
    p = (p + p.T) / (2.0 * p.sum())
    q = 1.0 / (1.0 + (places[:, None] - places[None]).square().sum(dim=2))
    q = q * (1.0 - torch.eye(n, dtype=places.dtype))
    q = q / q.sum()
    pairs = p > 0
    return (p[pairs] * (p[pairs] / q[pairs]).log()).sum()


@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_forces_are_the_gradient_of_the_objective_of_t_sne(n_components):
    places = scattered(40, n_components).double().requires_grad_(True)
    neighbors = nearest_neighbors(scattered(40, 6, 1), N_NEIGHBORS)
    (expected,) = torch.autograd.grad(divergence_of_pairs(places, neighbors), places)
    places = places.detach()
    found = 4.0 * (_attraction(places, neighbors) - _repulsion(places, new_generator(0))) / 40
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_what_pushes_is_estimated_from_some_rows_without_bias(monkeypatch):
    places = scattered(300, 2)
    exact = _repulsion(places, new_generator(0))
    monkeypatch.setattr("skaae._layout._N_REPELLING", 50)
    monkeypatch.setattr("skaae._layout._BLOCK", 64)
    draws = torch.stack([_repulsion(places, new_generator(seed)) for seed in range(400)])
    error = draws.std(dim=0) / 20.0
    # The total that it is divided by is estimated too, which is worth a hundredth.
    assert ((draws.mean(dim=0) - exact).abs() < 5.0 * error + 0.01 * exact.abs()).all()


@pytest.mark.parametrize("n_components", [2, 5])
def test_groups_end_up_apart(n_components):
    x, labels = groups()
    neighbors = nearest_neighbors(x, N_NEIGHBORS)
    places = lay_out(scattered(len(x), n_components), neighbors, new_generator(0))
    assert torch.isfinite(places).all()
    split = np.arange(len(x)) % 2 == 0
    places, labels = places.numpy(), labels.numpy()
    reader = KNeighborsClassifier(5).fit(places[split], labels[split])
    assert reader.score(places[~split], labels[~split]) == 1.0


def test_neighbours_of_rows_are_neighbours_on_the_layout(digits):
    x = torch.as_tensor(digits[0][:600], dtype=torch.float32)
    neighbors = nearest_neighbors(x, 10)
    places = lay_out(scattered(600, 2), neighbors, new_generator(0))
    near = nearest_neighbors(places, 10)
    kept = np.mean([len(set(a.tolist()) & set(b.tolist())) / 10 for a, b in zip(neighbors, near)])
    # Two principal components keep 0.1 of them.
    assert kept > 0.4


def test_columns_that_start_alike_part():
    x, _ = groups()
    start = scattered(len(x), 1)
    places = lay_out(
        torch.cat([start, torch.zeros(len(x), 1)], dim=1),
        nearest_neighbors(x, N_NEIGHBORS),
        new_generator(0),
    )
    assert places[:, 1].std() > 0.1 * places[:, 0].std()


def test_places_are_the_same_with_any_number_of_threads():
    """The least digit would grow to another map in hundreds of steps."""
    x, _ = groups(n_groups=10, size=250)
    neighbors, start = nearest_neighbors(x, N_NEIGHBORS), x[:, :2]
    prior_codes, sample = scattered(10_000, 2), scattered(len(x), 2, seed=1)
    before, found = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            places = lay_out(start, neighbors, new_generator(0))
            found.append(carried_to_prior(places, prior_codes, sample, new_generator(1)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


def test_no_row_is_flung_out():
    """Of rows without groups, some lie alone for a while, and meet another by chance."""
    x = scattered(1_500, 40)
    places = lay_out(x[:, :2], nearest_neighbors(x, 15), new_generator(0))
    apart = (places[:, None] - places[nearest_neighbors(places, 3)]).norm(dim=2)
    assert apart.max() < 10.0


def test_copies_of_rows_are_laid_out_too():
    x = scattered(3, 4).repeat(20, 1)
    places = lay_out(x[:, :2], nearest_neighbors(x, 19), new_generator(0))
    assert torch.isfinite(places).all()


def prior_draws(prior, n, n_components, seed=7):
    return as_prior(prior).sample(n, n_components, generator=new_generator(seed))


def carried(start, prior):
    n, n_components = start.shape
    draws = prior_draws(prior, n_prior_draws(n), n_components)
    sample = prior_draws(prior, n, n_components, seed=9)
    return carried_to_prior(start, draws, sample, new_generator(0))


@pytest.mark.parametrize(
    "prior",
    [
        *sorted(set(PRIORS) - {"categorical"}),
        pytest.param(stats.t(df=3), id="Student's t"),
    ],
)
def test_what_is_carried_to_a_prior_is_distributed_like_it(prior):
    n = 1_000
    start = torch.cat([scattered(n // 2, 2) - 4.0, 0.3 * scattered(n // 2, 2, 1) + 2.0])
    places = carried(start, prior)
    others = prior_draws(prior, 10_000, 2, seed=8)
    for angle in np.linspace(0.0, np.pi, 7):
        axis = torch.tensor([np.cos(angle), np.sin(angle)], dtype=torch.float32)
        assert ks_2samp((places @ axis).numpy(), (others @ axis).numpy()).statistic < 0.05


def test_in_one_dimension_the_order_stays():
    start = scattered(500, 1).exp()
    places = carried(start, "uniform")
    assert spearmanr(start, places).statistic == 1.0


def test_what_is_close_stays_close():
    start = scattered(1_000, 2) + 5.0 * torch.eye(2)[torch.arange(1_000) % 2]
    places = carried(start, "uniform")
    near = nearest_neighbors(start, 10)
    apart = (places[:, None] - places[near]).norm(dim=2).median()
    anywhere = (places[:500] - places[500:]).norm(dim=1).median()
    assert apart < 0.15 * anywhere


@pytest.mark.parametrize("prior", ["normal", "uniform", "swiss_roll"])
def test_what_is_distributed_like_the_prior_stays_beside_its_neighbours(prior):
    """Carried on, each place would come beside some draw, and a quarter of the neighbours go."""
    start = prior_draws(prior, 500, 2, seed=3)
    before, after = (nearest_neighbors(x, 10) for x in (start, carried(start, prior)))
    shared = [len(set(a) & set(b)) / 10 for a, b in zip(before.tolist(), after.tolist())]
    assert np.mean(shared) > 0.9


# ------------------------------------------------------------------ of a fit


def latent(n_components=2, prior="normal"):
    return Latent.create(
        "code",
        n_components,
        prior=as_prior(prior),
        posterior=as_posterior("deterministic"),
        divergence=as_divergence("jensen_shannon"),
        seed=0,
    )


def first_columns(x):
    return x[:, :2]


def test_places_are_in_units_of_the_prior():
    x, _ = groups()
    found = map_of(x, latent(prior=Normal(7.0)), first_columns, N_NEIGHBORS, 0)
    np.testing.assert_allclose(found.places.std(dim=0), 1.0, atol=0.05)


def test_reach_is_how_far_the_farthest_neighbour_is():
    x = torch.arange(40.0)[:, None] * torch.ones(3)
    found = map_of(x, latent(), first_columns, 4, 0)
    assert found.reach == pytest.approx(2.0)


def test_a_start_of_fewer_columns_will_do():
    x, _ = groups()
    found = map_of(x, latent(3), first_columns, N_NEIGHBORS, 0)
    assert found.places.shape == (len(x), 3)


def test_rows_of_a_file_have_no_map():
    rows = FileRows(SlicesOnly(scattered(60, 6).numpy()))
    streamed = StreamedRows(rows, ColumnScaling.identity(6), torch.device("cpu"))
    assert map_of(streamed, latent(), first_columns, N_NEIGHBORS, 0) is None


def test_corners_of_a_simplex_are_no_places():
    x, _ = groups()
    assert map_of(x, latent(3, prior="categorical"), first_columns, N_NEIGHBORS, 0) is None


def test_processes_take_the_map_of_the_first(monkeypatch):
    x, _ = groups()
    sent = (scattered(len(x), 2), 0.5)
    monkeypatch.setattr(Ranks, "of_first", lambda self, value: sent if value is None else value)
    token = _RANKS.set(Ranks(1, 2))
    try:
        found = map_of(x, latent(), first_columns, N_NEIGHBORS, 0)
    finally:
        _RANKS.reset(token)
    assert torch.equal(found.places, sent[0])
    assert found.reach == sent[1]


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_codes_of_new_rows_meet_the_prior_and_keep_groups_apart(prior, digits):
    X, y = digits
    model = AdversarialAutoencoder(
        prior=prior, neighbors_weight=1.0, hidden_layer_sizes=(128,), random_state=0
    ).fit(X[:800])
    codes = model.transform(X)
    # Without neighbors_weight 0.72, by two principal components 0.53; other seeds 0.86 to 0.90.
    assert KNeighborsClassifier(10).fit(codes[:800], y[:800]).score(codes[800:], y[800:]) > 0.82
    match = prior_match(model, X[800:], random_state=0)
    # Without it 3.4 times: these rows were written by other people.
    assert match.distance < 2.5 * match.reference


@short_fits_may_warn
def test_a_warm_start_lays_out_from_the_map_that_is_there(monkeypatch):
    x, _ = groups()
    model = AdversarialAutoencoder(
        neighbors_weight=1.0, warm_start=True, **{**SHORT, "random_state": 0}
    ).fit(x.numpy())
    codes, seen = torch.as_tensor(model.transform(x.numpy())), []

    def watched(rows, latent, start, *args):
        seen.append(start(rows).detach())
        return map_of(rows, latent, start, *args)

    monkeypatch.setattr("skaae._base.map_of", watched)
    model.fit(x.numpy())
    expected = model.model_.from_prior_units(codes)
    torch.testing.assert_close(seen[0], expected, rtol=1e-4, atol=1e-5)


@short_fits_may_warn
def test_without_neighbors_weight_there_is_no_map(monkeypatch):
    monkeypatch.setattr("skaae._base.map_of", None)
    AdversarialAutoencoder(**SHORT).fit(scattered(60, 6).numpy())
