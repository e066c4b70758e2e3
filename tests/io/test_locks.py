"""Locks exclude other processes, are free again when their holder dies, and are never a reason to fail."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

from arcvae.errors import BusyError, FileSystemError
from arcvae.io.locks import lock_folder, lock_or_warn

HOLD = """
import sys, time
from pathlib import Path
from arcvae.io.locks import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(folder: Path, seconds: float = 60.0) -> subprocess.Popen[str]:
    """Another process that holds ``folder`` from now on."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_folder_of_another_process_is_busy_until_that_process_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    with holder(folder) as other:
        with pytest.raises(BusyError, match=r"another run is going on in .*run; choose another hydra\.run\.dir$"):
            lock_folder(folder).__enter__()
        other.send_signal(signal.SIGKILL)
        other.wait()
        with lock_folder(folder):
            pass


def test_folder_is_busy_within_the_same_process_until_the_lock_is_left(tmp_path: Path) -> None:
    with lock_folder(tmp_path), pytest.raises(BusyError, match=r"another run is going on in .*; choose another out$"):
        lock_folder(tmp_path, key="out").__enter__()
    with pytest.raises(KeyError), lock_folder(tmp_path):
        raise KeyError
    with lock_folder(tmp_path):
        pass


def test_locks_are_those_of_flock_and_leave_what_is_in_the_file(tmp_path: Path) -> None:
    # Runs of version 0.1.0 hold run.lock with fcntl.flock: neither may run in the folder of the other.
    lock = tmp_path / "run.lock"
    lock.write_text("note")
    with lock.open("r+") as file:
        with lock_folder(tmp_path), pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(BusyError):
            lock_folder(tmp_path).__enter__()
    assert lock.read_text() == "note"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_that_lives_on_does_not_keep_the_lock(tmp_path: Path) -> None:
    # A worker of a DataLoader outlives the run for a moment; the next run of a sweep must not find the folder held.
    with lock_folder(tmp_path):
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
    try:
        with lock_folder(tmp_path):
            pass
    finally:
        child.kill()
        child.join()


def test_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        FileSystemError, match=r"cannot write to the run folder .*: (Not a directory|File exists); choose another out$"
    ):
        lock_folder(tmp_path / "file", key="out").__enter__()
    (tmp_path / "run.lock").mkdir()
    with pytest.raises(FileSystemError, match=r"Is a directory; choose another hydra\.run\.dir$"):
        lock_folder(tmp_path).__enter__()


def test_held_lock_is_waited_for_until_the_timeout_and_no_longer(tmp_path: Path) -> None:
    with lock_folder(tmp_path):
        started = time.monotonic()
        with (
            pytest.warns(UserWarning, match="run.lock is held by another process: going on without the lock") as caught,
            lock_or_warn(tmp_path / "run.lock", 0.3),
        ):
            waited = time.monotonic() - started
    assert 0.3 <= waited < 3
    assert caught[0].filename == __file__


def test_lock_that_becomes_free_in_time_is_taken_without_a_warning(tmp_path: Path) -> None:
    with holder(tmp_path, 0.3), warnings.catch_warnings():
        warnings.simplefilter("error")
        with lock_or_warn(tmp_path / "run.lock", 30), pytest.raises(BusyError):
            lock_folder(tmp_path).__enter__()


def test_threads_that_wait_for_each_other_lose_no_count(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")

    def add() -> None:
        for _ in range(5):
            with lock_or_warn(tmp_path / "new" / "lock", 60):
                before = int(counter.read_text())
                time.sleep(0.002)
                counter.write_text(str(before + 1))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "40"


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_file_system_without_locks_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    entered = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for lock in (lock_folder(tmp_path), lock_or_warn(tmp_path / "lock", 5)):
            with lock:
                entered.append(lock)
    assert len(entered) == 2


def test_folder_that_cannot_exist_is_no_reason_not_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with lock_or_warn(tmp_path / "file" / "lock", 5):
        entered = True
    assert entered


def test_waiters_go_on_once_the_holder_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from arcvae.io.locks import lock_or_warn\n"
        "with lock_or_warn(Path(sys.argv[1]), 0):\n    print('held', flush=True); time.sleep(60)\n"
    )
    lock = tmp_path / "cache.lock"
    with subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.warns(UserWarning, match="is held by another process"), lock_or_warn(lock, 0):
            pass
        holder.kill()
    started = time.monotonic()
    with warnings.catch_warnings(action="error"), lock_or_warn(lock, 30):
        assert time.monotonic() - started < 1


@pytest.mark.parametrize("kind", ["pipe", "pipe with a reader", "socket"])
def test_lock_that_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    # Opening a named pipe to write waits until somebody reads from it.
    lock = tmp_path / "run.lock"
    listener = socket.socket(socket.AF_UNIX)
    reader = None
    if kind == "socket":
        listener.bind(str(lock))
    else:
        os.mkfifo(lock)
        if kind == "pipe with a reader":
            reader = os.open(lock, os.O_RDONLY | os.O_NONBLOCK)
    started = time.monotonic()
    with pytest.raises(FileSystemError, match=r"cannot write to .*: run\.lock is not a regular file; remove it"):
        lock_folder(tmp_path).__enter__()
    assert time.monotonic() - started < 1
    listener.close()
    if reader is not None:
        os.close(reader)
    lock.unlink()
    with lock_folder(tmp_path):  # the remedy
        pass
