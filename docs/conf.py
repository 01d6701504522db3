"""Configuration of the documentation, built by ``sphinx-build -W docs docs/_build``."""

from skaae import __version__

project = "skaae"
author = "the skaae developers"
version = release = __version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc"]
html_theme = "pydata_sphinx_theme"
exclude_patterns = ["_build"]
numpydoc_show_class_members = False
autodoc_typehints = "none"
