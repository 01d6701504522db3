"""Figures of a benchmark, printed as they come and kept as JSON with where they come from."""

import json
import os
import platform
from importlib import metadata
from pathlib import Path
from statistics import median

import torch

RESULTS = Path(__file__).parents[2] / "docs" / "results"


class Report:
    def __init__(self, name, folder=RESULTS):
        self.path = folder / f"{name}.json"
        self.rows = json.loads(self.path.read_text())["rows"] if self.path.exists() else {}

    def add(self, what, values):
        values = [float(value) for value in values]
        spread = f"{min(values):.4g} to {max(values):.4g}"
        print(f"{what:60}{median(values):12.4g}   ({spread})", flush=True)
        self.rows[what] = {"values": values, "hardware": hardware(), "versions": versions()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"rows": self.rows}, indent=1) + "\n")


def hardware():
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def versions():
    names = ("skaae", "torch", "numpy", "scikit-learn", "pythae")
    installed = {dist.name: dist.version for dist in metadata.distributions()}
    found = {name: installed[name] for name in names if name in installed}
    return {"python": platform.python_version(), **found}
