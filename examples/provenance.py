"""Where figures come from: versions and hardware, as the scripts of both folders record them."""

import os
import platform
from importlib import metadata
from pathlib import Path

import torch


def versions():
    names = ("skaae", "torch", "numpy", "scikit-learn", "pythae")
    installed = {dist.name: dist.version for dist in metadata.distributions()}
    found = {name: installed[name] for name in names if name in installed}
    return {**found, "python": platform.python_version()}


def hardware():
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def processor():
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
