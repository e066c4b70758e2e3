"""``python -m arcvae.evaluate`` and ``arcvae.sample`` around their jobs: folders, exit codes, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import NamedCommand, fault, metrics

Capture = pytest.CaptureFixture[str]


@pytest.mark.slow
def test_latest_run_is_evaluated_and_sampled_into_folders_below_outputs(
    command: NamedCommand, clips_run: Path, run_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "latest").symlink_to(clips_run)
    assert command("evaluate") == 0
    (folder,) = (tmp_path / "outputs" / "evaluate").iterdir()
    assert metrics(folder)["checkpoint"] == str((clips_run / "checkpoints" / "best.ckpt").resolve())
    assert "Diagnosis" in (folder / "evaluate.log").read_text() or metrics(folder)["findings"]
    (tmp_path / "outputs" / "latest").unlink()
    (tmp_path / "outputs" / "latest").symlink_to(run_folder)
    assert command("sample", "num_samples=3") == 0
    (folder,) = (tmp_path / "outputs" / "sample").iterdir()
    assert {"samples.npz", "samples.png", "metrics.json", "sample.log"} <= {path.name for path in folder.iterdir()}
    assert metrics(folder)["command"] == ["python", "-m", "arcvae.sample", "num_samples=3"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evaluate limit=20", "sample num_samples=3"])
def test_models_that_come_with_arcvae_go_by_name(command: NamedCommand, tiny_corpus: Path, name: str) -> None:
    words = name.split()
    assert command(words[0], "ckpt_path=atomic-objects-20", f"data.path={tiny_corpus}", *words[1:]) == 0


def test_operators_are_not_trained_for_a_model_that_comes_with_arcvae(command: NamedCommand, capsys: Capture) -> None:
    assert command("operate", "ckpt_path=atomic-objects") == 4
    assert fault(capsys) == "arcvae: error[E_CKPT]: atomic-objects comes with arcvae as it is; give a run of yours"


@pytest.mark.parametrize("name", ["evaluate", "sample"])
def test_faults_end_in_one_line_with_their_code(
    command: NamedCommand, run_folder: Path, tmp_path: Path, capsys: Capture, name: str
) -> None:
    (tmp_path / "text.ckpt").write_text("not a checkpoint")
    for path, message in ((tmp_path / "text.ckpt", "is not an intact"), (run_folder / "encoder.pth", "is an export")):
        assert command(name, f"ckpt_path={path}") == 4
        line = fault(capsys)
        assert line.startswith("arcvae: error[E_CKPT]: ")
        assert str(path) in line
        assert message in line
    assert not list(tmp_path.rglob("metrics.json"))


def test_missing_files_are_refused_before_anything_is_written(
    command: NamedCommand, tmp_path: Path, capsys: Capture
) -> None:
    assert command("evaluate") == 4
    assert "there is no such checkpoint" in fault(capsys)
    (tmp_path / "some.ckpt").write_text("")
    assert command("evaluate", "ckpt_path=some.ckpt", "data.path=none.npz") == 3
    assert command("evaluate", "ckpt_path=some.ckpt", "split=training") == 2
    assert command("sample", "ckpt_path=null") == 2
    assert command("sample", "ckpt_path=some.ckpt", "prior=autoregressive", "prior.path=none.safetensors") == 4
    assert "there is no such prior" in capsys.readouterr().err
    assert command("sample", "ckpt_path=some.ckpt", "prior.temperature=0.5") == 2
    assert "unknown key prior.temperature" in fault(capsys)
    assert (
        command("sample", "ckpt_path=some.ckpt", "prior=autoregressive", "prior.width=10", "prior.temperature=0") == 2
    )
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert not (tmp_path / "outputs").exists()


def test_settings_of_another_task_are_refused(command: NamedCommand, clips_run: Path, capsys: Capture) -> None:
    checkpoint = f"ckpt_path={clips_run}/checkpoints/best.ckpt"
    assert command("sample", checkpoint) == 4
    assert "is a model for clips; it has nothing to draw samples with" in fault(capsys)
    assert command("evaluate", checkpoint, "refine=1") == 2
    assert "is a model for clips; set refine=null" in fault(capsys)
