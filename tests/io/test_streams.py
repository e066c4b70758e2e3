"""Output that is closed, cut off, narrow, or cannot show a character: never a reason for a command to fail."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from arcvae.io.streams import steady_streams
from tests.conftest import FAST, Command, runs

BRIEF = (*FAST, "trainer.max_epochs=1", "logger=none", "callbacks.snapshots=null", "callbacks.code_pictures=null")
TABLE = "object_precision"


def in_shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    line = f"{sys.executable} -m arcvae.{command}"
    return subprocess.run(
        ["sh", "-c", line], cwd=folder, env=os.environ | environment, capture_output=True, check=False
    )


def stream(encoding: str, monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Make the standard output one of this encoding; returns what is written to it."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding, write_through=True))
    return written


def pipe_without_reader(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(sys, name, io.TextIOWrapper(io.FileIO(writer, "w"), encoding="utf-8"))


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_wrong_usage_has_its_code_with_closed_streams(tmp_path: Path, closed: str) -> None:
    done = in_shell(f"train loss=x {closed}", tmp_path)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode().count("\n") == ("2>" not in closed)


@pytest.mark.slow
def test_files_do_not_get_what_is_meant_for_a_closed_output(tmp_path: Path) -> None:
    # Without a descriptor 1, the corpus would be opened as 1, and a library that prints would write into it.
    done = in_shell("corpus num_grids=50 out=closed.npz >&- 2>&- <&-", tmp_path)
    assert done.returncode == 0
    assert in_shell("corpus num_grids=50 out=open.npz", tmp_path).returncode == 0
    assert (tmp_path / "closed.npz").read_bytes() == (tmp_path / "open.npz").read_bytes()
    code = (
        "import os\nfrom arcvae.io.streams import steady_streams\n"
        "with steady_streams(), open('taken', 'w') as file:\n"
        "    assert file.fileno() > 2\n    os.write(1, b'noise')\n    os.write(2, b'noise')\n"
    )
    done = subprocess.run(["sh", "-c", f'{sys.executable} -c "{code}" >&- 2>&- <&-'], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert (tmp_path / "taken").read_bytes() == b""


@pytest.mark.slow
def test_reader_that_goes_away_does_not_end_a_command(tmp_path: Path) -> None:
    # Python itself would end with 120, because what it flushes at its exit has no reader.
    code = (
        "import subprocess, sys\n"
        "command = [sys.executable, '-m', 'arcvae.corpus', 'num_grids=50', 'out=c.npz']\n"
        "process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)\n"
        "process.stdout.close()\n"
        "print(process.wait(), process.stderr.read())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False)
    assert done.stdout == b"0 b''\n"
    assert (tmp_path / "c.npz").is_file()


@pytest.mark.slow
def test_run_without_a_reader_keeps_its_log(train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe_without_reader(monkeypatch, "stdout")
    pipe_without_reader(monkeypatch, "stderr")
    assert train(*BRIEF) == 0
    (folder,) = runs(tmp_path)
    log = (folder / "train.log").read_text(encoding="utf-8")
    assert TABLE in log
    assert "Figures     " in log
    sys.stdout.close()  # with nothing left to flush
    sys.stderr.close()


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp437", "ascii", "latin-1", "utf-8"])
def test_table_is_shown_with_what_the_stream_can_show(
    train: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], encoding: str
) -> None:
    written = stream(encoding, monkeypatch)
    assert train(*BRIEF) == 0
    lines = written.getvalue().decode(encoding).splitlines()
    (row,) = (line for line in lines if line.startswith(TABLE))
    (heading,) = (line for line in lines if line.endswith("test all-background"))
    assert row.endswith("—" if encoding == "utf-8" else "-")  # the trivial predictor paints no object
    assert len(row) == len(heading)
    assert "Logging error" not in capsys.readouterr().err


def test_names_are_shown_as_escapes_where_they_cannot_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    written = stream("ascii", monkeypatch)
    with steady_streams():
        print("rené \udcc3")
    assert written.getvalue().strip() == rb"ren\xe9 \udcc3"


@pytest.mark.slow
def test_log_is_utf8_whatever_the_locale(tmp_path: Path, tiny_corpus: Path) -> None:
    (tmp_path / "rené.npz").write_bytes(tiny_corpus.read_bytes())
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = in_shell(f"train data.path=\"'rené.npz'\" {' '.join(BRIEF)}", tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    (log,) = tmp_path.glob("outputs/train/*/train.log")
    assert "—" in log.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["1", "x"])
def test_terminal_may_be_narrow(tmp_path: Path, columns: str) -> None:
    done = in_shell("train loss=x", tmp_path, COLUMNS=columns)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert in_shell("train --frobnicate", tmp_path, COLUMNS=columns).returncode == 2


def test_streams_are_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with contextlib.suppress(KeyError), steady_streams():
        print("shown")
        raise KeyError
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out == "shown\n"
