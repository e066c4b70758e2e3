"""Which runs are variants of what, which of them are there already, and what a failed one ends in."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from arcvae.app.compose import plan
from arcvae.app.variants import given_variants, jobs_of, run_command_in_process, trained_variants
from arcvae.errors import CheckpointError, ConfigError, DataError
from arcvae.training.record import RunRecord
from tests.conftest import FAST

WORDS = (*FAST, "loss=option_b")
"""Those of the run that is there."""


def study(output_dir: Path, *overrides: str, seeds: tuple[int, ...] = (42,), **variants: list[str]) -> dict[str, Any]:
    return {
        "study": {"variants": variants or {"B": ["loss=option_b"]}, "overrides": list(FAST)},
        "overrides": list(overrides),
        "seeds": list(seeds),
        "output_dir": str(output_dir),
    }


def changed(run: Path, copy: Path, **changes: Any) -> Path:
    """The record of a run, in another folder, whose config says something else."""
    copy.mkdir()
    record = RunRecord.read(run)
    dataclasses.replace(record, run_id=copy.name, config=record.config | changes).write(copy)
    return copy


@pytest.mark.parametrize("place", ["my outputs", "O'Brien's"])
def test_jobs_are_all_variants_with_all_seeds_and_what_comes_last_wins(place: str) -> None:
    config = study(Path(place), "model.hidden=9", seeds=(1, 2), a=["loss=option_a"], b=["loss.gamma=1"])
    jobs = jobs_of(config)
    assert list(jobs) == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    (job,) = plan("train", jobs["b", 2])
    assert (job["loss"]["gamma"], job["seed"], job["output_dir"]) == (1, 2, place)
    assert (job["trainer"]["max_epochs"], job["model"]["hidden"]) == (2, 9)  # from the study, and from the command


def test_runs_that_differ_in_the_seed_alone_are_one_variant_named_by_its_difference(
    run_folder: Path, tmp_path: Path
) -> None:
    config = RunRecord.read(run_folder).config
    seeded = changed(run_folder, tmp_path / "seeded", seed=7, data=config["data"] | {"seed": 7})
    softer = changed(run_folder, tmp_path / "softer", loss=config["loss"] | {"gamma": 0.5})
    elsewhere = changed(run_folder, tmp_path / "elsewhere", output_dir="elsewhere", tags=["mine"])
    runs = [str(run) for run in (run_folder, run_folder, seeded, softer, elsewhere)]
    assert given_variants(runs) == {
        "loss.gamma=2.0": [run_folder, seeded, elsewhere], "loss.gamma=0.5": [softer],
    }  # fmt: skip
    assert given_variants(runs[:1]) == {"run 1": [run_folder]}
    with pytest.raises(DataError, match="there is no file"):
        given_variants([str(tmp_path)])


def test_different_variants_never_share_a_name(run_folder: Path, tmp_path: Path) -> None:
    data = RunRecord.read(run_folder).config["data"]
    # What a run may be continued with does not tell variants apart; what it learned from does.
    one = changed(run_folder, tmp_path / "one", data=data | {"batch_size": 32})
    two = changed(run_folder, tmp_path / "two", beta={"_target_": "arcvae.grid.elbo.Constant", "maximum": 0.1})
    names = given_variants([str(run) for run in (run_folder, one, two)])
    assert len(names) == 3
    assert all("data.batch_size=" in name for name in names)


def trained(run_folder: Path, output_dir: Path, corpus: Path, *overrides: str) -> Any:
    """The variants of a study of one variant, with the run of the fixture in the output folder."""
    folder = output_dir / "train" / run_folder.name
    if not folder.exists():
        folder.mkdir(parents=True)
        shutil.copy(run_folder / "metrics.json", folder)
    return trained_variants(study(output_dir, f"data.path={corpus}", *overrides))


@pytest.mark.slow
def test_run_that_is_there_is_not_trained_again(run_folder: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    there = {"B": [tmp_path / "train" / run_folder.name]}
    assert trained(run_folder, tmp_path, tiny_corpus) == there
    same = ("callbacks.snapshots=null", "logger=none", "trainer.log_every_n_steps=1")
    assert trained(run_folder, tmp_path, tiny_corpus, *same) == there
    (tmp_path / "train" / "broken").mkdir()
    (tmp_path / "train" / "broken" / "metrics.json").write_text("{}")
    assert trained(run_folder, tmp_path, tiny_corpus) == there
    assert len(list((tmp_path / "train").iterdir())) == 2


@pytest.mark.slow
def test_run_with_another_config_or_an_older_one_than_its_corpus_does_not_count(
    run_folder: Path, tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(
        "arcvae.app.variants.run_command_in_process", lambda name, words, what: started.append([name, *words, what])
    )
    copy = tmp_path / "copy.npz"
    shutil.copy2(tiny_corpus, copy)
    assert trained(run_folder, tmp_path, copy)["B"] != [tmp_path / "train" / run_folder.name]
    record = RunRecord.read(run_folder)
    data = record.config["data"] | {"path": str(copy)}
    dataclasses.replace(record, config=record.config | {"data": data}).write(tmp_path / "train" / run_folder.name)
    assert trained(run_folder, tmp_path, copy)["B"] == [tmp_path / "train" / run_folder.name]
    for words in (
        ("trainer.max_epochs=3",),
        ("callbacks.early_stopping=null",),
        ("optimizer.lr=0.5",),
        ("model.hidden=8",),
    ):
        assert trained(run_folder, tmp_path, copy, *words)["B"] != [tmp_path / "train" / run_folder.name], words
    os.utime(copy, (2**31, 2**31))  # a corpus that is newer than the run may be another one
    assert trained(run_folder, tmp_path, copy)["B"] != [tmp_path / "train" / run_folder.name]
    assert len(started) == 6
    folder = trained(run_folder, tmp_path, copy)["B"][0]
    assert started[-1][0] == "train"
    assert started[-1][-2:] == [f"hydra.run.dir='{folder}'", "training B (seed 42)"]


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [(["split=no"], 2, ConfigError), (["ckpt_path=none.ckpt"], 4, CheckpointError)],
)
def test_fault_of_a_process_becomes_one_of_ours(
    words: list[str], code: int, fault: type[Exception], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(fault, match=f"evaluating ended with exit code {code}, see above; finished runs are kept"):
        run_command_in_process("evaluate", words, "evaluating")
    assert "arcvae: error[" in capfd.readouterr().err


def test_interrupted_command_takes_its_process_along(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import subprocess

    processes: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: list[str]) -> None:
            super().__init__([command[0], "-c", "import time; time.sleep(60)"])
            processes.append(self)
            self.asked = False

        def wait(self, timeout: float | None = None) -> int:
            if not self.asked:
                self.asked = True
                raise KeyboardInterrupt
            return super().wait(timeout)

    monkeypatch.setattr("subprocess.Popen", Interrupted)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_command_in_process("train", [], "training")
    assert processes[0].returncode == -15
