"""The clock of a run: a table of its values in a real fit, what reads it, and how it outlives the run."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.utils.data import DataLoader

import arcvae
from arcvae.grid.elbo import LinearWarmup
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.module import GridModule
from arcvae.grid.task import GridTask
from arcvae.imbalance.losses import make_loss
from arcvae.io.tensors import load_torch
from arcvae.training.clock import Clock
from arcvae.training.module import ImbalanceModule
from tests.training.tiny import TinyData, build, trainer

GOLDEN = Path(__file__).parents[1] / "golden" / "0.1.0"
INFINITY = float("inf")


class Watch(Callback):
    """Notes what the module knows in each step."""

    def __init__(self) -> None:
        self.clocks: list[tuple[float, float]] = []
        self.progress: list[float] = []
        self.betas: list[float] = []

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        assert isinstance(pl_module, ImbalanceModule)
        self.clocks.append((pl_module.clock.epoch, pl_module.clock.progress))
        self.progress.append(pl_module.loss.progress)
        self.betas.append(float(pl_module.step_scalars.get("beta", 0)))


@pytest.mark.parametrize(
    ("accumulate", "expected"),
    [
        (1, [(0, 0), (1 / 3, 1 / 6), (2 / 3, 2 / 6), (1, 3 / 6), (4 / 3, 4 / 6), (5 / 3, 5 / 6)]),
        # Two batches to a step, and the third of an epoch by itself: four steps in all.
        (2, [(0, 0), (1 / 3, 0), (2 / 3, 1 / 4), (1, 2 / 4), (4 / 3, 2 / 4), (5 / 3, 3 / 4)]),
    ],
)
def test_clock_of_two_epochs_with_three_batches_as_a_table(
    tmp_path: Path, accumulate: int, expected: list[tuple[float, float]]
) -> None:
    watch, module = Watch(), build(fade=0.5)
    trainer(tmp_path, watch, accumulate_grad_batches=accumulate).fit(module, TinyData())
    assert np.array(watch.clocks) == pytest.approx(np.array(expected))
    assert watch.progress == [progress for _, progress in watch.clocks]


def test_beta_of_each_step_is_the_schedule_at_the_fraction_of_the_epoch(tmp_path: Path) -> None:
    grids = torch.randint(10, (12, 8, 8), dtype=torch.uint8)
    schedule = LinearWarmup(hold=0.5, ramp=1.0, maximum=0.6)
    model = BetaVAE(latent_dim=2, widths=[4, 4], hidden=8, grid_size=8)
    optimizer = partial(torch.optim.SGD, lr=1e-4)
    module = GridModule(GridTask(), model, make_loss("cross_entropy"), optimizer, beta=schedule)
    loader: DataLoader[Any] = DataLoader(grids, batch_size=4)  # type: ignore[arg-type]
    watch = Watch()
    trainer(tmp_path, watch).fit(module, loader)
    expected = [schedule(epoch + batch / 3) for epoch in range(2) for batch in range(3)]
    assert watch.betas == pytest.approx(expected)
    assert expected == pytest.approx([0, 0, 0.1, 0.3, 0.5, 0.6])


def test_loss_fades_with_the_clock(tmp_path: Path) -> None:
    module, weights = build(name="focal", gamma=2.0, class_weights=torch.tensor([1.0, 4.0, 9.0]), fade=1.0), []

    class Emphasis(Callback):
        def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
            weights.append(module.loss.emphasis)

    trainer(tmp_path, Emphasis()).fit(module, TinyData())
    assert weights == pytest.approx([1 - step / 6 for step in range(6)])
    assert module.ramp_epochs == 2.0


def test_class_weights_are_deferred_by_the_clock_and_the_sampler_is_part_of_the_schedule(tmp_path: Path) -> None:
    module, losses = build(class_weights=torch.tensor([1.0, 4.0, 9.0]), defer=0.5), []

    class Weighted(Callback):
        def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
            logits, target = torch.zeros(1, 3), torch.tensor([2])
            losses.append(module.loss(logits, target).item() / math.log(3))

    data = TinyData()
    fit = trainer(tmp_path, Weighted())
    fit.fit(module, data)
    assert losses == pytest.approx([1, 1, 1, 9, 9, 9])
    assert module.ramp_epochs == 1.0
    data.sampler = "progressive"  # moves until the end: no run is stopped before
    assert module.ramp_epochs == 2.0


def test_training_without_the_callback_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        RuntimeError, match=r"add arcvae\.training\.clock\.ClockCallback\(\) to the callbacks"
    ) as caught:
        trainer(tmp_path, clock=False).fit(build(), TinyData())
    added = eval(str(caught.value).partition("; add ")[2].partition(" to ")[0], {"arcvae": arcvae})
    run = trainer(tmp_path, added, clock=False)
    run.fit(build(), TinyData())
    assert run.global_step == 6


def test_module_that_is_only_evaluated_stands_at_the_end_of_its_run() -> None:
    module = build(fade=0.5)
    assert module.clock == Clock(epoch=INFINITY, progress=1.0)
    assert module.loss.emphasis == 0.0


def test_clock_travels_with_the_checkpoint(tmp_path: Path) -> None:
    module, fit = build(fade=0.5), trainer(tmp_path)
    fit.fit(module, TinyData())
    fit.save_checkpoint(tmp_path / "one.ckpt")
    checkpoint = load_torch(tmp_path / "one.ckpt")
    assert Clock.from_checkpoint(checkpoint) == module.clock == Clock(epoch=1 + 2 / 3, progress=5 / 6)
    fresh = build(fade=0.5)
    fresh.on_load_checkpoint(checkpoint)
    assert fresh.clock == module.clock
    assert fresh.loss.progress == module.loss.progress
    assert Clock.from_checkpoint({"state_dict": {}}) == Clock()


@pytest.mark.parametrize(("task", "batches"), [("grid", 120), ("audio", 7)])
def test_checkpoint_of_version_0_1_0_gives_the_clock_of_its_last_batch(task: str, batches: int) -> None:
    # Saved at the end of the first and only epoch, of as many batches as optimizer steps.
    checkpoint = load_torch(GOLDEN / task / "checkpoints" / "best.ckpt")
    assert "clock" not in checkpoint
    assert checkpoint["global_step"] == batches
    clock = Clock.from_checkpoint(checkpoint)
    assert clock.epoch == pytest.approx((batches - 1) / batches)
    assert clock.progress == pytest.approx((batches - 1) / batches)
