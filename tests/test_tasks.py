"""What holds for every task: the same losses, metrics, record, resumption and verdict, whatever is classified."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcvae.app.compose import plan
from arcvae.audio.module import AudioModule
from arcvae.grid.module import GridModule
from arcvae.io.tensors import load_torch
from arcvae.training.module import ImbalanceModule
from arcvae.training.record import EpochRecord

Capture = pytest.CaptureFixture[str]


@dataclass(frozen=True)
class Task:
    """A task, small enough to be trained in a second."""

    overrides: tuple[str, ...]
    module: type[ImbalanceModule]
    accuracy: str
    unit: str
    trivial: str


COMMON = (
    "trainer=quick_test", "trainer.accelerator=cpu", "trainer.max_epochs=2", "callbacks.progress_bar.refresh_rate=0",
)  # fmt: skip
TASKS = {
    "grids": Task(
        ("model.widths=[8,8,8]", "model.hidden=16", "data.batch_size=64"),
        GridModule, "pixel_accuracy", "grids", "all-background",
    ),
    "clips": Task(
        ("experiment=audio_cnn", "model.widths=[4,8]", "data.batch_size=16"),
        AudioModule, "accuracy", "clips", "majority-class",
    ),
    "clips_v2": Task(
        ("experiment=audio_cnn_v2", "model.widths=[4,8]", "model.hidden=8", "data.batch_size=16"),
        AudioModule, "accuracy", "clips", "majority-class",
    ),
}  # fmt: skip
Run = Callable[..., int]


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> Task:
    return TASKS[request.param]


@pytest.fixture
def corpus(task: Task, tiny_corpus: Path, tiny_clips: Path) -> Path:
    return tiny_corpus if task.unit == "grids" else tiny_clips


@pytest.fixture
def train(task: Task, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``python -m arcvae.train ARGUMENTS`` for the task in ``tmp_path``; returns the exit code."""
    from arcvae.train import main

    def run(*arguments: str, given: bool = True) -> int:
        words = (f"data.path={corpus}", *task.overrides, *COMMON) if given else ()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["arcvae.train", *words, *arguments])
        return main()

    return run


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("outputs/train/*/metrics.json"))]


def folders(folder: Path) -> set[Path]:
    return {path.parent for path in folder.glob("outputs/train/*/metrics.json")}


def test_run_leaves_a_whole_record_beside_the_trivial_predictor(train: Run, tmp_path: Path, task: Task) -> None:
    assert train() == 0
    (record,), (folder,) = records(tmp_path), folders(tmp_path)
    names = {task.accuracy, "balanced_accuracy", "f1_macro", "f1_weighted", "per_class_f1", "per_class_recall"}
    for part in ("val", "test", "baseline"):
        assert names <= record[part].keys(), part
        assert len(record[part]["per_class_f1"]) == len(record["class_counts"])
    assert set(task.module.headline) <= record["baseline"].keys() | {"kl"}
    assert record[f"{task.unit}_per_second"] > 0
    assert record["epochs"] == 2
    assert record["verdict"]["mode_collapse"] in (True, False)
    assert None not in (record["config"]["model"].get("num_classes", 10), record["config"]["model"].get("channels", 1))
    log = (folder / "train.log").read_text()
    for part in (task.trivial, "f1_macro" if task.unit == "clips" else "object_f1", "Verdict: ", "Class weights"):
        assert part in log
    counts = np.array(record["class_counts"])
    share = counts.max() / counts.sum()
    # The trivial predictor names the most frequent class: its share, up to the split's own chance.
    assert record["baseline"][task.accuracy] == pytest.approx(share, abs=0.15)
    assert record["baseline"]["balanced_accuracy"] == pytest.approx(
        1 / sum(recall is not None for recall in record["baseline"]["per_class_recall"])
    )


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "option_a", "option_b", "option_c"])
def test_every_loss_composes_unchanged(task: Task, loss: str) -> None:
    (config,) = plan("train", [*task.overrides, f"loss={loss}", "data.path=none"])
    assert config["loss"] == plan("train", [f"loss={loss}"])[0]["loss"]


def test_losses_class_weights_and_accumulation_train(train: Run, tmp_path: Path) -> None:
    words = ["loss=option_b", "loss.gamma=1", "trainer.max_epochs=1", "trainer.accumulate_grad_batches=2"]
    assert train(*words) == 0
    (record,) = records(tmp_path)
    counts, weights = np.array(record["class_counts"]), np.array(record["class_weights"])
    expected = 1 / np.sqrt(counts + 1)
    assert weights == pytest.approx(expected * len(counts) / expected.sum())


def test_every_torch_file_opens_with_weights_only_and_knows_its_run(train: Run, tmp_path: Path, task: Task) -> None:
    assert train("trainer.max_epochs=1") == 0
    (folder,) = folders(tmp_path)
    files = [*folder.rglob("*.pth"), *folder.rglob("*.ckpt")]
    assert len(files) >= 4
    for path in files:
        assert torch.load(path, weights_only=True)
    checkpoint = load_torch(folder / "checkpoints" / "best.ckpt")
    (record,) = records(tmp_path)
    assert checkpoint["arcvae"]["class_counts"] == record["class_counts"]
    assert checkpoint["arcvae"]["class_names"] == record["class_names"]
    assert len(record["class_names"]) == len(record["class_counts"])
    assert checkpoint["arcvae"]["corpus_sha256"] == record["corpus"]["sha256"]
    assert checkpoint["arcvae"]["config"]["model"] == record["config"]["model"]
    if task.unit == "clips":  # what further clips must be normalised by
        state = checkpoint["state_dict"]
        assert state["train_counts"].tolist() == record["class_counts"]
        assert state["model.deviation"].min() > 0
        assert state["model.mean"].abs().max() > 1


