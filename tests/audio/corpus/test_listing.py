"""Names of files and folders: which are of a system, which of sound, and which are of one species."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from arcvae.audio.corpus.listing import files_below, is_called_sound, is_of_the_system, species_folders
from arcvae.errors import DataError


def test_names_are_judged_whatever_their_case() -> None:
    assert all(map(is_called_sound, ("a.wav", "A.WAV", "b.Flac", "c.opus", "d.aiff", "e.mp4", "._f.mp3")))
    assert not any(map(is_called_sound, ("a.txt", "wav", "b.npz", "c.jpg", "")))
    assert all(map(is_of_the_system, ("._f.mp3", "THUMBS.DB", "Desktop.ini", "__MACOSX", ".git")))
    assert not any(map(is_of_the_system, ("thumbs", "_robin.wav", "macosx")))


def test_folders_of_a_species_are_found_under_one_name(tmp_path: Path) -> None:
    forms = [unicodedata.normalize(form, "Bläuling") for form in ("NFC", "NFD")]
    for name in (*forms, "owl", ".cache", "__MACOSX"):
        (tmp_path / name).mkdir()
    (tmp_path / "stray.wav").touch()
    found = species_folders(tmp_path)
    assert list(found) == [forms[0], "owl"]
    assert sorted(home.name for home in found[forms[0]]) == sorted(forms)
    (tmp_path / "OWL ").mkdir()
    with pytest.raises(DataError, match="has folders 'OWL ' and 'owl', which are one species in two spellings"):
        species_folders(tmp_path)


def test_files_are_listed_to_the_bottom_without_running_in_circles(tmp_path: Path) -> None:
    (tmp_path / "day" / "night").mkdir(parents=True)
    for name in ("b.wav", "day/a.wav", "day/night/c.wav", ".DS_Store"):
        (tmp_path / name).touch()
    (tmp_path / "day" / "up").symlink_to(tmp_path)
    names = [str(file.relative_to(tmp_path)) for file in files_below(tmp_path)]
    assert names == [".DS_Store", "b.wav", "day/a.wav", "day/night/c.wav", "day/up"]
