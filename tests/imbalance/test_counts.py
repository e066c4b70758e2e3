"""Class counts and a cache that can save time but never change a result."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from arcvae.imbalance import counts
from arcvae.imbalance.counts import cached_counts, count_classes

LABELS = np.random.default_rng(0).integers(0, 10, (50, 16, 16)).astype(np.uint8)
TRUE = np.bincount(LABELS.ravel(), minlength=10)


def entry(cache: Path) -> Path:
    (path,) = cache.glob("*.json")
    return path


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_000])
def test_counts_equal_bincount_at_every_chunk_border(size: int) -> None:
    labels = np.random.default_rng(size).integers(0, 10, size).astype(np.uint8)
    assert count_classes(labels, 10).tolist() == np.bincount(labels, minlength=10).tolist()


def test_counting_never_copies_the_labels_as_int64() -> None:
    labels = np.zeros(20_000_000, dtype=np.uint8)
    tracemalloc.start()
    count_classes(labels, 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < labels.nbytes


def test_label_outside_the_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"label 10 lies outside \[0, 10\)"):
        count_classes(np.array([0, 10], dtype=np.uint8), 10)


@pytest.mark.parametrize(("dtype", "ignore_index"), [(np.uint8, 255), (np.int64, -100)])
@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20, 2_500_000])
def test_padding_is_not_counted(dtype: type, ignore_index: int, size: int) -> None:
    generator = np.random.default_rng(size)
    labels = generator.integers(0, 10, size).astype(dtype)
    padded = np.full((2, size), ignore_index, dtype=dtype)
    places = np.sort(generator.permutation(padded.size)[:size])
    padded.reshape(-1)[places] = labels
    assert count_classes(padded, 10, ignore_index).tolist() == count_classes(labels, 10).tolist()


def test_only_padding_is_no_count_at_all() -> None:
    assert count_classes(np.full((3, 4), 255, dtype=np.uint8), 2, 255).tolist() == [0, 0]


@pytest.mark.parametrize("label", [255, -100])
def test_padding_without_an_ignore_index_is_refused(label: int) -> None:
    with pytest.raises(ValueError, match=rf"label {label} lies outside \[0, 10\); padding needs an ignore_index"):
        count_classes(np.array([0, label]), 10)


def test_cache_is_used_once_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cached_counts(LABELS, 10, tmp_path).tolist() == TRUE.tolist()
    monkeypatch.setattr(counts, "count_classes", lambda *_: pytest.fail("counted again"))
    assert cached_counts(LABELS, 10, tmp_path).tolist() == TRUE.tolist()


def test_other_labels_of_the_same_shape_are_counted_anew(tmp_path: Path) -> None:
    cached_counts(LABELS, 10, tmp_path)
    other = LABELS.copy()
    other[0, 0, 0] ^= 1
    assert cached_counts(other, 10, tmp_path).tolist() == np.bincount(other.ravel(), minlength=10).tolist()


def test_entry_of_other_labels_under_this_name_is_ignored(tmp_path: Path) -> None:
    other = np.zeros_like(LABELS)
    cached_counts(other, 10, tmp_path / "other")
    cached_counts(LABELS, 10, tmp_path / "mine")
    mine = entry(tmp_path / "mine")
    mine.write_bytes(entry(tmp_path / "other").read_bytes())
    with pytest.warns(UserWarning, match="not what was asked for"):
        assert cached_counts(LABELS, 10, tmp_path / "mine").tolist() == TRUE.tolist()
    assert json.loads(mine.read_text())["counts"] == TRUE.tolist()


def test_what_is_ignored_is_part_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_class_0 = [0, *TRUE[1:].tolist()]
    assert cached_counts(LABELS, 10, tmp_path).tolist() == TRUE.tolist()
    assert cached_counts(LABELS, 10, tmp_path, ignore_index=0).tolist() == without_class_0
    assert len({counts.content_key(LABELS, 10, index) for index in (None, 0, 1, 255)}) == 4
    monkeypatch.setattr(counts, "count_classes", lambda *_: pytest.fail("counted again"))
    assert cached_counts(LABELS, 10, tmp_path, ignore_index=0).tolist() == without_class_0
    assert cached_counts(LABELS, 10, tmp_path).tolist() == TRUE.tolist()


def test_key_without_an_ignore_index_is_that_of_earlier_versions() -> None:
    # Caches that exist stay of use.
    assert counts.content_key(np.array([[0, 1], [1, 2]], dtype=np.uint8), 3) == "fafa8fbb56a4dfefe0cd23d712d1a911"


@pytest.mark.parametrize("change", [{"ignored": 0}, {"ignored": -1}, {"ignored": 1.0}, {"ignored": None}])
def test_damaged_number_of_ignored_elements_is_counted_again(tmp_path: Path, change: dict[str, object]) -> None:
    cached_counts(LABELS, 10, tmp_path, ignore_index=0)
    path = entry(tmp_path)
    good = path.read_bytes()
    path.write_bytes(damaged(json.loads(good), **change))
    with pytest.warns(UserWarning, match="counting again"):
        assert cached_counts(LABELS, 10, tmp_path, ignore_index=0)[1:].tolist() == TRUE[1:].tolist()
    assert path.read_bytes() == good


def damaged(payload: dict[str, object], **changes: object) -> bytes:
    return json.dumps(payload | changes).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda p: b"",
        lambda p: damaged(p)[:-20],
        lambda p: b"\x80\x04\x95\xff\x00",
        lambda p: b"[" * 30_000,
        lambda p: damaged(p, counts=[float("nan")] * 10),
        lambda p: damaged(p, counts=[-1] * 10),
        lambda p: damaged(p, counts=[0] * 10),
        lambda p: damaged(p, counts=p["counts"][:9]),
        lambda p: damaged(p, counts=[*p["counts"][:8], p["counts"][9], p["counts"][8], 1]),
        lambda p: damaged(p, counts=[1e308] * 10),
        lambda p: damaged(p, counts=[True] * 10),
        lambda p: damaged(p, format=2),
        lambda p: damaged(p, key="0" * 32),
        lambda p: json.dumps({"counts": p["counts"]}).encode(),
        lambda p: b"7",
    ],
)  # fmt: skip
def test_damaged_entry_is_ignored_with_a_warning_and_rewritten(tmp_path: Path, change) -> None:  # type: ignore[no-untyped-def]
    cached_counts(LABELS, 10, tmp_path)
    path = entry(tmp_path)
    good = path.read_bytes()
    path.write_bytes(change(json.loads(good)))
    with pytest.warns(UserWarning, match="counting again"):
        assert cached_counts(LABELS, 10, tmp_path).tolist() == TRUE.tolist()
    assert path.read_bytes() == good


def test_planted_pickle_is_never_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    cached_counts(LABELS, 10, tmp_path)
    entry(tmp_path).write_bytes(b"cos\nsystem\n(S'touch " + os.fsencode(canary) + b"'\ntR.")
    with pytest.warns(UserWarning, match="counting again"):
        cached_counts(LABELS, 10, tmp_path)
    assert not canary.exists()


def test_cache_folder_that_cannot_exist_costs_a_warning(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.warns(UserWarning, match="not cached"):
        assert cached_counts(LABELS, 10, blocked / "cache").tolist() == TRUE.tolist()


def test_held_lock_delays_but_does_not_block(tmp_path: Path) -> None:
    import fcntl

    key = counts.content_key(LABELS, 10)
    lock = tmp_path / f"class-counts-{key}.lock"
    with lock.open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.warns(UserWarning, match="held by another process"):
            assert cached_counts(LABELS, 10, tmp_path, lock_timeout=0.1).tolist() == TRUE.tolist()


def _count_in_a_process(cache: str, tally: str) -> list[int]:
    def counted(labels: np.ndarray, num_classes: int, ignore_index: int | None) -> np.ndarray:
        with Path(tally).open("a") as file:
            file.write("x")
        return count_classes(labels, num_classes, ignore_index)

    counts.count_classes = counted  # type: ignore[assignment]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return [int(n) for n in cached_counts(LABELS, 10, Path(cache))]


def test_eight_processes_at_once_count_once_and_agree(tmp_path: Path) -> None:
    tally = tmp_path / "tally"
    with multiprocessing.get_context("fork").Pool(8) as pool:
        results = pool.starmap(_count_in_a_process, [(str(tmp_path / "cache"), str(tally))] * 8)
    assert results == [TRUE.tolist()] * 8
    assert tally.read_text() == "x"


@pytest.mark.parametrize("fault", ["link into a file", "read-only", "full"])
def test_cache_that_cannot_be_written_costs_a_warning(tmp_path: Path, fault: str) -> None:
    cache = tmp_path / "cache"
    if fault == "link into a file":
        (tmp_path / "file").touch()
        cache.symlink_to(tmp_path / "file" / "cache")
    else:
        cache.mkdir(mode=0o555 if fault == "read-only" else 0o755)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if fault == "full":
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))
            elif fault == "read-only" and os.geteuid() == 0:  # root may write anywhere
                for folder in (tmp_path, *tmp_path.parents[:-1]):
                    folder.chmod(0o755)
                os.setuid(65534)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                right = cached_counts(LABELS, 10, cache).tolist() == TRUE.tolist()
            code = 0 if right and any("not cached" in str(warning.message) for warning in caught) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(tmp_path.rglob("*.json")) == list(tmp_path.rglob("*.part")) == []
