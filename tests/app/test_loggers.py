"""Which logger a run gets, and when W&B stays offline."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from arcvae.app.build import Builder
from arcvae.app.compose import plan
from arcvae.app.loggers import build_logger

HOST = "127.0.0.1"
TRUSTED = Builder(plugins=())


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@dataclass(frozen=True)
class Listing(Builder):
    """Keeps the arguments of each W&B logger and makes none, for even one that is offline starts a process."""

    plugins: tuple[str, ...] = ()
    made: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, _: str, node: Mapping[str, Any], /, **arguments: Any) -> None:
        self.made.append({**node, **arguments})


def built(folder: Path, *words: str, build: Builder = TRUSTED) -> Any:
    """The logger of a run of ``arcvae.train`` with these overrides."""
    (config,) = plan("train", words)
    return build_logger(config["logger"], folder, build)


def test_logger_writes_into_the_run_folder(tmp_path: Path) -> None:
    csv = built(tmp_path / "run")
    assert isinstance(csv, CSVLogger)
    assert Path(csv.log_dir) == tmp_path / "run" / "csv"
    board = built(tmp_path / "run", "logger=tensorboard")
    assert isinstance(board, TensorBoardLogger)
    assert Path(board.log_dir) == tmp_path / "run" / "tensorboard"


def test_none_is_no_logger(tmp_path: Path) -> None:
    assert built(tmp_path, "logger=none") is False
    assert build_logger(None, tmp_path, TRUSTED) is False


def test_wandb_is_offline_without_a_key_and_named_like_the_run(tmp_path: Path) -> None:
    wandb = Listing()
    built(tmp_path / "run-7", "logger=wandb", "tags=[one]", build=wandb)
    (made,) = wandb.made
    assert (made["offline"], made["name"], made["group"], made["tags"]) == (True, "run-7", None, ["one"])
    assert made["save_dir"] == str(tmp_path / "run-7")
    built(tmp_path / "run-7", "logger=wandb", "+logger.name=mine", "logger.group=ours", build=wandb)
    assert (wandb.made[1]["name"], wandb.made[1]["group"]) == ("mine", "ours")


def test_wandb_with_a_key_goes_online_if_the_server_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wandb = Listing()
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("WANDB_BASE_URL", f"http://{HOST}:{port}")
        built(tmp_path, "logger=wandb", build=wandb)
        built(tmp_path, "logger=wandb", "logger.offline=true", build=wandb)
    assert [made["offline"] for made in wandb.made] == [False, True]
    built(tmp_path, "logger=wandb", build=wandb)  # nobody listens there any more
    assert wandb.made[2]["offline"] is True
    assert "W&B does not answer: this run stays offline" in caplog.text
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")  # what lies behind it cannot be asked
    built(tmp_path, "logger=wandb", build=wandb)
    assert wandb.made[3]["offline"] is False
