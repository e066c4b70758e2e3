"""Refusals under ``python -O``, which leaves out assertions: those of tests stay, because pytest rewrites them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
REFUSALS = (
    "io/test_npz.py", "io/test_door.py", "grid/corpus/test_files.py", "audio/corpus/test_files.py", "app/test_trust.py",
    "imbalance/test_settings.py",
)  # fmt: skip


@pytest.mark.slow
def test_refusals_do_not_depend_on_assertions() -> None:
    command = [sys.executable, "-O", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore"]
    done = subprocess.run(
        [*command, *(str(TESTS / name) for name in REFUSALS)],
        cwd=TESTS.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stdout.count(".") > 100  # they were run
    assert "[100%]" in done.stdout
