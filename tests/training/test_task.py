"""The contract of a task: its defaults, and that they suffice to train, tune, judge and compare a model."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from arcvae.audio.task import AudioTask
from arcvae.errors import CheckpointError
from arcvae.grid.task import GridTask
from arcvae.imbalance.logit_adjustment import log_prior
from arcvae.training.course import Course
from arcvae.training.evaluation import Rule, assess, decide, tune_adjustment
from arcvae.training.report import baseline
from arcvae.training.task import Results, Task
from tests.training.tiny import BackgroundTask, TinyData, TinyTask, build, trainer


@pytest.mark.slow
def test_task_with_nothing_but_a_module_trains_and_is_judged(tmp_path: Path) -> None:
    data, module = TinyData(), build(scheduler=None)
    fit = trainer(tmp_path, max_epochs=30)
    fit.fit(module, data)
    fit.test(module, data, verbose=False)
    results, trivial = module.results["test"], baseline(module, data.targets("test"), data.class_counts)
    assert results["balanced_accuracy"] > trivial["balanced_accuracy"] == pytest.approx(1 / 3)  # type: ignore[operator]
    assert set(module.task.headline) <= results.keys() & trivial.keys()
    verdict, findings = assess(module, results)
    assert verdict["mode_collapse"] is False
    lost = 0 in results["per_class_recall"]  # type: ignore[operator]
    assert [finding.name for finding in findings] == (["lost classes"] if lost else [])
    adjustment = tune_adjustment(module, data.val_dataloader(), data.class_counts)
    assert adjustment["metric"] == "f1_macro"
    taus = [0.0, adjustment["tau"]]
    plain, adjusted = decide(module, data.val_dataloader(), [Rule(tau) for tau in taus], log_prior(data.class_counts))
    assert adjusted.results(module)["f1_macro"] >= plain.results(module)["f1_macro"]  # type: ignore[operator]
    assert module.task.exports(module) == {}
    assert module.task.comparison_pictures({}, {}) == {}


@pytest.mark.parametrize(
    ("share", "recall", "collapsed"),
    [
        (0.99, 0.0499, True),
        (1.0, 0.0, True),
        (0.9899, 0.0, False),
        (0.99, 0.05, False),
        (1.0, math.nan, False),  # no minority class in the split: nothing is known of it
    ],
)
def test_verdict_at_the_edges_of_mode_collapse(share: float, recall: float, collapsed: bool) -> None:
    module = build()
    results: Results = {"predicted_majority_share": share, "balanced_accuracy": recall}
    verdict = module.task.verdict(results, module)
    assert verdict["mode_collapse"] is collapsed
    assert verdict.keys() == {"mode_collapse", "predicted_majority_share", "balanced_accuracy"}
    assert verdict["predicted_majority_share"] == share


def test_verdict_reads_the_figures_that_the_task_names() -> None:
    module = build(BackgroundTask())
    results: Results = {
        "predicted_majority_share": 0.1, "balanced_accuracy": 0.9, "predicted_background_share": 1.0,
        "object_recall": 0.0, "accuracy": 0.6,
    }  # fmt: skip
    verdict = module.task.verdict(results, module)
    assert verdict == {"mode_collapse": True, "predicted_background_share": 1.0, "object_recall": 0.0}
    (finding,) = module.task.findings(results, module, verdict, Course())
    assert finding.name == "mode collapse"
    assert "accuracy of 0.600" in finding.evidence


class Renaming(TinyTask):
    renamed = {"accuracy": "pixel_accuracy", "f1_macro": "fidelity"}


def test_metrics_bear_the_names_of_the_task_everywhere(tmp_path: Path) -> None:
    assert Renaming().rename({"accuracy": 0.5, "loss": 1.0}) == {"pixel_accuracy": 0.5, "loss": 1.0}
    data, module = TinyData(), build(Renaming())
    fit = trainer(tmp_path, max_epochs=1)
    fit.fit(module, data)
    adjustment = tune_adjustment(module, data.val_dataloader(), data.class_counts)
    assert adjustment["metric"] == "f1_macro"  # its general name
    (decided,) = decide(module, data.val_dataloader(), [Rule()], log_prior(data.class_counts))
    trivial = baseline(module, data.targets("val"), data.class_counts)
    for results in (module.results["val"], decided.results(module), trivial, dict.fromkeys(module.result_names())):
        assert {"pixel_accuracy", "fidelity"} <= results.keys()
        assert not {"accuracy", "f1_macro"} & results.keys()
    assert "val/pixel_accuracy" in fit.callback_metrics


class Drawing(TinyTask):
    def draw(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {"scores": {}}


def test_samples_are_asked_only_of_a_task_that_draws() -> None:
    with pytest.raises(CheckpointError, match=r"best\.ckpt is a model for classification; it has nothing to draw"):
        TinyTask().require_draws(Path("best.ckpt"))
    Drawing().require_draws(Path("best.ckpt"))


def test_export_of_a_task_that_cannot_load_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"a\.pth is of the task 'classification', which does not define load"):
        TinyTask().load({}, Path("a.pth"))


def test_tasks_import_neither_torch_nor_lightning() -> None:
    code = (
        "import sys, arcvae.training.task, arcvae.grid.task, arcvae.audio.task\n"
        "sys.exit('torch' in sys.modules or 'lightning' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_module_is_what_a_task_must_define() -> None:
    with pytest.raises(NotImplementedError):
        Task[Any, Any]().build_module(None, None, None, None, seed=0)


@pytest.mark.parametrize("task", [Task, GridTask, AudioTask], ids=lambda task: task.__name__)
@pytest.mark.parametrize("method", ["further_results", "verdict", "findings", "study"])
def test_results_given_to_a_task_may_be_any_mapping(task: type[Any], method: str) -> None:
    # A dict would not do for a type checker: dict[str, float] is no dict[str, float | list[float]].
    if "results" in (parameters := inspect.signature(getattr(task, method)).parameters):
        kind = "Any" if method == "findings" else "Value"  # they look into what a study has returned as well
        assert parameters["results"].annotation == f"Mapping[str, {kind}]"
    else:
        assert (task, method) == (GridTask, "study")  # passes its arguments on
