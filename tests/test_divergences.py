"""What every divergence promises."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
import torch
from divergence_cases import encoder_loss, latent, normal
from scipy import stats
from sklearn.base import clone
from torch import nn

from skaae._device import new_generator
from skaae._latent import Latent
from skaae._scoped_randomness import ScopedRandomness
from skaae.divergences import (
    DIVERGENCES,
    MMD,
    AdversarialDivergence,
    FDivergence,
    JensenShannon,
    MutualInformation,
    SlicedWasserstein,
    Wasserstein,
    as_divergence,
)
from skaae.posteriors import Gaussian, PosteriorSample
from skaae.priors import Categorical, Normal

ADVERSARIAL = [n for n, case in DIVERGENCES.items() if issubclass(case, AdversarialDivergence)]


def prior_for(divergence) -> Latent:
    """Return a latent whose prior the divergence, or the one of that name, takes."""
    one_hot = divergence == "mutual_information" or isinstance(divergence, MutualInformation)
    return latent(Categorical() if one_hot else Normal())


def sample_for(name, outputs) -> PosteriorSample:
    return prior_for(name).project(Gaussian().sample(outputs, nn.ModuleDict(), new_generator(0)))


@pytest.fixture
def other_default_dtype():
    """Let tensors that nobody gives a type be float64, as some programs have it."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# ------------------------------------------------------------------ every divergence


@pytest.mark.parametrize("name", DIVERGENCES)
def test_encoder_loss_is_a_number_with_finite_gradients(name):
    divergence = DIVERGENCES[name]()
    outputs = normal(32, 4).requires_grad_(True)
    sample = sample_for(name, outputs)
    discriminator = None
    if name in ADVERSARIAL:
        with ScopedRandomness(new_generator(0)):
            discriminator = divergence.build_discriminator(2)
    loss = encoder_loss(
        divergence,
        sample,
        normal(32, 2, seed=1),
        prior=prior_for(name),
        discriminator=discriminator,
    )
    assert loss.shape == ()
    loss.backward()
    assert torch.isfinite(outputs.grad).all()
    assert (outputs.grad != 0).any(dim=1).all()


