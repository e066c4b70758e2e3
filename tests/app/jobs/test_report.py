"""The command of pages, and the page at the end of each run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from arcvae.app.jobs import report
from arcvae.app.shipped import SHIPPED
from tests.conftest import FAST, PICTURED, Command, NamedCommand, fault, runs
from tests.training.page.offline import elements, require_offline
from tests.training.page.records import HOSTILE
from tests.training.page.test_run import rows

TINY_OBJECTS = (
    "model=objects",
    "model.width=16",
    "trainer.max_epochs=1",
    *(w for w in PICTURED if not w.startswith("model.")),
)


def test_run_leaves_a_page_that_the_command_writes_again(
    run_folder: Path, command: NamedCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (run_folder / "report.html").read_text()
    require_offline(page)
    assert page.count("data:image/png;base64,") == 1  # the best reconstructions stand for those of each epoch
    assert [a["id"] for tag, a in elements(page) if tag == "section"] == [
        "figures", "findings", "curves", "pictures", "classes", "changes", "again",
    ]  # fmt: skip
    assert ["loss.class_weights", "none", "sqrt_inverse"] in rows(page, "changes")
    assert re.search(r"<code>python -m arcvae.train .*data.path=.* loss=option_b", page)
    (tmp_path / "link.html").symlink_to("again.html")
    assert command("report", str(run_folder), "out=link.html") == 0
    assert "Page  link.html" in capsys.readouterr().out
    assert (tmp_path / "link.html").is_symlink()
    (tmp_path / "link.html").unlink()
    assert (tmp_path / "again.html").read_text() == page
    assert [path.name for path in tmp_path.iterdir()] == ["again.html"]


@pytest.mark.slow
def test_page_is_left_out_when_told_so_and_its_failure_costs_nothing(
    train: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(*FAST, "trainer.max_epochs=1") == 0
    (folder,) = runs(tmp_path)
    assert not (folder / "report.html").exists()
    # A folder of that name in its place is what nobody can write over.
    place = tmp_path / "taken"
    (place / "report.html" / "x").mkdir(parents=True)
    assert train(*FAST, "trainer.max_epochs=1", f"hydra.run.dir={place}", "report=true") == 0
    assert "There is no page of this run (FileSystemError: cannot write" in capsys.readouterr().out
    assert (place / "metrics.json").is_file()


@pytest.mark.slow
def test_hostile_tag_and_path_are_text(train: Command, tmp_path: Path) -> None:
    tag = HOSTILE.replace("'", "").replace('"', "")
    assert train(*FAST, "trainer.max_epochs=1", f"tags=['{tag}']", "report=true") == 0
    (folder,) = runs(tmp_path)
    page = (folder / "report.html").read_text()
    require_offline(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page


@pytest.mark.slow
def test_run_of_objects_has_an_explorer_with_its_prior(train: Command, tmp_path: Path) -> None:
    assert train(*TINY_OBJECTS) == 0
    (folder,) = runs(tmp_path)
    page = (folder / "report.html").read_text()
    require_offline(page)
    assert (folder / "page.prior.safetensors").is_file()
    assert "explorer" in [a.get("id") for tag, a in elements(page) if tag == "section"]
    assert '"prior":{' in page


def test_several_runs_and_sweeps_are_tables(run_folder: Path, command: NamedCommand, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    for job in ("0", "1"):
        shutil.copytree(run_folder, sweep / job, ignore=shutil.ignore_patterns("*.ckpt", "*.pth", "*.safetensors"))
    (sweep / "1" / "metrics.json").write_text(
        (run_folder / "metrics.json")
        .read_text()
        .replace(run_folder.name, "other")
        .replace('"gamma": 2.0', '"gamma": 1.0')
    )
    (sweep / "sweep.json").write_text(
        '{"0": {"state": "finished", "overrides": []}, "2": {"state": "failed", "overrides": ["a=1"], "error": "bad"},'
        ' "3": "torn", "4": {"state": "failed", "overrides": 7}}'
    )
    assert command("report", "sweep") == 0
    page = (sweep / "report.html").read_text()
    require_offline(page)
    assert [row[0] for row in rows(page, "table")[1:]] == [
        "loss.gamma=2.0",
        "loss.gamma=1.0",
        "all-background predictor",
    ]
    assert rows(page, "unfinished")[1] == ["a=1", "failed", "bad"]
    assert command("report", "sweep/0", "sweep/1") == 0
    (written,) = tmp_path.glob("outputs/report/*/report.html")
    assert "2 runs" in written.read_text()


def test_model_that_comes_with_arcvae_can_be_explored(
    command: NamedCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("report", "atomic-objects") == 0
    page = (tmp_path / "outputs" / "report" / "atomic-objects.html").read_text()
    require_offline(page)
    assert 5e6 < len(page) < 6e6
    facts = json.loads((SHIPPED / "atomic-objects.json").read_text())
    exact = [f"{facts[of]['exact_match']:.4g}" for of in ("test", "baseline", "test_refined")]
    assert ["exact match", *exact] in rows(page, "figures")
    assert page.index('id="explorer"') < page.index('id="figures"')
    assert command("report", "atomic-d10") == 2
    assert "nothing to explore" in fault(capsys)


def test_what_is_no_run_is_refused_in_a_line(
    command: NamedCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("report", "nowhere") == 3
    assert fault(capsys).endswith(
        "nowhere: there is no such folder; give that of a finished training run, or of a sweep"
    )
    assert command("report") == 2
    assert "name a run folder" in fault(capsys)
    assert command("report", "atomic-objects", "out=page.txt") == 2
    assert "must end in .html" in fault(capsys)
    assert list(tmp_path.iterdir()) == []


def test_of_a_picture_of_every_epoch_the_last_or_best_is_shown(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in ("codes_epoch_2", "codes_epoch_10", "grids_epoch_1", "grids_best"):
        (tmp_path / "checkpoints" / f"{name}.png").write_bytes(name.encode())
    (tmp_path / "curve.png").write_bytes(b"curve")
    assert list(report._pictures(tmp_path)) == ["grids_best", "codes_epoch_10", "curve"]
