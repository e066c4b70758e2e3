"""Models that come with arcvae go by name, unless something here has that name."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcvae.app.shipped import SHIPPED, comes_with_arcvae, shipped


def test_names_of_models_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipped(Path("atomic-objects")) == SHIPPED / "atomic-objects.safetensors"
    assert comes_with_arcvae("atomic-objects")
    assert not comes_with_arcvae("atomic-objects.prior")  # a part of one
    assert not comes_with_arcvae("atomic")
    (tmp_path / "atomic-objects").mkdir()
    assert shipped(Path("atomic-objects")) == Path("atomic-objects")
    assert not comes_with_arcvae("atomic-objects")
