"""The same grids as several models reconstruct them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from arcvae.grid.analysis.pictures import mosaic
from arcvae.grid.corpus.files import read_corpus
from arcvae.grid.opening import load_codec
from arcvae.grid.settings import WHOLE_MODEL
from arcvae.io.exports import read_export
from arcvae.training.record import RunRecord

_PICTURED: Final = 10
"""Grids in the picture."""


def reconstructions_figure(runs: Mapping[str, Sequence[Path]], records: Mapping[str, Sequence[RunRecord]]) -> Figure:
    """Validation grids of the first run's corpus, and below them what the first run of each variant makes of them.

    Args:
        runs: Run folders by variant.
        records: Their records.
    """
    record = next(iter(records.values()))[0]
    val = read_corpus(record.corpus["path"], max_bytes=record.config["data"]["max_bytes"]).val
    grids = val[np.random.default_rng(0).permutation(len(val))[:_PICTURED]]
    rows = [grids]
    for variant in runs.values():
        path = variant[0] / f"{WHOLE_MODEL}.pth"
        rows.append(load_codec(read_export(path), path).reconstruct(grids))
    short = (textwrap.fill(name, 24, max_lines=5, break_long_words=False, placeholder=" …") for name in runs)
    scores = (records[name][0].val["object_f1"] for name in runs)
    names = ["original", *(f"{name}\nF1 {score:.3f}" for name, score in zip(short, scores, strict=True))]
    title = "The same validation grids, reconstructed, and object F1 of the whole split"
    return mosaic(np.concatenate(rows), len(grids), title, rows=names)
