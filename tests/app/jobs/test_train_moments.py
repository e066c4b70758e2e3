"""Both tasks, from every kind of moment: a run that goes on ends in the bits of the one that never stopped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arcvae.training.mid_epoch import SaveInTime
from tests.conftest import FAST, FAST_CLIPS, Job, outcome, same

LIGHT = ("trainer.max_epochs=3", "logger=none")
CASES = {
    "grids": (*FAST, *LIGHT, "data.symmetries=true", "data.permute_colors=true", "loss=fading"),
    "clips": (*FAST_CLIPS, *LIGHT),
}  # fmt: skip
BATCHES = {"grids": 3, "clips": 4}
"""Of an epoch."""
Act = Callable[[Any, str], None]


class Killed(BaseException):
    """Stands for a signal that ends the process."""


def acting(patch: pytest.MonkeyPatch, act: Act) -> None:
    """Let the callback that saves in time do something else at the end of batches and epochs, and in validation."""

    def in_training(_: SaveInTime, trainer: Any, *__: Any) -> None:
        act(trainer, f"step {trainer.global_step}")

    def in_validation(_: SaveInTime, trainer: Any, __: Any, ___: Any, batch: int, *____: Any) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            act(trainer, f"validation {trainer.current_epoch}.{batch}")

    patch.setattr(SaveInTime, "on_train_batch_end", in_training)
    patch.setattr(SaveInTime, "on_validation_batch_start", in_validation)
    patch.setattr(SaveInTime, "on_train_epoch_end", lambda _, trainer, __: act(trainer, f"end {trainer.current_epoch}"))


def saving(folder: Path, moments: list[str], *, killed: bool = False) -> Act:
    """Keep the checkpoints of a run as they are at each of the moments, elsewhere, as if its folder had been moved."""

    def save(trainer: Any, moment: str) -> None:
        if moment in moments:
            kept = folder / moment.replace(" ", "_") / "checkpoints"
            trainer.save_checkpoint(kept / "last.ckpt")
            if (best := Path(trainer.default_root_dir, "checkpoints", "best.ckpt")).exists():
                shutil.copy(best, kept)
            if killed:
                raise Killed

    return save


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("case", CASES)
def test_run_that_goes_on_from_any_kind_of_moment_equals_the_uninterrupted_one(
    job: Job, tmp_path: Path, tiny_corpus: Path, tiny_clips: Path, case: str
) -> None:
    corpus, words, batches = (tiny_clips if case == "clips" else tiny_corpus), CASES[case], BATCHES[case]
    moments = [
        "step 1", f"step {batches + 2}", f"step {2 * batches}", "validation 1.0", "end 0", f"step {3 * batches - 1}",
    ]  # fmt: skip

    def run(folder: str, *more: str, act: Act = lambda *_: None) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            acting(patch, act)
            job("train", *words, *more, folder=folder, corpus=corpus)
        return tmp_path / folder

    whole = outcome(run("whole", act=saving(tmp_path / "kept", moments)))
    assert whole["steps"] == 3 * batches
    for moment in moments:
        resumed = outcome(run(moment, f"ckpt_path='{tmp_path}/kept/{moment.replace(' ', '_')}'"))
        for part, value in whole.items():
            assert same(value, resumed[part]), (moment, part)

    # A resume of a resume: what goes on within the second epoch is killed within the third.
    third = f"step {2 * batches + 1}"
    with pytest.raises(Killed):
        run("twice", f"ckpt_path='{tmp_path}/kept/step_{batches + 2}'", act=saving(tmp_path, [third], killed=True))
    again = outcome(run("thrice", f"ckpt_path='{tmp_path}/{third.replace(' ', '_')}'"))
    assert all(same(value, again[part]) for part, value in whole.items())


@pytest.mark.slow
def test_the_comparison_would_catch_a_run_whose_noise_goes_on_elsewhere(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without a seed for each step, a resumed run draws what the first steps of a run draw.
    monkeypatch.setattr("arcvae.training.module.seed_step", lambda *_: None)
    acting(monkeypatch, saving(tmp_path / "kept", ["step 5"]))
    job("train", *CASES["grids"], folder="whole")
    job("train", *CASES["grids"], f"ckpt_path='{tmp_path}/kept/step_5'", folder="resumed")
    assert not same(outcome(tmp_path / "whole")["state_dict"], outcome(tmp_path / "resumed")["state_dict"])
