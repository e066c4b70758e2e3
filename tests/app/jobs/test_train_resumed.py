"""A run that was interrupted and continued ends like one that was not."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from arcvae.io.tensors import load_torch
from arcvae.training.callbacks import EpochRecord
from tests.conftest import FAST, FAST_CLIPS, NamedCommand, metrics, runs, same

GRIDS = (*FAST, "data.symmetries=true", "data.permute_colors=true", "loss=fading")
CASES = {
    "fading loss on augmented grids": GRIDS,
    "endless corpus": (*GRIDS, "data=atomic_stream"),
    "clips": FAST_CLIPS,
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
