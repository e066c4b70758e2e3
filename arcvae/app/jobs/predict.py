"""The job of ``arcvae.predict``: what a trained model says of files, as a table."""

from __future__ import annotations

import csv
import io
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from arcvae.app.opening import open_model
from arcvae.app.output import require_new_file
from arcvae.errors import DataError
from arcvae.io.files import write_atomic
from arcvae.training.hardware import pick_device
from arcvae.training.predictions import LeftOut, Prediction

log = logging.getLogger("arcvae")


def predict(config: dict[str, Any], shown: dict[str, Any], folder: Path, command: Sequence[str]) -> Path:  # noqa: ARG001
    """Classify files, and write a row for each of their parts; what is left out is named.

    Args:
        config: Plain, resolved and checked config (``conf/predict.yaml``).
        shown: As for every job; not used, for there is no record.
        folder: As for every job; not used.
        command: As for every job; not used.

    Returns:
        The table.

    Raises:
        CheckpointError: A model that is not made for files, or has no logit adjustment.
        ConfigError: ``out`` exists and may not be replaced.
        DataError: Nothing in ``source`` could be classified.
        FileSystemError: The table cannot be written.
    """
    require_new_file(config["out"], overwrite=config["overwrite"])
    started = time.perf_counter()
    predictions, names = _predictions(config)
    table, counts = _Table(names, config["top"]), Counter[str]()
    bar = tqdm(total=1.0, disable=None, bar_format="{l_bar}{bar}| {elapsed}<{remaining}")
    with logging_redirect_tqdm(), bar:
        for found in predictions:
            if isinstance(found, Prediction):
                table.add(found)
                bar.update(found.done - bar.n)
            else:
                _leave_out(found, counts)
    if not table.rows:
        raise DataError(f"source={config['source']}: nothing in it could be classified ({_said(counts)})")
    write_atomic(config["out"], table.content(), follow=True)
    log.info(
        "Wrote %s: %s rows of %s files, %.0f s of sound in %.1f s; %s", config["out"], f"{table.rows:,}",
        f"{len(table.files):,}", sum(table.files.values()), time.perf_counter() - started, _said(counts),
    )  # fmt: skip
    return Path(config["out"])


def _predictions(config: Mapping[str, Any]) -> tuple[Iterator[Prediction | LeftOut], Sequence[str] | None]:
    """What a model says, and the names of its classes."""
    device = str(pick_device(config["accelerator"]))
    model, task, names = open_model(Path(config["ckpt_path"]), config["plugins"], device)
    return task.predict(model, Path(config["source"]), config), names


def _leave_out(found: LeftOut, counts: Counter[str]) -> None:
    counts["no such files" if found.expected else "left out"] += 1
    if not found.expected:
        log.warning("Left out %s: %s", found.file, found.reason)


def _said(counts: Mapping[str, int]) -> str:
    """What was left out, in words."""
    others = f", {counts['no such files']:,} other files" if counts["no such files"] else ""
    return f"{counts['left out']:,} left out{others}"


class _Table:
    """Rows of a table as text: about 150 bytes each."""

    def __init__(self, names: Sequence[str] | None, top: int) -> None:
        self.names, self.top, self.rows = names, top, 0
        self.files: dict[str, float] = {}
        """The end of the last part of each file."""
        self._text = io.StringIO()
        self._writer = csv.writer(self._text, lineterminator="\n")

    def add(self, found: Prediction) -> None:
        """A row, and before the first one the heading."""
        count = min(self.top, len(found.probabilities))
        if not self.rows:
            ranks = [f"{what}_{rank}" for rank in range(1, count + 1) for what in ("class", "probability")]
            self._writer.writerow(["file", "start", "end", *ranks])
        best = np.argsort(-found.probabilities, kind="stable")[:count].tolist()
        classes = [
            part for index in best
            for part in (self.names[index] if self.names else index, f"{found.probabilities[index]:.6f}")
        ]  # fmt: skip
        self._writer.writerow([found.file, f"{found.start:.3f}", f"{found.end:.3f}", *classes])
        self.rows += 1
        self.files[found.file] = max(found.end, self.files.get(found.file, 0.0))

    def content(self) -> bytes:
        """UTF-8; names of files that are not, as the file system has them."""
        return self._text.getvalue().encode("utf-8", "surrogateescape")
