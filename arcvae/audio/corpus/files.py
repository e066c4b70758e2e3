"""An audio corpus as a file: reading one, checking it, splitting clips, and writing the built-in one."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcvae.audio.corpus.synthesis import SYNTHESIS_VERSION, Labels, clip_features, species_counts
from arcvae.audio.features.mfcc import SYNTHETIC, MfccSettings
from arcvae.errors import DataError
from arcvae.io.cached import cached_by_file
from arcvae.io.files import sha256
from arcvae.io.npz import read_npz, write_npz

SPLITS: Final = ("train", "val", "test")
SHAPE: Final = (MfccSettings.n_mfcc, MfccSettings.frames)
"""F and T, coefficients and frames of every clip."""

Features = NDArray[np.floating[Any]]
_ROWS: Final = 512
_NONE: Final = np.empty(0, np.int64)


@dataclass(frozen=True)
class AudioCorpus:
    """Clips of three splits.

    Args:
        features: By split, ``(N, 20, 500)`` float16 or float32, finite.
        labels: By split, ``(N,)`` int64 in ``[0, C)``.
        species: Names of the C classes.
        settings: How the features were made; features of further recordings must be made in the same way.
        path: The file.
    """

    features: dict[str, Features]
    labels: dict[str, Labels]
    species: tuple[str, ...]
    settings: MfccSettings
    path: Path

    def content_hash(self) -> str:
        """SHA-256 over names, shapes, labels and features of all splits; the same however the file is packed."""
        parts = [json.dumps([self.species, asdict(self.settings)])]
        for name in SPLITS:
            features, labels = self.features[name], self.labels[name]
            parts.append(f"{name} {features.shape} {features.dtype} {sha256(features.reshape(-1).view(np.uint8).data)}")
            parts.append(sha256(labels.view(np.uint8).data))
        return sha256("\n".join(parts).encode())


@cached_by_file
def read_audio_corpus(path: str | os.PathLike[str], *, max_bytes: float = 4e9) -> AudioCorpus:
    """Read an audio corpus and check that it is one.

    Reading the same unchanged file again returns the same arrays; treat them as read-only.

    Args:
        path: ``.npz`` with ``train_features``, ``train_labels``, the same for ``val`` and ``test``, and ``about``:
            UTF-8 JSON as uint8, with the names of the ``species`` and the settings of the ``mfcc``.
        max_bytes: See :func:`arcvae.io.npz.read_npz`.

    Raises:
        DataError: What is wrong, with file, array, first bad index and value. An empty ``test`` is allowed.
        FileSystemError: Not readable.
    """
    path = Path(path)
    names = [f"{split}_{part}" for split in SPLITS for part in ("features", "labels")]
    arrays: dict[str, NDArray[Any]] = read_npz(
        path, [*names, "about"], max_bytes=max_bytes, advice="arcvae.corpus kind=audio source=FOLDER out=FILE makes one"
    )
    species, settings = _about(path, arrays["about"])
    features, labels = {}, {}
    for split in SPLITS:
        features[split] = _checked_features(f"{path}: {split}_features", arrays[f"{split}_features"])
        labels[split] = _checked_labels(f"{path}: {split}_labels", arrays[f"{split}_labels"], len(species))
        clips, given = len(features[split]), len(labels[split])
        if clips != given:
            raise DataError(f"{path}: {split}_features has {clips:,} clips but {split}_labels {given:,}")
        if split != "test" and not clips:
            raise DataError(f"{path}: {split}_features is empty; a corpus needs clips to train and to validate on")
    return AudioCorpus(features, labels, species, settings, path)


def _about(path: Path, array: NDArray[Any]) -> tuple[tuple[str, ...], MfccSettings]:
    where = f"{path}: about"
    try:
        about = json.loads(array.tobytes().decode()) if array.dtype == np.uint8 else None
        species, found = about["species"], about["mfcc"]  # type: ignore[index]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DataError(f"{where} is not JSON, as uint8, with species and mfcc; write it with arcvae.corpus") from None
    if not isinstance(species, list) or not all(isinstance(name, str) and name for name in species):
        raise DataError(f"{where}.species is not a list of names")
    different = len({unicodedata.normalize("NFC", name) for name in species})
    if len(species) < 2 or different < len(species):
        raise DataError(f"{where}.species has {different} different names in {len(species)}, needs 2 or more")
    try:
        settings = MfccSettings.of(found)
    except ValueError as error:
        raise DataError(f"{where}.mfcc {error}") from None
    return tuple(unicodedata.normalize("NFC", name) for name in species), settings


def _checked_features(where: str, features: NDArray[Any]) -> Features:
    if features.dtype not in (np.float16, np.float32):
        hint = "; convert it with .astype(np.float32)" if features.dtype.kind in "iuf" else ""
        raise DataError(f"{where} has dtype {features.dtype}, expected float32 or float16{hint}")
    if features.shape[1:] != SHAPE or features.ndim != 3:
        raise DataError(f"{where} has shape {features.shape}, expected (N, {SHAPE[0]}, {SHAPE[1]})")
    for start in range(0, len(features), _ROWS):  # in parts: the mask of all would take half of their memory
        bad = ~np.isfinite(features[start : start + _ROWS])
        if bad.any():
            clip, *rest = (int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
            index = ", ".join(map(str, (start + clip, *rest)))
            value = features[(start + clip, *rest)]
            raise DataError(f"{where}[{index}] is {value}, expected finite numbers; compute the features again")
    return features


def _checked_labels(where: str, labels: NDArray[Any], num_classes: int) -> Labels:
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise DataError(f"{where} has dtype {labels.dtype} and shape {labels.shape}, expected whole numbers (N,)")
    bad = (labels < 0) | (labels >= num_classes)
    if bad.any():
        first = int(bad.argmax())
        raise DataError(
            f"{where}[{first}] is {labels[first]}, expected a species 0-{num_classes - 1} ({int(bad.sum()):,} such "
            "labels in this split)"
        )
    return np.ascontiguousarray(labels, dtype=np.int64)


def split_clips(labels: Labels, seed: int, recordings: NDArray[np.int64] | None = None) -> dict[str, NDArray[np.int64]]:
    """Indices of the clips of each split: 70/15/15 of the recordings of every species, at random.

    A species with three recordings or more is in each split, one with two in train and test, one with one in train
    alone: it can be learned but not measured. No recording is in two splits.

    Args:
        labels: ``(N,)``.
        seed: 0 <= seed < 2^32.
        recordings: ``(N,)``, the number of the recording that each clip is from; None: each from one of its own.

    Example:
        >>> split_clips(np.array([7, 8, 8, 9, 9, 9]), 0)["val"].shape
        (1,)
    """
    rng = np.random.default_rng([seed, 2])
    if recordings is not None:
        _, first, of = np.unique(recordings, return_index=True, return_inverse=True)
        chosen = split_clips(labels[first], seed)
        return {
            name: np.concatenate([np.flatnonzero(of == index) for index in [*chosen[name]]] or [_NONE])
            for name in SPLITS
        }
    parts: dict[str, list[NDArray[np.int64]]] = {name: [_NONE] for name in SPLITS}
    for label in np.unique(labels):
        clips = rng.permutation(np.flatnonzero(labels == label))
        held_out = max(1, round(0.15 * len(clips))) if len(clips) > 1 else 0
        val = held_out if len(clips) > 2 else 0
        ends = [len(clips) - held_out - val, len(clips) - held_out]
        for name, part in zip(SPLITS, np.split(clips, ends), strict=True):
            parts[name].append(part)
    return {name: rng.permutation(np.concatenate(parts[name])) for name in SPLITS}


def write_corpus(
    path: str | os.PathLike[str],
    features: Features,
    labels: Labels,
    species: Sequence[str],
    settings: MfccSettings,
    *,
    seed: int,
    files: Sequence[str] | None = None,
    starts: Sequence[float] | None = None,
    recordings: NDArray[np.int64] | None = None,
) -> None:
    """Split clips and write them as a corpus, atomically.

    Args:
        path: File to write; see :func:`read_audio_corpus`.
        features: ``(N, 20, 500)`` float16 or float32.
        labels: ``(N,)`` in ``[0, C)``.
        species: C names.
        settings: How the features were made.
        seed: Seed of the split, 0 <= seed < 2^32.
        files: Names of the recordings that the N clips are from, to be kept by split; None for synthetic clips.
        starts: Where the clips begin in them, in seconds, to be kept as well.
        recordings: See :func:`split_clips`.

    Raises:
        DataError: No species has three clips, so that there is nothing to validate on.
        FileSystemError: The file cannot be written.
    """
    chosen = split_clips(labels, seed, recordings)
    if not len(chosen["val"]):
        raise DataError(f"{path}: no species has 3 recordings, so there is none to validate on; add recordings")
    about: dict[str, Any] = {"species": list(species), "mfcc": asdict(settings)}
    for key, values in (("files", files), ("starts", starts)):
        if values is not None:
            about[key] = {name: [values[index] for index in chosen[name]] for name in SPLITS}
    arrays: dict[str, NDArray[Any]] = {}
    for name in SPLITS:
        arrays |= {f"{name}_features": features[chosen[name]], f"{name}_labels": labels[chosen[name]]}
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    write_npz(path, arrays, compressed=False)


def write_synthetic_corpus(path: str | os.PathLike[str], num_species: int, num_clips: int, seed: int) -> None:
    """Generate the built-in corpus and write it: about 20 s for 11,000 clips on two cores, 220 MB.

    Args:
        path: File to write, atomically.
        num_species: C, >= 2.
        num_clips: All splits together; see :func:`arcvae.audio.corpus.synthesis.species_counts`.
        seed: 0 <= seed < 2^32.

    Raises:
        ValueError: Too few species or clips.
        FileSystemError: The file cannot be written.
    """
    counts = species_counts(num_species, num_clips)
    labels = np.repeat(np.arange(num_species), counts)
    species = [f"species_{index:02}" for index in range(num_species)]
    write_corpus(path, clip_features(labels, num_species, seed), labels, species, SYNTHETIC, seed=seed)


def default_audio_path(folder: str | os.PathLike[str], num_species: int, num_clips: int, seed: int) -> Path:
    """Where the built-in corpus of these parameters is kept in ``folder``."""
    return Path(folder) / f"birdsong-{num_clips}x{num_species}-seed{seed}-v{SYNTHESIS_VERSION}.npz"
