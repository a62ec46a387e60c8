"""What a run's numbers may depend on besides its protocol: versions and the machine."""

import os
import platform
from importlib import metadata
from pathlib import Path

from avanet import __version__

PACKAGES = ("numpy", "numba", "llvmlite", "pillow")


def environment() -> dict[str, object]:
    """Versions of avanet, Python and the packages that compute, whether kernels are compiled, the
    system and the CPU."""
    return {
        "avanet": __version__,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in PACKAGES},
        "jit": "off (NUMBA_DISABLE_JIT)" if numba_disabled() else "on",
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
    }


def numba_disabled() -> bool:
    """Whether Numba's own switch has it leave Python as it is."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def cpu_model() -> str:
    """The CPU's name as the system gives it, or an empty string."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
