"""From a config to the objects of a run: what the corpus fills in, and what does not go together."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from arcvae.app.assembly import Run, assemble
from arcvae.app.compose import plan
from arcvae.errors import ConfigError
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.training.checkpoint import RunStamp
from arcvae.training.clock import ClockCallback
from tests.conftest import FAST, FAST_CLIPS


def config_for(corpus: Path, *words: str) -> dict[str, Any]:
    clips = any("audio" in word for word in words)
    (config,) = plan("train", [f"data.path={corpus}", *(FAST_CLIPS if clips else FAST), "logger=none", *words])
    return config


def assembled(config: dict[str, Any], folder: Path) -> Run:
    return assemble(config, copy.deepcopy(config), folder)


def test_run_is_made_of_what_the_config_says(tiny_corpus: Path, tmp_path: Path) -> None:
    config = config_for(tiny_corpus, "loss=option_b", "loss.smoothing=3")
    run = assembled(config, tmp_path)
    assert isinstance(run.module.model, BetaVAE)
    assert run.module.model.latent_dim == config["model"]["latent_dim"]
    counts = np.bincount(np.load(tiny_corpus, allow_pickle=False)["train"].ravel())
    assert run.counts.tolist() == counts.tolist()
    expected = 1 / np.sqrt(counts + 3)
    assert run.weights == pytest.approx(expected * 10 / expected.sum())
    assert run.module.loss.class_weights.tolist() == pytest.approx(run.weights.tolist())
    assert run.trainer.max_epochs == 2
    callbacks = run.trainer.callbacks  # type: ignore[attr-defined]
    (checkpoint,) = (callback for callback in callbacks if isinstance(callback, ModelCheckpoint))
    assert checkpoint.dirpath == str(tmp_path / "checkpoints")
    first = next(callback for callback in callbacks if type(callback).__module__.startswith("arcvae"))
    assert isinstance(first, ClockCallback)  # the others see the time of the batch, not of the one before


def test_checkpoints_are_stamped_with_the_config_as_it_may_be_written_down(tiny_corpus: Path, tmp_path: Path) -> None:
    config = config_for(tiny_corpus)
    run = assemble(config, {**copy.deepcopy(config), "tags": ["${oc.env:SECRET}"]}, tmp_path)
    (stamp,) = (one for one in run.trainer.callbacks if isinstance(one, RunStamp))  # type: ignore[attr-defined]
    checkpoint: dict[str, Any] = {}
    stamp.on_save_checkpoint(run.trainer, run.module, checkpoint)
    assert checkpoint["arcvae"]["config"]["tags"] == ["${oc.env:SECRET}"]
    assert checkpoint["arcvae"]["class_counts"] == run.counts.tolist()
    assert checkpoint["arcvae"]["class_weights"] is None


@pytest.mark.slow
def test_equal_seeds_give_equal_weights(tiny_corpus: Path, tmp_path: Path) -> None:
    def start(seed: int) -> torch.Tensor:
        run = assembled(config_for(tiny_corpus, f"seed={seed}"), tmp_path)
        return torch.cat([parameter.detach().flatten() for parameter in run.module.parameters()])

    assert torch.equal(start(1), start(1))
    assert not torch.equal(start(1), start(2))


def test_corpus_fills_in_what_the_config_leaves_to_it(tiny_clips: Path, tmp_path: Path) -> None:
    config = config_for(tiny_clips, "experiment=audio_cnn", "model.num_classes=null")
    shown = copy.deepcopy(config)
    run = assemble(config, shown, tmp_path)
    assert config["model"]["num_classes"] == shown["model"]["num_classes"] == run.module.num_classes == 4
    with pytest.raises(ConfigError, match=rf"model.num_classes=7 but the clips of {tiny_clips} have 4; set it to that"):
        assembled(config_for(tiny_clips, "experiment=audio_cnn", "model.num_classes=7"), tmp_path)


def test_factor_for_each_class_has_to_fit_the_classes(tiny_clips: Path, tmp_path: Path) -> None:
    words = ("experiment=audio_cnn", "loss=focal")
    assembled(config_for(tiny_clips, *words, "loss.alpha=[1,1,1,2]"), tmp_path)
    with pytest.raises(ConfigError, match="alpha"):
        assembled(config_for(tiny_clips, *words, "loss.alpha=[1,1,2]"), tmp_path)


def test_monitor_has_to_be_logged(tiny_corpus: Path, tiny_clips: Path, tmp_path: Path) -> None:
    message = r"monitor=val/object_fl is not logged \(did you mean val/object_f1\?\); choose one of .*val/active_dims"
    with pytest.raises(ConfigError, match=message):
        assembled(config_for(tiny_corpus, "monitor=val/object_fl"), tmp_path)
    with pytest.raises(ConfigError, match=r"monitor=val/object_f1 is not logged"):  # clips have no objects
        assembled(config_for(tiny_clips, "experiment=audio_cnn", "monitor=val/object_f1"), tmp_path)


def test_every_result_that_is_offered_may_choose_the_best(tiny_clips: Path, tmp_path: Path) -> None:
    names = assembled(config_for(tiny_clips, "experiment=audio_cnn"), tmp_path).module.result_names()
    assert {"f1_macro", "minority_recall", "loss"} <= set(names)
    assert "kl" not in names


def test_part_that_the_task_needs_has_to_be_there(tiny_corpus: Path, tmp_path: Path) -> None:
    config = config_for(tiny_corpus) | {"beta": None}
    with pytest.raises(ConfigError, match="beta is missing; the task 'grids' needs it"):
        assembled(config, tmp_path)
    config = config_for(tiny_corpus) | {"scheduler": None}
    assert assembled(config, tmp_path).module.make_scheduler is None


def test_plugin_is_imported_before_anything_is_built(
    tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_model.py").write_text(
        "from arcvae.grid.models.beta_vae import BetaVAE\nclass Mine(BetaVAE): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = config_for(tiny_corpus)
    config["model"]["_target_"] = "my_model.Mine"
    with pytest.raises(ConfigError, match=r"model._target_=my_model.Mine is not among what may be built"):
        assembled(copy.deepcopy(config), tmp_path)
    run = assembled(config | {"plugins": ["my_model"]}, tmp_path)
    assert type(run.module.model).__name__ == "Mine"
