"""Which logger a run gets, and when W&B stays offline."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from arcvae.app.compose import plan
from arcvae.app.loggers import build_logger

HOST = "127.0.0.1"


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of each W&B logger that is made; none is, for even one that is offline starts a process."""
    made: list[dict[str, Any]] = []
    monkeypatch.setattr("arcvae.app.loggers.build_node", lambda config, key, node, **words: made.append(node | words))
    return made


def config(*words: str) -> dict[str, Any]:
    (found,) = plan("train", words)
    return found


def test_logger_writes_into_the_run_folder(tmp_path: Path) -> None:
    csv = build_logger(config(), tmp_path / "run")
    assert isinstance(csv, CSVLogger)
    assert Path(csv.log_dir) == tmp_path / "run" / "csv"
    board = build_logger(config("logger=tensorboard"), tmp_path / "run")
    assert isinstance(board, TensorBoardLogger)
    assert Path(board.log_dir) == tmp_path / "run" / "tensorboard"


def test_none_is_no_logger(tmp_path: Path) -> None:
    assert build_logger(config("logger=none"), tmp_path) is False
    assert build_logger({}, tmp_path) is False


def test_wandb_is_offline_without_a_key_and_named_like_the_run(tmp_path: Path, offline: list[dict[str, Any]]) -> None:
    build_logger(config("logger=wandb", "tags=[one]"), tmp_path / "run-7")
    (made,) = offline
    assert (made["offline"], made["name"], made["group"], made["tags"]) == (True, "run-7", None, ["one"])
    assert made["save_dir"] == str(tmp_path / "run-7")
    build_logger(config("logger=wandb", "+logger.name=mine", "logger.group=ours"), tmp_path / "run-7")
    assert (offline[1]["name"], offline[1]["group"]) == ("mine", "ours")


def test_wandb_with_a_key_goes_online_if_the_server_answers(
    tmp_path: Path, offline: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("WANDB_BASE_URL", f"http://{HOST}:{port}")
        build_logger(config("logger=wandb"), tmp_path)
        build_logger(config("logger=wandb", "logger.offline=true"), tmp_path)
    assert [made["offline"] for made in offline] == [False, True]
    build_logger(config("logger=wandb"), tmp_path)  # nobody listens there any more
    assert offline[2]["offline"] is True
    assert "W&B does not answer: this run stays offline" in caplog.text
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")  # what lies behind it cannot be asked
    build_logger(config("logger=wandb"), tmp_path)
    assert offline[3]["offline"] is False
