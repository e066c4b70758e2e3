"""``arcvae.corpus kind=audio`` and a training on what it writes; what it refuses, and what it does not import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from arcvae.audio.corpus.files import default_audio_path, read_audio_corpus
from tests.audio.corpus.test_recordings import tone
from tests.conftest import NamedCommand


def test_without_a_source_the_corpus_of_training_is_written(
    command: NamedCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("corpus", "kind=audio", "num_clips=30", "num_species=3", "seed=5") == 0
    (path,) = (tmp_path / "outputs" / "corpora").iterdir()
    assert path.name == default_audio_path("", 3, 30, 5).name
    assert f"Wrote outputs/corpora/{path.name}: 30 synthetic clips of 3 species (seed 5)" in capsys.readouterr().out
    assert read_audio_corpus(path).species == ("species_00", "species_01", "species_02")


@pytest.mark.slow
def test_recordings_become_a_corpus_that_trains(
    command: NamedCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, hertz, count in (("owl", 300, 20), ("robin", 900, 10), ("wren", 4000, 7)):
        for index in range(count):
            tone(
                tmp_path / "birds" / name / f"{index}.wav", hertz + 5 * index, 3.0, (16_000, 22_050, 44_100)[index % 3]
            )
    (tmp_path / "birds" / "wren" / "torn.mp3").write_bytes(b"torn")
    assert command("corpus", "kind=audio", "source=birds", "out=birds.npz") == 0
    shown = capsys.readouterr().out
    assert "Left out wren/torn.mp3: cannot be read" in shown
    assert "Wrote birds.npz: 37 recordings of 3 species, 1 left out (seed 42)" in shown
    assert {path.name for path in tmp_path.iterdir()} == {"birds", "birds.npz"}

    words = ["experiment=audio_cnn", "data.path=birds.npz", "trainer=quick_test", "trainer.accelerator=cpu"]
    words += ["model.widths=[16,32]", "data.batch_size=8", "trainer.max_epochs=15", "callbacks.progress_bar=null"]
    assert command("train", *words, "callbacks.early_stopping=null", "optimizer.lr=0.01") == 0
    (record,) = (json.loads(path.read_text()) for path in tmp_path.glob("outputs/train/*/metrics.json"))
    assert record["class_counts"] == [14, 6, 5]
    assert record["config"]["model"]["num_classes"] == 3
    assert record["baseline"]["accuracy"] == 0.5  # 3 of 3 + 2 + 1 held-out recordings
    assert record["test"]["accuracy"] == record["test"]["f1_macro"] == 1.0  # pure tones are easily told apart


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["source=nowhere", "out=f.npz"], 3, "nowhere is not a folder"),
        (["source=empty", "out=f.npz"], 3, "has recordings of 0 species"),
        (["source=empty"], 2, "out=null: name the file"),
        (["source=empty", "kind=atomic", "out=f.npz"], 2, "source=empty needs kind=audio"),
        (["num_clips=100"], 2, "num_clips=100 must be at least 10 for each of num_species=89"),
        (["num_species=1"], 2, "num_species=1 must be a whole number at least 2"),
        (["source=empty", "out=there.npz"], 2, "out=there.npz exists"),
    ],
)
def test_what_cannot_be_done_ends_in_one_line(
    command: NamedCommand,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "there.npz").write_bytes(b"mine")
    assert command("corpus", "kind=audio", *arguments) == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "there.npz"}
    assert (tmp_path / "there.npz").read_bytes() == b"mine"


def test_bad_clips_are_reported_before_torch_is_imported_and_synthetic_ones_need_no_package(tmp_path: Path) -> None:
    labels = np.array([0, 9])
    np.savez(tmp_path / "bad.npz", **{f"{split}_labels": labels for split in ("train", "val", "test")})  # type: ignore[arg-type]
    code = (
        "import sys; sys.argv = ['train', 'experiment=audio_cnn', 'data.path=bad.npz']\n"
        "from arcvae.train import main\n"
        "code = main()\n"
        "assert 'torch' not in sys.modules and 'lightning' not in sys.modules\n"
        "sys.modules['soxr'] = sys.modules['soundfile'] = None\n"
        "from arcvae.audio.corpus.files import write_synthetic_corpus\n"
        "write_synthetic_corpus('good.npz', 2, 20, 0)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 3, done.stderr
    (line,) = done.stderr.splitlines()
    assert "bad.npz has no array 'train_features'" in line
    assert (tmp_path / "good.npz").is_file()
