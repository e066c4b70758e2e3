"""The audio task: its loss, its groups of species, and figures that equal a plain loop."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from sklearn.metrics import accuracy_score, f1_score

from arcvae.audio.corpus.data import AudioDataModule
from arcvae.audio.model import AudioCNN
from arcvae.audio.module import AudioModule
from arcvae.imbalance.losses import make_loss
from arcvae.training import report
from arcvae.training.module import Figure


def make(num_classes: int = 4, **loss: object) -> AudioModule:
    return AudioModule(
        AudioCNN(num_classes, widths=[4, 4]),
        make_loss("focal", **loss),  # type: ignore[arg-type]
        partial(torch.optim.AdamW, lr=1e-3),
    )


def trainer_for(tmp_path: Path, epochs: int = 1) -> Trainer:
    return Trainer(
        default_root_dir=tmp_path, accelerator="cpu", max_epochs=epochs, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip


def test_loss_is_the_mean_over_clips_whatever_the_reduction() -> None:
    clips, labels = torch.randn(6, 20, 500), torch.tensor([0, 1, 2, 3, 0, 0])
    weights = [0.5, 1.0, 2.0, 4.0]
    module = make(class_weights=weights, gamma=2.0).eval()
    log_p = module.model(clips).log_softmax(1)
    by_hand = sum(
        -weights[label] * (1 - log_p[i, label].exp()) ** 2 * log_p[i, label] for i, label in enumerate(labels.tolist())
    )
    assert module.step((clips, labels), "val").loss.item() == pytest.approx(by_hand.item() / 6, rel=1e-5)
    mean = make(class_weights=weights, gamma=2.0, reduction="mean").eval()
    mean.load_state_dict(module.state_dict())
    assert mean.step((clips, labels), "val").loss.item() == pytest.approx(by_hand.item() / 6, rel=1e-5)


def test_head_middle_and_tail_are_means_over_species_grouped_by_training_clips() -> None:
    module = make(num_classes=6)
    module.train_counts.copy_(torch.tensor([500, 200, 199, 50, 49, 0]))
    recall = [1.0, 0.8, 0.6, math.nan, 0.2, 0.0]
    results = module.derive({"per_class_f1": [0.9, 0.7, 0.5, math.nan, 0.25, 0.05], "per_class_recall": recall})
    # The recall of all but the first: (0.8 + 0.6 + 0.2 + 0) / 4.
    assert results == pytest.approx({"f1_head": 0.8, "f1_middle": 0.5, "f1_tail": 0.15, "minority_recall": 0.4})
    module.train_counts.copy_(torch.tensor([500, 200, 200, 200, 200, 200]))
    flat: dict[str, Figure] = {"per_class_f1": [0.5] * 6, "per_class_recall": [0.5] * 6}
    assert math.isnan(module.derive(flat)["f1_tail"])  # type: ignore[arg-type]
    module.train_counts.zero_()  # no train split was seen: no species is known to be rare
    assert all(math.isnan(value) for value in module.derive(flat).values())  # type: ignore[arg-type]


def test_baseline_is_the_majority_class_with_all_figures() -> None:
    module = make()
    module.train_counts.copy_(torch.tensor([300, 60, 5, 1]))
    target = torch.tensor([0] * 6 + [1] * 3 + [2])
    baseline = report.baseline(module, target, [300, 60, 5, 1])
    assert baseline["accuracy"] == pytest.approx(0.6)
    assert baseline["f1_head"] == pytest.approx(0.75)  # 2 * 6 / (6 + 10)
    assert baseline["f1_macro"] == pytest.approx(0.25)  # over the three that occur
    assert baseline["f1_middle"] == baseline["f1_tail"] == 0.0
    assert (
        {"f1_macro", "f1_weighted", "f1_tail", "accuracy"} <= set(module.result_names()) <= baseline.keys() | {"loss"}
    )


def test_verdict_names_the_collapse_onto_the_majority_class() -> None:
    module = make()
    for share, recall, collapsed in [(1.0, 0.011, True), (0.98, 0.011, False), (1.0, 0.06, False)]:
        verdict = module.verdict({"predicted_majority_share": share, "minority_recall": recall})
        assert verdict["mode_collapse"] is collapsed


def test_results_of_an_epoch_equal_a_plain_loop_over_all_clips(tmp_path: Path, tiny_clips: Path) -> None:
    module, data = make(), AudioDataModule(str(tiny_clips), eval_batch_size=5, cache_dir=str(tmp_path))
    trainer = trainer_for(tmp_path)
    trainer.fit(module, data)
    trainer.test(module, data, verbose=False)
    module.eval()
    clips = torch.from_numpy(data.corpus.features["test"]).float()
    with torch.no_grad():
        predicted = torch.cat([module.model(clip[None]) for clip in clips]).argmax(1).numpy()
    labels, results = data.targets("test").numpy(), module.results["test"]
    present = sorted(set(labels.tolist()))
    assert results["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
    for average in ("macro", "weighted"):
        expected = f1_score(labels, predicted, labels=present, average=average, zero_division=0)
        assert results[f"f1_{average}"] == pytest.approx(expected)
    each = f1_score(labels, predicted, labels=present, average=None, zero_division=0)
    assert [results["per_class_f1"][index] for index in present] == pytest.approx(each.tolist())  # type: ignore[index]


def test_fit_takes_over_statistics_and_counts_of_the_train_split(tmp_path: Path, tiny_clips: Path) -> None:
    module, data = make(), AudioDataModule(str(tiny_clips), cache_dir=str(tmp_path))
    trainer_for(tmp_path).fit(module, data)
    mean, deviation = data.statistics
    assert torch.equal(module.model.mean, mean)
    assert torch.equal(module.model.deviation, deviation)
    assert module.train_counts.tolist() == data.class_counts.tolist()
    # Evaluation on other clips keeps what was learned from.
    other = AudioDataModule(str(tiny_clips), cache_dir=str(tmp_path))
    other.statistics = (mean + 1, deviation)
    trainer_for(tmp_path).validate(module, other, verbose=False)
    assert torch.equal(module.state_dict()["model.mean"], mean)


def test_exports_rebuild_the_network() -> None:
    module = make()
    fresh = AudioCNN(4, widths=[4, 4])
    fresh.load_state_dict(module.exports()["classifier"])
    clips = torch.randn(2, 20, 500)
    assert torch.equal(fresh.eval()(clips), module.eval().model(clips))
