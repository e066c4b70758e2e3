"""Records of runs to make pages of."""

from __future__ import annotations

from typing import Any

from arcvae.training.record import RunRecord

HOSTILE = "<script>alert(1)</script>\"'&<img src=//evil.example/x onerror=alert(2)>"


def record(**changes: Any) -> RunRecord:
    """A run of two epochs on three classes, the first of which is the most frequent."""
    results = {"accuracy": 0.75, "balanced_accuracy": 0.5, "f1_macro": 0.4, "loss": 1.25}
    results |= {"per_class_recall": [1.0, 0.5, float("nan")], "per_class_f1": [0.9, 0.3, 0.0]}
    trivial = {"accuracy": 0.6, "balanced_accuracy": 1 / 3, "f1_macro": 0.25, "per_class_recall": [1.0, 0.0, 0.0]}
    values: dict[str, Any] = {
        "run_id": "2026-01-02_run",
        "config_hash": "abc",
        "seed": 7,
        "val": results | {"accuracy": 0.7},
        "test": results,
        "adjusted": {"accuracy": 0.8, "per_class_recall": [0.9, 0.6, 0.0]},
        "baseline": trivial,
        "verdict": {"mode_collapse": False, "balanced_accuracy": 0.5},
        "history": [
            {"epoch": 1, "step": 10, "train/loss": 2.0, "val/loss": 2.5, "val/accuracy": 0.5},
            {"epoch": 2, "step": 20, "train/loss": 1.0, "val/loss": 1.25, "val/accuracy": 0.7},
        ],
        "command": ["python", "-m", "arcvae.train", "seed=7"],
        "config": {"seed": 7},
        "corpus": {"path": "corpus.npz", "sha256": "123"},
        "class_names": ["none", "rare", "rarest"],
        "class_counts": [900, 90, 10],
        "monitor": "val/accuracy",
        "best": 0.7,
        "epochs": 2,
        "train_seconds": 12.0,
        "software": {"python": "3.11", "packages": {"torch": "2"}},
    }
    return RunRecord(**{**values, **changes})
