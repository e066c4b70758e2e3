"""What a run was made with: versions, the commit, the machine, and the memory that it used."""

from __future__ import annotations

import contextlib
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Final

_PACKAGES: Final = ("torch", "lightning", "hydra-core", "omegaconf", "torchmetrics", "numpy", "matplotlib", "wandb")


def software() -> dict[str, Any]:
    """Versions of Python and of packages, the machine, and the commit of the code.

    ``git_commit`` and ``git_dirty`` (whether tracked files have changes) are None where the code is in no checkout.
    """
    versions = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    commit, dirty = _checkout()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
        "git_commit": commit,
        "git_dirty": dirty,
    }


def _checkout() -> tuple[str | None, bool | None]:
    """Commit of the checkout that this file belongs to, and whether it has changes; None if it belongs to none."""
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here.parent), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", here.name)  # installed into another repository, it is not tracked
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def peak_memory() -> float | None:
    """Peak resident memory of this process so far, in MiB; None where the system does not report it."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)
