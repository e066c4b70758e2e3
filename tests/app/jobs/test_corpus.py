"""The job writes what the writer of a config makes, and looks again whether it may."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from arcvae.app.jobs.corpus import corpus
from arcvae.errors import ConfigError, DataError
from arcvae.grid.corpus.files import read_corpus
from arcvae.grid.corpus.generator import generate_grids


def config(out: Path | None, **writer: Any) -> dict[str, Any]:
    node = {"_target_": "arcvae.grid.corpus.files.make_corpus", "kind": "atomic", "num_grids": 30, "seed": 7}
    node |= {"path": out and str(out), "folder": "corpora"}
    return {"out": out and str(out), "overwrite": False, "seed": 7, "plugins": [], "writer": node | writer}


def test_corpus_is_written_where_it_was_asked_for_and_named_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="arcvae"):
        made = corpus(config(tmp_path / "c.npz"), {}, tmp_path / "unused", [])
    assert made == tmp_path / "c.npz"
    assert (read_corpus(made).train == generate_grids("atomic", 30, seed=7)[0][:24]).all()
    assert f"Wrote {made}: 30 atomic grids of 16x16 (seed 7)" in caplog.text
    assert list(tmp_path.iterdir()) == [made]


def test_file_that_came_up_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "c.npz").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="exists"):
        corpus(config(tmp_path / "c.npz"), {}, tmp_path, [])
    assert (tmp_path / "c.npz").read_bytes() == b"mine"
    corpus(config(tmp_path / "c.npz") | {"overwrite": True}, {}, tmp_path, [])
    assert len(read_corpus(tmp_path / "c.npz").train) == 24


def test_faults_of_the_writer_are_faults_of_the_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="num_grids must be at least 10"):
        corpus(config(tmp_path / "c.npz", num_grids=3), {}, tmp_path, [])
    node = {"_target_": "arcvae.audio.corpus.make.make_audio_corpus", "source": str(tmp_path / "no"), "seed": 0}
    node |= {
        "num_species": 2,
        "num_clips": 20,
        "path": str(tmp_path / "c.npz"),
        "folder": "corpora",
        "windows": "first",
    }
    with pytest.raises(DataError, match="no is not a folder"):
        corpus(config(tmp_path / "c.npz") | {"writer": node}, {}, tmp_path, [])
    with pytest.raises(ConfigError, match="not among what may be built"):
        corpus(config(tmp_path / "c.npz", _target_="os.system"), {}, tmp_path, [])
    assert list(tmp_path.iterdir()) == []
