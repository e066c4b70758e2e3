"""The command line as Hydra understands it, and that nothing else is taken from its internals."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import arcvae
from arcvae.app import hydra_internals
from arcvae.app.compose import plan
from arcvae.app.hydra_internals import parse_command_line
from arcvae.errors import ConfigError
from arcvae.io.door import require_bounded_yaml


@pytest.mark.parametrize(
    "words",
    [
        ["loss=focal", "-m", "seed=1,2", "--config-dir", "mine"],
        ["-m", "--config-dir", "mine", "loss=focal", "seed=1,2"],
        ["loss=focal", "seed=1,2", "--config-dir=mine", "--multirun"],
    ],
)
def test_flags_may_stand_anywhere(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["train", *words])
    found = parse_command_line()
    assert (found.overrides, found.multirun, found.config_dir) == (["loss=focal", "seed=1,2"], True, "mine")
    flags = ("help", "hydra_help", "info", "cfg", "experimental_rerun", "config_name", "config_path")
    assert not any(getattr(found, flag) for flag in flags)


@pytest.mark.parametrize(
    ("words", "line"), [(["--frob"], "--frob"), (["--config-dir"], "--config-dir/-cd: expected one")]
)
def test_flag_that_is_not_there_or_lacks_its_value_is_refused_in_one_line(
    words: list[str], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["train", *words])
    with pytest.raises(ConfigError, match=f"{line}.*; --help lists what there is"):
        parse_command_line()


def test_one_file_alone_uses_internals_of_hydra() -> None:
    users = set()
    for path in Path(arcvae.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.startswith(("hydra._", "omegaconf._")) for name in names):
                users.add(path.name)
    assert users == {"hydra_internals.py"}


def test_file_is_parsed_once_for_all_jobs_of_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []

    def counted(text: bytes) -> None:
        parsed.append(text)
        require_bounded_yaml(text)

    monkeypatch.setattr(hydra_internals, "require_bounded_yaml", counted)
    jobs = plan("train", ["loss.gamma=0,1,2"], multirun=True)
    assert [job["loss"]["gamma"] for job in jobs] == [0, 1, 2]
    assert len(set(parsed)) == len(parsed) > 10