def test_resumed_run_equals_the_uninterrupted_one_bit_for_bit(
    train: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train("trainer.max_epochs=3") == 0
    (whole,) = folders(tmp_path)

    class Killed(BaseException):
        pass

    def die(_: EpochRecord, trainer: Any, *__: Any) -> None:
        if trainer.current_epoch == 2:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(EpochRecord, "on_train_epoch_start", die)
        with pytest.raises(Killed):
            train("trainer.max_epochs=3")
    assert train("ckpt_path=outputs/latest/checkpoints/last.ckpt", given=False) == 0
    (resumed,) = folders(tmp_path) - {whole}
    a, b = (load_torch(folder / "checkpoints" / "last.ckpt") for folder in (whole, resumed))
    assert a["global_step"] == b["global_step"]
    assert a["state_dict"].keys() == b["state_dict"].keys()
    for name, tensor in a["state_dict"].items():
        assert torch.equal(tensor, b["state_dict"][name]), name
    first, second = (json.loads((folder / "metrics.json").read_text()) for folder in (whole, resumed))
    assert first["test"] == second["test"]


def test_collapse_is_called_by_its_name(
    train: Run, tmp_path: Path, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = task.module.step

    def always_the_majority(self: ImbalanceModule, batch: Any, stage: str) -> Any:
        output = step(self, batch, stage)
        logits = torch.zeros_like(output.logits)
        logits[:, 0] = 1.0  # background, and the most frequent of the four species
        return type(output)(output.loss, logits, output.target, output.parts, output.vectors)

    monkeypatch.setattr(task.module, "step", always_the_majority)
    assert train("trainer.max_epochs=1") == 0
    (record,), (folder,) = records(tmp_path), folders(tmp_path)
    assert record["verdict"]["mode_collapse"] is True
    assert "MODE COLLAPSE" in (folder / "train.log").read_text()
    assert record["test"][task.accuracy] == pytest.approx(record["baseline"][task.accuracy])
    assert record["test"]["f1_macro"] == pytest.approx(record["baseline"]["f1_macro"])


def test_evaluation_repeats_the_figures_of_the_run_and_comparison_reads_them(
    train: Run, tmp_path: Path, task: Task, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    from arcvae import compare, evaluate, sample

    assert train("trainer.max_epochs=1") == 0
    monkeypatch.setattr("sys.argv", ["arcvae.evaluate", "importance_samples=2"])
    assert evaluate.main() == 0
    (folder,) = (tmp_path / "outputs" / "evaluate").iterdir()
    found, (record,) = json.loads((folder / "metrics.json").read_text()), records(tmp_path)
    for part in ("test", "baseline", "at_tuned_decision"):
        for name, figure in record[part].items():
            assert found[part][name] == pytest.approx(figure, abs=1e-6), (part, name)
    pictures = {path.name for path in folder.glob("*.png")}
    assert {"recall_per_class.png", "confusion.png", "calibration.png"} <= pictures
    rows = (folder / "classes.csv").read_text().splitlines()
    assert len(rows) == 1 + len(record["class_counts"])
    if task.unit == "clips":  # the most frequent first
        clips = [int(row.split(",")[2]) for row in rows[1:]]
        assert clips == sorted(record["class_counts"], reverse=True)

    monkeypatch.setattr("sys.argv", ["arcvae.compare", "runs=[outputs/latest]"])
    assert compare.main() == 0
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", ["arcvae.sample", "num_samples=2"])
    assert sample.main() == (0 if task.unit == "grids" else 4)
    assert task.unit == "grids" or "is a classifier" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["arcvae.evaluate", "importance_samples=1", "refine=1"])
    assert evaluate.main() == (0 if task.unit == "grids" else 2)
    assert task.unit == "grids" or "has no codes to refine; leave it at 0" in capsys.readouterr().err


def test_any_result_may_choose_the_best_checkpoint(train: Run, tmp_path: Path, capsys: Capture) -> None:
    assert train("monitor=val/f1_macro", "trainer.max_epochs=1") == 0
    (record,) = records(tmp_path)
    assert record["best"] == pytest.approx(record["val"]["f1_macro"])
    capsys.readouterr()
    assert train("monitor=val/f1_makro") == 2
    assert "monitor=val/f1_makro is not logged (did you mean val/f1_macro?)" in capsys.readouterr().err


def test_corpus_of_another_task_and_a_wrong_size_end_in_one_line(
    train: Run, tmp_path: Path, task: Task, tiny_corpus: Path, tiny_clips: Path, capsys: Capture
) -> None:
    other = tiny_clips if task.unit == "grids" else tiny_corpus
    assert train(f"data.path={other}") == 3
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("arcvae:")]
    assert len(lines) == 1
    assert "has no array" in lines[0]
    wrong = "model.grid_size=8" if task.unit == "grids" else "model.num_classes=7"
    assert train(wrong) == 2
    assert f"{wrong} but {tiny_corpus if task.unit == 'grids' else tiny_clips} has" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
