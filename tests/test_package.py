"""What importing the package does to a process: next to nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

IMPORT = "import os, sys, arcvae; print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"


@pytest.mark.parametrize(
    ("mine", "spins"), [({}, "10000"), ({"GOMP_SPINCOUNT": "5"}, "5"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")]
)
def test_threads_that_wait_give_way_unless_the_user_has_said_how_they_wait(mine: dict[str, str], spins: str) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    run = subprocess.run([sys.executable, "-c", IMPORT], env=kept | mine, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [spins, "False"]  # and torch, which reads it, is imported later
