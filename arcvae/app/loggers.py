"""The logger of a run, as the config names it."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from arcvae.app.build import Builder

log = logging.getLogger(__name__)


def build_logger(
    node: Mapping[str, Any] | None, folder: Path, build: Builder, tags: Sequence[str] | None = None
) -> Any:
    """The logger of a run, or False for none. W&B stays offline unless it is told, or can be reached.

    Args:
        node: The ``logger`` node of a config.
        folder: Run folder, into which the logger writes.
        build: Builds it.
        tags: Instead of those of the node, where they may be written down: they describe a run, and need no secrets.
    """
    node = dict(node or {})
    if not node.get("_target_"):
        return False
    if node["_target_"].endswith("WandbLogger"):
        if node.get("offline") is None:
            node["offline"] = not os.environ.get("WANDB_API_KEY")
        if not node["offline"] and not _wandb_answers():
            log.warning("W&B does not answer: this run stays offline")
            node["offline"] = True
        if node["offline"]:
            log.info("W&B is offline; `wandb sync %s/wandb/offline-run-*` uploads the run", folder)
        node.setdefault("name", folder.name)
        if not node.get("group") and HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
            node["group"] = Path(HydraConfig.get().sweep.dir).name
    found = node.pop("tags", None)
    described = {} if found is None else {"tags": found if tags is None else tags}
    return build("logger", node, save_dir=str(folder), **described)


def _wandb_answers(seconds: float = 10.0) -> bool:
    """Whether a connection to the W&B server can be made; assumed behind a proxy, where asking proves nothing.

    Asked first because a W&B that failed to go online does not go offline either.
    """
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    url = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai"))
    try:
        port = url.port or (80 if url.scheme == "http" else 443)
        socket.create_connection((url.hostname or "", port), timeout=seconds).close()
    except (OSError, ValueError):
        return False
    return True
