"""Trouble that people really have, as commands: it works, or is one line with the right exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import FAST, Command, NamedCommand, fault, metrics, runs

Capture = pytest.CaptureFixture[str]
BRIEF = (*FAST, "trainer.max_epochs=1", "logger=none")
SLURM = {"NTASKS": "4", "JOB_ID": "7", "PROCID": "0", "LOCALID": "0", "NODEID": "0", "JOB_NAME": "t"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["+trainer.overfit_batches=2"], "trainer.overfit_batches=2 must be 0: trainer=overfit_batch is for that"),
        (["+trainer.limit_val_batches=0"], "trainer.limit_val_batches=0 must be a number above 0"),
        (["+trainer.val_check_interval=100"], "`val_check_interval` (100) must be less than or equal"),
        (["+optimizer.eps=-1"], "ValueError: Invalid epsilon value: -1"),
        (
            ["+callbacks.finder={_target_:lightning.pytorch.callbacks.LearningRateFinder}"],
            "arcvae has no rule for +call",
        ),
        (["+callbacks.lr={_target_:lightning.pytorch.callbacks.LearningRateMonitor}"], "`Trainer` that has no logger"),
        (["callbacks.early_stopping.monitor=val/lss"], "val/lss is not logged (did you mean val/loss?)"),
        (["callbacks.checkpoint.monitor=foo"], "callbacks.checkpoint.monitor=foo is not logged"),
    ],
)
def test_option_that_nobody_foresaw_ends_in_one_line(
    train: Command, words: list[str], line: str, capsys: Capture
) -> None:
    assert train(*BRIEF, *words) == 2
    shown = capsys.readouterr().err
    assert line in shown
    assert "Traceback" not in shown
    assert [one for one in shown.splitlines() if one.startswith("arcvae:")] == [shown.splitlines()[-1]]


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ("ckpt_path=loop", 4, "ckpt_path={0}/loop: there is no such checkpoint"),
        ("data.path=loop", 3, "cannot read {0}/loop: Too many levels of symbolic links"),
        ("output_dir=loop", 5, "Too many levels of symbolic links: loop"),
        ("output_dir=file", 5, "Not a directory: file"),
        ("hydra.run.dir=file", 5, "File exists: file"),
        (f"output_dir={'x' * 300}", 5, "File name too long: "),
        (f"ckpt_path={'x' * 300}", 5, "File name too long: "),
    ],
)
def test_path_that_leads_nowhere_is_named(
    train: Command, tmp_path: Path, word: str, code: int, said: str, capsys: Capture
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("as it is")
    assert train(*BRIEF, word) == code
    assert said.format(tmp_path) in fault(capsys)
    assert (tmp_path / "file").read_text() == "as it is"
    assert {path.name for path in tmp_path.iterdir()} == {"loop", "file"}


@pytest.mark.slow
def test_commands_of_one_process_work_in_a_job_of_several_tasks(
    train: Command, command: NamedCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SLURM.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert train(*BRIEF) == 0
    (folder,) = runs(tmp_path)
    assert command("evaluate", f"ckpt_path={folder}", "importance_samples=2", "accelerator=cpu") == 0


@pytest.mark.slow
def test_run_folder_stands_for_its_checkpoints(
    train: Command, command: NamedCommand, run_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    # Lightning 17593: arcvae.load takes a run folder.
    small = ("importance_samples=2", "accelerator=cpu")
    assert command("evaluate", f"ckpt_path={run_folder}", *small) == 0
    (evaluation,) = runs(tmp_path)
    assert metrics(evaluation)["checkpoint"] == str(run_folder / "checkpoints" / "best.ckpt")
    assert command("sample", f"ckpt_path={run_folder}", "num_samples=4", "accelerator=cpu") == 0
    assert train(f"ckpt_path={run_folder}", "trainer.max_epochs=3") == 0
    (resumed,) = tmp_path.glob("outputs/train/*/metrics.json")
    record = json.loads(resumed.read_text())
    assert record["config"]["ckpt_path"] == str(run_folder)
    assert (record["epochs"], record["config"]["loss"]["class_weights"]) == (3, "sqrt_inverse")
    capsys.readouterr()
    assert command("evaluate", f"ckpt_path={evaluation}", *small) == 4
    assert f"ckpt_path={evaluation}: there is no {evaluation}/checkpoints/best.ckpt" in fault(capsys)


@pytest.mark.slow
def test_several_checkpoints_are_kept_and_the_best_is_found(
    train: Command, command: NamedCommand, tmp_path: Path
) -> None:
    # Lightning 2586: the remedy failed when it was typed, and evaluate found no best.ckpt.
    assert train(*BRIEF, "trainer.max_epochs=4", "callbacks.checkpoint.save_top_k=3") == 0
    (folder,) = runs(tmp_path)
    checkpoints = folder / "checkpoints"
    kept = sorted(path.stem for path in checkpoints.glob("best_*.ckpt"))
    history = [row["val/object_f1"] for row in metrics(folder)["history"]]
    order = sorted(range(4), key=lambda epoch: (-history[epoch], epoch))
    assert kept == sorted(f"best_{epoch}" for epoch in order[:3])
    assert (checkpoints / "best.ckpt").read_bytes() == (checkpoints / f"best_{order[0]}.ckpt").read_bytes()
    assert command("evaluate", f"ckpt_path={folder}", "importance_samples=2", "accelerator=cpu") == 0
    assert train(f"ckpt_path={folder}", "trainer.max_epochs=5") == 0
    (resumed,) = (run for run in tmp_path.glob("outputs/train/*/checkpoints") if run != checkpoints)
    assert (resumed / "best.ckpt").is_file()


@pytest.mark.slow
def test_tilde_is_the_home_folder_wherever_a_path_is_given(
    command: NamedCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # hydra 1647: a corpus went into a folder with the name ~.
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    assert command("corpus", "num_grids=30", "out='~/c.npz'") == 0
    (tmp_path / "my_conf" / "experiment").mkdir(parents=True)
    (tmp_path / "my_conf" / "experiment" / "mine.yaml").write_text("# @package _global_\noutput_dir: ~/out\n")
    words = ("--config-dir", "my_conf", "experiment=mine", "data.path=~/c.npz", *BRIEF)
    assert command("train", *words) == 0
    assert command("train", "data.path=~/c.npz", "hydra.run.dir=~/run", "output_dir=~/out", *BRIEF) == 0
    assert command("evaluate", "ckpt_path=~/run", "output_dir=~/out", "importance_samples=2", "accelerator=cpu") == 0
    assert command("compare", "runs=['~/run']", "output_dir=~/out") == 0
    made = {path.name for path in home.iterdir() if not path.name.startswith(".")}  # what libraries cache aside
    assert made == {"c.npz", "out", "run"}
    assert {path.name for path in tmp_path.iterdir()} == {"home", "my_conf"}
    assert len(list((home / "out" / "train").iterdir())) == 1
