"""``python -m arcvae.predict``: its table, what it refuses, and what it leaves behind."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

import arcvae
from arcvae.audio.features.mfcc import SYNTHETIC
from tests.audio.corpus.test_recordings import tone
from tests.conftest import FAST_CLIPS, NamedCommand, fault

pytestmark = pytest.mark.slow

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Two recordings, of one window and of three, and one that cannot be read."""
    tone(tmp_path / "sounds" / "a.wav", 700, seconds=2)
    tone(tmp_path / "sounds" / "far" / "b.flac", 2000, seconds=10)
    (tmp_path / "sounds" / "torn.mp3").write_bytes(b"torn")
    return tmp_path / "sounds"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("sounds")
def test_table_has_the_most_probable_classes_of_every_window(
    command: NamedCommand, clips_run: Path, tmp_path: Path, capsys: Capture
) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    words = (f"ckpt_path={clips_run}", "source=sounds", "overlap=0", "accelerator=cpu")
    assert command("predict", *words) == 0
    assert {path.name for path in tmp_path.iterdir()} - before == {"predictions.csv"}
    said = capsys.readouterr()
    assert "Left out torn.mp3: cannot be read" in said.out
    assert "Wrote predictions.csv: 4 rows of 2 files, 12 s of sound in" in said.out
    assert "1 left out" in said.out
    rows = table(tmp_path / "predictions.csv")
    assert [row["file"] for row in rows] == ["a.wav", *["far/b.flac"] * 3]
    seconds = SYNTHETIC.seconds  # the run was made on clips of four seconds
    assert [float(row["start"]) for row in rows] == pytest.approx([0, 0, seconds, 10 - seconds], abs=2e-3)
    assert [float(row["end"]) for row in rows] == pytest.approx([2, seconds, 2 * seconds, 10], abs=2e-3)
    for row in rows:
        shares = [float(row[f"probability_{rank}"]) for rank in range(1, 5)]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert sorted(row[f"class_{rank}"] for rank in range(1, 5)) == [f"species_{index:02}" for index in range(4)]
        assert "class_5" not in row  # there are four


@pytest.mark.usefixtures("sounds")
def test_options_reach_the_model(command: NamedCommand, clips_run: Path, tmp_path: Path) -> None:
    checkpoint = f"ckpt_path={clips_run}/checkpoints/best.ckpt"
    words = (checkpoint, "source=sounds/far/b.flac", "accelerator=cpu", "top=2")
    (tmp_path / "link.csv").symlink_to("plain.csv")
    assert command("predict", *words, "out=link.csv") == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert command("predict", *words, "out=adjusted.csv", "decision=adjusted") == 0
    plain, adjusted = table(tmp_path / "plain.csv"), table(tmp_path / "adjusted.csv")
    assert len(plain) == len(adjusted) == 1 + 4  # windows of 4 s, every 2 s
    assert list(plain[0]) == ["file", "start", "end", "class_1", "probability_1", "class_2", "probability_2"]
    tau = arcvae.load(clips_run).tau
    assert (tau == 0) == (plain == adjusted)


def test_what_cannot_be_done_ends_in_one_line_and_writes_nothing(
    command: NamedCommand, clips_run: Path, run_folder: Path, sounds: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "torn").mkdir()
    (sounds / "torn.mp3").rename(tmp_path / "torn" / "torn.mp3")
    before = {path.name for path in tmp_path.iterdir()}
    ours = f"ckpt_path={clips_run}"
    for words, code, message in (
        ((f"ckpt_path={run_folder}", "source=sounds"), 4, "is a model for grids; it has nothing to say of files"),
        (("ckpt_path=atomic-d10", "source=sounds"), 4, "is a model for grids; it has nothing to say of files"),
        (("ckpt_path=nowhere", "source=sounds"), 4, "ckpt_path=nowhere: there is no such model"),
        ((ours,), 2, "source has no value; set it"),
        ((ours, "source=nowhere"), 3, "source=nowhere: there is no such file or folder"),
        ((ours, "source=sounds", "out=there.csv"), 2, "out=there.csv exists"),
        ((ours, "source=sounds", "overlap=1"), 2, "overlap=1 must be a number at least 0 and at most 0.95"),
        ((ours, "source=torn"), 3, "source=torn: nothing in it could be classified (1 left out)"),
    ):
        assert command("predict", *words) == code
        assert message in fault(capsys)
    assert {path.name for path in tmp_path.iterdir()} == before
    assert (tmp_path / "there.csv").read_text() == "mine"


MODEL = """
from arcvae.audio.model import AudioCNN

class Mine(AudioCNN):
    pass
"""


@pytest.mark.usefixtures("sounds")
def test_model_of_the_user_is_opened_with_its_plugin(
    command: NamedCommand, tiny_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:  # fmt: skip
    (tmp_path / "my_net.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin = "plugins=[my_net]"
    words = (f"data.path={tiny_clips}", *FAST_CLIPS, "trainer.max_epochs=1", "model._target_=my_net.Mine", plugin)
    words += ("model.num_classes=4", "model.channels=1")
    assert command("train", *words) == 0
    assert command("predict", "source=sounds", "accelerator=cpu") == 4
    assert "my_net.Mine, which is not arcvae's" in fault(capsys)
    assert command("predict", "source=sounds", "accelerator=cpu", plugin) == 0
    assert len(table(tmp_path / "predictions.csv")) == 1 + 5
    del sys.modules["my_net"]
