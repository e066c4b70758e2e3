"""What a run was made with: versions, checkout and memory."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from arcvae.training import software as module
from arcvae.training.software import peak_memory, software

HERE = Path(module.__file__).parent


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(HERE), *arguments], capture_output=True, text=True, check=False)


def test_versions_are_those_of_this_process() -> None:
    found = software()
    assert found["python"] == platform.python_version()
    assert found["packages"]["torch"] == torch.__version__
    assert found["packages"]["numpy"] == np.__version__


def test_commit_is_that_of_the_checkout_if_the_code_is_in_one() -> None:
    found = software()
    if git("ls-files", "--error-unmatch", "software.py").returncode:
        assert (found["git_commit"], found["git_dirty"]) == (None, None)
    else:
        assert found["git_commit"] == git("rev-parse", "HEAD").stdout.strip()
        assert found["git_dirty"] in (True, False)


def test_repository_around_an_installed_copy_is_not_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    copy = tmp_path / "software.py"
    copy.write_text("")
    monkeypatch.setattr(module, "__file__", str(copy))
    assert software()["git_commit"] is None
    monkeypatch.setenv("PATH", "")  # no git at all
    assert software()["git_commit"] is None


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell")
def test_peak_memory_is_in_mebibytes_and_never_falls() -> None:
    before = peak_memory()
    np.ones(2**20, np.uint8)
    after = peak_memory()
    assert before is not None
    assert after is not None
    assert after >= before
    assert 100 < after < 100_000
