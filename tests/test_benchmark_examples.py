"""The benchmarks that count what goes wrong in default fits and what grows: what they find."""

import functools
import json
import runpy
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skaae import AdversarialAutoencoder
from skaae.training import Budget

BENCHMARKS = Path(__file__).parents[1] / "examples" / "benchmarks"


@pytest.fixture
def run_script(monkeypatch, tmp_path):
    """Return a function that runs default_fits.py for three epochs a fit and answers its sets."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setattr(Budget, "default", lambda n_samples, n_batches: Budget(3, n_batches))

    def run(*arguments):
        options = ["--data", tmp_path, "--out", tmp_path, *arguments]
        monkeypatch.setattr(sys, "argv", ["default_fits.py", *map(str, options)])
        runpy.run_path(str(BENCHMARKS / "default_fits.py"), run_name="__main__")
        return json.loads((tmp_path / "default_fits.json").read_text())["sets"]

    yield run
    for module in ("panel", "provenance", "report", "rivals"):
        sys.modules.pop(module, None)


def page(name):
    return runpy.run_path(str(BENCHMARKS / "default_fits_page.py"))[name]


def test_default_fits_leave_figures_of_two_dimensions(run_script):
    sets = run_script("--only", "wine", "--seeds", 1)
    assert list(sets) == ["wine, 2", "wine, 8"]
    for content in sets.values():
        assert content["shape"] == [125, 53, 13]
        (figures,) = content["fits"].values()
        values = [figures[what] for what in ("error", "prior", "distance", "spread")]
        assert np.isfinite(values).all()
        assert figures["not finite"] == 0


def test_numbers_of_components_are_asked_for(run_script):
    sets = run_script("--only", "iris", "wine", "--seeds", 1, "--components", 3, 5)
    assert list(sets) == ["iris, 3", "wine, 3", "wine, 5"]  # iris has four columns


def test_more_seeds_are_added_to_what_is_there(run_script):
    first = run_script("--only", "iris", "--seeds", 1)["iris, 2"]["fits"]
    both = run_script("--only", "iris", "--seeds", 2)["iris, 2"]["fits"]
    assert list(both) == ["0", "1"]
    assert both["0"] == first["0"]  # its seconds too: it was not fitted again
    assert both["1"]["error"] != both["0"]["error"]


def test_what_goes_wrong_is_counted(run_script, monkeypatch):
    def fit(self, X):
        raise ValueError("a made-up reason")

    monkeypatch.setattr(AdversarialAutoencoder, "fit", fit)
    sets = run_script("--only", "iris", "--seeds", 1)
    assert sets["iris, 2"]["fits"]["0"]["failed"] == "ValueError: a made-up reason"
    assert "1 ended in an error" in page("total")(sets)


def test_answers_that_are_not_finite_are_counted(run_script, monkeypatch):
    def sample(self, n_samples, random_state):
        return np.full((n_samples, 4), np.nan)

    monkeypatch.setattr(AdversarialAutoencoder, "sample", sample)
    (figures,) = run_script("--only", "iris", "--seeds", 1)["iris, 2"]["fits"].values()
    assert figures["not finite"] == 45 * 4


def test_the_page_has_medians_worst_figures_and_seeds_that_warned():
    fit = {"prior": 1.0, "spread": 0.9, "collapsed": False, "not finite": 0, "warnings": []}
    fits = {str(seed): {**fit, "error": 0.5 + 0.1 * seed} for seed in range(5)}
    fits["3"] |= {"warnings": ["SomeWarning: codes"], "collapsed": True, "spread": 0.05}
    sets = {"letter, 8": {"shape": [1400, 600, 16], "fits": fits}}
    assert page("cells_of")("letter, 8", **sets["letter, 8"]) == [
        *("letter", "8", "1,400 + 600", "16", "5"),
        *("0.70", "0.90", "1.00", "1.00", "0.90", "0.05"),
    ]
    assert "5 fits of 1 sets: 0 ended in an error, 0 answered" in page("total")(sets)
    assert "1 had collapsed codes, 1 warned" in page("total")(sets)
    lines = page("told")(sets).splitlines()
    assert lines[0] == "- letter, 8: collapsed, seeds [3] of 5."
    assert lines[1] == "- letter, 8: ``SomeWarning: codes ...``, seeds [3] of 5."


# --------------------------------------------------------------------------------- what grows


@pytest.fixture
def soak(monkeypatch):
    """Return what soak.py defines."""
    pytest.importorskip("psutil")
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield runpy.run_path(str(BENCHMARKS / "soak.py"))
    for module in ("provenance", "report"):
        sys.modules.pop(module, None)


@pytest.mark.parametrize(
    ("what", "most"), [("resident memory, MB", 102), ("threads", 100), ("open files", 100)]
)
def test_what_grows_is_named(soak, tmp_path, what, most):
    report = soak["Report"]("soak", tmp_path)
    early = dict.fromkeys(soak["MEASURED"], 100)
    assert soak["report_growth"](report, "fits", early, {**early, what: most}) == []
    (told,) = soak["report_growth"](report, "fits", early, {**early, what: most + 1})
    assert told == f"fits: {what} grew from 100 to {most + 1}"


@pytest.mark.parametrize(
    ("after", "told"),
    [(2.4, None), (2.6, "2.6 times the error of a fit"), (11.0, "restored worse after")],
)
def test_last_rows_that_are_not_learnt_are_named(soak, tmp_path, monkeypatch, after, told):
    held = dict.fromkeys(soak["MEASURED"], 100)
    instead = {
        "Report": functools.partial(soak["Report"], folder=tmp_path),
        "fit_many": lambda *_: (held, held),
        "learn_in_pieces": lambda *_: (held, held, (10.0, after, 1.0)),
    }
    for name, value in instead.items():
        monkeypatch.setitem(soak["main"].__globals__, name, value)
    monkeypatch.setattr(sys, "argv", ["soak.py"])
    with nullcontext() if told is None else pytest.raises(SystemExit, match=told):
        soak["main"]()


def test_the_step_by_hand_descends_the_objective(monkeypatch):
    """Its gradients are those that autograd finds, of the losses that it is to descend."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    module = runpy.run_path(str(BENCHMARKS / "by_hand.py"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = module["ByHand"](6, (5, 4), 2, torch.float32)
        x, prior_codes = torch.rand(7, 6), torch.randn(7, 2)
    monkeypatch.setattr(torch, "randn", lambda *shape: prior_codes)
    encoder, decoder, discriminator = map(
        _with_gradients, (model.encoder, model.decoder, model.discriminator)
    )
    codes = encoder(x)
    softplus = torch.nn.functional.softplus
    told = softplus(discriminator(prior_codes)) + softplus(-discriminator(codes.detach()))
    fooled = softplus(discriminator(codes)).mean()
    objective = 0.5 * (decoder(codes) - x).square().sum(dim=1).mean() + fooled
    expected = [
        *torch.autograd.grad(told.mean(), discriminator.weights, retain_graph=True),
        *torch.autograd.grad(objective, [*encoder.weights, *decoder.weights]),
    ]
    moved = []
    keeper = SimpleNamespace(move=lambda gradients: moved.extend(gradients))
    model.step(x, keeper, keeper)
    assert len(moved) == len(expected) == 18
    for mine, other in zip(moved, expected):
        torch.testing.assert_close(mine, other)


def _with_gradients(network):
    """Return a function of rows that passes the weights of `network` by autograd."""
    weights = [weight.clone().requires_grad_(True) for weight in network.weights]

    def outputs(h):
        for place in range(0, len(weights), 2):
            h = h if place == 0 else torch.nn.functional.leaky_relu(h, network.slope)
            h = h @ weights[place].T + weights[place + 1]
        return h

    outputs.weights = weights
    return outputs
