"""The picture that compares models: the same grids, a row for each variant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcvae.grid.analysis.comparison import reconstructions_figure
from arcvae.grid.codec import Codec
from arcvae.grid.corpus.files import read_corpus
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.io.exports import write_exports
from arcvae.training.record import RunRecord

VALUES = {"latent_dim": 3, "widths": [4, 4, 4], "hidden": 8}


def run_of(model: BetaVAE, folder: Path) -> Path:
    """A folder with the exports of a model."""
    folder.mkdir()
    config = {"_target_": "arcvae.grid.models.beta_vae.BetaVAE", **VALUES}
    facts = {"task": {"_target_": "arcvae.grid.task.GridTask"}, "model": config, "logit_adjustment": None}
    write_exports(folder, {"vae_best": model.state_dict()}, facts)
    return folder


@pytest.fixture
def record(tiny_corpus: Path) -> RunRecord:
    details: dict[str, Any] = {
        "config": {"data": {"max_bytes": 4e9}},
        "corpus": {"path": str(tiny_corpus)},
    }
    return RunRecord("id", "hash", 0, val={"object_f1": 0.25}, verdict={}, baseline={}, **details)


def test_rows_are_the_originals_and_what_the_first_run_of_each_variant_makes_of_them(
    record: RunRecord, tiny_corpus: Path, tmp_path: Path
) -> None:
    models = [BetaVAE(**VALUES) for _ in range(3)]  # type: ignore[arg-type]
    runs = [run_of(model, tmp_path / str(index)) for index, model in enumerate(models)]
    long = "loss.class_weights=effective_number"
    figure = reconstructions_figure({"plain": runs[:2], long: runs[2:]}, {"plain": [record], long: [record]})
    (axes,) = figure.axes
    canvas = np.asarray(axes.get_images()[0].get_array())
    # Ten grids of 16 cells in a row, two cells apart.
    shown = [[canvas[18 * r : 18 * r + 16, 18 * c : 18 * c + 16] for c in range(10)] for r in range(3)]
    val = read_corpus(tiny_corpus).val
    originals = np.stack(shown[0]).astype(np.uint8)
    assert all((grid == val).all((1, 2)).any() for grid in originals)
    assert len({grid.tobytes() for grid in originals}) == 10
    for row, model in zip(shown[1:], (models[0], models[2]), strict=True):
        assert np.array_equal(np.stack(row), Codec(model).reconstruct(originals))
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["original", "plain\nF1 0.250", f"{long}\nF1 0.250"]
    # Another call shows the same grids.
    again = reconstructions_figure({"plain": runs[1:2]}, {"plain": [record]})
    assert np.array_equal(np.asarray(again.axes[0].get_images()[0].get_array())[:16], canvas[:16])
