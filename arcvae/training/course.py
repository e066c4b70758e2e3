"""How a model was trained, and what that says of its faults: too short, or with a wrong learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arcvae.io.settings import is_count, is_number

FEW_STEPS = 1000
"""A run of fewer steps is too short before anything else is to blame: the reference model finds its first objects after
about this many."""
UNLIMITED = {"max_steps": ("None", "-1"), "limit_train_batches": ("None", "1.0"), "max_time": ("None",)}
"""Settings of the trainer that can end a run or an epoch early, and the values with which they do not, as text: 1.0 is
all batches, and 1 a single one."""
USUAL_RATES = (1e-5, 2e-2)
"""Learning rates with which Adam and its like train."""
RISING = 1.2
"""A training loss that ends this many times above its lowest, while the objective stood still, rises."""
STUCK = 0.02
"""A training loss that falls by less than this share from the first epoch to the last does not move."""
FALLING = 0.03
"""A training loss that falls by more than this share in the last epoch is still falling."""
IMPROVING = 0.02
"""A monitored figure that improves by more than this in the last epoch, and is best there, is still improving; of a
figure that is better low it is the share of its value."""


@dataclass(frozen=True)
class Cause:
    """Why a model has a fault, and what to do, each as the end of a sentence."""

    text: str
    remedy: str


@dataclass(frozen=True)
class Course:
    """How a model was trained, as far as it is known; nothing is said of what is not."""

    history: Sequence[Mapping[str, float | None]] = ()
    """A row for each epoch, as in ``metrics.csv``."""
    steps: int | None = None
    epochs: int | None = None
    max_epochs: int | None = None
    """``trainer.max_epochs`` of the run."""
    limits: Sequence[str] = ()
    """Settings that ended the run, or each of its epochs, before that."""
    ramp_epochs: float = 0.0
    """Epochs in which the objective changed by plan."""
    fitted: str = "loss"
    """The part of the loss that says how well the targets are met, without penalties."""
    loss: str = ""
    """Name of the loss."""
    optimizer: str = ""
    """Name of its class."""
    learning_rate: float | None = None
    monitor: str | None = None
    """The figure that chose the checkpoint, such as ``val/f1_macro``."""
    monitor_falls: bool = False
    """Whether it is better low."""
    weight_ratio: float | None = None
    """Largest class weight over the smallest, 1 for weights that have faded; None for a loss without weights."""
    faded: bool = False
    """Whether class weights and focusing have ended, if there were any."""
    by_counts: bool = False
    """Whether the loss itself corrects for class counts."""
    sampler: str | None = None
    """How often samples of each class were drawn."""
    tau: float | None = None
    """Tuned strength of the logit adjustment."""
    class_names: Sequence[str] = ()
    class_counts: Sequence[int] = ()
    """Elements of each class in the train split."""

    @classmethod
    def of(cls, config: Mapping[str, Any], **facts: Any) -> Course:
        """What the config of a run says of it, and further facts.

        Args:
            config: Of the run; keys that it lacks, as those of earlier versions may, are not known.
            **facts: Further attributes.
        """
        data, loss, optimizer, trainer = (config.get(name) or {} for name in ("data", "loss", "optimizer", "trainer"))
        epochs, rate = trainer.get("max_epochs"), optimizer.get("lr")
        limits = [f"{name}={trainer.get(name)}" for name in UNLIMITED if str(trainer.get(name)) not in UNLIMITED[name]]
        return cls(
            max_epochs=epochs if is_count(epochs) else None,
            limits=tuple(f"trainer.{limit}" for limit in limits),
            loss=str(loss.get("name", "")),
            optimizer=str(optimizer.get("_target_", "")).rpartition(".")[2],
            learning_rate=rate if is_number(rate) else None,
            monitor=config.get("monitor"),
            monitor_falls=config.get("monitor_mode") == "min",
            sampler=data.get("sampler"),
            **facts,
        )

    @property
    def length(self) -> str:
        """How long it was, in words."""
        return f"{self.steps} steps in {self.epochs or '?'} epoch{'' if self.epochs == 1 else 's'}"

    @property
    def weights(self) -> str:
        """The class weights that count at the end, in words; empty if there are none."""
        weighted = self.weight_ratio is not None and not self.faded
        return f"class weights of ratio {self.weight_ratio:.0f} : 1" if weighted else ""

    @property
    def corrected(self) -> str:
        """What but class weights corrects for the class frequencies, in words; empty if nothing does."""
        sampled = self.sampler not in (None, "instance")
        names = [f"loss.name={self.loss}"] * self.by_counts + [f"data.sampler={self.sampler}"] * sampled
        return " and ".join(names)

    @property
    def favouring(self) -> str:
        """All that favours rare classes, in words; empty if nothing does."""
        return " and ".join(filter(None, (self.weights, self.corrected)))

    @property
    def unweighted(self) -> str:
        """That a loss favours no class, in words."""
        return "the class weights have faded" if self._gone else "the loss has no class weights"

    def weigh(self, how: str) -> str:
        """How to favour rare classes, as part of a remedy: ``how``, or by weights that were there."""
        return "keep the class weights (loss.fade=0)" if self._gone else f"weight the classes ({how})"

    @property
    def _gone(self) -> bool:
        return self.faded and self.weight_ratio is not None

    def cause(self, *, unfinished: bool = True) -> Cause | None:
        """Why a model that was trained so may have any fault; None if nothing speaks against its course.

        Args:
            unfinished: Whether a run that is long enough, but still became better, is such a reason.
        """
        found = self.unusual_rate() or self.few_steps() or self.loss_of_a_wrong_rate()
        return found or (self.still_falling() if unfinished else None)

    def unusual_rate(self) -> Cause | None:
        """A learning rate far from all with which such optimizers train."""
        low, high = USUAL_RATES
        rate = self.learning_rate
        if rate is None or "Adam" not in self.optimizer or low <= rate <= high:
            return None
        size = "low" if rate < low else "high"
        return Cause(
            f"a learning rate of {rate:g} is too {size} ({self.optimizer} trains with {low:g} to {high:g})",
            "choose one between (optimizer.lr=1e-3)",
        )

    def few_steps(self) -> Cause | None:
        """A run that was too short by its number of steps."""
        if self.steps is None or self.steps >= FEW_STEPS:
            return None
        return Cause(f"too short: {self.length} are few", self.longer())

    def still_falling(self) -> Cause | None:
        """A run that ended while its training loss, or the figure that it is judged by, still became better."""
        values = self._settled(f"train/{self.fitted}")
        if len(values) > 1 and values[-2] > 0 and (fall := 1 - values[-1] / values[-2]) > FALLING:
            return Cause(
                f"too short: the training {self.fitted} still fell by {100 * fall:.0f} % in the last epoch",
                self.longer(),
            )
        if said := self.improving():
            return Cause(f"too short: {said}", self.longer())
        return None

    def improving(self) -> str | None:
        """What says that the monitored figure still became better in the last epoch; None if it did not."""
        values = [] if self.monitor is None else self._values(self.monitor)
        stopped = self.epochs is not None and self.max_epochs is not None and self.epochs < self.max_epochs
        if len(values) < 2 or stopped:  # by patience, or by a target that was reached
            return None
        *before, last = values
        gain = (min(before) - last) / abs(min(before) or 1.0) if self.monitor_falls else last - max(before)
        if gain <= IMPROVING:
            return None
        return f"{self.monitor} was best in the last of {len(values)} epochs ({values[-2]:.3f} before, then {last:.3f})"

    def loss_of_a_wrong_rate(self) -> Cause | None:
        """A training loss that rises, or does not move."""
        rate, values = self.learning_rate, self._settled(f"train/{self.fitted}")
        lower = "lower optimizer.lr" if rate is None else f"lower the learning rate (optimizer.lr={rate / 10:g})"
        if len(values) > 2 and values[-1] > RISING * min(values) > 0:
            return Cause(
                f"the training {self.fitted} rises (from {min(values):.4g} to {values[-1]:.4g}): "
                "the learning rate is too high",
                lower,
            )
        every = self._values(f"train/{self.fitted}")
        if len(every) > 2 and every[0] > 0 and values and values[-1] > (1 - STUCK) * every[0]:
            tries = "" if rate is None else f" (optimizer.lr={rate * 10:g}, or optimizer.lr={rate / 10:g})"
            return Cause(
                f"the training {self.fitted} does not move ({every[0]:.4g} in the first epoch, {values[-1]:.4g} in the "
                "last): the learning rate is too low or too high",
                f"change the learning rate{tries}",
            )
        return None

    def longer(self) -> str:
        """How to train longer, as the beginning of a remedy."""
        if self.limits:
            return f"train longer, without {' and '.join(self.limits)} (trainer=quick_test)"
        if self.epochs and self.max_epochs and self.epochs < self.max_epochs:
            return (
                f"train longer: the run ended before its trainer.max_epochs={self.max_epochs}, by early stopping or a "
                "limit of its own"
            )
        if not self.epochs or not self.steps:
            return "train longer (trainer.max_epochs)"
        enough = max(2 * self.epochs, math.ceil(2 * FEW_STEPS * self.epochs / self.steps))
        return f"train longer (trainer.max_epochs={enough})"

    def last(self, column: str) -> float | None:
        """A figure of the last epoch, or None."""
        return self.history[-1].get(column) if self.history else None

    def _values(self, column: str) -> list[float]:
        """A column of the history, without epochs that lack it."""
        return [float(value) for row in self.history if (value := row.get(column)) is not None]

    def _settled(self, column: str) -> list[float]:
        """The same of the epochs in which the objective stood still."""
        rows = [row for row in self.history if (epoch := row.get("epoch")) is not None and epoch > self.ramp_epochs]
        return [float(value) for row in rows if (value := row.get(column)) is not None]
