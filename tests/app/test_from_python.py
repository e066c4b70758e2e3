"""A program trains as the command line does, and gets faults as exceptions."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

import arcvae
from arcvae.errors import ConfigError
from arcvae.grid.codec import Codec
from tests.conftest import FAST


def test_training_gives_the_record_and_the_model_and_changes_nothing_of_the_program(
    tiny_corpus: Path, tmp_path: Path
) -> None:
    argv, here, handler = sys.argv, Path.cwd(), signal.getsignal(signal.SIGINT)
    overrides = [*FAST, f"data.path={tiny_corpus}", f"output_dir={tmp_path}", f"hydra.run.dir={tmp_path / 'run'}"]
    record, codec, folder = arcvae.train_model(overrides)
    assert (sys.argv, Path.cwd(), signal.getsignal(signal.SIGINT)) == (argv, here, handler)
    assert folder == tmp_path / "run"
    assert record.epochs == 2
    assert isinstance(codec, Codec)
    with np.load(tiny_corpus) as corpus:
        assert codec.reconstruct(corpus["test"]).shape == corpus["test"].shape
    again = arcvae.train_model(overrides)  # finished: as the command, nothing is trained
    assert again.record == record


def test_faults_are_raised(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for overrides, message in (
        (["loss=optoin_b"], "did you mean option_b"),
        (["loss.gamma=1,2", "-m"], "one run at a time"),
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
    with pytest.raises(KeyboardInterrupt, match="SIGINT"):
        arcvae.train_model([*FAST, f"data.path={tiny_corpus}", f"output_dir={tmp_path}", f"hydra.run.dir={run}"])
    assert (run / "checkpoints" / "last.ckpt").is_file()