@pytest.mark.parametrize("name", DIVERGENCES)
def test_encoder_loss_repeats_with_the_generator(name):
    divergence = DIVERGENCES[name]()
    sample = sample_for(name, normal(8, 4))
    critic = nn.Linear(2, 1)
    losses = [
        encoder_loss(
            divergence,
            sample,
            normal(8, 2, seed=1),
            prior=prior_for(name),
            discriminator=critic,
            seed=3,
        )
        for _ in range(2)
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", DIVERGENCES)
def test_losses_leave_the_global_generator_untouched(name):
    divergence = DIVERGENCES[name]()
    sample = sample_for(name, normal(8, 4))
    critic = nn.Linear(2, 1)
    before = torch.get_rng_state()
    encoder_loss(divergence, sample, normal(8, 2), prior=prior_for(name), discriminator=critic)
    if name in ADVERSARIAL:
        divergence.discriminator_loss(
            sample.codes, normal(8, 2), critic, generator=new_generator(0)
        )
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_constructor_keeps_what_it_is_given(name):
    given = {parameter: object() for parameter in DIVERGENCES[name]().get_params()}
    assert DIVERGENCES[name](**given).get_params(deep=False) == given


@pytest.mark.parametrize("name", DIVERGENCES)
def test_clone_pickle_and_repr(name):
    divergence = DIVERGENCES[name]()
    for copy in (clone(divergence), pickle.loads(pickle.dumps(divergence))):
        assert copy is not divergence
        assert copy.get_params() == divergence.get_params()
    assert repr(divergence).startswith(DIVERGENCES[name].__name__ + "(")


@pytest.mark.parametrize("name", DIVERGENCES)
def test_as_divergence_of_a_name_and_of_an_object(name):
    divergence = as_divergence(name)
    assert type(divergence) is DIVERGENCES[name]
    copy = as_divergence(divergence)
    assert type(copy) is type(divergence)
    assert copy is not divergence


@pytest.mark.parametrize("name", DIVERGENCES)
def test_discriminator_steps_say_whether_there_is_a_discriminator(name):
    divergence = DIVERGENCES[name]()
    assert (divergence.n_discriminator_steps > 0) == hasattr(divergence, "build_discriminator")


@pytest.mark.parametrize("name", [name for name in DIVERGENCES if name != "posterior_kl"])
def test_auto_weight_grows_with_the_scale_of_the_reconstruction(name):
    divergence = DIVERGENCES[name]()
    assert divergence.absolute_weight(1.0) > 0.0
    assert divergence.absolute_weight(50.0) == pytest.approx(50.0 * divergence.absolute_weight(1.0))


@pytest.mark.parametrize(
    ("divergence", "name"),
    [
        (JensenShannon(learning_rate=0.0), "learning_rate"),
        (JensenShannon(learning_rate="fast"), "learning_rate"),
        (JensenShannon(n_discriminator_steps=0), "n_discriminator_steps"),
        (JensenShannon(n_discriminator_steps=1.5), "n_discriminator_steps"),
        (JensenShannon(hidden_layer_sizes=3), "hidden_layer_sizes"),
        (Wasserstein(n_discriminator_steps=0), "n_discriminator_steps"),
        (Wasserstein(gradient_penalty=-1.0), "gradient_penalty"),
        (Wasserstein(gradient_penalty=None), "gradient_penalty"),
        (MMD(kernel="linear"), "kernel"),
        (MMD(bandwidth=()), "bandwidth"),
        (MMD(bandwidth=(1.0, 0.0)), "bandwidth"),
        (MMD(bandwidth=(1.0, np.nan)), "bandwidth"),
        (MMD(bandwidth=(1.0, None)), "bandwidth"),
        (MMD(bandwidth=((1.0, 2.0),)), "bandwidth"),
        (MMD(bandwidth=1.0), "bandwidth"),
        (SlicedWasserstein(n_projections=0), "n_projections"),
        (SlicedWasserstein(n_projections=2.5), "n_projections"),
        (MutualInformation(balance=0.0), "balance"),
        (MutualInformation(balance="even"), "balance"),
    ],
    ids=repr,
)
def test_parameters_that_are_off_are_named(divergence, name):
    with pytest.raises(ValueError, match=name):
        divergence.check(prior_for(divergence).prior, Gaussian())


@pytest.mark.parametrize(
    "divergence",
    [
        JensenShannon((), learning_rate=1e-9),
        JensenShannon(n_discriminator_steps=1),
        Wasserstein(gradient_penalty=0.0),
        MMD(bandwidth=[1e-9]),
        MMD(bandwidth=np.array([1, 2])),
        MMD("rbf"),
        SlicedWasserstein(n_projections=1),
        MutualInformation(balance=1e-9),
    ],
    ids=repr,
)
def test_parameters_at_the_edge_of_their_range_are_taken(divergence):
    divergence.check(prior_for(divergence).prior, Gaussian())


def test_bandwidths_that_are_off_are_told():
    expected = "MMD: expected bandwidth to be a sequence of positive numbers, got (1.0, -2.0)."
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        MMD(bandwidth=(1.0, -2.0)).check(Normal(), Gaussian())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", DIVERGENCES)
def test_losses_are_of_the_kind_of_the_codes(name, dtype, other_default_dtype):
    divergence = DIVERGENCES[name]()
    sample = sample_for(name, normal(8, 4, dtype=dtype))
    prior_codes, critic = normal(8, 2, dtype=dtype), nn.Linear(2, 1, dtype=dtype)
    loss = encoder_loss(
        divergence, sample, prior_codes, prior=prior_for(name), discriminator=critic
    )
    assert loss.dtype == dtype
    if name in ADVERSARIAL:
        loss = divergence.discriminator_loss(
            sample.codes, prior_codes, critic, generator=new_generator(0)
        )
        assert loss.dtype == dtype


def test_draws_lie_where_the_codes_do_whatever_the_default_device():
    codes, prior_codes, where, critic = normal(8, 2), normal(8, 2), latent(), nn.Linear(2, 1)
    with torch.device("meta"):
        losses = [
            encoder_loss(SlicedWasserstein(), codes, prior_codes, prior=where),
            Wasserstein().discriminator_loss(
                codes, prior_codes, critic, generator=torch.Generator("cpu")
            ),
        ]
    assert all(torch.isfinite(loss) for loss in losses)


# The factors of the reconstruction loss, whose choice the documented results rest on.
AUTO_WEIGHTS = {
    "jensen_shannon": 0.5,
    "kullback_leibler": 0.5,
    "reverse_kullback_leibler": 0.5,
    "pearson": 0.5,
    "wasserstein": 0.3,
    "mmd": 10.0,
    "sliced_wasserstein": 5.0,
    "posterior_kl": 1.0,
    "mutual_information": 1.0,
}


@pytest.mark.parametrize("name", DIVERGENCES)
def test_auto_weight_is_the_one_that_was_chosen(name):
    assert DIVERGENCES[name]().absolute_weight(1.0) == AUTO_WEIGHTS[name]


def test_all_but_those_of_posteriors_and_one_hot_codes_compare_samples():
    others = {name for name, case in DIVERGENCES.items() if not case.of_samples}
    assert others == {"posterior_kl", "mutual_information"}


@pytest.mark.parametrize("name", DIVERGENCES)
def test_only_f_divergences_bear_bfloat16(name):
    case = DIVERGENCES[name]
    assert case.bears_bfloat16 == issubclass(case, FDivergence)


def test_discriminator_with_a_layer_of_no_units_is_an_error():
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        JensenShannon(hidden_layer_sizes=(8, 0)).build_discriminator(2)


# ------------------------------------------------------------------ adversarial ones


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_discriminator_maps_codes_to_one_column(name):
    network = DIVERGENCES[name](hidden_layer_sizes=(7, 5)).build_discriminator(3)
    assert network(torch.zeros(4, 3)).shape == (4, 1)
    sizes = [layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert sizes == [7, 5, 1]


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_discriminator_is_a_perceptron_of_leaky_units(name):
    network = DIVERGENCES[name]((7, 5)).build_discriminator(3)
    weights = [parameter.detach().double().numpy() for parameter in network.parameters()]
    codes = normal(20, 3)
    hidden = codes.double().numpy()
    for weight, bias in zip(weights[:-2:2], weights[1:-2:2]):
        hidden = hidden @ weight.T + bias
        hidden = np.where(hidden > 0.0, hidden, 0.01 * hidden)
    expected = hidden @ weights[-2].T + weights[-1]
    np.testing.assert_allclose(network(codes).detach().numpy(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_trained_discriminator_pulls_codes_towards_the_prior(name):
    divergence = DIVERGENCES[name]((16,))
    generator = new_generator(0)
    with ScopedRandomness(generator):
        network = divergence.build_discriminator(2)
    codes, prior_codes = 1.5 + normal(256, 2, seed=1), normal(256, 2, seed=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        divergence.discriminator_loss(codes, prior_codes, network, generator=generator).backward()
        optimizer.step()
    assert network(codes).mean() > network(prior_codes).mean()
    codes.requires_grad_(True)
    loss = encoder_loss(divergence, codes, prior_codes, discriminator=network)
    (slope,) = torch.autograd.grad(loss, codes)
    # The prior's mean lies in the direction (-1, -1); each coordinate has to go there on average.
    assert (slope.mean(dim=0) > 0).all()


# ------------------------------------------------------------------ both move codes to the prior


@pytest.mark.parametrize(
    ("divergence", "learning_rate"),
    [(MMD(), 0.1), (MMD("rbf"), 0.1), (SlicedWasserstein(), 0.1)],
    ids=repr,
)
def test_free_codes_move_to_the_prior(divergence, learning_rate):
    generator = new_generator(0)
    n_samples = 200
    codes = (1.5 + 0.3 * normal(n_samples, 2)).requires_grad_(True)
    optimizer = torch.optim.Adam([codes], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, total_iters=250)
    for _ in range(250):
        optimizer.zero_grad()
        prior_codes = torch.randn(n_samples, 2, generator=generator)
        sample = PosteriorSample(codes)
        loss = divergence.encoder_loss(
            sample, prior_codes, prior=latent(), discriminator=None, generator=generator
        )
        loss.backward()
        optimizer.step()
        schedule.step()
    moved = codes.detach().numpy()
    # Matched codes lie closer to the prior than an independent sample of it would.
    for direction in ([1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [0.6, -0.8]):
        assert stats.kstest(moved @ direction, stats.norm().cdf).pvalue > 0.1
