"""Where figures come from: versions and hardware, as the scripts of both folders record them."""

import hashlib
import os
import platform
from importlib import metadata
from pathlib import Path

import torch

import skaae


def versions():
    names = ("skaae", "torch", "numpy", "scikit-learn", "pythae")
    installed = {dist.name: dist.version for dist in metadata.distributions()}
    found = {name: installed[name] for name in names if name in installed}
    return {**found, "python": platform.python_version()}


def code():
    """Return a name for the state of skaae's code, which versions do not tell apart."""
    folder, found = Path(skaae.__file__).parent, hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(path.relative_to(folder).as_posix().encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


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
