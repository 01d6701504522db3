"""Configuration of the documentation, built by ``sphinx-build -W -j 2 docs docs/_build``."""

import sys
from pathlib import Path

from skaae import __version__

sys.path.insert(0, str(Path(__file__).parent))  # for gallery.py

project = "skaae"
author = "the skaae developers"
version = release = __version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
html_theme = "pydata_sphinx_theme"
exclude_patterns = ["_build"]
numpydoc_show_class_members = False
autodoc_typehints = "none"
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    # The others are no pictures; docs/examples.rst lists them.
    "ignore_pattern": r"(^|/)(?!plot_)[^/]+\.py$",
    "within_subsection_order": "FileNameSortKey",
    "image_scrapers": ("matplotlib",),
    "capture_repr": ("_repr_html_",),
    "reset_modules": ("matplotlib", "gallery.refuse_warnings"),
    "reset_modules_order": "both",
    "backreferences_dir": "auto_examples/backreferences",
    "download_all_examples": False,
    "write_computation_times": False,
    # As many examples at a time as sphinx-build -j says.
    "parallel": True,
}
