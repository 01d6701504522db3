import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import distributed_fit
import numpy as np
import pytest
import torch
from estimator_cases import short_fits_may_warn
from joblib import parallel_config
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skaae import AdversarialAutoencoder
from skaae._device import resolve_device
from skaae.distributed import Ranks, current_ranks, data_parallel

SCRIPT = Path(distributed_fit.__file__)
pytestmark = [
    short_fits_may_warn,
    pytest.mark.skipif(
        not torch.distributed.is_available(),
        reason="this PyTorch was built without torch.distributed",
    ),
]


def together(what, folder, n_processes=2):
    """Run the script in several processes; return what became of the launcher."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*launcher, "--nproc-per-node", str(n_processes), str(SCRIPT), what, str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """Return what one process found, and each of two."""
    alone, both = tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("both")
    distributed_fit.main("fits", alone)
    run = together("fits", both)
    assert run.returncode == 0, run.stderr
    return [
        np.load(folder / name)
        for folder, name in ((alone, "0.npz"), (both, "0.npz"), (both, "1.npz"))
    ]


@pytest.mark.parametrize("name", distributed_fit.exact())
@pytest.mark.parametrize("what", ["codes", "reconstruction", "regularization", "discriminator"])
def test_two_processes_end_where_one_does(fits, name, what):
    alone, first, second = (found[f"{name}: {what}"] for found in fits)
    np.testing.assert_allclose(first, alone, atol=1e-4)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", distributed_fit.alike())
def test_all_processes_end_with_one_model(fits, name):
    _, first, second = (found[f"{name}: weights"] for found in fits)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("rows", "the same rows in every process"),
        ("order", "the same rows in every process"),
        ("fewer rows", "the same rows in every process"),
        ("labels", "the same rows in every process"),
        ("too few", "at least two rows for each of 2 processes, got 3"),
    ],
)
def test_every_process_refuses_rows_that_do_not_fit(fits, what, message):
    for found in fits[1:]:
        assert message in str(found[f"refused: {what}"])


def test_a_process_that_dies_ends_the_others(tmp_path):
    run = together("killed", tmp_path)
    assert run.returncode != 0
    assert "exitcode: 3" in " ".join(run.stderr.replace(" :", ":").split())
    assert not list(tmp_path.iterdir())


class OnGPU(torch.Tensor):
    """A tensor that says so when it is moved to the CPU."""

    def cpu(self):
        return self.as_subclass(torch.Tensor)


class Stateful:
    """What has a state, and takes another."""

    def __init__(self, state):
        self.state = state

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.loaded = state


def kinds_of_tensors(value):
    if isinstance(value, torch.Tensor):
        yield type(value)
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from kinds_of_tensors(item)


def test_states_are_sent_from_the_cpu(monkeypatch):
    """A tensor of a GPU that is pickled arrives on the GPU of that number, which others have."""
    sent = []
    monkeypatch.setattr(
        torch.distributed, "broadcast_object_list", lambda box, src: sent.append(box[0])
    )
    weights = OrderedDict(weight=torch.ones(2).as_subclass(OnGPU))
    weights._metadata = {"": {"version": 2}}
    moments = {0: {"exp_avg": torch.ones(2).as_subclass(OnGPU)}}
    groups = [{"params": [0], "betas": (0.5, torch.ones(2).as_subclass(OnGPU))}]
    model, optimizer = Stateful(weights), Stateful({"state": moments, "param_groups": groups})
    generator = torch.Generator()
    step = SimpleNamespace(model=model, generator=generator, optimizers=[optimizer])
    Ranks(0, 2).start_alike(step)
    first, _, last = sent
    assert list(kinds_of_tensors(first)) == [torch.Tensor]
    assert list(kinds_of_tensors(last)) == [torch.Tensor] * 2
    assert first._metadata == weights._metadata
    assert type(weights["weight"]) is OnGPU
    assert model.loaded is first
    assert optimizer.loaded is last


@pytest.mark.parametrize(
    ("cuda", "nccl", "expected"),
    [(True, True, "cpu:gloo,cuda:nccl"), (True, False, "gloo"), (False, True, "gloo")],
)
def test_processes_talk_over_nccl_where_there_is_one(monkeypatch, cuda, nccl, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: nccl)
    asked = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(torch.distributed, "init_process_group", asked.append)
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: None)
    monkeypatch.setattr(torch.distributed, "get_backend_config", lambda: "cpu:gloo")
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    with data_parallel():
        assert current_ranks() == Ranks(0, 2)
    with data_parallel("mpi"):
        pass
    assert asked == [expected, "mpi"]


@pytest.fixture
def group(monkeypatch):
    """Return a function that makes this the first of processes that a launcher has connected."""

    def connect(gpus, backends="cpu:gloo,cuda:nccl"):
        def gather(found, own):
            assert own == gpus[0]
            found[:] = gpus

        said = {"is_initialized": True, "get_backend_config": backends, "get_rank": 0}
        for name, value in {**said, "get_world_size": len(gpus)}.items():
            monkeypatch.setattr(torch.distributed, name, lambda value=value: value)
        monkeypatch.setattr(torch.distributed, "all_gather_object", gather)
        monkeypatch.delenv("LOCAL_RANK", raising=False)
        has = {"is_available": gpus[0] is not None, "device_count": 1, "current_device": 0}
        for name, value in has.items():
            monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
        monkeypatch.setattr(
            torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid=gpus[0])
        )

    return connect


@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
def test_processes_that_share_a_gpu_are_told_what_to_do(group, device):
    group(["a", "b", "a"])
    with (
        data_parallel(),
        pytest.raises(
            ValueError, match=r"a GPU for each of 3 processes.*\(1 here: torchrun.*'cpu'"
        ),
    ):
        resolve_device(device)
    assert resolve_device(device) == torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("gpus", "backends"),
    [
        (["a", "b"], "cpu:gloo,cuda:nccl"),
        ([None, None], "cpu:gloo,cuda:nccl"),
        (["a", "a"], "cpu:gloo,cuda:gloo"),
    ],
    ids=["each its own", "none", "over gloo"],
)
def test_processes_that_have_gpus_or_can_share_them_train(group, gpus, backends):
    group(gpus, backends)
    with data_parallel():
        assert resolve_device("auto").type == ("cpu" if gpus[0] is None else "cuda")
        assert resolve_device("cpu").type == "cpu"


def test_processes_that_share_a_gpu_may_train_on_the_cpu(group):
    group(["a", "a"])
    with data_parallel():
        assert resolve_device("cpu").type == "cpu"


def test_one_process_trains_alone(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    with data_parallel():
        assert current_ranks().size == 1
    assert not torch.distributed.is_initialized()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:(dask|distributed|tornado).*")
def test_a_search_on_a_dask_cluster_finds_what_it_finds_here(wine):
    dask = pytest.importorskip("distributed", reason="needs the extra `distributed`")
    X, y = wine
    aae = AdversarialAutoencoder(hidden_layer_sizes=(16,), max_iter=5, random_state=0)
    pipeline = make_pipeline(aae, LogisticRegression(max_iter=500))
    search = GridSearchCV(pipeline, {"adversarialautoencoder__n_components": [2, 3]}, cv=2)
    with (
        dask.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        dask.Client(cluster),
        parallel_config("dask"),
    ):
        found = clone(search).fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_allclose(found, search.fit(X, y).cv_results_["mean_test_score"])
