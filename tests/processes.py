"""Commands in processes of their own that need not import torch and Lightning first, which takes most of their time.

They are forked, on request, from a process that has imported what the commands import and has done nothing else: it has
no threads, random numbers or handlers of signals. What only a new interpreter shows (flags of Python, the encoding of
its streams, variables that are read on import) has to be tested with :mod:`subprocess`.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path

PRELOADED = ("torch", "lightning", "torchmetrics", "matplotlib.pyplot", "hydra", __name__)

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(list(PRELOADED))


class Process:
    """``python -m MODULE ARGUMENTS``, started and going on; what it writes to its streams is read once it has ended.

    Args:
        module: For example ``"arcvae.train"``.
        arguments: Its arguments.
        cwd: Where it works, and looks for modules first.
        environment: Variables to set, in addition to those of this process.
    """

    def __init__(self, module: str, *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None) -> None:
        self._streams = Path(tempfile.mkdtemp(prefix="streams-"))
        variables = dict(os.environ) | dict(environment or {})
        self._process = _forks.Process(
            target=_run, args=(module, list(arguments), str(cwd), variables, str(self._streams))
        )
        self._process.start()
        self.arguments = ["python", "-m", module, *arguments]

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, that of a signal negative; None while it goes on."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, unless it has ended."""
        self._process.kill()

    def wait(self, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """What it wrote and the code that it ended with; once.

        Raises:
            subprocess.TimeoutExpired: It has not ended after so many seconds.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.arguments, timeout or 0.0)
        out, err = (Path(self._streams / name).read_text(encoding="utf-8") for name in ("out", "err"))
        shutil.rmtree(self._streams)
        return subprocess.CompletedProcess(self.arguments, self._process.exitcode, out, err)


class Forked:
    """In place of ``subprocess.Popen`` where a program starts ``[sys.executable, "-m", MODULE, *ARGUMENTS]``."""

    def __init__(self, line: list[str]) -> None:
        assert line[:2] == [sys.executable, "-m"], line
        self._command = Process(*line[2:], cwd=Path.cwd())

    def wait(self) -> int:
        done = self._command.wait()
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
        return done.returncode

    def terminate(self) -> None:
        self._command.send_signal(signal.SIGTERM)


def run(
    module: str, *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None, timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """``python -m MODULE ARGUMENTS`` to its end: code and streams as ``subprocess.run`` gives them."""
    command = Process(module, *arguments, cwd=cwd, environment=environment)
    try:
        return command.wait(timeout)
    except subprocess.TimeoutExpired:
        command.kill()
        raise


def _run(module: str, arguments: list[str], cwd: str, variables: dict[str, str], streams: str) -> None:
    """Become ``python -m MODULE ARGUMENTS``, in the forked process."""
    for number, path in enumerate((Path(os.devnull), Path(streams, "out"), Path(streams, "err"))):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = sys.__stdin__ = os.fdopen(0)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1, encoding="utf-8")  # type: ignore[misc]
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(cwd)
    sys.path[0] = cwd
    sys.argv = [module, *arguments]
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)
