"""Budgets: how many epochs, at which rates."""

import math

import pytest

from skaae.training import Budget


@pytest.mark.parametrize(
    ("n_samples", "n_batches", "n_steps", "n_epochs"),
    [
        (10, 1, 300, 300),
        (30, 1, 300, 300),
        (50, 1, 500, 500),
        (200, 1, 1_500, 1_500),
        (149, 2, 1_490, 745),
        (150, 2, 1_500, 750),
        (2_000, 8, 1_600, 200),
        (10_000, 40, 8_000, 200),
        (20_000, 80, 10_000, 125),
        (60_000, 235, 10_105, 43),
        (1_000_000, 4_000, 40_000, 10),
    ],
)
def test_the_budget_for_labels_is_sensible_for_any_number_of_rows(
    n_samples, n_batches, n_steps, n_epochs
):
    budget = Budget.for_labels(n_samples, n_batches)
    assert (budget.n_steps, budget.n_epochs) == (n_steps, n_epochs)
    assert budget.annealed


@pytest.mark.parametrize(
    ("n_samples", "n_batches", "n_epochs"),
    [
        *[(10, 1, 300), (50, 1, 500), (124, 1, 1_240), (125, 1, 1_250), (150, 2, 625)],
        *[(2_000, 8, 157), (5_000, 20, 100), (10_000, 40, 100), (20_000, 50, 80)],
        *[(60_000, 235, 18), (1_000_000, 4_000, 3)],
    ],
)
def test_few_rows_have_ten_steps_each_and_many_4_000(n_samples, n_batches, n_epochs):
    assert Budget.default(n_samples, n_batches).n_epochs == n_epochs


@pytest.mark.parametrize(
    ("n_samples", "n_batches", "n_epochs"),
    [(999, 1, 1_250), (3_000, 8, 157), (3_500, 14, 100), (60_000, 117, 14), (10**6, 1_953, 3)],
)
def test_a_map_that_is_settled_takes_1600_steps_to_learn(n_samples, n_batches, n_epochs):
    assert Budget.for_map(n_samples, n_batches).n_epochs == n_epochs


@pytest.mark.parametrize(("n_epochs", "warm_up"), [(100, 100), (20, 20), (3, 3), (1, 1)])
def test_the_rate_is_half_a_cosine_after_a_tenth_of_the_steps(n_epochs, warm_up):
    budget = Budget(n_epochs, 10)
    n_steps = 10 * n_epochs
    for step in range(n_steps):
        cosine = (1.0 + math.cos(math.pi * step / n_steps)) / 2.0
        expected = cosine * min(1.0, (step + 1) / warm_up)
        assert budget.rate(step) == pytest.approx(expected)


def test_a_single_step_is_taken_at_the_full_rate():
    assert Budget(1, 1).rate(0) == 1.0


def test_one_pass_is_one_epoch():
    budget = Budget.one_pass(7)
    assert (budget.n_epochs, budget.n_batches, budget.n_steps) == (1, 7, 7)


@pytest.mark.parametrize(
    ("n_epochs", "share", "least_steps", "n_begun"),
    [(100, 0.1, 50, 10), (100, 0.1, 200, 20), (95, 0.1, 0, 10), (4, 0.1, 200, 1), (1, 0.1, 0, 1)],
)
def test_a_beginning_has_the_rates_of_the_whole(n_epochs, share, least_steps, n_begun):
    whole = Budget(n_epochs, 10)
    beginning = whole.beginning(share, least_steps)
    assert beginning.n_epochs == n_begun
    assert beginning.n_planned == n_epochs
    assert [beginning.rate(i) for i in range(10 * n_begun)] == [
        whole.rate(i) for i in range(10 * n_begun)
    ]
