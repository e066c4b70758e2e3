"""What every module does around its step: results of an epoch, seeds, the guard against NaN, optimizer and clipping."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from torch import Tensor, nn

from arcvae.errors import NonFiniteError
from arcvae.imbalance.losses import make_loss, registered_losses
from arcvae.training.module import RunningMean, StepOutput
from arcvae.training.scheduler import warmup_then_decay
from tests.training.tiny import PADDING, BackgroundTask, PaddedTask, TinyData, TinyModule, TinyTask, build, trainer


def evaluated_on_test(folder: Path, task: TinyTask, data: TinyData, **loss: Any) -> TinyModule:
    module = build(task, **loss)
    trainer(folder).test(module, data, verbose=False)
    return module


@pytest.mark.parametrize("batch_size", [2, 4, 9])  # nine samples: the last batch is smaller
def test_results_of_an_epoch_equal_one_computation_over_the_whole_split(tmp_path: Path, batch_size: int) -> None:
    data = TinyData(batch_size=batch_size)
    module = evaluated_on_test(
        tmp_path, BackgroundTask(), data, name="focal", class_weights=torch.tensor([0.3, 1.0, 2.0])
    )
    features, target = data.features["test"], data.targets("test")
    with torch.no_grad():
        logits = module.model(features)
        expected_loss = module.loss(logits, target).item()
    right, found = target.numpy(), logits.argmax(1).numpy()
    results = module.results["test"]
    assert results["loss"] == pytest.approx(expected_loss, rel=1e-5)
    assert results["norm"] == pytest.approx(logits.square().mean().item(), rel=1e-5)
    assert results["mean_logit"] == pytest.approx(logits.mean((0, 2)).tolist(), rel=1e-4)
    assert results["accuracy"] == pytest.approx(accuracy_score(right.ravel(), found.ravel()))
    assert results["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(right.ravel(), found.ravel()))
    assert results["f1_macro"] == pytest.approx(f1_score(right.ravel(), found.ravel(), average="macro"))
    assert results["object_f1"] == pytest.approx(f1_score(right.ravel(), found.ravel(), labels=[1, 2], average="micro"))
    assert results["exact_match"] == pytest.approx((right == found).all(1).mean())


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_loss_of_an_epoch_with_padding_is_that_of_the_whole_split_whatever_the_batches(
    tmp_path: Path, reduction: str
) -> None:
    found = []
    for batch_size in (2, 9):
        data = TinyData(padded=True, batch_size=batch_size)
        assert (data.targets("test") == PADDING).all(1).any()  # a sample that is padding alone
        found.append(evaluated_on_test(tmp_path, PaddedTask(), data, reduction=reduction).results["test"]["loss"])
    module = build(PaddedTask(), reduction=reduction)
    target = data.targets("test")
    costs = nn.functional.cross_entropy(
        module.model(data.features["test"]), target.long(), ignore_index=PADDING, reduction="none"
    )
    valid = target != PADDING
    count = valid.sum() if reduction == "mean" else valid.any(1).sum()
    assert found == pytest.approx([(costs.sum() / count).item()] * 2, rel=1e-5)


def test_result_names_are_the_scalars_that_an_epoch_logs(tmp_path: Path) -> None:
    for task in (TinyTask(), BackgroundTask()):
        module = build(task)
        fit = trainer(tmp_path, max_epochs=1)
        fit.fit(module, TinyData())
        scalars = [name for name, value in module.results["val"].items() if not isinstance(value, list)]
        assert sorted(scalars) == module.result_names()
        assert {f"{split}/{name}" for split in ("train", "val") for name in scalars} <= fit.callback_metrics.keys()


def test_running_mean_weighs_batches_by_their_size() -> None:
    mean = RunningMean(2)
    mean.update(torch.tensor([1.0, 10.0]), 3)
    mean.update(torch.tensor([5.0, 50.0]), 1)
    assert mean.compute().tolist() == [2.0, 20.0]  # (3 * 1 + 5) / 4


class Draws(TinyModule):
    """Notes what its steps draw."""

    def step(self, batch: tuple[Tensor, Tensor], stage: str) -> StepOutput:
        if stage == "train":
            self.draws = [*getattr(self, "draws", []), torch.rand(()).item()]
        else:
            torch.rand(17)  # evaluation may draw as much as it likes
        return super().step(batch, stage)


class DrawsTask(TinyTask):
    def build_module(self, model: Any, loss: Any, optimizer: Any, scheduler: Any, *, seed: int, **_: Any) -> Draws:
        return Draws(self, model, loss, optimizer, scheduler, seed=seed)


def draws(folder: Path, seed: int, disturb: int, checkpoint: Path | None = None) -> list[float]:
    module = build(DrawsTask(), seed=seed)
    torch.rand(disturb)
    fit = trainer(folder)
    fit.fit(module, TinyData(), ckpt_path=checkpoint)
    assert isinstance(module, Draws)
    return module.draws


def test_noise_of_a_batch_depends_on_seed_and_batch_alone(tmp_path: Path) -> None:
    first = draws(tmp_path, seed=3, disturb=5)
    assert len(set(first)) == 6
    assert draws(tmp_path, seed=3, disturb=50) == first
    assert not set(draws(tmp_path, seed=4, disturb=5)) & set(first)
    half = trainer(tmp_path, max_epochs=1)
    half.fit(build(DrawsTask(), seed=3), TinyData())
    half.save_checkpoint(tmp_path / "half.ckpt")
    assert draws(tmp_path, seed=3, disturb=1, checkpoint=tmp_path / "half.ckpt") == first[3:]


class Poison(Callback):
    """Ruins the weights just before a training step, or before validation."""

    def __init__(self, step: int | None = None) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.step:
            torch.nn.init.constant_(pl_module.model.bias, math.nan)  # type: ignore[union-attr,arg-type]

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.step is None:
            torch.nn.init.constant_(pl_module.model.bias, math.nan)  # type: ignore[union-attr,arg-type]


def test_loss_that_is_not_finite_ends_training_with_step_parts_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        NonFiniteError, match=r"the loss is nan at step 4 \(epoch 1; not finite: norm; learning rate 0\.1\).*lower"
    ):
        trainer(tmp_path, Poison(step=4)).fit(build(), TinyData())


def test_weights_ruined_by_the_last_step_of_an_epoch_are_found_in_validation(tmp_path: Path) -> None:
    # The argmax of NaN is a class like any other: without a look at the loss, this would be the best epoch.
    with pytest.raises(NonFiniteError, match=r"the validation loss is nan after epoch 0: lower optimizer\.lr"):
        trainer(tmp_path, Poison()).fit(build(), TinyData())


def test_sanity_check_leaves_no_trace_in_the_results(tmp_path: Path) -> None:
    found = []
    for steps in (0, 1):
        module = build()
        trainer(tmp_path, num_sanity_val_steps=steps).fit(module, TinyData())
        found.append(module.results["val"])
    assert found[0] == found[1]


def test_optimizer_and_scheduler_know_the_run(tmp_path: Path) -> None:
    asked = []

    def scheduler(optimizer: Any, steps: int, epochs: int) -> Any:
        asked.append((steps, epochs))
        return warmup_then_decay(optimizer, steps, epochs, warmup_epochs=1.0, warmup_start=0.25)

    rates: list[float] = []

    class Rates(Callback):
        def on_before_zero_grad(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
            rates.append(optimizer.param_groups[0]["lr"])

    module = build(scheduler=scheduler)
    trainer(tmp_path, Rates()).fit(module, TinyData())
    assert asked == [(6, 2)]
    assert rates[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])  # a step at a time, not an epoch
    assert module.step_scalars["learning_rate"] == pytest.approx(rates[5])
    model, loss = nn.Conv1d(3, 3, 1), make_loss("cross_entropy")
    with pytest.raises(ValueError, match="can be evaluated, not trained"):
        trainer(tmp_path).fit(TinyModule(TinyTask(), model, loss, None, None), TinyData())


@pytest.mark.parametrize("algorithm", ["norm", "value"])
def test_gradients_are_clipped_and_their_norm_before_is_noted(tmp_path: Path, algorithm: str) -> None:
    largest: list[float] = []

    class Gradients(Callback):
        def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
            trainer.before = torch.cat([p.grad.flatten() for p in pl_module.parameters()])  # type: ignore[attr-defined,union-attr]

        def on_before_zero_grad(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
            if all(p.grad is not None for p in pl_module.parameters()):
                grad = torch.cat([p.grad.flatten() for p in pl_module.parameters()])  # type: ignore[union-attr]
                largest.append((grad.norm() if algorithm == "norm" else grad.abs().max()).item())

    module = build()
    fit = trainer(tmp_path, Gradients(), gradient_clip_val=0.01, gradient_clip_algorithm=algorithm)
    fit.fit(module, TinyData())
    assert largest
    assert max(largest) == pytest.approx(0.01, rel=1e-4)
    if algorithm == "norm":
        assert float(module.step_scalars["gradient_norm"]) == pytest.approx(fit.before.norm().item())  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(registered_losses()))
def test_every_loss_can_be_trained_with(tmp_path: Path, name: str) -> None:
    data = TinyData()
    module = build(name=name, class_counts=data.class_counts.tolist(), cosine_scale=1.0)

    def cost() -> float:
        with torch.no_grad():
            return module.loss(module.model(data.features["val"]), data.targets("val")).item()

    before = cost()
    trainer(tmp_path, max_epochs=8).fit(module, data)
    assert cost() < before
