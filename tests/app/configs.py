"""The parts of a config that rules go by, one of each task."""

from __future__ import annotations

from typing import Any

GRID: dict[str, Any] = {
    "task": {"_target_": "arcvae.grid.task.GridTask"},
    "model": {"_target_": "arcvae.grid.models.beta_vae.BetaVAE", "hidden": 128, "num_colors": 10},
    "trainer": {"_target_": "lightning.pytorch.Trainer", "max_epochs": 5},
}
AUDIO: dict[str, Any] = {
    "task": {"_target_": "arcvae.audio.task.AudioTask"},
    "model": {"_target_": "arcvae.audio.model.AudioCNNv2", "hidden": 512, "num_classes": None},
}
