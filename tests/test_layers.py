"""Imports go down only: a module may import from its own layer's packages and those below."""

import ast
from pathlib import Path

import pytest

import skaae

ROOT = Path(skaae.__file__).parent

# From the bottom up; a name stands for a module or a whole package.
LAYERS = [
    ["_forked", "_modes", "_sorting", "_tensors"],
    ["_compat", "_labels", "_sources", "_version", "distributed"],
    ["_device", "_scoped_randomness", "_threads", "checkpoints"],
    ["_portable"],
    ["_scaling", "losses", "posteriors", "priors", "networks"],
    ["_aggregated_posterior", "_streams", "divergences"],
    ["_latent", "_layout", "_neighbors", "_parameters"],
    ["_implicit_model", "_model"],
    ["_codec", "_fingerprint", "_prior_match", "_rows", "_warm_start", "training"],
    ["_persistence"],
    ["_decoding", "_fitted", "_runs", "_safety"],
    ["_inference"],
    ["_base"],
    ["_implicit", "_incremental", "_label_inference", "_neighborhoods"],
    ["_autoencoder", "_classifier", "_clusterer", "_conditional"],
    ["_loading", "export", "metrics", "plotting"],
    ["hub"],
    ["__init__"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# Within a layer, who may look at whom.
ALLOWED_SIDEWAYS = {("training", "training"), ("priors", "priors"), ("networks", "networks")}
ALLOWED_SIDEWAYS |= {("divergences", "divergences"), ("plotting", "plotting")}
ALLOWED_SIDEWAYS |= {("_persistence", "_persistence")}


def unit(path):
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported_units(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "skaae":
            parts = node.module.split(".")
            names = [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
            yield from (name for name in names if not name.startswith("__"))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "skaae":
                    yield parts[1] if len(parts) > 1 else "__init__"


MODULES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    here = unit(path)
    for name in imported_units(path):
        sideways = (here, name) in ALLOWED_SIDEWAYS
        assert sideways or LEVEL[name] < LEVEL[here], f"{here} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_too_long(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_at_import(path):
    """Modules define; only assignments, imports, classes and functions stand at their top."""
    tree = ast.parse(path.read_text())
    allowed = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Assign, ast.AnnAssign)
    for node in tree.body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        assert isinstance(node, allowed) or is_docstring, ast.unparse(node)
