"""A run that was interrupted and continued ends like one that was not."""

from __future__ import annotations

import copy
import csv
import os
import random
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from arcvae.errors import ArcvaeError, CheckpointError
from arcvae.io.tensors import load_torch, save_torch
from arcvae.training.callbacks import EpochRecord
from tests.conftest import FAST, FAST_CLIPS, Job, NamedCommand, metrics, runs, same

GRIDS = (*FAST, "data.symmetries=true", "data.permute_colors=true", "loss=fading")
CASES = {
    "fading loss on augmented grids": GRIDS,
    "endless corpus": (*GRIDS, "data=atomic_stream"),
    "clips": (
        *FAST_CLIPS,
        "data.sampler=progressive",
        "loss=vs",
        "loss.class_weights=effective_number",
        "loss.defer=0.5",
    ),
    "grids drawn by colour": (*FAST, "data.sampler=progressive", "loss=ldam", "model.head=cosine"),
}


class Killed(BaseException):
    """Stands for a signal that ends the process."""


def die(_: EpochRecord, trainer: Any, *__: Any) -> None:
    """Die at the beginning of the third epoch."""
    if trainer.current_epoch == 2:
        raise Killed


def stop(_: EpochRecord, trainer: Any, *__: Any) -> None:
    """Be told to stop in the middle of the second epoch."""
    if trainer.global_step == trainer.num_training_batches * 3 // 2:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=() if name == "clips" else pytest.mark.slow) for name in CASES]
)
@pytest.mark.parametrize("end", ["killed", pytest.param("stopped", marks=pytest.mark.slow)])
def test_resumed_run_equals_the_uninterrupted_one_bit_for_bit(
    command: NamedCommand, tmp_path: Path, tiny_corpus: Path, tiny_clips: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], case: str, end: str,
) -> None:  # fmt: skip
    corpus = tiny_clips if case == "clips" else tiny_corpus
    words = (f"data.path={corpus}", *CASES[case], "trainer.max_epochs=3")
    assert command("train", *words) == 0
    (whole,) = runs(tmp_path)

    with monkeypatch.context() as patch:
        if end == "killed":
            patch.setattr(EpochRecord, "on_train_epoch_start", die)
            with pytest.raises(Killed):
                command("train", *words)
        else:
            patch.setattr(EpochRecord, "on_train_batch_start", stop)
            assert command("train", *words) == 143
    (killed,) = set((tmp_path / "outputs" / "train").iterdir()) - {whole}
    steps = load_torch(whole / "checkpoints" / "last.ckpt")["global_step"]
    reached = load_torch(killed / "checkpoints" / "last.ckpt")["global_step"]
    assert reached == (steps * 2 // 3 if end == "killed" else steps // 2 + 1)  # best or not
    assert (tmp_path / "outputs" / "latest").resolve() == killed.resolve()
    # Nothing but the checkpoint is given: the overrides of its run are taken over.
    assert command("train", "ckpt_path=outputs/latest/checkpoints/last.ckpt") == 0
    assert "Continuing with the overrides of that run:" in capsys.readouterr().out
    (resumed,) = set(runs(tmp_path)) - {whole}
    assert metrics(resumed)["epochs"] == 3
    a, b = (load_torch(folder / "checkpoints" / "last.ckpt") for folder in (whole, resumed))
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch"):
        assert same(a[part], b[part]), part
    assert same(metrics(whole)["test"], metrics(resumed)["test"])
    rows = [list(csv.DictReader((folder / "metrics.csv").open())) for folder in (whole, resumed)]
    timeless = [[{name: row[name] for name in row if name != "seconds"} for row in one] for one in rows]
    assert timeless[0] == timeless[1]


def continued(job: Job, run: Path, content: dict[str, Any], name: str) -> str:
    """What is said of continuing, and of evaluating, a checkpoint of this content; other errors are raised."""
    path = run.parent / f"{name}.ckpt"
    said = []
    try:
        save_torch(path, content)
        for command, words in (("train", (*ODD, "trainer.max_epochs=3")), ("evaluate", EVALUATED)):
            try:
                job(command, f"ckpt_path={path}", *words, folder=f"{name}_{command}")
            except ArcvaeError as error:
                said.append(f"{command}: {' '.join(error.lines())}")
    finally:
        path.unlink(missing_ok=True)
    return "\n".join(said)


ODD = (*FAST, "loss=option_b", "logger=none")
EVALUATED = ("importance_samples=1", "accelerator=cpu", "limit=8")
CHECKPOINT = "Checkpoint{"


def checkpoint_state(content: dict[str, Any]) -> dict[str, Any]:
    (state,) = (state for name, state in content["callbacks"].items() if name.startswith(CHECKPOINT))
    assert isinstance(state, dict)
    return state


ODD_ENTRIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "callback": (lambda c: checkpoint_state(c).pop("best_model_path"), "cannot be continued (KeyError: 'best_model"),
    "loop": (lambda c: c["loops"]["fit_loop"].pop("epoch_progress"), "loops is missing or not what arcvae writes"),
    "groups": (
        lambda c: c["optimizer_states"][0]["param_groups"][0]["params"].pop(),
        "cannot be continued (ValueError:",
    ),
    "moments": (lambda c: c["optimizer_states"][0]["state"].clear(), "optimizer_states is missing or not what arcvae"),
    "version": (lambda c: c.update({"pytorch-lightning_version": "garbage"}), "pytorch-lightning_version is missing"),
    "epoch": (lambda c: c.pop("epoch"), "epoch is missing or not what arcvae writes"),
}


@pytest.mark.parametrize("name", ODD_ENTRIES)
def test_checkpoint_with_an_odd_entry_is_not_continued_and_says_which(
    job: Job, run_folder: Path, tmp_path: Path, name: str
) -> None:
    content = load_torch(run_folder / "checkpoints" / "last.ckpt")
    change, message = ODD_ENTRIES[name]
    change(content)
    save_torch(tmp_path / "odd.ckpt", content)
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        job("train", f"ckpt_path={tmp_path}/odd.ckpt", *ODD, "trainer.max_epochs=3")
    assert "\n" not in str(caught.value)


def places(value: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*prefix, key)
        yield from places(item, (*prefix, key))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_odd_entry_of_a_checkpoint_ends_in_a_traceback(job: Job, run_folder: Path, tmp_path: Path) -> None:
    whole = load_torch(run_folder / "checkpoints" / "last.ckpt")
    draw = random.Random(1)
    inner = [place for place in places(whole) if place[0] not in ("state_dict",) and len(place) > 1]
    chosen = draw.sample([(key,) for key in whole], 6) + draw.sample(inner, 5)
    kept = 0
    for number, place in enumerate(chosen):
        content = copy.deepcopy(whole)
        node: Any = content
        for key in place[:-1]:
            node = node[key]
        junk = draw.choice((..., None, -1, 2**70, "garbage", [], {}, 1.5, torch.zeros(2)))
        if junk is ...:
            del node[place[-1]]
        else:
            node[place[-1]] = junk
        said = continued(job, tmp_path / "x", content, f"odd_{number}")
        kept += not said
        print(f"{'.'.join(map(str, place))} = {junk!r}: {said or 'of no matter'}")
    assert kept < len(chosen) / 2
