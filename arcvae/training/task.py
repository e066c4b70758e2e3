"""The contract of a task: everything that shared code asks about what is being learned.

A task is one object without state, named by ``task._target_`` in a config. Its LightningModule only steps; the task
says what its metrics are called, what a trivial predictor scores, when a model has collapsed, what to look at beyond
the metrics, what to export and how to load it again. Derive from :class:`Task` to add one; see CONTRIBUTING.md.

Neither this module nor one that defines a task may import torch at the top: a config is checked before torch is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from arcvae.errors import CheckpointError
from arcvae.training.findings import Finding, mode_collapse

Value = float | list[float]
"""One result: a number, or a list with one for each class or dimension."""
Results = dict[str, Value]

M = TypeVar("M")
D = TypeVar("D")

MODE_COLLAPSE_SHARE = 0.99
MODE_COLLAPSE_RECALL = 0.05
"""Mode collapse: at least this share of predictions names the majority class, and recall is below this."""


class Task(Generic[M, D]):
    """Base of the tasks, generic in its module ``M`` and its data module ``D``.

    A task has to define :meth:`build_module` and, to be reloaded with :func:`arcvae.load`, :meth:`load`; whatever else
    it leaves out has a sensible meaning.
    """

    name: ClassVar[str] = "classification"
    """What is learned, in a word or two, for messages."""
    sample_unit: ClassVar[str] = "samples"
    """What one sample is called, plural."""
    element_unit: ClassVar[str] = "samples"
    """What has a class, plural; as many to a sample as a target has elements."""
    background: ClassVar[int | None] = None
    """The class that stands for "nothing here", or None."""
    ignore_index: ClassVar[int | None] = None
    """Target value of elements that do not count, such as padding, or None."""
    parts: ClassVar[tuple[str, ...]] = ()
    """Config nodes, beside model, loss, optimizer and scheduler, from which :meth:`build_module` gets objects."""
    study_settings: ClassVar[tuple[str, ...]] = ()
    """Settings of ``conf/evaluate.yaml`` that :meth:`study` takes beyond those of all tasks."""
    data_of_evaluation: ClassVar[Mapping[str, Any]] = {}
    """Values of the ``data`` node that hold whenever a trained model is only evaluated."""
    renamed: ClassVar[Mapping[str, str]] = {}
    """Names that this task gives to metrics, where its field has one of its own."""
    further_names: ClassVar[tuple[str, ...]] = ()
    """Scalars that :meth:`further_results` adds."""
    headline: ClassVar[tuple[str, ...]] = ("accuracy", "balanced_accuracy", "f1_macro")
    """Metrics of the table at the end of a run."""
    trivial_name: ClassVar[str] = "majority-class"
    """What the trivial predictor is called: the one that everything is compared with."""
    collapse_metrics: ClassVar[tuple[str, str]] = ("predicted_majority_share", "balanced_accuracy")
    """Share of predictions that name the majority class, and the recall of all others."""
    adjustment_metric: ClassVar[str] = "f1_macro"
    """Metric of a confusion matrix that logit adjustment is tuned for, under its general name."""

    # Before torch is imported

    def check_corpus(self, data: Mapping[str, Any], model: Mapping[str, Any]) -> None:
        """Read the corpus that ``data.path`` names, and compare it with the model.

        Args:
            data: The ``data`` node of a checked config, with a ``path``.
            model: Its ``model`` node.

        Raises:
            ConfigError: The model is made for other data.
            DataError: The file is no corpus of this task.
        """

    # Training

    def build_module(self, model: Any, loss: Any, optimizer: Any, scheduler: Any, *, seed: int, **parts: Any) -> M:
        """The LightningModule that trains ``model``.

        Args:
            model: What the ``model`` node builds.
            loss: :class:`arcvae.imbalance.losses.ImbalanceLoss`.
            optimizer: Makes an optimizer from parameters, or None for a model that is only evaluated.
            scheduler: Makes a scheduler from (optimizer, steps in all, epochs in all), or None.
            seed: Of all noise that is drawn in training.
            **parts: What the nodes named in :attr:`parts` build.
        """
        raise NotImplementedError

    def notes(self, module: M, data: D) -> list[str]:
        """What a user should know before a run starts, a line each; warnings begin with ``WARNING``."""
        return []

    # Results

    def rename(self, results: Mapping[str, Value]) -> Results:
        """Results under the names of this task."""
        return {self.renamed.get(name, name): value for name, value in results.items()}

    def further_results(self, results: Results, module: M) -> Results:
        """Results that follow from others of the same split; nothing where those are missing."""
        return {}

    def trivial_results(self, module: M) -> Results:
        """Results of a trivial predictor that do not follow from its confusion matrix."""
        return {}

    def verdict(self, results: Results, module: M) -> dict[str, Any]:
        """Whether the model has collapsed: a truth value for each kind of collapse, and the figures behind them."""
        share, recall = (results[name] for name in self.collapse_metrics)
        assert isinstance(share, float)
        assert isinstance(recall, float)
        collapsed = share >= MODE_COLLAPSE_SHARE and recall < MODE_COLLAPSE_RECALL
        return {"mode_collapse": collapsed} | dict(zip(self.collapse_metrics, (share, recall), strict=True))

    def findings(
        self, results: Results, module: M, verdict: Mapping[str, Any], *, weight_ratio: float | None, tau: float | None
    ) -> list[Finding]:
        """What is wrong with a model: evidence, likely cause, remedy; empty if nothing stands out.

        Args:
            results: Of a split, at the plain argmax.
            module: The model with its loss.
            verdict: See :meth:`verdict`.
            weight_ratio: Largest class weight over the smallest, or None for a loss without weights.
            tau: Tuned strength of logit adjustment, if known.
        """
        if not verdict["mode_collapse"]:
            return []
        share, recall = (float(verdict[name]) for name in self.collapse_metrics)
        accuracy = results[self.renamed.get("accuracy", "accuracy")]
        assert isinstance(accuracy, float)
        return [mode_collapse(share, recall, accuracy, weight_ratio)]

    def study(
        self, module: M, data: D, split: str, results: Results, *,
        limit: int, adjustment: Mapping[str, Any], seed: int, folder: Path, **settings: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Write what only this task can show of a split into a folder, and return further figures.

        Args:
            module: Trained.
            data: A corpus.
            split: "train", "val" or "test".
            results: Metrics of its first ``limit`` samples.
            limit: Samples to look at.
            adjustment: See :func:`arcvae.training.evaluation.tune_adjustment`.
            seed: Of all that is drawn.
            folder: Existing folder.
            **settings: Of this task alone. One that it does not take and that is not null is refused before.
        """
        return {}

    # After training

    def exports(self, module: M) -> dict[str, dict[str, Any]]:
        """State dicts to keep without Lightning, by file name without suffix."""
        return {}

    def load(self, export: Mapping[str, Any], path: Path, *, device: str = "cpu", **options: Any) -> Any:
        """The object that :func:`arcvae.load` returns for an export of this task.

        Args:
            export: See :func:`arcvae.io.exports.read_export`.
            path: File it is from, for messages.
            device: Where to compute.
            **options: What else was given to :func:`arcvae.load`.
        """
        raise CheckpointError(f"{path} is of the task {self.name!r}, which does not define load() for its exports")

    def require_draws(self, checkpoint: Path) -> None:
        """Refuse, before anything is fitted, to draw samples from a model that cannot make any.

        Raises:
            CheckpointError: This task has no :meth:`draw`.
        """
        if type(self).draw is Task.draw:
            raise CheckpointError(f"{checkpoint} is a model for {self.name}; it has nothing to draw samples with")

    def draw(
        self, module: M, data: D, settings: Mapping[str, Any], source: Any, folder: Path,
        adjustment: Mapping[str, Any] | None,
    ) -> dict[str, Any]:  # fmt: skip
        """Draw new samples, write them into a folder and score them.

        Args:
            module: Trained.
            data: A corpus to compare with.
            settings: Config of ``arcvae.sample``.
            source: What its ``prior`` node builds.
            folder: Existing folder.
            adjustment: Logit adjustment to decide with, or None for the plain argmax.

        Returns:
            Figures for ``metrics.json``, ``scores`` among them.
        """
        raise NotImplementedError

    def comparison_pictures(
        self, runs: Mapping[str, Sequence[Path]], records: Mapping[str, Sequence[Any]]
    ) -> Mapping[str, Callable[[], Any]]:
        """Pictures, by name, that set variants side by side; each a function that returns a matplotlib figure."""
        return {}
