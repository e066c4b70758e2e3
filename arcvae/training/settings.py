"""Settings of a training run of any task: the run itself, data, optimizer, scheduler, trainer, callbacks, loggers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from arcvae.imbalance.settings import SAMPLERS
from arcvae.io.settings import (
    Choice,
    Fixed,
    Flag,
    Inside,
    ListOf,
    Number,
    OneOf,
    Settings,
    Text,
    is_count,
    is_number,
    problem_line,
    value_at,
)

SEED: Final = Number(0, 2**32 - 1, integer=True)
"""Range of a seed."""
_MODE = Choice(("max", "min"))
_ACCELERATOR = Choice(("auto", "cpu", "gpu", "cuda", "mps"))
_DEVICES = OneOf((Number(1, 4096, integer=True), Text(), ListOf(Number(0, 4096, integer=True), shortest=1)))

_SHARE = OneOf((Number(0, 1, above=True), Number(1, 1e9, integer=True)))


def warmup_problem(warmup_epochs: float, max_epochs: int) -> str | None:
    """What is wrong with a warm-up of the learning rate in a run of so many epochs, or None.

    Example:
        >>> warmup_problem(5, 5)
        'scheduler.warmup_epochs=5 does not fit into trainer.max_epochs=5; lower it'
    """
    if not warmup_epochs or warmup_epochs < max_epochs:
        return None
    return f"scheduler.warmup_epochs={warmup_epochs:g} does not fit into trainer.max_epochs={max_epochs}; lower it"


def check_warmup(config: Mapping[str, Any]) -> list[str]:
    """The warm-up must end before the run does; one that is limited to a share of the run always does."""
    epochs, warmup = value_at(config, "trainer.max_epochs"), value_at(config, "scheduler.warmup_epochs")
    if not is_count(epochs) or epochs < 1 or not is_number(warmup):
        return []
    if value_at(config, "scheduler.warmup_share") not in (None, 1):
        return []
    problem = warmup_problem(warmup, epochs)
    return [problem] if problem else []


def check_clipping(config: Mapping[str, Any]) -> list[str]:
    """With ``16-mixed`` a fused optimizer unscales gradients itself, so that they cannot be clipped before."""
    half = value_at(config, "trainer.precision") == "16-mixed"
    if half and value_at(config, "optimizer.fused") and value_at(config, "trainer.gradient_clip_val"):
        return ["trainer.precision=16-mixed cannot clip gradients of a fused optimizer; set optimizer.fused=false"]
    return []


def check_sub_dir(config: Mapping[str, Any]) -> list[str]:
    """A folder that a logger adds to its own, which some of them take, must not lead out of that."""
    place = value_at(config, "logger.sub_dir")
    line = None if place is None else problem_line(("logger", "sub_dir"), place, Inside())
    return [line] if line else []


SETTINGS: Final = Settings(
    rules={
        "seed": SEED,
        "ckpt_path": Text(optional=True),
        "output_dir": Text(),
        "monitor": Text(),
        "monitor_mode": _MODE,
        "plugins": ListOf(Text()),
        "tags": ListOf(Text()),
        "report": Flag(),
        "accelerator": _ACCELERATOR,
        "data.path": Text(optional=True),
        "data.corpus_seed": SEED,
        "data.sampler": Choice(tuple(SAMPLERS)),
        "data.batch_size": Number(1, 65536, integer=True),
        "data.eval_batch_size": Number(1, 65536, integer=True),
        "data.num_workers": Number(0, 64, integer=True),
        "data.max_bytes": Number(0, 1e15, above=True),
        "data.corpus_dir": Text(),
        "data.cache_dir": Text(),
        "data.seed": SEED,
        "optimizer.lr": Number(0, 1, above=True),
        "optimizer.betas": ListOf(Number(0, 0.999999999), shortest=2),
        "optimizer.weight_decay": Number(0, 10),
        "optimizer.fused": Flag(optional=True),
        "scheduler.warmup_epochs": Number(0, 1e6),
        "scheduler.warmup_share": Number(0, 1, above=True),
        "scheduler.warmup_start": Number(0, 1, above=True),
        "scheduler.final_lr": Number(0, 1),
        "scheduler.decay": Choice(("cosine", "constant")),
        "callbacks.*.monitor": Text(),
        "callbacks.*.mode": _MODE,
        "callbacks.*.patience": Number(0, 1e6, integer=True),
        "callbacks.*.minutes": Number(0, 1e6, above=True),
        "callbacks.*.strict": Flag(),
        "callbacks.*.verbose": Flag(),
        "callbacks.*.filename": Inside(),
        "callbacks.*.save_top_k": Number(-1, 1e6, integer=True),
        "callbacks.*.save_last": Flag(),
        "callbacks.*.auto_insert_metric_name": Flag(),
        "callbacks.*.enable_version_counter": Flag(),
        "callbacks.*.save_on_train_epoch_end": Flag(optional=True),
        "callbacks.*.refresh_rate": Number(0, 1e6, integer=True),
        "callbacks.*.max_depth": Number(-1, 100, integer=True),
        "callbacks.*.seed": SEED,
        "callbacks.*.targets.*": Number(-1e6, 1e6),
        "logger.name": Inside(),
        "logger.version": Inside(empty=True),
        "logger.flush_logs_every_n_steps": Number(1, 1e6, integer=True),
        "logger.project": Text(),
        "logger.offline": Flag(optional=True),
        "logger.group": Text(optional=True),
        "logger.tags": ListOf(Text()),
        "logger.log_model": OneOf((Flag(), Choice(("all",)))),
        "trainer.max_epochs": Number(1, 1e6, integer=True),
        "trainer.max_steps": Number(-1, 1e12, integer=True),
        "trainer.accelerator": _ACCELERATOR,
        "trainer.devices": _DEVICES,
        "trainer.num_nodes": Number(1, 4096, integer=True),
        "trainer.strategy": Text(),
        "trainer.precision": Choice(("auto", "32-true", "bf16-mixed", "16-mixed")),
        "trainer.gradient_clip_val": Number(0, 1e9, optional=True),
        "trainer.accumulate_grad_batches": Number(1, 1e6, integer=True),
        "trainer.log_every_n_steps": Number(1, 1e6, integer=True),
        "trainer.check_val_every_n_epoch": Fixed(1, "checkpoints, early stopping and records go by every epoch"),
        "trainer.num_sanity_val_steps": Number(-1, 1e6, integer=True),
        "trainer.deterministic": Flag(),
        "trainer.overfit_batches": Fixed(0, "trainer=overfit_batch is for that"),
        "trainer.limit_train_batches": _SHARE,
        "trainer.limit_val_batches": _SHARE,
        "trainer.limit_test_batches": _SHARE,
        "trainer.use_distributed_sampler": Flag(),
    },
    checks=(check_warmup, check_clipping, check_sub_dir),
    builds=(
        "arcvae.training.callbacks.",
        "arcvae.training.display.",
        "arcvae.training.loggers.",
        "arcvae.training.mid_epoch.",
        "arcvae.training.scheduler.",
        "torch.optim.",
        "torchmetrics.",
        "lightning.pytorch.Trainer",
        "lightning.pytorch.trainer.",
        "lightning.pytorch.callbacks.",
        "lightning.pytorch.loggers.",
    ),
    lower_is_better=("loss",),
    cosmetic=("progress_bar", "model_summary", "step_log", "per_class_recall", "save_in_time", "trivial_predictor"),
)
"""Settings of training that all tasks share."""
