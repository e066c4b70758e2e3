"""Going on from any step: bit for bit the run that never stopped."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.callbacks import Checkpoint as LightningCheckpoint
from torch.utils.data import DataLoader, TensorDataset

from arcvae.errors import CheckpointError
from arcvae.io.tensors import load_torch
from arcvae.training import mid_epoch
from arcvae.training.callbacks import Checkpoint, EpochRecord
from arcvae.training.checkpoint import AtomicCheckpointIO
from arcvae.training.mid_epoch import ExactResume, SaveInTime, SaveOnSignal
from tests.conftest import same
from tests.training.tiny import TinyData, build, trainer

EPOCHS, BATCHES = 3, 3
Moment = tuple[str, int]


class At(LightningCheckpoint):
    """Calls a function at every moment: the end of a training batch, the start of a validation batch, with its step."""

    def __init__(self, act: Callable[[Trainer, Moment], None]) -> None:
        self.act = act
        self.drawn: list[torch.Tensor] = []

    def on_train_batch_end(self, trainer: Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.drawn.append(batch[0].clone())
        self.act(trainer, ("train", trainer.global_step))

    def on_validation_batch_start(self, trainer: Trainer, module: Any, batch: Any, batch_idx: int, _: int = 0) -> None:
        self.act(trainer, (f"val {batch_idx}", trainer.global_step))


def fit(
    folder: Path,
    act: Callable[[Trainer, Moment], None],
    start: Path | None = None,
    *,
    exact: bool = True,
    data: TinyData | None = None,
    callbacks: Sequence[Callback] = (),
    **more: Any,
) -> tuple[dict[str, Any], list[torch.Tensor]]:
    """The last checkpoint of a run, and the batches that it took."""
    kept = Checkpoint(
        folder, filename="best", monitor="val/loss", mode="min", save_last=True, save_on_train_epoch_end=True,
        enable_version_counter=False,
    )  # fmt: skip
    moments = At(act)
    callbacks = [*([ExactResume()] if exact else []), EpochRecord(), kept, *callbacks, moments, SaveOnSignal()]
    options: dict[str, Any] = {"max_epochs": EPOCHS, "enable_checkpointing": True, "plugins": [AtomicCheckpointIO()]}
    run = trainer(folder, *callbacks, **(options | more))
    module = build(
        scheduler=lambda optimizer, steps, _: torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=steps)
    )
    module.make_optimizer = partial(torch.optim.Adam, lr=0.05)
    run.fit(module, data or TinyData(), ckpt_path=start)
    return load_torch(folder / "last.ckpt"), moments.drawn


def nothing(*_: Any) -> None:
    """Act at no moment."""


def result(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """All that must not depend on where a run was interrupted."""
    record = checkpoint["callbacks"]["EpochRecord"]
    kept = next(state for name, state in checkpoint["callbacks"].items() if name.startswith("Checkpoint"))
    checkpoint["loops"]["fit_loop"].pop("epoch_loop.val_loop.batch_progress", None)  # counts one more, until reset
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in record["rows"]]
    parts = ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch", "clock", "train_metrics")
    return {
        "rows": rows, "samples": record["samples"], "best": kept["best_model_score"], "loops": checkpoint["loops"],
        **{part: checkpoint[part] for part in parts},
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("accumulated", [1, 2])
def test_run_that_goes_on_from_any_moment_equals_the_uninterrupted_one(tmp_path: Path, accumulated: int) -> None:
    files: dict[Moment, tuple[Path, int]] = {}
    taken = 0

    def save(run: Trainer, moment: Moment) -> None:
        nonlocal taken
        taken += moment[0] == "train"
        if not run.fit_loop._should_accumulate():
            run.save_checkpoint(path := tmp_path / "all" / f"{len(files)}" / "last.ckpt")
            files[moment] = path, taken
            if (best := tmp_path / "whole" / "best.ckpt").exists():  # a later epoch replaces it
                shutil.copy(best, path.parent)

    options: dict[str, Any] = {"accumulate_grad_batches": accumulated}
    whole, drawn = fit(tmp_path / "whole", save, **options)
    assert len(files) == {1: 9, 2: 6}[accumulated] + EPOCHS * 2
    for index, (moment, (path, done)) in enumerate(files.items()):
        resumed, rest = fit(tmp_path / f"resumed{index}", nothing, path, **options)
        assert same(drawn[done:], rest), moment
        for part, value in result(whole).items():
            assert same(value, result(resumed)[part]), (moment, part)
    # The control: without the callback, Lightning takes other batches.
    path, done = files["train", 1]
    resumed, rest = fit(tmp_path / "control", nothing, path, exact=False, **options)
    assert not same(drawn[done:], rest)
    assert not same(resumed["state_dict"], whole["state_dict"])


def test_loader_of_an_unknown_kind_goes_on_at_the_end_of_an_epoch_alone(tmp_path: Path) -> None:
    class Shuffled(TinyData):
        def train_dataloader(self) -> DataLoader[Any]:
            return DataLoader(TensorDataset(self.features["train"], self.targets("train")), batch_size=8)

    save = At(lambda run, _: run.save_checkpoint(tmp_path / f"{run.global_step}.ckpt"))
    run = trainer(tmp_path, ExactResume(), save, enable_checkpointing=True)
    run.fit(build(), Shuffled())
    run.save_checkpoint(tmp_path / "end.ckpt")
    with pytest.raises(CheckpointError, match="the loader of this data module cannot go on there"):
        trainer(tmp_path, ExactResume()).fit(build(), Shuffled(), ckpt_path=tmp_path / "2.ckpt")
    further = trainer(tmp_path, ExactResume(), max_epochs=3)
    further.fit(build(), Shuffled(), ckpt_path=tmp_path / "end.ckpt")
    assert further.global_step == 3 * BATCHES


NEEDS_USR1 = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Windows")


class Stopped(BaseException):
    """Raised by the handler of a signal."""


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGTERM, ("train", 4)),
        (signal.SIGINT, ("train", 6)),
        (signal.SIGTERM, ("val 1", 3)),
        (signal.SIGINT, ("val 1", 9)),
        pytest.param(getattr(signal, "SIGUSR1", None), ("train", 4), marks=NEEDS_USR1),
    ],
)
def test_signal_leaves_a_checkpoint_to_go_on_from(tmp_path: Path, number: signal.Signals, moment: Moment) -> None:
    def stop(*_: Any) -> None:
        raise Stopped

    def act(_: Trainer, now: Moment) -> None:
        if now == moment:
            os.kill(os.getpid(), number)

    whole, _ = fit(tmp_path / "whole", nothing)
    former = signal.signal(number, stop)
    try:
        with pytest.raises(Stopped):
            fit(tmp_path / "one", act)
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, former)
    last = load_torch(tmp_path / "one" / "last.ckpt")
    assert last["global_step"] in (moment[1], moment[1] + 1)
    resumed, _ = fit(tmp_path / "one", nothing, tmp_path / "one" / "last.ckpt")
    assert all(same(value, result(resumed)[part]) for part, value in result(whole).items())


def test_weights_that_are_not_finite_are_not_saved_on_a_signal(tmp_path: Path) -> None:
    def stop(*_: Any) -> None:
        raise Stopped

    def act(run: Trainer, now: Moment) -> None:
        if now == ("train", 5):
            next(run.lightning_module.parameters()).data.fill_(torch.nan)
            os.kill(os.getpid(), signal.SIGTERM)

    former = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(Stopped):
            fit(tmp_path, act)
    finally:
        signal.signal(signal.SIGTERM, former)
    assert load_torch(tmp_path / "last.ckpt")["global_step"] == BATCHES


@pytest.mark.parametrize(
    ("minutes_of_a_batch", "saved"),
    [
        (0.5, 1),  # after 10 of 12 batches
        (2, 4),  # after 3, 6 and 9 batches, and before the validation
        (7, 12),  # after every batch
    ],
)
def test_work_of_no_more_than_the_minutes_given_is_ever_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, minutes_of_a_batch: float,
    saved: int,
) -> None:  # fmt: skip
    now, last = [0.0], [0.0]
    monkeypatch.setattr(mid_epoch, "time", SimpleNamespace(monotonic=lambda: 60 * now[0]))
    write = AtomicCheckpointIO.save_checkpoint

    def note(self: AtomicCheckpointIO, content: dict[str, Any], path: Path, storage_options: Any = None) -> None:
        write(self, content, path, storage_options)
        last[0] = now[0] if Path(path).name == "last.ckpt" else last[0]

    monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", note)

    class Slow(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            assert now[0] - last[0] < 5
            now[0] += minutes_of_a_batch

    with caplog.at_level(logging.INFO):
        fit(tmp_path / "one", nothing, data=TinyData(batch_size=2), callbacks=[Slow(), SaveInTime(5)])
    assert now[0] == EPOCHS * 12 * minutes_of_a_batch
    assert caplog.text.count("Saved the state after step") == EPOCHS * saved
    assert "weights_only" not in caplog.text  # Lightning tells of what it was not told


def test_checkpoint_in_time_is_gone_on_from_and_leaves_no_trace(tmp_path: Path) -> None:
    def die(_: Trainer, now: Moment) -> None:
        if now == ("train", 5):
            raise Stopped

    whole, _ = fit(tmp_path / "whole", nothing)
    often = [SaveInTime(1e-9)]
    with pytest.raises(Stopped):
        fit(tmp_path / "one", die, callbacks=often)
    last = tmp_path / "one" / "last.ckpt"
    assert load_torch(last)["global_step"] == 5
    resumed, _ = fit(tmp_path / "one", nothing, last, callbacks=often)
    assert all(same(value, result(resumed)[part]) for part, value in result(whole).items())


@pytest.mark.slow
@pytest.mark.parametrize("moment", [("train", 1), ("train", 5), ("train", 6), ("val 1", 6)])
def test_run_with_worker_processes_goes_on_within_an_epoch(tmp_path: Path, moment: Moment) -> None:
    def save(run: Trainer, now: Moment) -> None:
        if now == moment:
            run.save_checkpoint(tmp_path / "within.ckpt")

    def workers() -> TinyData:
        return TinyData(num_workers=2)

    whole, drawn = fit(tmp_path / "whole", save, data=workers())
    alone, _ = fit(tmp_path / "alone", nothing)
    resumed, rest = fit(tmp_path / "resumed", nothing, tmp_path / "within.ckpt", data=workers())
    assert same(drawn[moment[1] :], rest)
    for part, value in result(whole).items():
        assert same(value, result(resumed)[part]), part
        assert part == "loops" or same(value, result(alone)[part]), part  # the workers are of no matter


def shared_fit(folder: Path, moments: Sequence[Moment], start: Path | None = None) -> dict[str, Any]:
    """As :func:`fit`, by two processes, with a checkpoint of each of the moments."""

    def save(run: Trainer, now: Moment) -> None:
        if now in moments:
            run.save_checkpoint(folder / f"{'-'.join(map(str, now))}.ckpt")

    trainer_of_two: dict[str, Any] = {"devices": 2, "strategy": "ddp_fork", "use_distributed_sampler": False}
    checkpoint, _ = fit(folder, save, start, data=TinyData(batch_size=4), **trainer_of_two)
    return checkpoint


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch was built without torch.distributed")
def test_two_processes_go_on_within_an_epoch_each_with_its_own(tmp_path: Path) -> None:
    moments = [("train", 1), ("train", 5), ("val 1", 6)]
    whole = shared_fit(tmp_path / "whole", moments)
    for number, (kind, step) in enumerate(moments):
        resumed = shared_fit(tmp_path / str(number), (), tmp_path / "whole" / f"{kind}-{step}.ckpt")
        for part, value in result(whole).items():
            assert same(value, result(resumed)[part]), (kind, step, part)
    with pytest.raises(CheckpointError, match="is from within an epoch of 2 processes, these are 1; continue with as"):
        fit(tmp_path / "alone", nothing, tmp_path / "whole" / "train-5.ckpt")
