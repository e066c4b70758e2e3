"""The callbacks in real fits: figures of steps and epochs, checkpoints, patience, and targets of overfitting."""

from __future__ import annotations

import csv
import itertools
import logging
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from arcvae.errors import ConfigError
from arcvae.io.tensors import load_torch
from arcvae.training.callbacks import (
    Checkpoint,
    EpochRecord,
    OverfitTarget,
    PatientEarlyStopping,
    PerClassRecall,
    StepLog,
)
from arcvae.training.checkpoint import AtomicCheckpointIO
from arcvae.training.module import ImbalanceModule
from arcvae.training.task import Results
from tests.training.tiny import BackgroundTask, TinyData, TinyModule, TinyTask, build, trainer


class Scored(TinyTask):
    """Scores each epoch as it is told to."""

    further_names = ("score",)

    def __init__(self, scores: Sequence[float]) -> None:
        self.scores = scores

    def further_results(self, results: Results, module: ImbalanceModule) -> Results:
        return {"score": self.scores[module.current_epoch]}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("every", "accumulate", "expected"),
    [
        (1, 1, [1, 2, 3, 4, 5, 6]),
        (2, 1, [2, 4, 6]),
        (1, 2, [1, 2, 3, 4]),  # once for both batches of a step
        (4, 1, [4]),
    ],
)
def test_figures_of_a_step_are_logged_once(tmp_path: Path, every: int, accumulate: int, expected: list[int]) -> None:
    logger = CSVLogger(tmp_path, name="", version="csv")
    fit = trainer(tmp_path, StepLog(), logger=logger, log_every_n_steps=every, accumulate_grad_batches=accumulate)
    fit.fit(module := build(), TinyData())
    logger.save()
    rows = [row for row in rows_of(tmp_path / "csv" / "metrics.csv") if row["step/loss"]]
    assert [int(row["step"]) for row in rows] == expected
    if expected[-1] == 6:
        assert float(rows[-1]["step/loss"]) == pytest.approx(float(module.step_scalars["loss"]))
        assert float(rows[-1]["step/epoch"]) == 2.0
    assert {"step/loss", "step/norm", "step/learning_rate"} <= rows[0].keys()


def test_recall_per_class_is_a_line_for_each_epoch_of_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, module = TinyData(), build()
    data._targets["val"] = data._targets["val"].clamp(max=1)  # class 2 does not occur
    fit = trainer(tmp_path, PerClassRecall(), num_sanity_val_steps=1)
    with caplog.at_level(logging.INFO, "arcvae"):
        fit.fit(module, data)
    lines = [line for line in caplog.messages if "recall per class" in line]
    recalls = module.results["val"]["per_class_recall"]
    assert isinstance(recalls, list)
    assert [line.split(",")[0] for line in lines] == ["Epoch 1", "Epoch 2"]
    assert lines[1].endswith(f"on val: {recalls[0]:.2f} {recalls[1]:.2f} —")
    caplog.clear()
    fit.validate(module, data, verbose=False)
    assert "recall per class" not in caplog.text


def checkpointing(folder: Path, kept: int = 1) -> Checkpoint:
    return Checkpoint(
        folder / "checkpoints", monitor="val/score", mode="max", filename="best", save_top_k=kept, save_last=True,
        enable_version_counter=False, save_on_train_epoch_end=True, auto_insert_metric_name=False,
    )  # fmt: skip


def fit_scored(
    folder: Path, scores: Sequence[float], *, epochs: int, resumed: Path | None = None, kept: int = 1
) -> tuple[TinyModule, Checkpoint]:
    module, checkpoint = build(Scored(scores)), checkpointing(folder, kept)
    options: dict[str, Any] = {"enable_checkpointing": True, "plugins": [AtomicCheckpointIO()], "max_epochs": epochs}
    trainer(folder, checkpoint, **options).fit(module, TinyData(), ckpt_path=resumed)
    return module, checkpoint


def epochs_in(folder: Path) -> dict[str, int]:
    return {path.stem: load_torch(path)["epoch"] for path in (folder / "checkpoints").glob("*.ckpt")}


NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([3, 2, 1], 0), ([1, 2, 3], 2), ([1, 3, 2], 1),
        # What is no number is never better than one.
        ([NAN, 2, 1], 1), ([NAN, NAN, 1], 2), ([1, NAN, 2], 2), ([2, NAN, 1], 0), ([2, 1, NAN], 0),
    ],
)  # fmt: skip
def test_best_epoch_and_last_epoch_are_kept(tmp_path: Path, scores: list[float], best: int) -> None:
    module, checkpoint = fit_scored(tmp_path, scores, epochs=3)
    assert epochs_in(tmp_path) == {"best": best, "last": 2}
    assert checkpoint.best_model_score == scores[best]
    state = load_torch(tmp_path / "checkpoints" / "last.ckpt")["state_dict"]
    assert torch.equal(state["model.weight"], module.model.weight)  # type: ignore[arg-type]


def dying(at: int) -> None:
    """Let this process die before the ``at``-th time that a file takes its name or is removed."""
    moves = itertools.count(1)

    def faulty(operation: Callable[..., object]) -> Callable[..., object]:
        def act(*args: object, **options: object) -> object:
            if next(moves) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*args, **options)

        return act

    for name in ("replace", "unlink"):
        setattr(os, name, faulty(getattr(os, name)))


@pytest.mark.slow
@pytest.mark.parametrize("kept", [1, 2])
def test_killed_between_the_new_best_and_the_old_one_a_run_has_one_that_loads(tmp_path: Path, kept: int) -> None:
    for at in itertools.count(1):
        folder = tmp_path / str(at)
        child = os.fork()
        if child == 0:
            try:
                dying(at)
                fit_scored(folder, [1, 2, 3], epochs=3, kept=kept)
                os._exit(0)
            finally:
                os._exit(99)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, -signal.SIGKILL)
        found = epochs_in(folder)  # all of them load
        assert at == 1 or [name for name in found if name.startswith("best")]
        if status == 0:
            break
    assert at > 2 * 3  # best and last of each epoch
    assert found["best"] == found["last"] == 2


@pytest.mark.parametrize(("scores", "best"), [([NAN, NAN], None), ([NAN, 0.5], 1)])
def test_epoch_without_a_score_is_never_the_best(tmp_path: Path, scores: list[float], best: int | None) -> None:
    # Lightning takes the first such epoch for one of the worst score there is.
    _, checkpoint = fit_scored(tmp_path, scores, epochs=1)
    assert epochs_in(tmp_path) == {"last": 0}
    assert (checkpoint.best_model_path, checkpoint.best_model_score) == ("", None)
    last = tmp_path / "checkpoints" / "last.ckpt"
    fit_scored(tmp_path / "resumed", scores, epochs=2, resumed=last)
    assert epochs_in(tmp_path / "resumed") == ({"last": 1} if best is None else {"best": best, "last": 1})


@pytest.mark.parametrize(("fourth", "best"), [(2.0, 0), (4.0, 3)])
def test_resumed_run_remembers_the_best_of_the_run_before(tmp_path: Path, fourth: float, best: int) -> None:
    scores = [3.0, 2.0, 1.0, fourth]
    fit_scored(tmp_path / "one", scores, epochs=3)
    (tmp_path / "one" / "checkpoints" / "grids_best.png").write_bytes(b"picture")
    last = tmp_path / "one" / "checkpoints" / "last.ckpt"
    _, checkpoint = fit_scored(tmp_path / "two", scores, epochs=4, resumed=last)
    assert epochs_in(tmp_path / "two") == {"best": best, "last": 3}
    assert checkpoint.best_model_path == str(tmp_path / "two" / "checkpoints" / "best.ckpt")
    assert checkpoint.best_model_score == max(scores)
    assert (tmp_path / "two" / "checkpoints" / "grids_best.png").read_bytes() == b"picture"
    assert epochs_in(tmp_path / "one") == {"best": 0, "last": 2}  # the run before is left as it was


