"""A checkpoint with an odd entry is refused in one line, or used as if the entry did not matter; there is no third."""

from __future__ import annotations

import contextlib
import copy
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from arcvae.errors import CheckpointError
from arcvae.io.exports import read_checkpoint, read_export
from arcvae.io.stamp import require_resumable
from arcvae.io.tensors import load_torch, save_torch

GOLDEN = Path(__file__).parents[1] / "golden" / "0.1.0"
JUNK = (..., None, True, -1, 0, 2**70, 1.5, math.nan, "", "garbage", [], [None], {}, {"a": 1}, torch.zeros(2))
Place = tuple[Any, ...]


def best(task: str) -> dict[str, Any]:
    return load_torch(GOLDEN / task / "checkpoints" / "best.ckpt")


def entries(value: Any, prefix: Place = ()) -> Iterator[Place]:
    """Paths of everything inside nested containers."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*prefix, key)
        yield from entries(item, (*prefix, key))


def changed(content: dict[str, Any], path: Place, junk: Any) -> dict[str, Any]:
    """A copy with one entry replaced, or left out if ``...``."""
    new = copy.deepcopy(content)
    inner: Any = new
    for key in path[:-1]:
        inner = inner[key]
    if junk is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = junk
    return new


@pytest.mark.parametrize("task", ["grid", "audio"])
def test_what_was_written_can_be_used_and_continued(task: str) -> None:
    path = GOLDEN / task / "checkpoints" / "best.ckpt"
    require_resumable(read_checkpoint(path), path)


MUST_BE_RIGHT: dict[Place, tuple[Any, ...]] = {
    ("arcvae", "class_counts"): (..., None, [], {}, [1, -1], [0.5, 1], [0, 0], ["1"], [True, 2], [2**70, 1]),
    ("arcvae", "class_weights"): ([], [1.0], "all", [math.nan] * 10, {}),
    ("arcvae", "class_names"): ([], ["one"], "names", [1] * 10),
    ("arcvae", "corpus_sha256"): (..., None, 7, []),
    ("arcvae", "config", "task"): (..., None, [], {}),
    ("arcvae", "config", "model", "_target_"): (..., None, 7, {}),
    ("arcvae", "config", "loss"): (..., None, "focal"),
    ("arcvae", "format"): (..., None, "2", True, 99),
    ("state_dict",): (..., None, [], {"a": 1}, {1: torch.zeros(1)}),
}
MUST_BE_RIGHT_TO_CONTINUE: dict[Place, tuple[Any, ...]] = {
    ("epoch",): (..., None, -1, "1", 1.5, True, 2**70),
    ("global_step",): (..., None, -1, "1", math.nan),
    ("pytorch-lightning_version",): (..., None, 2, "", "garbage", "2.6.6 or so", "1" * 5 + "."),
    ("loops",): (..., None, {}, [], "garbage", {"fit_loop": {}}, {"fit_loop": None}),
    ("loops", "fit_loop", "epoch_loop.batch_progress", "current", "ready"): (..., None, -1, 0, "3", 2**70),
    ("loops", "fit_loop", "epoch_progress"): (..., None, {}),
    ("loops", "fit_loop", "epoch_progress", "current", "completed"): (-1, 0.5, 2**70, 1),
    ("loops", "fit_loop", "epoch_loop.automatic_optimization.optim_progress", "optimizer"): (..., None, {}),
    ("callbacks",): (..., None, []),
    ("lr_schedulers",): (..., None, {}, [None]),
    ("optimizer_states",): (..., None, [], {}, [None], [{}], [{"state": {}, "param_groups": []}]),
    ("optimizer_states", 0, "state"): (..., None, {}, []),
    ("optimizer_states", 0, "state", 0): (None, {}, []),
    ("optimizer_states", 0, "state", 1, "exp_avg_sq"): (..., None, "garbage", torch.zeros(7, 7, 7)),
    ("optimizer_states", 0, "state", 1, "step"): (..., 1.5),
    ("optimizer_states", 0, "param_groups"): (..., None, [], [{}], [{"params": None}]),
}


@pytest.mark.parametrize("path", MUST_BE_RIGHT, ids=str)
def test_entry_that_opening_a_model_needs_is_refused_by_name(tmp_path: Path, path: Place) -> None:
    for junk in MUST_BE_RIGHT[path]:
        save_torch(tmp_path / "f.ckpt", changed(best("grid"), path, junk))
        for read in (read_checkpoint, read_export):
            with pytest.raises(CheckpointError, match=r"f\.ckpt") as caught:
                read(tmp_path / "f.ckpt")
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", MUST_BE_RIGHT_TO_CONTINUE, ids=str)
def test_entry_that_continuing_needs_is_refused_by_name(path: Place) -> None:
    for junk in MUST_BE_RIGHT_TO_CONTINUE[path]:
        with pytest.raises(CheckpointError, match=rf"f\.ckpt: {path[0]} is missing or not what arcvae writes"):
            require_resumable(changed(best("grid"), path, junk), Path("f.ckpt"))


def test_plain_gradient_descent_has_no_state_to_lose() -> None:
    content = best("grid")
    group = {"params": [0], "lr": 0.1, "momentum": 0, "nesterov": False}
    content["optimizer_states"] = [{"state": {}, "param_groups": [group]}]
    require_resumable(content, Path("f.ckpt"))
    group["momentum"] = 0.9
    with pytest.raises(CheckpointError, match="optimizer_states"):
        require_resumable(content, Path("f.ckpt"))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["grid", "audio"])
def test_any_odd_entry_ends_in_our_own_error_or_in_nothing(task: str, tmp_path: Path) -> None:
    content, draw = best(task), random.Random(0)
    paths = list(entries(content))
    for path in draw.sample(paths, 40):
        odd = changed(content, path, draw.choice(JUNK))
        save_torch(tmp_path / "f.ckpt", odd)
        for use in (lambda file, _: read_checkpoint(file), lambda file, _: read_export(file), refused_to_continue):
            with contextlib.suppress(CheckpointError):
                use(tmp_path / "f.ckpt", odd)


def refused_to_continue(path: Path, content: dict[str, Any]) -> None:
    read_checkpoint(path)  # whose check of the stamp and the weights comes first
    require_resumable(content, path)
