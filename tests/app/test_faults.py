"""Which errors are faults, and of what."""

from __future__ import annotations

import errno
import subprocess
import sys
import traceback
from collections.abc import Callable

import pytest
import torch
from hydra.errors import HydraException
from lightning.fabric.utilities.exceptions import MisconfigurationException
from omegaconf.errors import ConfigKeyError

from arcvae.app.compose import plan
from arcvae.app.faults import as_fault
from arcvae.errors import ArcvaeError, ConfigError, DataError, FileSystemError
from arcvae.imbalance.counts import count_classes


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (DataError("as it is"), DataError, "as it is"),
        (HydraException("two\n lines"), ConfigError, "two lines"),
        (ConfigKeyError("key"), ConfigError, "key"),
        (MisconfigurationException("no logger"), ConfigError, "no logger"),
        (OSError(errno.ENOSPC, "full"), FileSystemError, "full: a file; make room or choose another output_dir"),
        (PermissionError(errno.EROFS, "ro", "/x"), FileSystemError, "ro: /x; choose another output_dir"),
        (OSError(errno.ENAMETOOLONG, "long", "x"), FileSystemError, "long: x; give a shorter name"),
        (OSError(errno.EMFILE, "many", "x"), FileSystemError, "many: x; raise the limit with `ulimit -n`"),
        (
            NotADirectoryError(errno.ENOTDIR, "no folder", "c.npz"),
            FileSystemError,
            "no folder: c.npz; give another path",
        ),
        (MemoryError(), FileSystemError, "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), FileSystemError, "out of memory"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), FileSystemError, "out of memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `x`"), FileSystemError, "out of memory"),
        (
            RuntimeError(
                "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's "
                "workers are out of shared memory."
            ),
            FileSystemError,
            "out of shared memory; set data.num_workers=0",
        ),
        (
            RuntimeError("unable to write to file </torch_1_2_3>: No space left on device (28)"),
            FileSystemError,
            "out of shared memory; set data.num_workers=0",
        ),
        (OSError(errno.EINVAL, "odd"), None, ""),
        (RuntimeError("odd"), None, ""),
    ],
)
def test_kind_of_an_error(error: Exception, kind: type[ArcvaeError] | None, said: str) -> None:
    fault = as_fault(error, ["loss=x"])
    assert type(fault) is (kind or type(None))
    assert str(fault or "").startswith(said)


def test_error_of_a_job_with_keys_that_were_added_names_them() -> None:
    assert str(as_fault(KeyError("val"), ["python", "seed=1", "+a.b=1", "++c=2"])).startswith(
        "KeyError: 'val'; arcvae has no rule for +a.b=1 ++c=2: leave that out, or add hydra.verbose=true"
    )


def test_interval_without_a_sweeper_that_searches_is_told_what_to_type() -> None:
    error = HydraException("BasicSweeper does not support sweep type : INTERVAL_SWEEP")
    words = ["-m", "loss.gamma=interval(1, 2.5)", "trainer=debug"]
    fault = as_fault(error, words)
    assert isinstance(fault, ConfigError)
    (line,) = fault.problems
    assert line.startswith("loss.gamma=interval(1,2.5) is for a sweeper that searches")
    assert [c["loss"]["gamma"] for c in plan("train", ["loss.gamma=1,2.5"], multirun=True)] == [1, 2.5]
    assert "(loss.gamma=1,2.5)" in line
    assert as_fault(HydraException("something else"), words).problems == ["something else"]  # type: ignore[union-attr]


def test_asking_imports_no_lightning() -> None:
    code = (
        "import sys; from arcvae.app.faults import as_fault; as_fault(KeyError()); sys.exit('lightning' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def raised(call: Callable[[], object]) -> Exception:
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_bug_of_ours_is_one_whatever_keys_were_added() -> None:
    words = ["+trainer.benchmark=true"]
    bug = raised(lambda: count_classes(None, 10))  # type: ignore[arg-type]
    assert "/arcvae/" in traceback.extract_tb(bug.__traceback__)[-1].filename
    assert as_fault(bug, words) is None
    fault = as_fault(raised(lambda: torch.optim.SGD([])), words)  # of another library, which the key may have reached
    assert isinstance(fault, ConfigError)
    assert "arcvae has no rule for +trainer.benchmark=true" in str(fault)