def test_best_checkpoint_that_is_gone_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fit_scored(tmp_path / "one", [3, 2, 1], epochs=2)
    best, last = (tmp_path / "one" / "checkpoints" / f"{name}.ckpt" for name in ("best", "last"))
    best.unlink()
    _, checkpoint = fit_scored(tmp_path / "two", [3, 2, 1], epochs=3, resumed=last)
    assert f"The best checkpoint so far, {best}, is missing" in caplog.text
    assert checkpoint.best_model_score == 1
    assert epochs_in(tmp_path / "two") == {"best": 2, "last": 2}


@pytest.mark.parametrize(
    ("fade", "epochs"),
    [
        (0.0, 3),  # the first epoch is the best, two more without improvement end the run
        (0.5, 7),  # four epochs of eight in which the loss fades, then the same
    ],
)
def test_patience_starts_when_the_objective_has_settled(tmp_path: Path, fade: float, epochs: int) -> None:
    module = build(Scored([1.0] * 8), fade=fade)
    fit = trainer(tmp_path, PatientEarlyStopping("val/score", mode="max", patience=2), max_epochs=8)
    fit.fit(module, TinyData())
    assert fit.current_epoch == epochs


def test_overfitting_ends_at_the_target(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = OverfitTarget({"val/score": 2.0, "val/accuracy": 0.0})
    fit = trainer(tmp_path, target, max_epochs=5)
    with caplog.at_level(logging.INFO, "arcvae"):
        fit.fit(build(Scored([1.0, 1.9, 2.0, 3.0, 4.0])), TinyData())
    assert fit.current_epoch == 3
    assert target.reached
    assert "Overfit target reached in epoch 3: val/score 2.0000 (target 2), val/accuracy" in caplog.text
    assert "MISSED" not in caplog.text


def test_missed_target_and_a_metric_that_is_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer(tmp_path, OverfitTarget({"val/score": 2.0})).fit(build(Scored([1.0, 1.9])), TinyData())
    assert "Overfit target MISSED after 2 epochs: val/score 1.9000 (target 2)" in caplog.text
    with pytest.raises(ConfigError, match=r"callbacks\.overfit_target\.targets: no metric val/object_f1 is logged"):
        trainer(tmp_path, OverfitTarget({"val/object_f1": 0.9})).fit(build(), TinyData())
    caplog.clear()
    trainer(tmp_path, OverfitTarget({"val/score": 2.0}), max_steps=1).fit(build(), TinyData())  # before a validation
    assert "Overfit target MISSED after 1 epochs: val/score was not measured" in caplog.text


def test_record_has_a_row_for_each_epoch_with_the_figures_of_the_module(tmp_path: Path) -> None:
    record, module = EpochRecord(), build(BackgroundTask())
    trainer(tmp_path, record, enable_checkpointing=True).fit(module, TinyData())
    rows = rows_of(tmp_path / "metrics.csv")
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "3"), ("2", "6")]
    for split in ("train", "val"):
        for name in module.result_names():
            assert float(rows[1][f"{split}/{name}"]) == pytest.approx(module.results[split][name], nan_ok=True), name
    assert {f"val/per_class_recall/{index}" for index in range(3)} <= rows[0].keys()
    assert record.samples == 48  # two epochs of 24
    assert record.samples_per_second == pytest.approx(48 / sum(float(row["seconds"]) for row in rows))
    assert EpochRecord().samples_per_second == 0.0


def test_record_of_a_resumed_run_begins_at_the_first_epoch(tmp_path: Path) -> None:
    def fit(folder: Path, epochs: int, resumed: Path | None = None) -> list[dict[str, Any]]:
        run = trainer(folder, record := EpochRecord(), max_epochs=epochs, enable_checkpointing=True)
        run.fit(build(), TinyData(), ckpt_path=resumed)
        run.save_checkpoint(folder / "last.ckpt")
        assert record.samples == 24 * epochs
        return [{k: v for k, v in row.items() if k != "seconds"} for row in rows_of(folder / "metrics.csv")]

    whole = fit(tmp_path / "whole", 3)
    fit(tmp_path / "half", 2)
    assert fit(tmp_path / "resumed", 3, tmp_path / "half" / "last.ckpt") == whole
