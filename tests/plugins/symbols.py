"""A complete third task in one file of a user's: restore strings of symbols, some of them rare, from noisy ones.

``python -m arcvae.train 'plugins=[symbols]' task=symbols data=symbols model=symbols experiment=symbols``
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.core.config_store import ConfigStore
from torch import Tensor, nn
from torch.utils.data import DataLoader

from arcvae.errors import CheckpointError, DataError
from arcvae.imbalance.counts import count_classes
from arcvae.io.files import sha256, write_atomic
from arcvae.io.npz import read_npz
from arcvae.io.settings import Number, Settings, Text
from arcvae.io.tensors import fill
from arcvae.training.batches import BatchIndices, TensorBatches, batch_loader
from arcvae.training.data import ImbalanceDataModule
from arcvae.training.module import ImbalanceModule, StepOutput
from arcvae.training.predictor import Predictor
from arcvae.training.task import Task

SYMBOLS = "_abxyz"
LENGTH = 12
SPLITS = ("train", "val", "test")
SHARES = (0.8, 0.1, 0.05, 0.03, 0.015, 0.005)
"""Most symbols are blanks, few are z."""


def write_corpus(path: Path, count: int, seed: int) -> None:
    """Strings ``(N, 12)`` of symbols, and features ``(N, 6, 12)`` from which they can be restored."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, Any] = {}
    for split, share in zip(SPLITS, (0.8, 0.1, 0.1), strict=True):
        strings = rng.choice(len(SYMBOLS), (int(share * count), LENGTH), p=SHARES).astype(np.uint8)
        noise = rng.normal(0, 0.5, (*strings.shape, len(SYMBOLS)))
        features = np.eye(len(SYMBOLS))[strings] + noise
        arrays |= {split: strings, f"{split}_features": features.transpose(0, 2, 1).astype(np.float32)}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomic(path, buffer.getvalue())


class SymbolData(ImbalanceDataModule):
    """Batches of features ``(B, 6, 12)`` and strings ``(B, 12)``."""

    num_classes = len(SYMBOLS)
    class_names = tuple(SYMBOLS)

    def __init__(
        self, path: str | None = None, *, count: int = 500, batch_size: int = 32, corpus_dir: str = "outputs/corpora",
        max_bytes: float = 4e9, seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.corpus_path = Path(path or f"{corpus_dir}/symbols-{count}.npz")
        self.count, self.batch_size, self.max_bytes, self.seed = count, batch_size, max_bytes, seed

    def prepare_data(self) -> None:
        if not self.corpus_path.exists():
            write_corpus(self.corpus_path, self.count, 0)
        names = [*SPLITS, *(f"{split}_features" for split in SPLITS)]
        self.arrays = read_npz(self.corpus_path, names, max_bytes=self.max_bytes)

    @property
    def class_counts(self) -> Any:
        return count_classes(self.arrays["train"], self.num_classes)

    @property
    def content_hash(self) -> str:
        return sha256(b"".join(self.arrays[name].tobytes() for name in sorted(self.arrays)))

    def targets(self, split: str) -> Tensor:
        return torch.from_numpy(self.arrays[split])

    def describe(self) -> str:
        return f"whole train split of {self.corpus_path}"

    def _loader(self, split: str, limit: int | None = None, seed: int | None = None) -> DataLoader[Any]:
        features = torch.from_numpy(self.arrays[f"{split}_features"])[:limit]
        batches = TensorBatches(features, targets=self.targets(split)[:limit])
        return batch_loader(batches, BatchIndices(len(features), self.batch_size, seed=seed))

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader("train", seed=self.seed)

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Any]:
        return self._loader("test")

    def evaluation_loader(self, split: str, limit: int | None = None) -> DataLoader[Any]:
        return self._loader(split, limit)


class SymbolModel(nn.Module):
    """Features ``(N, 6, 12)`` to logits ``(N, 6, 12)``."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(len(SYMBOLS), width, 1), nn.ReLU(), nn.Conv1d(width, len(SYMBOLS), 1))

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


class SymbolModule(ImbalanceModule):
    """Cross-entropy, or whatever the loss is, of each symbol."""

    def __init__(self, task: Task[Any, Any], model: SymbolModel, *arguments: Any, seed: int) -> None:
        super().__init__(task, *arguments, num_classes=len(SYMBOLS), seed=seed)
        self.model = model

    def step(self, batch: tuple[Tensor, Tensor], stage: str) -> StepOutput:
        features, strings = batch
        logits = self.model(features)
        return StepOutput(self.loss(logits, strings), logits, strings)


class SymbolTask(Task[SymbolModule, SymbolData]):
    """Symbols from noisy features; the blank is the background."""

    name = "strings"
    sample_unit = "strings"
    element_unit = "symbols"
    background = 0
    headline = ("accuracy", "object_f1", "balanced_accuracy", "exact_match")
    trivial_name = "all-blank"
    collapse_metrics = ("predicted_background_share", "object_recall")
    adjustment_metric = "object_f1"
    study_settings = ("letters",)

    def check_corpus(self, data: Mapping[str, Any], model: Mapping[str, Any]) -> None:
        (strings,) = read_npz(data["path"], ["train"]).values()
        if strings.shape[1:] != (LENGTH,):
            raise DataError(f"{data['path']}: train has shape {strings.shape}, expected (N, {LENGTH})")

    def build_module(
        self, model: Any, loss: Any, optimizer: Any, scheduler: Any, *, seed: int, **_: Any
    ) -> SymbolModule:
        return SymbolModule(self, model, loss, optimizer, scheduler, seed=seed)

    def study(self, *_: Any, letters: str = "z", folder: Path, **__: Any) -> dict[str, Any]:
        (folder / "letters.txt").write_text(letters)
        return {"letters": letters}

    def exports(self, module: SymbolModule) -> dict[str, dict[str, Any]]:
        return {"restorer": module.model.state_dict()}

    def load(self, export: Mapping[str, Any], path: Path, *, device: str = "cpu", **_: Any) -> Predictor:
        try:
            model = SymbolModel(export["model"]["width"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{path} does not say how wide its model is ({error})") from None
        fill(model, export["state_dict"], path)
        return Predictor(model.to(device), SYMBOLS, logit_adjustment=export.get("logit_adjustment"), path=path)


SETTINGS = Settings(
    rules={
        "data.count": Number(10, 1e6, integer=True),
        "model.width": Number(1, 64, integer=True),
        "letters": Text(optional=True),
    },
    builds=(f"{__name__}.",),
)

store = ConfigStore.instance()
store.store("symbols", {"_target_": f"{__name__}.SymbolTask"}, group="task")
store.store(
    "symbols",
    {
        "_target_": f"{__name__}.SymbolData", "path": None, "count": 500, "batch_size": 32, "max_bytes": 4e9,
        "corpus_dir": "${output_dir}/corpora", "seed": "${seed}",
    },
    group="data",
)  # fmt: skip
store.store("symbols", {"_target_": f"{__name__}.SymbolModel", "width": 8}, group="model")
store.store(
    "symbols",
    {
        "defaults": [
            {"override /task": "symbols"}, {"override /data": "symbols"}, {"override /model": "symbols"},
            {"override /loss": "option_b"}, {"override /beta": None}, {"override /callbacks": "base"},
        ],
        "monitor": "val/object_f1",
    },
    group="experiment", package="_global_",
)  # fmt: skip
