"""Every script of examples/ runs to its end and has nothing to warn of but short fits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
# Minutes each; the quickstart runs by itself in CI.
LONG = {
    "plot_displays",
    "plot_neighbors",
    "plot_published_models",
    "plot_quickstart",
    "plot_replace_pca",
    "plot_replace_tsne",
}

# Python reads -W before it knows installed packages, whose warnings cannot be named there.
RUN = """
import runpy, sys, warnings

for name in sys.argv[2:]:
    sys.modules[name] = None
warnings.simplefilter("error")
from sklearn.exceptions import ConvergenceWarning

warnings.simplefilter("default", ConvergenceWarning)
sys.argv = sys.argv[1:2]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(script, folder, *, without=()):
    """Return what a script prints to standard output and to standard error."""
    environment = os.environ | {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(script), *without],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{script.name}:\n{done.stdout}\n{done.stderr}"
    return done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(script, id=script.stem, marks=[pytest.mark.long] * (script.stem in LONG))
        for script in SCRIPTS
    ],
)
def test_an_example_runs_without_a_warning(script, tmp_path):
    _, errors = run(script, tmp_path)
    told = [line for line in errors.splitlines() if "Warning:" in line]
    assert all("ConvergenceWarning" in line for line in told), errors


def test_a_search_without_optuna_says_what_to_install(tmp_path):
    printed, _ = run(EXAMPLES / "optuna_search.py", tmp_path, without=["optuna"])
    assert "pip install optuna" in printed


def test_every_example_is_listed():
    listed = (EXAMPLES.parent / "docs" / "examples.rst").read_text(encoding="utf-8")
    assert [script.name for script in SCRIPTS if f"``{script.name}``" not in listed] == []
