"""A grid corpus as a file: reading one, checking it, and generating the default one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcvae.errors import DataError
from arcvae.grid.corpus.generator import CORPUS_KINDS, FACTORS, NUM_COLORS, generate_grids
from arcvae.grid.corpus.shapes import SIZE
from arcvae.grid.settings import GENERATOR_VERSION
from arcvae.io.cached import cached_by_file
from arcvae.io.files import sha256
from arcvae.io.npz import read_npz, write_npz

SPLITS: Final = ("train", "val", "test")

SPLITTING: Final = (
    "to split one array of grids: np.savez_compressed('corpus.npz', **dict(zip(('train', 'val', 'test'), "
    "np.split(np.random.default_rng(0).permutation(grids), [len(grids) * 8 // 10, len(grids) * 9 // 10]))))"
)
"""What to do with grids that are not split."""

Grids = NDArray[np.uint8]


@dataclass(frozen=True)
class Corpus:
    """Three splits of grids, each ``(N, S, S)`` uint8 with colours in [0, 10), 0 = background."""

    train: Grids
    val: Grids
    test: Grids
    path: Path

    @property
    def grid_size(self) -> int:
        """S."""
        return int(self.train.shape[1])

    def content_hash(self) -> str:
        """SHA-256 over shapes and cells of all splits; the same for a stored and a deflated file."""
        parts = [
            f"{name} {getattr(self, name).shape} {sha256(getattr(self, name).reshape(-1).data)}" for name in SPLITS
        ]
        return sha256("\n".join(parts).encode())


@cached_by_file
def read_corpus(path: str | os.PathLike[str], *, max_bytes: float = 4e9) -> Corpus:
    """Read a corpus and check that it is one.

    Reading the same unchanged file again returns the same arrays; treat them as read-only.

    Args:
        path: ``.npz`` with the arrays ``train``, ``val`` and ``test``, each ``(N, S, S)`` uint8, values 0-9.
            Further arrays, such as the factors that the generator stores, are ignored.
        max_bytes: See :func:`arcvae.io.npz.read_npz`.

    Raises:
        DataError: What is wrong, with file, split, first bad index and value. An empty ``test`` is allowed.
        FileSystemError: Not readable.
    """
    path = Path(path)
    arrays: dict[str, NDArray[Any]] = read_npz(path, SPLITS, max_bytes=max_bytes, advice=SPLITTING)
    sizes = set()
    for name, grids in arrays.items():
        where = f"{path}: {name}"
        if grids.dtype != np.uint8:
            raise DataError(f"{where} has dtype {grids.dtype}, expected uint8{_way_to_uint8(name, grids)}")
        if grids.ndim != 3 or grids.shape[1] != grids.shape[2] or not grids.shape[1]:
            raise DataError(f"{where} has shape {grids.shape}, expected (N, S, S), for example (N, 16, 16)")
        if name != "test" and not len(grids):
            raise DataError(f"{where} is empty; a corpus needs grids to train and to validate on")
        if found := _no_color(grids):
            index, value, count = found
            raise DataError(
                f"{where}[{index}] is {value}, expected a colour 0-{NUM_COLORS - 1} "
                f"({count:,} such cells in this split)"
            )
        sizes.add(grids.shape[1])
    if len(sizes) > 1:
        shapes = ", ".join(f"{name} {arrays[name].shape}" for name in SPLITS)
        raise DataError(f"{path}: the splits differ in grid size ({shapes})")
    return Corpus(arrays["train"], arrays["val"], arrays["test"], path)


def _no_color(grids: NDArray[Any]) -> tuple[str, Any, int] | None:
    """Index and value of the first cell that is no whole number 0-9, and how many there are; None if there is none."""
    if grids.dtype == np.uint8 and grids.max(initial=0) < NUM_COLORS:
        return None  # without a mask, which would take as much memory as the grids
    bad = ~((grids >= 0) & (grids < NUM_COLORS))  # this way round for NaN
    if grids.dtype.kind == "f":
        bad |= grids != np.floor(grids)
    if not bad.any():
        return None
    first = np.unravel_index(int(bad.argmax()), bad.shape)
    return ", ".join(map(str, first)), grids[first], int(bad.sum())


def _way_to_uint8(name: str, grids: NDArray[Any]) -> str:
    """How an array of another dtype becomes uint8, as the end of a sentence: converted only if nothing is lost."""
    if grids.dtype.kind not in "iuf":
        return ""
    if found := _no_color(grids):
        index, value, count = found
        return (
            f", and {name}[{index}] is {value}, no colour ({count:,} such cells in this split, values from "
            f"{grids.min()} to {grids.max()}); store colours as whole numbers 0-{NUM_COLORS - 1}"
        )
    return "; convert it with .astype(np.uint8)"


def read_factors(path: str | os.PathLike[str], split: str) -> Grids | None:
    """Factors of the objects of a split, ``(N, max_objects, 7)`` uint8, or None if the corpus has none.

    :data:`arcvae.grid.corpus.generator.FACTORS` names the columns.
    """
    try:
        factors: NDArray[Any] = read_npz(path, [f"{split}_factors"])[f"{split}_factors"]
    except DataError:
        return None
    fits = factors.dtype == np.uint8 and factors.ndim == 3 and factors.shape[2] == len(FACTORS)
    return factors if fits else None


def write_corpus(path: str | os.PathLike[str], kind: str, num_grids: int, seed: int, **limits: Any) -> None:
    """Generate a corpus, split it 80/10/10 and write it, with the factors of each object.

    The file holds ``train``, ``val``, ``test`` and ``train_factors``, ``val_factors``, ``test_factors``,
    ``(N, max_objects, 7)`` uint8; :data:`arcvae.grid.corpus.generator.FACTORS` names the columns. The integer
    ``generator_version`` is missing from files of version 1.

    Args:
        path: File to write, atomically.
        kind: ``"atomic"`` or ``"simplified"``; see :func:`arcvae.grid.corpus.generator.generate_grids`.
        num_grids: All splits together, >= 10.
        seed: 0 <= seed < 2^32.
        **limits: ``grid_size``, ``min_objects`` and ``max_objects`` of
            :func:`~arcvae.grid.corpus.generator.generate_grids`.

    Raises:
        ValueError: Unknown kind, too few grids for three splits, or a limit out of range.
        FileSystemError: The file cannot be written.
    """
    if num_grids < 10:
        raise ValueError(f"num_grids must be at least 10, for one grid in each split, got {num_grids}")
    grids, factors = generate_grids(kind, num_grids, seed, **limits)
    ends = [num_grids * 8 // 10, num_grids * 9 // 10]
    arrays = dict(zip(SPLITS, np.split(grids, ends), strict=True))
    arrays |= {f"{name}_factors": part for name, part in zip(SPLITS, np.split(factors, ends), strict=True)}
    arrays["generator_version"] = np.array(GENERATOR_VERSION, dtype=np.uint8)
    write_npz(path, arrays)


def default_corpus_path(
    folder: str | os.PathLike[str], kind: str, num_grids: int, seed: int, version: int = GENERATOR_VERSION
) -> Path:
    """Where the corpus of these parameters, from this version of the generator, is kept in ``folder``."""
    if kind not in CORPUS_KINDS:
        raise ValueError(f"unknown corpus kind {kind!r}; choose one of {', '.join(CORPUS_KINDS)}")
    return Path(folder) / f"{kind}-{num_grids}-seed{seed}-v{version}.npz"


def make_corpus(
    kind: str,
    num_grids: int,
    seed: int,
    path: str | None,
    folder: str,
    grid_size: int = SIZE,
    min_objects: int = 1,
    max_objects: int | None = None,
) -> tuple[Path, str]:
    """Write a generated corpus as ``python -m arcvae.corpus`` asks for it.

    Args:
        kind: ``"atomic"`` or ``"simplified"``.
        num_grids: All splits together, >= 10.
        seed: 0 <= seed < 2^32.
        path: File to write; None for the one that training generates for the same values, in ``folder``.
        folder: Folder for corpora without a name.
        grid_size: See :func:`~arcvae.grid.corpus.generator.generate_grids`.
        min_objects: See there.
        max_objects: See there.

    Returns:
        The file, and what it holds in words.

    Raises:
        ValueError, FileSystemError: See :func:`write_corpus`.
    """
    file = Path(path) if path else default_corpus_path(folder, kind, num_grids, seed)
    if not path and (grid_size, min_objects, max_objects) != (SIZE, 1, None):
        most = "" if max_objects is None else max_objects
        file = file.with_stem(f"{file.stem}-{grid_size}x{grid_size}-{min_objects}to{most}")
    write_corpus(file, kind, num_grids, seed, grid_size=grid_size, min_objects=min_objects, max_objects=max_objects)
    return file, f"{num_grids:,} {kind} grids of {grid_size}x{grid_size}"
