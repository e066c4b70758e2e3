"""Base of the LightningModules: a loss for imbalanced classes, metrics over whole epochs, and a guard against NaN."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric

from arcvae.errors import CheckpointError, NonFiniteError
from arcvae.imbalance.confusion import classification_metrics
from arcvae.imbalance.losses import ImbalanceLoss
from arcvae.imbalance.masking import valid_elements, valid_samples
from arcvae.imbalance.metrics import ClassificationMetrics
from arcvae.imbalance.ranking import RANKING, RankingMetrics
from arcvae.training.accumulated import RunningMean, metric_state, set_metric_state
from arcvae.training.clock import Clock
from arcvae.training.seeding import derive_seed, seed_step
from arcvae.training.task import Results, Task

STAGES = ("train", "val", "test")


@dataclass(frozen=True)
class StepOutput:
    """Result of a step on one batch.

    Args:
        loss: Scalar to minimise.
        logits: ``(N, C, *)``.
        target: ``(N, *)``, any integer type.
        parts: Scalars that make up the loss, in the order of ``part_names``; with ``loss``, they are logged.
        vectors: Means over the batch, ``(K,)`` each, to be averaged over the epoch.
    """

    loss: Tensor
    logits: Tensor
    target: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)
    vectors: dict[str, Tensor] = field(default_factory=dict)


class ImbalanceModule(LightningModule):
    """Base of the modules. A task implements :meth:`step`; everything else is shared.

    Metrics are logged as ``train/*``, ``val/*`` and ``test/*`` for each epoch; ``results[stage]`` keeps those of the
    last epoch of a stage, lists included. The scalars of the last training step are in ``step_scalars`` for the
    ``StepLog`` callback: calling ``self.log`` for each of them would cost a tenth of the training time.

    Args:
        task: Knows the names of the metrics, and which further results follow from them.
        loss: Scores logits ``(N, C, *)`` against a target ``(N, *)``.
        optimizer: Makes an optimizer from parameters; None for a model that is only evaluated.
        scheduler: Makes a per-step scheduler from (optimizer, steps in all, epochs in all), or None.
        num_classes: C.
        seed: Seed of the noise drawn in training.
        vector_sizes: Lengths K of the ``vectors`` of a step, by name.
    """

    part_names: ClassVar[tuple[str, ...]] = ()
    """Names of the scalars that make up the loss."""
    fitted: ClassVar[str] = "loss"
    """The part of it, or all of it, that says how well the targets are met, without penalties."""

    def __init__(
        self,
        task: Task[Any, Any],
        loss: ImbalanceLoss,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] | None,
        scheduler: Callable[[Optimizer, int, int], LRScheduler] | None,
        *,
        num_classes: int,
        seed: int = 0,
        vector_sizes: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.task, self.loss = task, loss
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.num_classes, self.seed = num_classes, seed
        self.clock = Clock()
        self.results: dict[str, Results] = {}
        self.step_scalars: dict[str, Tensor | float] = {}
        self.vector_names = tuple(vector_sizes or ())
        self.metrics = nn.ModuleDict()
        for stage in STAGES:
            self.metrics[f"{stage}_classes"] = ClassificationMetrics(
                num_classes, task.background, ignore_index=task.ignore_index
            )
            if task.ranked and stage != "train":  # these scores are of one model, those of training of many
                self.metrics[f"{stage}_ranking"] = RankingMetrics()
            self.metrics[f"{stage}_parts"] = RunningMean(1 + len(self.part_names))
            for name, size in (vector_sizes or {}).items():
                self.metrics[f"{stage}_{name}"] = RunningMean(size)

    def step(self, batch: Any, stage: str) -> StepOutput:
        """Loss and logits of a batch; ``stage`` is "train", "val" or "test"."""
        raise NotImplementedError

    @property
    def ramp_epochs(self) -> float:
        """Epochs in which the objective still changes by schedule; early stopping does not count them."""
        data = getattr(self.trainer, "datamodule", None)
        return max(self.loss.changes_until, getattr(data, "changes_until", 0.0)) * (self.trainer.max_epochs or 0)

    def set_clock(self, clock: Clock) -> None:
        """Set how far the run is, for this module and its loss; see :class:`~arcvae.training.clock.ClockCallback`."""
        self.clock = clock
        self.loss.progress = clock.progress

    def result_names(self) -> list[str]:
        """Names of the scalar results of an epoch: those that ``monitor`` may name, after ``val/``."""
        example = classification_metrics(torch.eye(self.num_classes), self.task.background)
        names = self.task.rename({name: 0.0 for name, value in example.items() if not value.ndim})
        ranking = RANKING if self.task.ranked else ()
        return sorted(["loss", *self.part_names, *names, *ranking, "exact_match", *self.task.further_names])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the clock, without which this epoch's loss could not be computed again, and metrics of each process."""
        checkpoint["clock"] = self.clock.state_dict()
        own = {name: metric_state(metric) for name, metric in self.metrics.items() if name.startswith("train_")}
        checkpoint["train_metrics"] = own
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            checkpoint["train_metrics"] = [None] * dist.get_world_size()
            dist.all_gather_object(checkpoint["train_metrics"], own)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the clock and the metrics of the epoch."""
        self.set_clock(Clock.from_checkpoint(checkpoint))
        try:
            states = checkpoint.get("train_metrics", {})
            if isinstance(states, list):  # of several processes
                states = states[self.global_rank] if self.global_rank < len(states) else {}
            for name, state in states.items():
                set_metric_state(self.metrics[name], state)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"train_metrics of the checkpoint are not what arcvae writes ({type(error).__name__}); give another"
            ) from error

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        # The noise of a batch depends on seed and batch only: a resumed run draws the same as an uninterrupted one.
        number = self.current_epoch * int(self.trainer.num_training_batches) + batch_idx
        index = number * self.trainer.world_size + self.global_rank
        seed_step(derive_seed(self.seed, "noise", index), self.device)
        if self.clock != Clock.of(self.trainer, batch_idx):
            raise RuntimeError(
                "the clock was not set before this batch; add arcvae.training.clock.ClockCallback() to the callbacks"
            )
        output = self.step(batch, "train")
        self._require_finite(output)
        self._accumulate(output, "train")
        self.step_scalars |= {name: part.detach() for name, part in output.parts.items()}
        self.step_scalars |= {"loss": output.loss.detach(), "learning_rate": self._learning_rate()}
        self.log("loss", output.loss, prog_bar=True, logger=False)
        return output.loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._evaluation_step(batch, "val")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self._evaluation_step(batch, "test")

    def _evaluation_step(self, batch: Any, stage: str) -> None:
        # In full precision, also after training in half: metrics must not depend on the precision of training.
        with torch.autocast(self.device.type, enabled=False):
            self._accumulate(self.step(batch, stage), stage)

    def _accumulate(self, output: StepOutput, stage: str) -> None:
        self._metric(stage, "classes").update(output.logits.detach().argmax(1), output.target)
        if f"{stage}_ranking" in self.metrics:
            self._metric(stage, "ranking").update(output.logits.detach(), output.target)
        parts = torch.stack([output.loss.detach(), *(output.parts[name].detach() for name in self.part_names)])
        samples, loss_size = self._sizes(output.target)
        self._metric(stage, "parts").update(parts, loss_size)
        for name, vector in output.vectors.items():
            self._metric(stage, name).update(vector, samples)

    def _sizes(self, target: Tensor) -> tuple[int, int]:
        """Weights of a batch in the means over an epoch: its number of samples, and the weight of its loss.

        Samples of which every element is ignored do not count. A loss that is a mean over elements is weighted by the
        number of elements that count, which differs between batches where some are ignored.
        """
        if self.task.ignore_index is None:
            return len(target), len(target)
        valid = valid_elements(target, self.task.ignore_index)
        samples = int(valid_samples(valid).sum())
        return samples, int(valid.sum()) if self.loss.means_over_elements else samples

    def _metric(self, stage: str, name: str) -> Metric:
        metric = self.metrics[f"{stage}_{name}"]
        assert isinstance(metric, Metric)
        return metric

    def _require_finite(self, output: StepOutput) -> None:
        if torch.isfinite(output.loss):
            return
        bad = [name for name, part in output.parts.items() if not torch.isfinite(part)]
        raise NonFiniteError(
            f"the loss is {output.loss.item()} at step {self.global_step} (epoch {self.current_epoch}; "
            f"not finite: {', '.join(bad) or 'loss'}; learning rate {self._learning_rate():.3g}): lower optimizer.lr"
        )

    def _learning_rate(self) -> float:
        return float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_epoch_end(self) -> None:
        self._finish("train")

    def on_validation_epoch_end(self) -> None:
        if self.trainer.sanity_checking:
            self._reset("val")
        else:
            self._finish("val")

    def on_test_epoch_end(self) -> None:
        self._finish("test")

    def on_train_epoch_start(self) -> None:
        self._reset("train")  # an interrupted epoch may have left something

    def _reset(self, stage: str) -> None:
        for name, metric in self.metrics.items():
            if name.startswith(f"{stage}_"):
                metric.reset()  # type: ignore[operator]

    def _finish(self, stage: str) -> None:
        """Compute, log and keep the results of an epoch."""
        parts = self._metric(stage, "parts").compute().reshape(-1)  # torchmetrics squeezes a single element
        results: Results = dict(zip(("loss", *self.part_names), parts.tolist(), strict=True))
        kinds = [kind for kind in ("classes", "ranking") if f"{stage}_{kind}" in self.metrics]
        classes = {name: value for kind in kinds for name, value in self._metric(stage, kind).compute().items()}
        results |= self.task.rename({name: value.tolist() for name, value in classes.items()})
        for name in self.vector_names:
            results[name] = self._metric(stage, name).compute().reshape(-1).tolist()
        results |= self.task.further_results(results, self)
        if stage == "val" and not math.isfinite(parts[0].item()):
            # The last step of an epoch can make the weights NaN after its loss was found finite. The argmax of NaN is
            # a class like any other, so that without this check such weights would be saved.
            raise NonFiniteError(
                f"the validation loss is {parts[0].item()} after epoch {self.current_epoch}: lower optimizer.lr"
            )
        self.results[stage] = results
        for name, value in results.items():
            if isinstance(value, list):
                self.log_dict({f"{stage}/{name}/{index}": entry for index, entry in enumerate(value)})
            else:
                self.log(f"{stage}/{name}", value)
        self._reset(stage)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        if self.make_optimizer is None:
            raise ValueError("a module without optimizer can be evaluated, not trained")
        optimizer = self.make_optimizer(self.parameters())
        if self.make_scheduler is None:
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = self.make_scheduler(optimizer, steps, self.trainer.max_epochs or 1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip gradients; Lightning's own method refuses fused optimizers even where gradients are not scaled.

        Where they are (``16-mixed``), the check of the config refuses fused optimizers.
        """
        if gradient_clip_val and gradient_clip_algorithm == "value":
            nn.utils.clip_grad_value_(self.parameters(), gradient_clip_val)
        elif gradient_clip_val:
            self.step_scalars["gradient_norm"] = nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)
