"""A program trains as the command line does, and gets faults as exceptions."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

import arcvae
from arcvae.errors import ConfigError, FileSystemError
from arcvae.grid.codec import Codec
from arcvae.training.record import RunRecord
from tests.conftest import FAST


@pytest.mark.slow
def test_training_gives_the_record_and_the_model_and_changes_nothing_of_the_program(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    argv, here, handler = sys.argv, Path.cwd(), signal.getsignal(signal.SIGINT)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    log, mine = logging.getLogger(), logging.FileHandler(tmp_path / "mine.log", mode="w")
    monkeypatch.setattr(log, "handlers", [*log.handlers, mine])
    handlers, level = list(log.handlers), log.level
    overrides = [*FAST, f"data.path={tiny_corpus}", f"output_dir={tmp_path}", f"hydra.run.dir={tmp_path / 'run'}"]
    record, codec, folder = arcvae.train_model(overrides)
    assert (sys.argv, Path.cwd(), signal.getsignal(signal.SIGINT)) == (argv, here, handler)
    assert (log.handlers, log.level, os.environ.get("HYDRA_FULL_ERROR")) == (handlers, level, None)
    log.warning("still here")
    assert (tmp_path / "mine.log").read_text() == "still here\n"
    mine.close()
    assert folder == tmp_path / "run"
    assert record.epochs == 2
    assert isinstance(codec, Codec)
    with np.load(tiny_corpus) as corpus:
        assert codec.reconstruct(corpus["test"]).shape == corpus["test"].shape
    again = arcvae.train_model(overrides)  # finished: as the command, nothing is trained
    assert again.record == record


@pytest.mark.slow
def test_faults_are_raised(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for overrides, message in (
        (["loss=optoin_b"], "did you mean option_b"),
        (["loss.gamma=1,2", "-m"], "one run at a time"),
        (["--cfg", "job"], "--cfg is for the command line; from Python there is no flag but --config-dir"),
        (["--help"], "--help is for the command line"),
        (["--version"], "--version is for the command line"),
        (["trainer=ddp"], "starts processes of its own: run python -m arcvae.train"),
        ([f"data.path={tmp_path / 'c.npz'}"], "there is no file"),
    ):
        with pytest.raises(Exception, match=message):
            arcvae.train_model(overrides)
    with pytest.raises(ConfigError, match="did you mean"):
        arcvae.train_model(["optimizer.lrr=1"])
    with pytest.raises(TypeError, match=r"write \['loss=option_b'\]"):
        arcvae.train_model("loss=option_b")
    assert list(tmp_path.iterdir()) == []
    assert "error" not in capfd.readouterr().err


def test_fault_of_a_job_is_raised_and_nothing_is_printed(
    tiny_corpus: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [*FAST, f"data.path={tiny_corpus}", f"output_dir={tmp_path}", "monitor=val/nothing"]
    with pytest.raises(ConfigError, match="monitor=val/nothing is not logged"):
        arcvae.train_model(words)
    assert "error" not in capfd.readouterr().err.lower()


def test_folder_that_cannot_be_made_is_a_fault_as_for_the_command(tiny_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileSystemError, match="Not a directory"):
        arcvae.train_model([*FAST, f"data.path={tiny_corpus}", f"hydra.run.dir={tmp_path / 'file' / 'run'}"])


PLUGIN = """
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.task import GridTask

class Mine(BetaVAE):
    pass

class Bare(GridTask):
    def exports(self, module):
        return {}
"""


@pytest.mark.slow
def test_model_of_the_program_is_opened_and_a_task_without_exports_costs_no_record(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "my_program.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = [*FAST, "trainer.max_epochs=1", f"data.path={tiny_corpus}", f"output_dir={tmp_path}", "report=false"]
    words += ["plugins=[my_program]", "model._target_=my_program.Mine"]
    _, codec, _ = arcvae.train_model(words)
    assert isinstance(codec, Codec)
    assert type(codec.model).__name__ == "Mine"
    record, model, folder = arcvae.train_model([*words, "task._target_=my_program.Bare"])
    assert (record, model) == (RunRecord.read(folder), None)
    assert "There is no model to compute with" in caplog.text
    del sys.modules["my_program"]


@pytest.mark.slow
def test_interrupt_is_one_of_the_keyboard_and_leaves_a_checkpoint(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arcvae.grid.module import GridModule

    step = GridModule.training_step

    def interrupted(self: GridModule, *arguments: object) -> object:
        if self.global_step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(GridModule, "training_step", interrupted)
    run = tmp_path / "run"
    way = f"interrupted by SIGINT; continue with ckpt_path={run}/checkpoints/last.ckpt"
    with pytest.raises(KeyboardInterrupt, match=f"^{re.escape(way)}$"):
        arcvae.train_model([*FAST, f"data.path={tiny_corpus}", f"output_dir={tmp_path}", f"hydra.run.dir={run}"])
    assert (run / "checkpoints" / "last.ckpt").is_file()
