"""What ``"auto"`` stands for."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from skaae.training import (
    Reference,
    held_out_rows,
    principal_components,
    resolve_batch_size,
    resolve_input_noise,
    resolve_learning_rate,
)


def rows_that_leave(share, n_rows=400):
    """Return rows of which two of four directions hold all variance but `share`."""
    rng = np.random.default_rng(0)
    directions, _ = np.linalg.qr(rng.normal(size=(n_rows, 4)))
    directions -= directions.mean(axis=0)
    variances = np.array([(1 - share) / 2, (1 - share) / 2, share / 2, share / 2])
    return np.linalg.qr(directions)[0] * np.sqrt(variances * n_rows)


def sheet(share, n_rows=400):
    """Return rows on a curved sheet: two columns, and a third that bends by `share` of them."""
    flat = np.random.default_rng(0).normal(size=(n_rows, 2))
    return np.c_[flat, share * (flat[:, :1] ** 2 - 1.0)]


def reference_of(rows, n_components=2, constant_loss=1.0, **settings):
    pca = PCA(n_components).fit(rows)
    return Reference.of(constant_loss, torch.as_tensor(rows), pca, 0, **settings)


@pytest.mark.parametrize(("left", "factor"), [(0.5, 1.0), (0.4, 0.8), (0.1, 0.2)])
def test_weights_are_relative_to_what_a_linear_code_leaves(left, factor):
    reference = reference_of(rows_that_leave(left), constant_loss=10.0)
    assert reference.loss == pytest.approx(10.0 * factor, rel=1e-3)
    assert reference.unexplained == pytest.approx(left, rel=1e-3)


def test_beside_a_label_the_whole_row_is_there_to_win():
    reference = reference_of(rows_that_leave(0.05), constant_loss=10.0, code_alone=False)
    assert (reference.loss, reference.decoder_decay_factor) == (10.0, 1.0)


@pytest.mark.parametrize(("left", "factor"), [(0.5, 1.0), (0.2, 2.5), (0.05, 10.0)])
def test_decoders_decay_by_what_a_linear_code_leaves_of_noise(left, factor):
    assert reference_of(rows_that_leave(left)).decoder_decay_factor == pytest.approx(
        factor, rel=0.02
    )


def test_decoders_of_a_curved_sheet_decay_as_ever():
    reference = reference_of(sheet(0.1))
    assert reference.unexplained < 0.02
    assert reference.decoder_decay_factor == 1.0


def test_a_code_that_may_keep_everything_still_meets_the_prior():
    rows = np.random.default_rng(0).normal(size=(50, 3))
    assert 0.0 < reference_of(rows, n_components=3).loss < 0.1


def test_rows_that_do_not_vary_have_a_reference():
    x = torch.ones(20, 3)
    pca = principal_components(x, 2, seed=0)
    assert Reference.of(1e-6, x, pca, 0) == Reference(1e-6, 1.0)


@pytest.mark.parametrize(("left", "noise"), [(0.9, 0.6), (0.04, 0.25)])
def test_noise_hides_no_more_than_a_linear_code_leaves(left, noise):
    assert resolve_input_noise("auto", Reference(1.0, left)) == pytest.approx(noise)
    assert resolve_input_noise(0.3, Reference(1.0, left)) == 0.3


@pytest.mark.parametrize(("reach", "noise"), [(0.1, 0.1), (0.9, 0.6)])
def test_on_a_map_there_is_all_of_a_row_to_learn(reach, noise):
    reference = reference_of(rows_that_leave(0.25), constant_loss=10.0).on_map(reach)
    assert reference.is_map
    assert reference.loss == 10.0
    assert (reference.decoder_decay_factor, reference.adversary_decay_factor) == (1.0, 1.0)
    assert reference.decay_factor == 0.1
    assert resolve_input_noise("auto", reference) == noise
    assert resolve_input_noise(0.7, reference) == 0.7


@pytest.mark.parametrize("code_alone", [True, False])
def test_a_reference_says_what_is_left_whoever_restores_rows(code_alone):
    reference = reference_of(rows_that_leave(0.2), constant_loss=7.0, code_alone=code_alone)
    assert reference.unexplained == pytest.approx(0.2, rel=1e-3)
    assert reference.constant_loss == 7.0
    assert reference.decay_factor == 1.0


def test_decay_rests_on_what_can_be_told(monkeypatch):
    """As ever from a tenth of what is left on, in proportion below it."""
    asked = []

    def told(share):
        return lambda *args: asked.append(args) or share

    rows = rows_that_leave(0.05)
    for share, factor in ((0.1, 1.0), (0.3, 1.0), (0.05, 2.0), (0.0, 10.0)):
        monkeypatch.setattr("skaae.training._defaults.predictable_share", told(share))
        assert reference_of(rows).decoder_decay_factor == pytest.approx(factor, rel=1e-3)
    x, pca, seed, enough = asked[0]
    assert torch.equal(x, torch.as_tensor(rows))
    assert pca.n_components_ == 2
    assert (seed, enough) == (0, 0.1)


def test_where_half_is_left_in_few_directions_nobody_asks_what_can_be_told(monkeypatch):
    monkeypatch.setattr("skaae.training._defaults.predictable_share", None)
    assert reference_of(rows_that_leave(0.5), n_components=1).decoder_decay_factor == 1.0


def noise_beside_factors(n_directions, left=0.5, n_rows=2_000):
    """Return rows of two factors and a share of noise, evenly over so many directions."""
    rows = np.random.default_rng(0).normal(size=(n_rows, 2 + n_directions))
    rows[:, :2] *= (0.5 * n_directions * (1.0 - left) / left) ** 0.5
    return rows


@pytest.mark.parametrize(("n_directions", "factor"), [(8, 1.0), (20, 4.0), (50, 25.0), (90, 50.0)])
def test_decoders_of_noise_in_many_directions_decay_faster(n_directions, factor):
    """A hundredth of the square of its directions: no sheet bends enough to hold any of it."""
    reference = reference_of(noise_beside_factors(n_directions))
    assert reference.share > 0.95
    assert reference.decoder_decay_factor == pytest.approx(factor, rel=0.15)
    # A discriminator has to see the codes all the same.
    assert reference.adversary_decay_factor == min(reference.decoder_decay_factor, 10.0)


def test_many_directions_count_where_little_is_left_too():
    reference = reference_of(noise_beside_factors(50, left=0.3))
    assert reference.share == pytest.approx(0.6, rel=0.1)
    assert reference.decoder_decay_factor == pytest.approx(25.0, rel=0.15)
    assert reference.adversary_decay_factor == 10.0


@pytest.mark.parametrize(("left", "factor"), [(0.06, 10.0), (0.03, 50 / 3)])
def test_for_directions_discriminators_decay_ten_times_as_fast_at_most(left, factor):
    """More than that they do for how little is left alone; decoders do for either."""
    reference = reference_of(noise_beside_factors(50, left))
    assert reference.decoder_decay_factor > 20.0
    assert reference.adversary_decay_factor == pytest.approx(factor, rel=0.05)


def test_discriminators_decay_as_decoders_where_a_linear_code_leaves_little():
    reference = reference_of(rows_that_leave(0.03))
    assert reference.decoder_decay_factor == pytest.approx(50 / 3, rel=0.02)
    assert reference.adversary_decay_factor == reference.decoder_decay_factor


def test_decoders_of_a_sheet_in_many_directions_decay_as_ever():
    """What is left is spread over thirty directions, and follows from two factors."""
    rng = np.random.default_rng(0)
    flat = rng.uniform(-1.0, 1.0, size=(800, 2))
    waves = np.sin(flat @ rng.normal(size=(2, 40)) * 6.0 + rng.uniform(0.0, 6.0, size=40))
    reference = reference_of(np.c_[3.0 * flat, waves])
    assert reference.unexplained > 0.5
    assert reference.decoder_decay_factor == 1.0


@pytest.mark.parametrize(("left", "share"), [(0.6, 1 / 12), (0.9, 1 / 18)])
def test_a_twentieth_of_the_row_is_enough_to_be_told(left, share, monkeypatch):
    rows = noise_beside_factors(200, left)
    for told, factor in ((share, 1.0), (share / 2.0, 2.0)):
        monkeypatch.setattr(
            "skaae.training._defaults.predictable_share", lambda *_, told=told: told
        )
        found = reference_of(rows).decoder_decay_factor
        assert found == pytest.approx(factor, rel=0.05)


@pytest.mark.parametrize(
    ("n_samples", "size"),
    [(10, 10), (64, 64), (100, 64), (516, 64), (520, 65), (2_048, 256), (60_000, 256)],
)
def test_an_eighth_of_the_rows_is_a_batch(n_samples, size):
    assert resolve_batch_size("auto", n_samples) == size


@pytest.mark.parametrize(("asked", "size"), [(1, 1), (99, 99), (100, 100), (101, 100)])
def test_a_batch_is_as_large_as_asked_for_where_there_are_the_rows(asked, size):
    assert resolve_batch_size(asked, 100) == size


@pytest.mark.parametrize(
    ("n_samples", "rate"),
    [(10, 1e-3), (30_000, 1e-3), (45_000, 1.5e-3), (60_000, 2e-3), (10**6, 2e-3)],
)
def test_the_rate_doubles_between_30_000_and_60_000_rows(n_samples, rate):
    assert resolve_learning_rate("auto", n_samples) == pytest.approx(rate)
    assert resolve_learning_rate(0.3, n_samples) == 0.3


@pytest.mark.parametrize(("n_samples", "size"), [(1_000, 125), (3_000, 375), (60_000, 512)])
def test_batches_are_larger_where_rows_know_their_places(n_samples, size):
    assert resolve_batch_size("auto", n_samples, is_map=True) == size
    assert resolve_batch_size(99, n_samples, is_map=True) == 99


@pytest.mark.parametrize(
    ("batch_size", "n_samples", "rate"),
    [
        ("auto", 1_000, 1e-3),
        ("auto", 3_000, 1e-3 * 375 / 256),
        ("auto", 60_000, 4e-3),
        (64, 60_000, 2e-3),
        (1_024, 60_000, 8e-3),
    ],
)
def test_the_rate_on_a_map_grows_with_the_batch(batch_size, n_samples, rate):
    found = resolve_learning_rate("auto", n_samples, batch_size, is_map=True)
    assert found == pytest.approx(rate)
    assert resolve_learning_rate(0.3, n_samples, batch_size, is_map=True) == 0.3


# ------------------------------------------------------------------------------ rows held out


@pytest.mark.parametrize(
    ("n_samples", "fraction", "n_held_out"),
    [
        (1_999, 0.1, 0),
        (2_000, 0.1, 200),
        (2_000, 0.001, 2),
        (2_000, 0.0005, 0),
        (15_000, 0.1, 1_000),
    ],
)
def test_rows_are_set_aside_where_there_are_plenty(n_samples, fraction, n_held_out):
    x = torch.zeros(n_samples, 1)
    train, held_out = held_out_rows(x, fraction, seed=0, early_stopping=False)
    if n_held_out == 0:
        assert held_out is None
        assert train.tolist() == list(range(n_samples))
    else:
        assert len(held_out) == n_held_out
        assert torch.cat([train, held_out]).sort().values.tolist() == list(range(n_samples))


@pytest.mark.parametrize(("n_samples", "fraction"), [(20, 0.1), (4, 0.5), (20, 0.9)])
def test_early_stopping_holds_out_the_fraction(n_samples, fraction):
    x = torch.zeros(n_samples, 1)
    splits = [held_out_rows(x, fraction, seed=k, early_stopping=True) for k in (0, *range(8))]
    for train, held_out in splits:
        assert len(held_out) == round(fraction * n_samples)
        assert torch.cat([train, held_out]).sort().values.tolist() == list(range(n_samples))
    chosen = [held_out.tolist() for _, held_out in splits]
    assert chosen[0] == chosen[1]
    assert len(set(map(tuple, chosen))) > 2
    assert any(held_out != sorted(held_out) for held_out in chosen)


@pytest.mark.parametrize(
    ("n_samples", "fraction", "left"), [(10, 0.1, 1), (10, 0.9, 9), (3, 0.5, 2)]
)
def test_early_stopping_says_how_many_rows_it_needs(n_samples, fraction, left):
    message = (
        f"early_stopping=True with validation_fraction={fraction} leaves {left} of {n_samples} "
        "rows to hold out; expected at least 2 there and 2 to train on. Set early_stopping=False "
        "or pass more rows; none are held out whose labels are needed."
    )
    with pytest.raises(ValueError, match="early_stopping") as raised:
        held_out_rows(torch.zeros(n_samples, 1), fraction, seed=0, early_stopping=True)
    assert str(raised.value) == message


def test_where_half_of_the_rows_have_a_label_one_of_each_class_is_enough():
    y = torch.tensor([0, 1] + [-1] * 2)
    for seed in range(20):
        train, _ = held_out_rows(torch.zeros(4, 1), 0.5, seed=seed, early_stopping=True, y=y)
        assert {0, 1} <= set(train.tolist())
    y = torch.tensor([0, 0] + [-1] * 2)
    held_out = [
        held_out_rows(torch.zeros(4, 1), 0.5, seed=seed, early_stopping=True, y=y)[1].tolist()
        for seed in range(20)
    ]
    assert any({0, 1} & set(rows) for rows in held_out)
    assert not any({0, 1} <= set(rows) for rows in held_out)


def test_where_fewer_than_half_have_a_label_all_of_these_are_needed():
    y = torch.tensor([0, 1, 0, 1] + [-1] * 5)
    for seed in range(10):
        train, _ = held_out_rows(torch.zeros(9, 1), 0.5, seed=seed, early_stopping=True, y=y)
        assert {0, 1, 2, 3} <= set(train.tolist())
