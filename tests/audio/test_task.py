"""The task of clips: groups of species, the trivial predictor, the verdict, and what is checked and exported."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from arcvae.audio.model import AudioCNN
from arcvae.audio.module import AudioModule
from arcvae.audio.task import HEAD, TAIL, AudioTask
from arcvae.errors import CheckpointError, ConfigError, DataError
from arcvae.imbalance.losses import make_loss
from arcvae.training.report import baseline
from arcvae.training.task import Results

TASK = AudioTask()


def module(*counts: int) -> AudioModule:
    model = AudioCNN(len(counts), widths=[4, 4])
    found = TASK.build_module(model, make_loss("cross_entropy"), None, None, seed=0)
    found.train_counts.copy_(torch.tensor(counts))
    return found


def test_head_middle_and_tail_are_means_over_species_grouped_by_training_clips() -> None:
    assert (HEAD, TAIL) == (200, 50)
    recall = [1.0, 0.8, 0.6, math.nan, 0.2, 0.0]
    given: Results = {"per_class_f1": [0.9, 0.7, 0.5, math.nan, 0.25, 0.05], "per_class_recall": recall}
    results = TASK.further_results(given, module(500, 200, 199, 50, 49, 0))
    # The recall of all but the first: (0.8 + 0.6 + 0.2 + 0) / 4.
    expected = {"f1_head": 0.8, "f1_middle": 0.5, "f1_tail": 0.15, "minority_recall": 0.4}
    # The fourth, of the middle, does not occur in the split.
    assert results == pytest.approx(expected | {"classes_head": 2, "classes_middle": 1, "classes_tail": 2})
    assert tuple(sorted(results)) == TASK.further_names


def test_group_without_species_has_no_figure_and_none_has_before_a_fit() -> None:
    flat: Results = {"per_class_f1": [0.5] * 6, "per_class_recall": [0.5] * 6}
    results = TASK.further_results(flat, module(500, 200, 200, 200, 200, 200))
    assert results["f1_head"] == 0.5
    assert math.isnan(results["f1_tail"])  # type: ignore[arg-type]
    unknown = TASK.further_results(flat, module(0, 0, 0, 0, 0, 0))  # no species is known to be rare
    sizes = {name: unknown.pop(name) for name in list(unknown) if name.startswith("classes_")}
    assert set(sizes.values()) == {0}
    assert all(math.isnan(value) for value in unknown.values())  # type: ignore[arg-type]


def test_baseline_is_the_majority_class_with_all_figures() -> None:
    counts = (300, 60, 5, 1)
    found, target = module(*counts), torch.tensor([0] * 6 + [1] * 3 + [2])
    trivial = baseline(found, target, counts)
    assert trivial["accuracy"] == pytest.approx(0.6)
    assert trivial["f1_head"] == pytest.approx(0.75)  # 2 * 6 / (6 + 10)
    assert trivial["f1_macro"] == pytest.approx(0.25)  # over the three that occur
    assert trivial["f1_middle"] == trivial["f1_tail"] == 0.0
    # Scores that are the same for all clips: precision is prevalence, the five most frequent are all four.
    assert trivial["cmap"] == pytest.approx((0.6 + 0.3 + 0.1) / 3)
    assert trivial["cmap5"] == pytest.approx(0.6)
    assert (trivial["auroc"], trivial["top5_accuracy"]) == (0.5, 1.0)
    assert trivial["calibration_error"] == pytest.approx(300 / 366 - 0.6)
    assert {*TASK.headline, "minority_recall"} <= set(found.result_names()) <= trivial.keys() | {"loss"}


@pytest.mark.parametrize(
    ("share", "recall", "collapsed"), [(1.0, 0.011, True), (0.98, 0.011, False), (1.0, 0.06, False)]
)
def test_verdict_names_the_collapse_onto_the_majority_class(share: float, recall: float, collapsed: bool) -> None:
    results: Results = {"predicted_majority_share": share, "minority_recall": recall, "balanced_accuracy": 0.25}
    assert TASK.verdict(results, module(3, 2, 1))["mode_collapse"] is collapsed


def test_corpus_is_checked_against_the_model(tiny_clips: Path, tiny_corpus: Path) -> None:
    data = {"path": str(tiny_clips), "max_bytes": 4e9}
    TASK.check_corpus(data, {"num_classes": 4})
    TASK.check_corpus(data, {"num_classes": None})
    TASK.check_corpus(data, {})
    with pytest.raises(ConfigError, match=r"model\.num_classes=7 but .*tiny\.npz has 4; set it to that"):
        TASK.check_corpus(data, {"num_classes": 7})
    with pytest.raises(DataError, match="has no array"):
        TASK.check_corpus(data | {"path": str(tiny_corpus)}, {})


def test_exports_rebuild_the_network_with_its_normalisation() -> None:
    trained = module(3, 2, 1, 1)
    trained.model.normalise_by(torch.randn(1, 20, 1), torch.rand(1, 20, 1) + 0.5)
    fresh = AudioCNN(4, widths=[4, 4])
    fresh.load_state_dict(TASK.exports(trained)["classifier"])
    clips = torch.randn(2, 20, 500)
    assert torch.equal(fresh.eval()(clips), trained.eval().model(clips))


def test_classifier_has_nothing_to_draw_with() -> None:
    with pytest.raises(CheckpointError, match="is a model for clips; it has nothing to draw samples with"):
        TASK.require_draws(Path("best.ckpt"))
