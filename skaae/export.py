"""Fitted estimators as files that other runtimes serve."""

from __future__ import annotations

import copy
import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, cast

import torch
from torch import Tensor, nn

from skaae._codec import Graph
from skaae._portable import PortableEstimator
from skaae._version import __version__

__all__ = ["to_onnx"]


def to_onnx(
    estimator: Any, path: str | os.PathLike[str], part: str = "encoder", *, opset: int = 18
) -> None:
    r"""Write a part of a fitted estimator as an ONNX file, from users' rows to users' codes.

    The scaling of columns, the prior's units and the link of the reconstruction loss are in the
    graph, so that it answers what the estimator does to float32 rows:

    ============  ==================================  ==================================
    part          inputs                              output
    ============  ==================================  ==================================
    "encoder"     ``rows`` (n_samples, n_features)    ``codes``, as ``transform``
    "decoder"     ``codes`` (n_samples,               ``rows``, as ``inverse_transform``
                  n_components) and, where the
                  decoder takes labels, ``labels``
                  (n_samples,)
    "classifier"  ``rows`` (n_samples, n_features)    ``probabilities``, as
                                                      ``predict_proba``
    ============  ==================================  ==================================

    ``labels`` are int64: the place of a row's class among the classes that the metadata lists, or
    its cluster; to a conditional estimator -1 is a row without a class. All else is float32, and
    the number of rows is free. The metadata has ``skaae_version``, ``estimator``, ``part`` and, as
    JSON where there are any, ``classes`` and ``feature_names``.

    Parameters
    ----------
    estimator : fitted estimator of skaae
        :class:`~skaae.ImplicitGenerativeModel` has a decoder only, from codes drawn from the prior
        to rows as ``sample`` answers them; those that infer labels have a classifier.
    path : str or path-like
        The file to write. Weights beyond 2 GB, which one file cannot hold, go to a second one
        beside it.
    part : {"encoder", "decoder", "classifier"}, default="encoder"
    opset : int, default=18
        Version of the ONNX operators; 18 is the lowest that PyTorch writes by itself.

    Raises
    ------
    ValueError
        If the estimator has no such part, or is none of skaae's.
    ImportError
        If onnx or onnxscript is not installed, or PyTorch is older than 2.6.
    RuntimeError
        If a network of your own does what PyTorch cannot export; its error is the cause.

    References
    ----------
    *Open Neural Network Exchange*, https://onnx.ai.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skaae import AdversarialAutoencoder
    >>> from skaae.export import to_onnx
    >>> X, _ = load_iris(return_X_y=True)
    >>> aae = AdversarialAutoencoder(max_iter=20, random_state=0).fit(X)
    >>> to_onnx(aae, "encoder.onnx")  # doctest: +SKIP
    """
    if not isinstance(estimator, PortableEstimator):
        raise ValueError(
            f"estimator: expected a fitted estimator of skaae, got {type(estimator).__name__}. "
            "Of a Pipeline export the step."
        )
    name, graphs = type(estimator).__name__, estimator._graphs()
    if part not in graphs:
        raise ValueError(f"part: {name} has {sorted(graphs)}, got {part!r}.")
    _require_exporter()
    graph = graphs[part]
    network = _Exported(copy.deepcopy(estimator.model_).cpu(), graph).eval()
    with torch.no_grad():
        # What is drawn once and kept, such as the noise of a mean code, is then there to be traced.
        network(*graph.inputs.values())
    try:
        program = _program(network, graph, opset)
    except Exception as error:
        raise RuntimeError(
            f"The {part} of {name} could not be exported: PyTorch failed to turn it into a graph "
            "(see the error above). A network of your own has to be a function of its input alone, "
            "without branches on values, and to ask for x.shape[0] instead of len(x)."
        ) from error
    described = {"skaae_version": __version__, "estimator": name, "part": part}
    for key, attribute in (("classes", "classes_"), ("feature_names", "feature_names_in_")):
        if hasattr(estimator, attribute):
            described[key] = json.dumps(getattr(estimator, attribute).tolist())
    program.model.metadata_props.update(described)
    program.save(path, external_data=False)


class _Exported(nn.Module):
    """A graph as the module that exporters take."""

    def __init__(self, model: nn.Module, graph: Graph) -> None:
        super().__init__()
        self.model, self.function = model, graph.function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(self.model, *inputs)


def _require_exporter() -> None:
    try:
        for package in ("onnx", "onnxscript"):
            import_module(package)
        if torch.__version__ < "2.6":
            raise ImportError(f"PyTorch is {torch.__version__}, older than 2.6.")
    except ImportError as error:
        raise ImportError(
            'to_onnx needs onnx, onnxscript and PyTorch 2.6 or newer: pip install "skaae[onnx]"'
        ) from error


def _program(network: nn.Module, graph: Graph, opset: int) -> torch.onnx.ONNXProgram:
    # Without an end, PyTorch 2.6 finds a number of rows that does not do, and fixes it.
    rows = {0: torch.export.Dim("n_samples", max=2**31)}
    with _quiet():
        # It answers None only where it writes the file itself.
        program = cast(
            torch.onnx.ONNXProgram,
            torch.onnx.export(
                network,
                tuple(graph.inputs.values()),
                dynamo=True,
                input_names=list(graph.inputs),
                output_names=[graph.output],
                dynamic_shapes=(tuple(rows for _ in graph.inputs),),
                opset_version=opset,
                verbose=False,
            ),
        )
    shapes = [given.shape for given in program.model.graph.inputs]
    if any(shape is None or isinstance(shape[0], int) for shape in shapes):
        raise ValueError("The graph takes only as many rows at once as the exporter tried.")
    return program


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what the exporter says of its own parts: deprecations, absent packages."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
