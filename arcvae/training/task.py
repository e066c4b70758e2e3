"""The contract of a task: everything that shared code needs to know about what is being learned.

A task is one object without state, built from the node ``task`` of a config. Its LightningModule only computes a step;
the task knows the names of its metrics, its trivial predictor, when a model has collapsed, what to examine beyond the
metrics, what to export and how to load that again. To add a task, derive from :class:`Task`; see CONTRIBUTING.md.

Neither this module nor one that defines a task may import torch at the top: a config is checked before that is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from arcvae.errors import CheckpointError, ConfigError
from arcvae.training.course import Course
from arcvae.training.findings import Finding, lost_classes, miscalibration, mode_collapse
from arcvae.training.measurement import Measurement
from arcvae.training.page.parts import PagePart
from arcvae.training.predictions import LeftOut, Prediction

Value = float | list[float]
"""One result: a number, or a list of numbers, one for each class or dimension."""
Results = dict[str, Value]

M = TypeVar("M")
D = TypeVar("D")

MODE_COLLAPSE_SHARE = 0.99
MODE_COLLAPSE_RECALL = 0.05
"""A model has collapsed if at least this share of its predictions is the majority class and the recall of all others
is below this."""


class Task(Generic[M, D]):
    """Base of the tasks, generic in its module ``M`` and its data module ``D``.

    A task must define :meth:`build_module` and, for its exports to be loaded with :func:`arcvae.load`, :meth:`load`.
    Everything else has a default.
    """

    name: ClassVar[str] = "classification"
    """What is classified, in a word or two, for messages."""
    sample_unit: ClassVar[str] = "samples"
    """Name of the samples, plural."""
    element_unit: ClassVar[str] = "samples"
    """Name of the elements of a target, plural: what has a class, the samples themselves if they have one each."""
    background: ClassVar[int | None] = None
    """The class that stands for "nothing here", or None."""
    ignore_index: ClassVar[int | None] = None
    """Target value of elements to ignore, such as padding, or None."""
    ranked: ClassVar[bool] = False
    """Whether a sample has one class, and the scores of all samples are kept for metrics of their order."""
    parts: ClassVar[tuple[str, ...]] = ()
    """Nodes of the config, beside model, loss, optimizer and scheduler, whose objects :meth:`build_module` gets."""
    study_settings: ClassVar[tuple[str, ...]] = ()
    """Settings of ``conf/evaluate.yaml`` that :meth:`study` takes beyond those of all tasks."""
    data_of_evaluation: ClassVar[Mapping[str, Any]] = {}
    """Values of the ``data`` node that replace those of training when a trained model is evaluated."""
    main_export: ClassVar[str | None] = None
    """Which of the :meth:`exports` holds the whole model, if there are several."""
    renamed: ClassVar[Mapping[str, str]] = {}
    """Names of metrics in this task, by their general names, where they differ."""
    further_names: ClassVar[tuple[str, ...]] = ()
    """Names of the scalars that :meth:`further_results` returns."""
    headline: ClassVar[tuple[str, ...]] = ("accuracy", "balanced_accuracy", "f1_macro")
    """Metrics of the table at the end of a run."""
    trivial_name: ClassVar[str] = "majority-class"
    """Name of the trivial predictor, which every model is compared with."""
    collapse_metrics: ClassVar[tuple[str, str]] = ("predicted_majority_share", "balanced_accuracy")
    """Names of two results: the share of predictions that are the majority class, and the recall of all others."""
    adjustment_metric: ClassVar[str] = "f1_macro"
    """General name of the metric of a confusion matrix for which logit adjustment is tuned."""

    # Before torch is imported

    def check_corpus(self, data: Mapping[str, Any], model: Mapping[str, Any]) -> None:
        """Read the corpus at ``data.path`` and compare it with the model.

        Args:
            data: The ``data`` node of a checked config, with a ``path``.
            model: Its ``model`` node.

        Raises:
            ConfigError: The model is made for other data.
            DataError: The file is not a corpus of this task.
        """

    def model_on(self, data: Any, model: Mapping[str, Any]) -> Mapping[str, Any]:
        """The ``model`` node with which a trained model is evaluated on another corpus: here, as it was trained.

        Args:
            data: Data module of that corpus.
            model: The node of the run.
        """
        return model

    # Training

    def build_module(self, model: Any, loss: Any, optimizer: Any, scheduler: Any, *, seed: int, **parts: Any) -> M:
        """The LightningModule that trains ``model``.

        Args:
            model: Built from the ``model`` node.
            loss: :class:`arcvae.imbalance.losses.ImbalanceLoss`.
            optimizer: Makes an optimizer from parameters, or None for a model that is only evaluated.
            scheduler: Makes a scheduler from (optimizer, steps in all, epochs in all), or None.
            seed: Seed of all noise that is drawn in training.
            **parts: Built from the nodes named in :attr:`parts`.
        """
        raise NotImplementedError

    def notes(self, module: M, data: D) -> list[str]:
        """Lines for the log before a run starts; warnings begin with ``WARNING``."""
        return []

    # Results

    def rename(self, results: Mapping[str, Value]) -> Results:
        """The same results under the names of this task."""
        return {self.renamed.get(name, name): value for name, value in results.items()}

    def further_results(self, results: Mapping[str, Value], module: M) -> Results:
        """Further results, computed from those of the same split; none where these are missing."""
        return {}

    def trivial_results(self, module: M) -> Results:
        """Results of the trivial predictor that do not follow from its confusion matrix."""
        return {}

    def verdict(self, results: Mapping[str, Value], module: M) -> dict[str, Any]:
        """Whether the model has collapsed: a bool for each kind of collapse, and the results that it follows from."""
        share, recall = (results[name] for name in self.collapse_metrics)
        assert isinstance(share, float)
        assert isinstance(recall, float)
        collapsed = share >= MODE_COLLAPSE_SHARE and recall < MODE_COLLAPSE_RECALL
        return {"mode_collapse": collapsed} | dict(zip(self.collapse_metrics, (share, recall), strict=True))

    def findings(
        self, results: Mapping[str, Any], module: M, verdict: Mapping[str, Any], course: Course
    ) -> list[Finding]:
        """Faults of a model, each with evidence, likely cause and remedy.

        Args:
            results: Results of a split at the plain argmax, and what :meth:`study` has returned, if it was asked.
            module: The model with its loss.
            verdict: See :meth:`verdict`.
            course: How it was trained.
        """
        if verdict["mode_collapse"]:
            share, recall = (float(verdict[name]) for name in self.collapse_metrics)
            found = [mode_collapse(share, recall, results[self.renamed.get("accuracy", "accuracy")], course)]
        else:
            found = lost_classes(results.get("per_class_recall", ()), course)
        return found + miscalibration(results.get("calibration_error"), course)

    def study(
        self, module: M, data: D, split: str, results: Mapping[str, Value], *,
        limit: int, adjustment: Mapping[str, Any], seed: int, folder: Path, **settings: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """Write what is specific to this task into a folder, and return further results.

        Args:
            module: Trained.
            data: A corpus.
            split: "train", "val" or "test".
            results: Metrics of its first ``limit`` samples.
            limit: Number of samples to examine.
            adjustment: See :func:`arcvae.training.evaluation.tune_adjustment`.
            seed: Seed of all random draws.
            folder: Existing folder.
            **settings: Those named in :attr:`study_settings`; others that are not null have been refused before.

        Returns:
            Results for ``metrics.json``; and under ``exports``, if there are any, state dicts of changed models, as
            :meth:`exports` returns them, which are written into the folder.
        """
        return {}

    # After training

    def exports(self, module: M) -> dict[str, dict[str, Any]]:
        """State dicts to export, by the name of the file without suffix."""
        return {}

    def load(self, export: Mapping[str, Any], path: Path, *, device: str = "cpu", **options: Any) -> Any:
        """The object that :func:`arcvae.load` returns for an export of this task.

        Args:
            export: See :func:`arcvae.io.exports.read_export`.
            path: File that it is from, for messages.
            device: Where to compute.
            **options: Further arguments of :func:`arcvae.load`.
        """
        raise CheckpointError(f"{path} is of the task {self.name!r}, which does not define load() for its exports")

    def require_draws(self, checkpoint: Path) -> None:
        """Refuse to draw samples from a model of a task without :meth:`draw`, before a prior is fitted.

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
            source: Built from its ``prior`` node.
            folder: Existing folder.
            adjustment: Logit adjustment to decide with, or None for the plain argmax.

        Returns:
            Results for ``metrics.json``, with ``scores`` among them.
        """
        raise NotImplementedError

    def predict(self, model: Any, source: Path, settings: Mapping[str, Any]) -> Iterator[Prediction | LeftOut]:
        """Classify files, part by part.

        Args:
            model: As :meth:`load` returns it.
            source: A file, or a folder.
            settings: Config of ``arcvae.predict``.

        Raises:
            CheckpointError: Models of this task are not made for files, or this one does not say how they were read.
            DataError: There is nothing in ``source`` that could be one of its files.
        """
        raise CheckpointError(f"{settings['ckpt_path']} is a model for {self.name}; it has nothing to say of files")

    def require_operators(self, checkpoint: Path) -> None:
        """Refuse to train operators for a model of a task without :meth:`operate`.

        Raises:
            CheckpointError: This task has no :meth:`operate`.
        """
        if type(self).operate is Task.operate:
            raise CheckpointError(f"{checkpoint} is a model for {self.name}; there are no operations on its codes")

    def operate(self, module: M, data: D, settings: Mapping[str, Any], training: Any, folder: Path) -> dict[str, Any]:
        """Train what operations on codes need beside the weights, write ``operators.safetensors``, and measure it.

        Args:
            module: The trained model.
            data: A corpus to train on.
            settings: Config of ``arcvae.operate``.
            training: Built from its ``operators`` node.
            folder: Existing folder.

        Returns:
            Results for ``metrics.json``.
        """
        raise NotImplementedError

    def keep_for_page(self, module: M, data: D, folder: Path, seed: int) -> None:
        """Write into a run folder what :meth:`page_parts` needs beyond the exports."""

    def page_parts(self, model: Any, folder: Path | None) -> Sequence[PagePart]:
        """What the page of a model, as :func:`arcvae.load` returns it, has beyond that of any task."""
        return ()

    def comparison_pictures(
        self, runs: Mapping[str, Sequence[Path]], records: Mapping[str, Sequence[Any]]
    ) -> Mapping[str, Callable[[], Any]]:
        """Pictures that compare variants, by name: functions that return a matplotlib figure.

        Args:
            runs: Run folders of each variant.
            records: Their records, :class:`~arcvae.training.record.RunRecord`.
        """
        return {}

    def measurement(self, name: str) -> Measurement:
        """What a study calls ``measure.what``.

        Raises:
            ConfigError: This task measures no such thing.
        """
        raise ConfigError(f"study.measure.what={name}: models for {self.name} have no such measurement")
