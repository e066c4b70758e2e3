"""Which logger a run gets, and when W&B stays offline."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from arcvae.app.build import Builder
from arcvae.app.compose import plan
from arcvae.app.loggers import build_logger
from tests.conftest import FAST, Command, runs

HOST = "127.0.0.1"
KEY = "0" * 40
TRUSTED = Builder(plugins=())


class Begun:
    """In place of a logger of W&B, even an offline one of which starts a process."""

    error: Exception | None = None

    @property
    def experiment(self) -> None:
        if self.error:
            raise self.error


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@dataclass(frozen=True)
class Listing(Builder):
    """Keeps the arguments of each W&B logger and makes none, for even one that is offline starts a process."""

    plugins: tuple[str, ...] = ()
    made: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, _: str, node: Mapping[str, Any], /, **arguments: Any) -> Begun:
        self.made.append({**node, **arguments})
        return Begun()


@pytest.fixture
def listing() -> Listing:
    return Listing()


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


def test_wandb_is_offline_without_a_key_and_named_like_the_run(tmp_path: Path, listing: Listing) -> None:
    built(tmp_path / "run-7", "logger=wandb", "tags=[one]", build=listing)
    (made,) = listing.made
    assert (made["mode"], made["name"], made["group"], made["tags"]) == ("offline", "run-7", None, ["one"])
    assert made["save_dir"] == str(tmp_path / "run-7")
    built(tmp_path / "run-7", "logger=wandb", "+logger.name=mine", "logger.group=ours", build=listing)
    assert (listing.made[1]["name"], listing.made[1]["group"]) == ("mine", "ours")


@contextmanager
def server(answer: str) -> Iterator[str]:
    """An HTTP server of that answer: a status, "nothing", or the viewer that the key belongs to; gives its address."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Nothing."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if answer == "nothing":
                over.wait(60)
                return
            known = self.headers["Authorization"] == f"Basic {base64.b64encode(b'api:' + KEY.encode()).decode()}"
            body = {"data": {"viewer": {"id": "me"} if known else None}} if answer != "another" else ["no W&B"]
            self.send_response(int(answer) if answer.isdigit() else 200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

    with ThreadingHTTPServer((HOST, 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://{HOST}:{httpd.server_port}"
        over.set()
        httpd.shutdown()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "key", "said"),
    [
        ("known", KEY, None),
        ("known", "1" * 40, "does not know this WANDB_API_KEY"),
        ("401", KEY, "answers 401 (Unauthorized)"),
        ("500", KEY, "answers 500 (Internal Server Error)"),
        ("nothing", KEY, "does not answer"),
        ("another", KEY, "does not answer as W&B does"),
        ("closed", KEY, "does not answer"),
        ("401", None, None),  # the key may lie in ~/.netrc
        ("500", None, "answers 500 (Internal Server Error)"),
    ],
)
def test_wandb_goes_online_if_the_server_answers_and_knows_the_key(
    tmp_path: Path, listing: Listing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    answer: str, key: str | None, said: str | None,
) -> None:  # fmt: skip
    monkeypatch.setattr("arcvae.app.loggers.PATIENCE", 0.5 if answer == "nothing" else 10.0)
    if key is not None:
        monkeypatch.setenv("WANDB_API_KEY", key)
    with server(answer) as address:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://{HOST}:1" if answer == "closed" else f"{address}/")
        started = time.monotonic()
        built(tmp_path, "logger=wandb", "logger.offline=false", build=listing)
        assert time.monotonic() - started < 5
    (made,) = listing.made
    assert made.get("mode") == ("offline" if said else None)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == (
        [f"W&B {said}: this run stays offline"] if said else []
    )
    if said is None:
        assert made["settings"]["init_timeout"] <= 10


def test_wandb_that_fails_to_begin_stays_offline(
    tmp_path: Path, listing: Listing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr(Begun, "error", ConnectionError("no room for projects"))
    with server("known") as address:
        monkeypatch.setenv("WANDB_BASE_URL", address)
        built(tmp_path, "logger=wandb", "+logger.settings.init_timeout=3", build=listing)
    assert [made.get("mode") for made in listing.made] == [None, "offline"]
    assert listing.made[0]["settings"]["init_timeout"] == 3
    assert "no room for projects" in caplog.text


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_mode_that_the_user_has_chosen_for_wandb_stays(
    tmp_path: Path, listing: Listing, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", f"http://{HOST}:1")  # it is not even asked
    monkeypatch.setenv("WANDB_MODE", mode)
    built(tmp_path, "logger=wandb", build=listing)
    assert [made["mode"] for made in listing.made] == [mode]


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["401", "500", "nothing", "known"])
def test_run_is_finished_whatever_wandb_answers(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with server(answer) as address:  # one that knows the key answers nothing else that W&B asks
        monkeypatch.setenv("WANDB_BASE_URL", address)
        assert train("logger=wandb", *FAST, "trainer.max_epochs=1") == 0
    (folder,) = runs(tmp_path)
    assert list(folder.glob("wandb/offline-run-*"))
    assert "this run stays offline" in (folder / "train.log").read_text()
