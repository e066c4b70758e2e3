"""A config may build what rooms and plugins state, and one that comes out of a file less."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from arcvae.app.trust import foreign_targets, target_problems, trusted
from arcvae.io.renamed import RENAMED

BETA_VAE = {"_target_": "arcvae.grid.models.beta_vae.BetaVAE"}


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("arcvae.grid.models.beta_vae.BetaVAE", True),
        ("arcvae.grid.models.beta_vae", True),  # is looked at again when it is built
        ("arcvae.grid.task.GridTask", True),
        ("arcvae.audio.task.AudioTask", True),
        ("arcvae.imbalance.losses.make_loss", True),
        ("torch.optim.AdamW", True),
        ("lightning.pytorch.Trainer", True),
        ("torchmetrics.Accuracy", True),
        ("arcvae.grid.task.GridTask.load", False),
        ("arcvae.grid.codec.Codec", False),
        ("arcvae.io.files.write_json", False),
        ("arcvae.train.main", False),
        ("arcvae.grid.modelsx.X", False),
        ("torch.optimizer.x", False),
        ("torch.load", False),
        ("os.system", False),
        ("mine.model", False),
        ("", False),
        (None, False),
        (["os.system"], False),
    ],
)
def test_only_what_a_room_states_may_be_built(target: Any, allowed: bool) -> None:
    assert trusted(target, ()) is allowed


def test_plugin_opens_itself_and_what_it_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(
        "from arcvae.io.settings import Settings\nSETTINGS = Settings(builds=('elsewhere.models.',))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    for target in ("mine.model", "elsewhere.models.Deep"):
        assert trusted(target, ["mine"])
        assert not trusted(target, [])
    assert not trusted("minexx.model", ["mine"])
    assert not trusted("os.system", ["mine"])
    del sys.modules["mine"]


@pytest.mark.parametrize("former", RENAMED)
def test_target_of_an_earlier_version_leads_to_that_of_today(former: str) -> None:
    (problem,) = target_problems({"model": {"_target_": former}}, ())
    assert problem == f"model._target_={former} is now {RENAMED[former]}"
    assert trusted(RENAMED[former], ())


def test_file_may_build_nothing_but_arcvaes_own_and_plugins() -> None:
    assert foreign_targets({"model": BETA_VAE, "trainer": {"_target_": "lightning.pytorch.Trainer"}}) == [
        "trainer._target_=lightning.pytorch.Trainer is not arcvae's; if it is yours, name its module in plugins"
    ]
    assert foreign_targets({"model": {"_target_": "mine.M"}, "plugins": ["mine"]}) == []
    nested = {"model": {"_target_": "arcvae.grid.models.x.X", "latent_dim": {"_target_": "os.system"}}}
    assert foreign_targets(nested) == ["model.latent_dim._target_ is more than a value"]
