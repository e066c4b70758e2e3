"""Findings in words: evidence, cause and remedy."""

from __future__ import annotations

import math
from typing import Any

import pytest

from arcvae.training.course import Course
from arcvae.training.findings import (
    LOST_SHARE,
    MISCALIBRATED,
    Finding,
    diagnosis,
    lost_classes,
    merged,
    miscalibration,
    mode_collapse,
    too_short,
)

LONG = Course(steps=5000, epochs=10, max_epochs=10)
"""A run against whose course nothing speaks."""
SHORT = Course(steps=25, epochs=1, max_epochs=1)


def test_finding_reads_as_one_line_and_as_three() -> None:
    finding = Finding("omission", "half is missing", "few steps", "train longer")
    assert str(finding) == "OMISSION: half is missing. Cause: few steps. Remedy: train longer."
    assert diagnosis([finding, vars(finding)]).splitlines() == 2 * [
        "OMISSION: half is missing", "  cause   few steps", "  remedy  train longer",
    ]  # fmt: skip
    assert diagnosis([]) == "Diagnosis: nothing stands out"


@pytest.mark.parametrize(
    ("course", "cause", "remedy"),
    [
        (Course(), "the loss has no class weights", "weight the classes (loss=option_b)"),
        (Course(weight_ratio=1.0, faded=True), "the class weights have faded", "keep the class weights (loss.fade=0)"),
        (Course(weight_ratio=11.4), "favoured by class weights of ratio 11 : 1", "raise the weight ratio"),
        (Course(sampler="balanced"), "favoured by data.sampler=balanced", "lower optimizer.lr, or train longer"),
        (Course(loss="vs", by_counts=True), "favoured by loss.name=vs, so", "lower optimizer.lr, or train longer"),
    ],
)
def test_cause_of_a_mode_collapse_depends_on_the_weights(course: Course, cause: str, remedy: str) -> None:
    found = mode_collapse(0.995, 0.0123, 0.93, course)
    assert found.name == "mode collapse"
    assert all(figure in found.evidence for figure in ("99.5 %", "0.012", "0.930"))
    assert cause in found.cause
    assert remedy in found.remedy


@pytest.mark.parametrize("ratio", [None, 11.4])
def test_weights_are_not_blamed_for_what_a_short_run_explains(ratio: float | None) -> None:
    short = Course(steps=25, epochs=1, weight_ratio=ratio)
    found = [mode_collapse(1, 0, 0.93, short), *lost_classes([1, 0, 0], short), *miscalibration(0.7, short)]
    assert len(found) == 3
    assert {finding.cause for finding in found} == {"too short: 25 steps in 1 epoch are few"}
    (one,) = merged(found)
    assert one.name == "mode collapse and lost classes and miscalibration"
    assert all(finding.evidence in one.evidence for finding in found)


def test_findings_of_other_causes_stay_apart() -> None:
    found = [Finding("a", "b", "c", "d"), Finding("e", "f", "c", "other"), Finding("g", "h", "other", "d")]
    assert merged(found) == found


def test_lost_classes_are_counted_among_those_of_the_split_and_the_most_frequent_are_named() -> None:
    # Of 89 species, one is not in the split and 85 have a recall of zero, as after 25 steps on clips.
    recalls = [0.5, 0.2, 0.1, math.nan, *[0.0] * 85]
    names = [f"Species {index}" for index in range(89)]
    course = Course(steps=5000, class_names=names, class_counts=list(range(100, 189)))
    (found,) = lost_classes(recalls, course)
    assert found.evidence.startswith(
        "85 of 88 classes are never found: Species 88 (188), Species 87 (187), Species 86 (186), Species 85 (185), "
        "Species 84 (184) and 80 rarer ones"
    )
    assert "no class weights" in found.cause
    (weighted,) = lost_classes(recalls, Course(steps=5000, weight_ratio=30))
    assert "class 4" in weighted.evidence
    assert "in spite of class weights of ratio 30 : 1" in weighted.cause


@pytest.mark.parametrize(
    "facts",
    [{"by_counts": True, "loss": "balanced_softmax"}, {"sampler": "balanced"},
     {"by_counts": True, "loss": "vs", "weight_ratio": 30.0}],
)  # fmt: skip
def test_what_corrects_for_frequencies_already_is_named_and_not_recommended_again(facts: dict[str, Any]) -> None:
    course = Course(steps=5000, tau=0.9, **facts)
    (lost,), (wrong,) = lost_classes([0.0] * 9, course), miscalibration(0.3, course)
    named = "data.sampler=balanced" if "sampler" in facts else f"loss.name={facts['loss']}"
    assert named in lost.cause
    assert named in wrong.cause
    assert "loss.class_weights" not in lost.remedy
    assert wrong.remedy.startswith("decide with logit adjustment (tuned: tau 0.9)")
    assert ("30 : 1" in wrong.cause) is ("30 : 1" in lost.cause) is ("weight_ratio" in facts)


def test_weights_and_focusing_that_have_faded_are_not_to_blame() -> None:
    course = Course(steps=5000, loss="focal", weight_ratio=1.0, faded=True)
    (lost,), (wrong,) = lost_classes([0.0] * 9, course), miscalibration(0.3, course)
    assert lost.cause == "the class weights have faded, so rare classes hardly count"
    assert lost.remedy == "keep the class weights (loss.fade=0), or decide with logit adjustment"
    assert "by heart" in wrong.cause


def test_a_lost_class_among_many_is_no_finding() -> None:
    most = int(LOST_SHARE * 100)
    assert lost_classes([0.0] * most + [0.9] * (100 - most), LONG) == []
    assert len(lost_classes([0.0] * (most + 1) + [0.9] * (99 - most), LONG)) == 1
    assert lost_classes([math.nan] * 50, LONG) == []


def test_calibration_is_a_finding_above_its_threshold_and_the_loss_says_why() -> None:
    assert miscalibration(None, LONG) == miscalibration(MISCALIBRATED, LONG) == []
    assert miscalibration(math.nan, LONG) == []
    cases = {
        "class weights of ratio 30 : 1": Course(steps=5000, weight_ratio=30, tau=0.4),
        "focal loss": Course(steps=5000, loss="focal"),
        "by heart": Course(steps=5000, loss="cross_entropy"),
    }
    for cause, course in cases.items():
        (found,) = miscalibration(0.76, course)
        assert "0.760" in found.evidence
        assert cause in found.cause
        assert ("tau 0.4" in found.remedy) == (course.tau is not None)


def test_a_run_that_still_became_better_was_too_short_whatever_its_length() -> None:
    rising = [{"epoch": e, "val/f1_macro": f1} for e, f1 in ((1, 0.2), (2, 0.3), (3, 0.4))]
    (found,) = too_short(Course(history=rising, monitor="val/f1_macro", steps=5000, epochs=3, max_epochs=3))
    assert "val/f1_macro was best in the last of 3 epochs (0.300 before, then 0.400)" in found.evidence
    assert "trainer.max_epochs=6" in found.remedy
    assert too_short(SHORT) == []  # of a single epoch nothing is known
