"""What Hydra writes into a run folder, written by the job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from arcvae.app.command import run_command
from arcvae.app.hydra_files import write_hydra_files


def test_files_are_those_of_hydra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def job(_: dict[str, Any], shown: dict[str, Any], folder: Path, __: list[str]) -> None:
        write_hydra_files(folder, shown)
        monkeypatch.setenv("LOCAL_RANK", "1")  # a further process of the same run leaves them to the first
        write_hydra_files(folder, {"seed": 8})

    monkeypatch.chdir(tmp_path)
    # Where Hydra is told to, it writes its own as well: the oracle.
    words = ["seed=7", "hydra.run.dir=one", "hydra.output_subdir=theirs", "hydra.job.name=a"]
    monkeypatch.setattr("sys.argv", ["arcvae.evaluate", *words])
    assert run_command("evaluate", job, lambda _: None) == 0
    ours, theirs = tmp_path / "one" / ".hydra", tmp_path / "one" / "theirs"
    for name in ("hydra", "overrides"):
        assert (ours / f"{name}.yaml").read_bytes() == (theirs / f"{name}.yaml").read_bytes()
    assert yaml.safe_load((ours / "overrides.yaml").read_text()) == ["seed=7"]
    resolved = OmegaConf.to_container(OmegaConf.load(theirs / "config.yaml"), resolve=True)
    assert yaml.safe_load((ours / "config.yaml").read_text()) == resolved


@pytest.mark.slow
def test_job_called_without_hydra_writes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setattr("sys.argv", ["arcvae.evaluate", "-m", "seed=1", f"output_dir={tmp_path.name}_sweep"])
    assert run_command("evaluate", lambda *_: None, lambda _: None) == 0  # Hydra forgets a sweep not at once
    write_hydra_files(tmp_path, {"seed": 1})
    assert list(tmp_path.iterdir()) == []
