"""Every script of examples/ runs to its end and has nothing to warn of but short fits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
DRAWING = sorted(EXAMPLES.glob("plot_*.py"))

# Python reads -W before it knows installed packages, whose warnings cannot be named there.
RUN = """
import runpy, sys, warnings

for name in sys.argv[2:]:
    sys.modules[name] = None
warnings.simplefilter("error")
# Where there is a display, and pictures are taken without it.
warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
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
        # The gallery of the documentation runs those that draw, and fails on a warning too.
        pytest.param(script, id=script.stem, marks=[pytest.mark.long] * (script in DRAWING))
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
    forms = {
        script: f"    ../examples/{script.name}\n" if script in DRAWING else f"``{script.name}``"
        for script in SCRIPTS
    }
    assert [script.name for script, form in forms.items() if listed.count(form) != 1] == []


@pytest.mark.parametrize("script", DRAWING, ids=lambda script: script.stem)
def test_an_example_that_draws_is_a_page(script):
    """A title, text between its parts, a figure that is shown, and a claim that is checked."""
    source = script.read_text(encoding="utf-8")
    title, line = source.split("\n")[1:3]
    assert line == "=" * len(title)
    assert source.count("\n# %%\n") >= 2
    assert "plt.show()" in source
    assert "\nassert " in source or "\n    assert " in source
