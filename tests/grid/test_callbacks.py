"""Pictures of a run on grids: which there are, of which grids, and that none is worth a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from arcvae.app.restore import restore
from arcvae.grid import callbacks
from arcvae.grid.callbacks import choose, reconstruct
from arcvae.grid.corpus.data import GridDataModule
from arcvae.grid.module import GridModule
from tests.conftest import PICTURED, Job
from tests.grid.test_module import GRIDS, make

TINY = (*PICTURED, "logger=none")


def test_reconstruction_is_deterministic_and_leaves_the_mode_alone() -> None:
    module = make().train()
    assert torch.equal(reconstruct(module, GRIDS), reconstruct(module, GRIDS))
    assert module.training
    assert torch.equal(reconstruct(module, GRIDS), module.model(GRIDS).argmax(1).to(torch.uint8))
    assert not torch.equal(reconstruct(make().eval(), GRIDS), GRIDS)


def test_chosen_grids_are_different_ones_and_depend_on_the_seed() -> None:
    numbered = torch.arange(100)[:, None, None]
    assert torch.equal(choose(numbered, 10, 0), choose(numbered, 10, 0))
    assert not torch.equal(choose(numbered, 10, 0), choose(numbered, 10, 1))
    assert len(choose(numbered, 10, 0).unique()) == 10
    assert len(choose(numbered, 1000, 0)) == 100


@pytest.mark.slow
def test_snapshots_show_what_the_model_of_the_checkpoint_makes_of_the_same_grids(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[Any, Any]] = []
    figure = callbacks.reconstruction_figure

    def spy(grids: Any, decoded: Any, title: str) -> Any:
        drawn.append((grids, decoded))
        return figure(grids, decoded, title)

    monkeypatch.setattr(callbacks, "reconstruction_figure", spy)
    job("train", *TINY)
    (first, _), (second, decoded) = drawn
    assert (first == second).all()
    assert len(first) == 10
    last = tmp_path / "train" / "checkpoints" / "last.ckpt"
    module = restore(str(last), data_path=None, accelerator="cpu", output_dir=str(tmp_path)).module
    assert isinstance(module, GridModule)
    assert (reconstruct(module, torch.from_numpy(second)).numpy() == decoded).all()
    names = {path.name for path in (tmp_path / "train" / "checkpoints").glob("*.png")}
    assert names == {f"reconstructions_{name}.png" for name in ("epoch_1", "epoch_2", "best")}


@pytest.mark.slow
def test_best_picture_changes_only_with_the_best_checkpoint(job: Job, tmp_path: Path) -> None:
    # With steps of no length the first epoch stays the best one.
    job("train", *TINY, "optimizer.lr=1e-12")
    first, second, best = (
        (tmp_path / "train" / "checkpoints" / f"reconstructions_{name}.png").read_bytes()
        for name in ("epoch_1", "epoch_2", "best")
    )
    assert best == first != second  # titles name the epoch


@pytest.mark.slow
def test_picture_that_cannot_be_drawn_costs_a_warning(
    job: Job, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no fonts")

    monkeypatch.setattr("arcvae.grid.callbacks.to_png", fail)
    record = job("train", *TINY, "trainer.max_epochs=1")
    assert record.pictures_not_saved == ["reconstructions_epoch_1.png", "reconstructions_best.png"]
    assert "not saved: reconstructions_epoch_1.png, reconstructions_best.png (no fonts)" in caplog.text


@pytest.mark.slow
def test_code_pictures_are_drawn_for_loggers_that_show_them(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures: dict[str, bytes] = {}
    monkeypatch.setattr(callbacks, "log_picture", lambda _, name, png: pictures.update({name: png}))

    class Stub:
        is_global_zero, current_epoch = True, 0
        datamodule = GridDataModule(str(tiny_corpus), cache_dir=str(tmp_path))

    Stub.datamodule.prepare_data()
    module = make().train()
    for shows in (False, True):
        monkeypatch.setattr(callbacks, "shows_pictures", lambda _, shows=shows: shows)
        callbacks.CodePictures(num_samples=5, num_codes=7).on_train_epoch_end(Stub(), module)  # type: ignore[arg-type]
        assert set(pictures) == ({"samples", "codes"} if shows else set())
    assert module.training
    before = dict(pictures)
    callbacks.CodePictures(num_samples=5, num_codes=7, seed=1).on_train_epoch_end(Stub(), module)  # type: ignore[arg-type]
    assert before["codes"] != pictures["codes"]  # of other grids
    assert all(png.startswith(b"\x89PNG") for png in pictures.values())
