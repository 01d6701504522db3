"""Every name of the API page has a docstring that tells arguments, shapes, errors and sources.

That the examples in them run is for ``--doctest-modules`` to say.
"""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest
from sklearn.utils import get_tags

import skaae

API = Path(__file__).parents[1] / "docs" / "api.rst"
ESTIMATORS = [name for name in skaae.__all__ if inspect.isclass(getattr(skaae, name))]
METHODS = ("fit", "partial_fit", "transform", "inverse_transform", "predict", "predict_proba")
ARRAYS = re.compile(r"\b(array-like|ndarray|sparse matrix|Tensor)\b")
SHAPES = re.compile(r"of (one |the same |any )?shape|of (the|its) shape|in the shape")


def listed():
    """Yield the public names of the page as (module, name)."""
    for directive, target, members in re.findall(
        r"\.\. auto(class|function|module):: (\S+)\n((?:    .*\n)*)", API.read_text("utf-8")
    ):
        if directive == "module":
            module = importlib.import_module(target)
            found = re.search(r":members: (.*(?:\n {8}.*)*)", members)
            names = re.split(r",\s*", found[1]) if found else module.__all__
            yield from ((target, name.strip()) for name in names)
        else:
            module, _, name = target.rpartition(".")
            yield module or "skaae", name


class Documented:
    """A public class, function or method, and the sections of its docstring."""

    def __init__(self, value, name):
        self.value, self.name = value, name

    @property
    def text(self):
        return inspect.getdoc(self.value) or ""

    def section(self, title):
        """Return what stands under a title, or nothing."""
        found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w+\n-+$|\Z)", self.text, re.M | re.S)
        return found[1].strip() if found else ""

    def entries(self, title):
        """Return the entries of a section: names, and all that is said of them."""
        found = re.findall(r"^(\S.*?)(?: : (.*(?:\n(?: +.*)?)*)|$)", self.section(title), re.M)
        return {
            name.strip().lstrip("*"): told for names, told in found for name in names.split(",")
        }

    @property
    def defaults(self):
        """Return the defaults that the parameters section tells; names may share an entry."""
        entries = self.entries("Parameters")
        defaults = {}
        for name, told in entries.items():
            found = re.search(r"default=(.*)", told.split("\n")[0])
            if found:
                values = [ast.literal_eval(value) for value in found[1].split(" and ")]
                names = [other for other in entries if entries[other] == told]
                defaults[name] = values[names.index(name) if len(values) > 1 else 0]
        return defaults

    @property
    def arguments(self):
        ignored = ("self", "cls")
        signature = inspect.signature(self.value)
        return [name for name in signature.parameters if name not in ignored]

    @property
    def raises(self):
        return re.search(r"^\s+raise ", inspect.getsource(self.value), re.MULTILINE)


PUBLIC = {
    f"{module}.{name}": Documented(getattr(importlib.import_module(module), name), name)
    for module, name in listed()
}
CALLED = {
    f"{path}.{method}": Documented(getattr(documented.value, method), method)
    for path, documented in PUBLIC.items()
    if documented.name in ESTIMATORS
    for method in (*METHODS, "sample", "score", "save")
    if hasattr(documented.value, method)
} | {
    f"{path}.{method}": Documented(getattr(documented.value, method), method)
    for path, documented in PUBLIC.items()
    if path.startswith("skaae.plotting")
    for method in ("from_estimator", "plot")
}


def is_built(documented):
    """Return whether users call it: not an abstract class, nor one that only answers."""
    value = documented.value
    return not (inspect.isabstract(value) or hasattr(value, "__dataclass_fields__"))


def test_what_a_module_offers_is_on_the_page():
    for name in ("priors", "divergences", "networks", "metrics", "plotting"):
        module = importlib.import_module(f"skaae.{name}")
        shown = {path.rpartition(".")[2] for path in PUBLIC if path.startswith(f"skaae.{name}.")}
        assert shown <= set(module.__all__)
        classes = {each for each in module.__all__ if inspect.isclass(getattr(module, each))}
        assert classes - shown <= {"LinearPathNetwork"}


@pytest.mark.parametrize("path", [*PUBLIC, *CALLED])
def test_every_argument_is_described(path):
    documented = (PUBLIC | CALLED)[path]
    assert documented.text
    if is_built(documented):
        described = documented.entries("Parameters")
        missing = [name for name in documented.arguments if name not in described]
        # Estimators that share most of their parameters describe those of their own.
        assert not missing or "As in :class:`AdversarialAutoencoder`" in documented.text, missing


@pytest.mark.parametrize("path", [*PUBLIC, *CALLED])
def test_defaults_are_those_described(path):
    documented = (PUBLIC | CALLED)[path]
    parameters = inspect.signature(documented.value).parameters
    kept = {name: parameters[name].default for name in documented.defaults}
    assert kept == documented.defaults


@pytest.mark.parametrize("path", [*PUBLIC, *CALLED])
def test_every_array_has_a_shape(path):
    documented = (PUBLIC | CALLED)[path]
    for title in ("Parameters", "Returns", "Attributes"):
        for name, told in documented.entries(title).items():
            assert SHAPES.search(told) or not ARRAYS.search(told.split("\n")[0]), name


@pytest.mark.parametrize("name", ESTIMATORS)
def test_methods_that_take_sparse_rows_say_so(name):
    case = getattr(skaae, name)
    if not get_tags(case()).input_tags.sparse:
        pytest.skip("it takes none")
    for method in ("fit", "partial_fit", "transform", "predict", "predict_proba", "score"):
        if hasattr(case, method):
            told = Documented(getattr(case, method), method).entries("Parameters")["X"]
            assert "sparse matrix" in told, method


@pytest.mark.parametrize("path", CALLED)
def test_every_method_of_an_estimator_tells_its_errors(path):
    documented = CALLED[path]
    drawn = path.endswith(".plot") and not documented.raises
    assert documented.section("Raises") or drawn


@pytest.mark.parametrize("path", PUBLIC)
def test_what_raises_says_so(path):
    documented = PUBLIC[path]
    of_methods = [
        called.section("Raises") for name, called in CALLED.items() if name.startswith(f"{path}.")
    ]
    assert documented.section("Raises") or any(of_methods) or not documented.raises


@pytest.mark.parametrize("path", PUBLIC)
def test_every_name_has_a_reference(path):
    assert PUBLIC[path].section("References")


@pytest.mark.parametrize("path", PUBLIC)
def test_every_name_has_an_example(path):
    assert ">>> " in PUBLIC[path].section("Examples")
