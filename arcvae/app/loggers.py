"""The logger of a run, as the config names it."""

from __future__ import annotations

import base64
import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from arcvae.app.build import Builder

log = logging.getLogger(__name__)

PATIENCE: Final = 10.0
"""Seconds that W&B has for an answer."""
LIMITS: Final = {"init_timeout": 10.0, "login_timeout": 10.0, "finish_timeout": 15.0}
"""Settings of W&B that bound how long it may take to begin and to end, in seconds; the last is not in all releases."""


def build_logger(
    node: Mapping[str, Any] | None, folder: Path, build: Builder, tags: Sequence[str] | None = None
) -> Any:
    """The logger of a run, or False for none. W&B stays offline unless it is told, and answers.

    Whatever W&B does then costs a warning, not the run.

    Args:
        node: The ``logger`` node of a config.
        folder: Run folder, into which the logger writes.
        build: Builds it.
        tags: Instead of those of the node, where they may be written down: they describe a run, and need no secrets.
    """
    node = dict(node or {})
    if not node.get("_target_"):
        return False
    found = node.pop("tags", None)
    described = {} if found is None else {"tags": found if tags is None else tags}
    if node["_target_"].endswith("CSVLogger"):
        _keep_steps(node, folder)
    if not node["_target_"].endswith("WandbLogger"):
        return build("logger", node, save_dir=str(folder), **described)
    node.setdefault("name", folder.name)
    if not node.get("group") and HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        node["group"] = Path(HydraConfig.get().sweep.dir).name
    offline = node.pop("offline", None)
    chosen = os.environ.get("WANDB_MODE", "online")
    if chosen == "online" and not (not os.environ.get("WANDB_API_KEY") if offline is None else offline):
        # Asked first, because a W&B that fails to go online takes half a minute for it.
        refusal = _refusal(PATIENCE)
        if refusal is None and (logger := _online(node, folder, build, described)) is not None:
            return logger
        log.warning("W&B %s: this run stays offline", refusal or "cannot be reached")
    log.info("W&B is offline; `wandb sync %s/wandb/offline-run-*` uploads the run", folder)
    # By its mode: with `offline` Lightning sets WANDB_MODE, which W&B ignores once it has tried to go online, and which
    # would keep the next job of a sweep offline as well.
    node["mode"] = "offline" if chosen == "online" else chosen
    return build("logger", node, save_dir=str(folder), **described)


def _keep_steps(node: dict[str, Any], folder: Path) -> None:
    """Let the logger of a run that goes on in its folder write beside what is there, which Lightning would delete."""
    place = folder / str(node.get("name", "")) / str(node.get("version") or "")
    if (place / "metrics.csv").exists():
        parts = sum(1 for path in place.glob("continued_*") if path.is_dir())
        node["version"] = str(Path(str(node.get("version") or "")) / f"continued_{parts + 1}")


def _online(node: Mapping[str, Any], folder: Path, build: Builder, described: Mapping[str, Any]) -> Any | None:
    """A logger of W&B whose run has begun, or None if it cannot begin."""
    import wandb

    limits = {name: value for name, value in LIMITS.items() if name in wandb.Settings.model_fields}
    settings = limits | dict(node.get("settings") or {})
    logger = build("logger", {**node, "settings": settings}, save_dir=str(folder), **described)
    try:
        logger.experiment  # noqa: B018  (a property that begins the run)
    except Exception as error:  # of the network, of the server, of the account
        log.warning("W&B: %s", " ".join(str(error).split())[:200])
        return None
    return logger


def _refusal(seconds: float) -> str | None:
    """What speaks against going online, as the end of a sentence; None if the server answers and knows the key."""
    answers: list[str | None] = []
    # In a thread: a server that sends a byte now and then would pass any limit of a connection.
    thread = threading.Thread(target=lambda: answers.append(_answer(seconds)), daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else "does not answer"


def _answer(seconds: float) -> str | None:
    import wandb

    key = os.environ.get("WANDB_API_KEY")
    server = os.environ.get("WANDB_BASE_URL") or wandb.Settings().base_url
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Basic {base64.b64encode(f'api:{key}'.encode()).decode()}"
    try:
        request = Request(f"{server.rstrip('/')}/graphql", b'{"query": "query { viewer { id } }"}', headers)
        with urlopen(request, timeout=seconds) as response:
            viewer = json.loads(response.read(1 << 20))["data"]["viewer"]
    except HTTPError as error:
        known_later = not key and error.code < 500  # the key may lie in ~/.netrc
        return None if known_later else f"answers {error.code} ({error.reason})"
    except OSError:
        return "does not answer"
    except (ValueError, KeyError, TypeError):
        return "does not answer as W&B does"
    return "does not know this WANDB_API_KEY" if key and not viewer else None
