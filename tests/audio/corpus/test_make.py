"""A corpus of clips, from recordings or without."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcvae.audio.corpus.files import default_audio_path, read_audio_corpus, write_synthetic_corpus
from arcvae.audio.corpus.make import make_audio_corpus
from arcvae.errors import ConfigError
from tests.audio.corpus.test_recordings import tone


def test_synthetic_corpus_lies_where_it_was_asked_for_or_where_training_looks(tmp_path: Path) -> None:
    named, what = make_audio_corpus(None, 3, 30, 5, str(tmp_path / "mine.npz"), "unused", "first")
    assert (named, what) == (tmp_path / "mine.npz", "30 synthetic clips of 3 species")
    unnamed, _ = make_audio_corpus(None, 3, 30, 5, None, str(tmp_path / "corpora"), "first")
    assert unnamed == default_audio_path(tmp_path / "corpora", 3, 30, 5)
    write_synthetic_corpus(tmp_path / "expected.npz", 3, 30, 5)
    hashes = {read_audio_corpus(path).content_hash() for path in (named, unnamed, tmp_path / "expected.npz")}
    assert len(hashes) == 1


def test_recordings_go_into_the_file_that_is_named_and_are_counted(tmp_path: Path) -> None:
    for species, hertz in (("owl", 300), ("wren", 4000)):
        for index in range(3):
            tone(tmp_path / "birds" / species / f"{index}.wav", hertz + index)
    (tmp_path / "birds" / "wren" / "torn.flac").write_bytes(b"torn")
    arguments = (str(tmp_path / "birds"), 89, 11_000, 0)
    path, what = make_audio_corpus(*arguments, str(tmp_path / "birds.npz"), str(tmp_path / "corpora"), "first")
    assert what == "6 recordings of 2 species, 1 left out"
    assert read_audio_corpus(path).species == ("owl", "wren")
    assert not (tmp_path / "corpora").exists()
    with pytest.raises(ConfigError, match="out=null: name the file that the recordings go into"):
        make_audio_corpus(*arguments, None, str(tmp_path / "corpora"), "first")
