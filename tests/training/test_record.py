"""The record of a run: written and read by one class, earlier versions upgraded, anything else refused."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest

from arcvae.errors import DataError
from arcvae.training.record import NO_COLLAPSE, RECORD, RECORD_FORMAT, RunRecord, verdict_on

GOLDEN = Path(__file__).parents[1] / "golden" / "0.1.0"


def record(**changes: Any) -> RunRecord:
    given: dict[str, Any] = {
        "run_id": "one", "config_hash": "abc", "seed": 3, "val": {"f1": 0.5}, "verdict": {"mode_collapse": False},
        "baseline": {"f1": 0.1},
    }  # fmt: skip
    return RunRecord(**given | changes)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    full = record(
        test={"f1": 0.25, "per_class_f1": [0.5, 0.0]}, adjusted={"f1": 0.3}, logit_adjustment={"tau": -0.5},
        findings=[{"name": "omission"}], history=[{"epoch": 1.0}], command=["python"], config={"loss": {"gamma": 2.0}},
        software={"python": "3.11"}, corpus={"sha256": "0"}, class_names=["a", "b"], class_counts=[3, 1],
        class_weights=[1.0, 1.5], parameters=7, precision="32-true", device="cpu", epochs=2, steps=6, monitor="val/f1",
        monitor_mode="max", best=0.5, wall_seconds=1.5, train_seconds=1.25, sample_unit="strings", samples={"val": 3},
        samples_per_second=3.5, peak_memory_mib=10.0, pictures_not_saved=["a.png"], baseline_split="val",
        version="9.9.9",
    )  # fmt: skip
    unchanged = {entry.name for entry in fields(full) if getattr(full, entry.name) == getattr(record(), entry.name)}
    assert unchanged == {"run_id", "config_hash", "seed", "val", "verdict", "baseline", "format"}  # nothing untested
    full.write(tmp_path)
    assert RunRecord.read(tmp_path) == full
    assert json.loads((tmp_path / RECORD).read_text()) == asdict(full)


def test_figures_that_are_not_numbers_are_written_as_null(tmp_path: Path) -> None:
    record(val={"f1": float("nan")}, best=float("inf")).write(tmp_path)
    found = RunRecord.read(tmp_path)
    assert found.val == {"f1": None}
    assert found.best is None


def test_results_by_split_and_what_a_run_is_judged_by() -> None:
    held_out = record(test={"f1": 0.2}, adjusted={"f1": 0.4}, best=0.5)
    assert [held_out.results(split)["f1"] for split in ("val", "test", "adjusted", "baseline")] == [0.5, 0.2, 0.4, 0.1]
    assert held_out.split == "test"
    assert held_out.objective == 0.5
    assert record(test=None, baseline_split="val").results("test") == {}
    assert record(baseline_split="val").split == "val"
    with pytest.raises(KeyError):
        held_out.results("train")


def test_record_shows_its_verdict_and_its_figures_beside_those_of_the_trivial_predictor() -> None:
    found = {"f1": 0.25, "kl": 3.5, "per_class_f1": [0.25], "active_dims": 3}
    record = RunRecord("<run>", "h", 1, {}, {"mode_collapse": True, "kl_is": 0.5}, {"f1": 0.0, "loss": 1.0}, found)
    assert repr(record) == "<RunRecord <run>: MODE COLLAPSE; test, trivial predictor in brackets: f1 0.2500 (0.0000)>"
    html = record._repr_html_()
    assert "<b>&lt;run&gt;</b>: MODE COLLAPSE" in html
    assert "<tr><td>f1</td><td>0.2500</td><td>0.0000</td></tr>" in html
    assert RunRecord("run", "h", 1, {}, {"mode_collapse": False}, {}).collapses == NO_COLLAPSE


def test_every_collapse_among_the_runs_is_named_once_in_the_order_of_the_task() -> None:
    kinds = ({"late": True}, {"mode_collapse": True, "dims": 1}, {"mode_collapse": True, "dims": 0})
    runs = [record(verdict={"mode_collapse": False, "late": False} | kind) for kind in kinds]
    assert verdict_on(runs) == "MODE COLLAPSE, LATE"
    assert verdict_on(runs[:1]) == runs[0].collapses == "LATE"
    assert verdict_on([record(verdict={"mode_collapse": False, "dims": 1})]) == NO_COLLAPSE


@pytest.mark.parametrize(("task", "unit"), [("grid", "grids"), ("audio", "clips")])
def test_record_of_version_0_1_0_is_upgraded(tmp_path: Path, task: str, unit: str) -> None:
    old = json.loads((GOLDEN / task / RECORD).read_text())
    found = RunRecord.read(GOLDEN / task)
    assert found.format == RECORD_FORMAT
    assert found.version == "0.1.0"
    assert found.adjusted == old["at_tuned_decision"]
    assert found.findings == old["diagnosis"]
    decision = old["decision"]
    assert found.logit_adjustment == {
        "tau": decision["prior_strength"], "class_counts": decision["class_counts"], "metric": decision["metric"],
        "tuned_on": "val",
    }  # fmt: skip
    assert (found.sample_unit, found.samples_per_second) == (unit, old[f"{unit}_per_second"])
    made_with = ("python", "platform", "packages", "git_commit", "git_dirty")
    assert found.software == {name: old[name] for name in made_with}
    moved = {"at_tuned_decision", "diagnosis", "decision", f"{unit}_per_second", *made_with}
    for name in old.keys() - moved:
        assert getattr(found, name) == old[name], name
    found.write(tmp_path)  # an upgraded record is one of today
    assert RunRecord.read(tmp_path) == found


def test_what_a_later_record_of_this_format_adds_is_left_out(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(json.dumps(asdict(record()) | {"watts": 3}))
    assert RunRecord.read(tmp_path) == record()


def test_record_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(json.dumps(asdict(record()) | {"format": 3}))
    with pytest.raises(DataError, match=r"metrics\.json has format 3, this arcvae knows 2; update arcvae"):
        RunRecord.read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"there is no file .*metrics\.json; give the folder of a finished training run"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1, 2]", "is not the record of a training run"),
        (b'{"test": {}}', "is not the record of a training run; give a folder below outputs/train"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / RECORD).write_bytes(content)
    with pytest.raises(DataError, match=message):
        RunRecord.read(tmp_path)


@pytest.mark.parametrize("name", [field.name for field in fields(RunRecord) if field.name != "format"])
def test_entry_of_another_type_is_refused(tmp_path: Path, name: str) -> None:
    record().write(tmp_path)
    content = json.loads((tmp_path / RECORD).read_text())
    (tmp_path / RECORD).write_text(
        json.dumps(content | {name: [1] if isinstance(content[name], dict) or name == "test" else {"other": 1}})
    )
    with pytest.raises(DataError, match=rf"{name} is not what a training run writes there; give another folder"):
        RunRecord.read(tmp_path)
