"""What an error that ends a job was: a fault of its input or of the machine, told in one line, or a bug of arcvae."""

from __future__ import annotations

import errno
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from arcvae.errors import ArcvaeError, ConfigError, FileSystemError

_PACKAGE: Final = Path(__file__).parents[1]
REMEDIES: Final = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room or choose another output_dir"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "choose another output_dir"),
    errno.ENAMETOOLONG: "give a shorter name",
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "raise the limit with `ulimit -n`, or lower data.num_workers"),
}
"""What to do about what the operating system may answer."""
_SHARED_MEMORY: Final = re.compile(r"out of shared memory|unable to (write|open).*torch_")
"""How torch says that worker processes cannot hand over their batches; containers have 64 MB for that."""
_MEMORY: Final = re.compile(r"out of memory|can't allocate memory|_STATUS_ALLOC_FAILED")
"""How torch says that the machine or its accelerator has no more memory."""
_INTERVAL: Final = re.compile(r"([^=]+)=interval\(([^,()]+),([^,()]+)\)")


def as_fault(error: Exception, words: Sequence[str] = ()) -> ArcvaeError | None:
    """A fault for what is foreseen, or what a library or the machine refused; None for anything else, which is a bug.

    Args:
        error: What ended a command or a job.
        words: Its command line. Nothing is known here of keys that are added to a config with ``+``, so that whatever
            another library raises in a job with such keys may be due to them. What arcvae's own code raises is a bug.
    """
    if isinstance(error, ArcvaeError):
        return error
    if isinstance(error, (HydraException, OmegaConfBaseException, *misconfigurations())):
        intervals = [found for word in words if (found := _INTERVAL.match(word))]
        if intervals and "sweep type" in str(error):
            return ConfigError([_without_search(*map(str.strip, found.groups())) for found in intervals])
        return ConfigError(" ".join(str(error).split()))
    if isinstance(error, OSError) and (error.filename is not None or error.errno in REMEDIES):
        remedy = REMEDIES.get(error.errno or 0, "give another path")
        return FileSystemError(f"{error.strerror}: {error.filename or 'a file'}; {remedy}")
    said = str(error)
    if _SHARED_MEMORY.search(said):
        return FileSystemError("out of shared memory; set data.num_workers=0, or give more (docker run --shm-size=8g)")
    if isinstance(error, MemoryError) or _MEMORY.search(said):
        return FileSystemError("out of memory; in training lower data.batch_size, else take a smaller model or corpus")
    place = traceback.extract_tb(error.__traceback__)[-1:]
    ours = any(Path(frame.filename).is_relative_to(_PACKAGE) for frame in place)
    if (added := [word for word in words if word.startswith("+")]) and not ours:
        where = f" ({place[0].filename}:{place[0].lineno})" if place else ""
        return ConfigError(
            f"{type(error).__name__}: {' '.join(said.split())}{where}; arcvae has no rule for {' '.join(added)}: "
            "leave that out, or add hydra.verbose=true to see how it came to this"
        )
    return None


def _without_search(key: str, low: str, high: str) -> str:
    """What to do about an interval that a sweeper cannot draw from."""
    return (
        f"{key}=interval({low},{high}) is for a sweeper that searches; give values ({key}={low},{high}), or name one "
        "with hydra/sweeper=..."
    )


def misconfigurations() -> tuple[type[Exception], ...]:
    """Lightning's exception for settings that it does not accept, if Lightning has been imported.

    To import it here would cost five seconds for every corpus that is made, which needs nothing of Lightning.
    """
    lightning = sys.modules.get("lightning.fabric.utilities.exceptions")
    return () if lightning is None else (lightning.MisconfigurationException,)
