"""``python -m arcvae.corpus``: which kinds there are, and what does not go together."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from arcvae.app.compose import CONF_DIR, plan
from arcvae.grid.corpus.files import default_corpus_path, read_corpus

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in ``tmp_path``; returns the exit code."""
    from arcvae.corpus import main

    def run(*arguments: str) -> int:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["arcvae.corpus", *arguments])
        return main()

    return run


def test_unusable_parameters_end_in_one_line_each(corpus: Run, tmp_path: Path, capsys: Capture) -> None:
    assert corpus("kind=arc", "num_grids=3") == 2
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 2
    assert "kind=arc: choose one of atomic, audio, simplified" in shown
    assert list(tmp_path.iterdir()) == []


def test_every_kind_has_its_own_keys_and_hands_all_of_them_to_its_writer() -> None:
    shared = {"source", "seed", "out", "overwrite", "output_dir", "plugins", "writer"}
    own = {}
    for file in (CONF_DIR / "kind").glob("*.yaml"):
        (config,) = plan("corpus", [f"kind={file.stem}"])
        own[file.stem] = set(config) - shared
        assert all(config["writer"][key] == config[key] for key in own[file.stem])
        assert config["writer"]["seed"] == config["seed"] == 42
    grids = {"num_grids", "grid_size", "min_objects", "max_objects"}
    assert own == {"atomic": grids, "simplified": grids, "audio": {"num_clips", "num_species", "windows"}}


def test_without_a_name_the_corpus_is_the_one_that_training_looks_for(corpus: Run, tmp_path: Path) -> None:
    assert corpus("kind=simplified", "num_grids=20", "seed=3") == 0
    path = default_corpus_path(tmp_path / "outputs" / "corpora", "simplified", 20, 3)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]
    assert len(read_corpus(path).train) == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["source=birds", "out=f.npz"], "source=birds needs kind=audio; this kind is generated"),
        (["kind=simplified", "source=birds", "out=f.npz"], "source=birds needs kind=audio"),
        (["kind=audio", "source=birds"], "out=null: name the file that the corpus goes into"),
        (["kind=arc"], "kind=arc: choose one of atomic, audio, simplified"),
        (["kind=audio", "num_grids=20"], "unknown key num_grids"),
        (["num_clips=20"], "unknown key num_clips (did you mean num_grids?)"),
        (["num_grids=9"], "num_grids=9 must be a whole number at least 10"),
        (["out=there.npz"], "out=there.npz exists; choose another name or set overwrite=true"),
        (["writer._target_=os.system", "out=f.npz"], "writer._target_=os.system is not among what may be built"),
        (["+writer.colors=3", "out=f.npz"], "unknown key writer.colors"),
    ],
)
def test_what_cannot_be_done_ends_in_one_line_and_leaves_nothing(
    corpus: Run, tmp_path: Path, capsys: Capture, arguments: list[str], message: str
) -> None:
    (tmp_path / "there.npz").write_bytes(b"mine")
    assert corpus(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["there.npz"]
    assert (tmp_path / "there.npz").read_bytes() == b"mine"


def test_file_that_cannot_be_written_is_refused_before_the_work(corpus: Run, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "there.npz").write_bytes(b"mine")
    assert corpus("num_grids=100000", "out=there.npz/c.npz") == 5
    said = "cannot write out=there.npz/c.npz: Not a directory; choose another name"
    assert capsys.readouterr().err == f"arcvae: error[E_FILES]: {said}\n"


def test_link_is_written_through(corpus: Run, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link.npz").symlink_to("disk/c.npz")
    assert corpus("num_grids=20", "out=link.npz") == 0
    assert (tmp_path / "link.npz").is_symlink()
    assert len(read_corpus(tmp_path / "disk" / "c.npz").train) == 16


def test_sweep_leaves_the_corpora_and_nothing_else(corpus: Run, tmp_path: Path) -> None:
    assert corpus("-m", "seed=1,2", "num_grids=20", "out=c${seed}.npz") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c1.npz", "c2.npz"]


def test_second_job_of_a_sweep_does_not_write_over_the_first(corpus: Run, tmp_path: Path, capsys: Capture) -> None:
    assert corpus("-m", "kind=atomic,simplified", "num_grids=20", "out=f.npz") == 1
    assert "out=f.npz exists" in capsys.readouterr().err
    (tmp_path / "alone").mkdir()
    assert corpus("num_grids=20", "out=alone/f.npz") == 0
    assert (tmp_path / "f.npz").read_bytes() == (tmp_path / "alone" / "f.npz").read_bytes()


PLUGIN = """
from pathlib import Path
import numpy as np
from hydra.core.config_store import ConfigStore
from arcvae.io.settings import Number, Settings

SETTINGS = Settings(rules={"letters": Number(1, 26, integer=True)})

def make_words(letters, path):
    np.savez(path, words=np.arange(letters))
    return Path(path), f"{letters} letters"

ConfigStore.instance().store(
    group="kind", name="words", package="_global_",
    node={"letters": 5, "writer": {"_target_": "my_words.make_words", "letters": "${letters}", "path": "${out}"}},
)
"""


def test_user_adds_a_kind_in_one_module(
    corpus: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "my_words.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert corpus("plugins=[my_words]", "kind=words", "letters=7", "out=w.npz") == 0
    assert "Wrote w.npz: 7 letters (seed 42)" in capsys.readouterr().out
    assert len(np.load(tmp_path / "w.npz")["words"]) == 7
    assert corpus("plugins=[my_words]", "kind=words", "letters=27", "out=v.npz") == 2
    assert "letters=27 must be a whole number at least 1 and at most 26" in capsys.readouterr().err
