"""What lies in a folder of recordings, and which of it is not one."""

from __future__ import annotations

import mimetypes
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from arcvae.errors import DataError

SOUNDS: Final = (".wav", ".flac", ".ogg", ".mp3")
"""What recordings are called; others are read as well, if they are recordings."""
_SYSTEM: Final = ("thumbs.db", "desktop.ini", "ehthumbs.db", "__macosx", "$recycle.bin", "system volume information")


def is_of_the_system(name: str) -> bool:
    """Whether an operating system leaves files or folders of this name beside those of its user.

    Example:
        >>> [is_of_the_system(name) for name in ("._robin.mp3", ".DS_Store", "Thumbs.db", "robin.mp3")]
        [True, True, True, False]
    """
    return name.startswith(".") or name.lower() in _SYSTEM


def is_called_sound(name: str) -> bool:
    """Whether a file is called as sound or video is, so that it should have been a recording.

    Example:
        >>> [is_called_sound(name) for name in ("a.MP3", "a.m4a", "a.txt", "a")]
        [True, True, False, False]
    """
    kind = mimetypes.guess_type(name.lower())[0] or ""
    return name.lower().endswith(SOUNDS) or kind.startswith(("audio/", "video/"))


def species_folders(folder: Path) -> Mapping[str, Sequence[Path]]:
    """The folders of each species, by name in alphabetical order.

    macOS and other systems spell letters with accents differently (NFD and NFC): such folders are of one species, whose
    name is in NFC.

    Args:
        folder: Folder of folders.

    Raises:
        DataError: Two names that differ in case, spaces, hyphens and underscores alone.
    """
    homes: dict[str, list[Path]] = {}
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not is_of_the_system(entry.name):
            homes.setdefault(unicodedata.normalize("NFC", entry.name), []).append(entry)
    alike: dict[str, str] = {}
    for name in sorted(homes):
        key = " ".join(name.replace("_", " ").replace("-", " ").casefold().split())
        if key in alike:
            raise DataError(
                f"{folder.absolute()} has folders {alike[key]!r} and {name!r}, which are one species in two spellings: "
                "put their recordings into one folder"
            )
        alike[key] = name
    return {name: homes[name] for name in sorted(homes)}


def files_below(folder: Path) -> Iterator[Path]:
    """Every file in a folder and its folders, in alphabetical order; links to folders are not followed."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink() and not is_of_the_system(entry.name):
            yield from files_below(entry)
        else:
            yield entry
