"""What W&B and TensorBoard are given, read back from the files that a run without network leaves."""

from __future__ import annotations

import io
import json
import logging
import struct
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]
from torch.utils.tensorboard import SummaryWriter

from arcvae.training.callbacks import PerClassRecall
from arcvae.training.loggers import SteadyWandbLogger, log_picture, log_run_files, log_table, shows_pictures
from tests.conftest import PICTURED, run_command
from tests.training.tiny import TinyData, build, trainer

PICTURES = {"reconstructions", "samples", "codes"}


def records(path: Path) -> dict[str, list[Any]]:
    """The records of an offline W&B run by type: a LevelDB log of messages that the package defines."""
    from wandb.proto import wandb_internal_pb2

    content = path.read_bytes()
    assert content[:4] == b":W&B"
    found = defaultdict(list)
    block, header, position, message = 32768, 7, 7, b""
    while position + header <= len(content):
        if block - position % block < header:  # what is left of a block is padding
            position += block - position % block
            continue
        _, length, kind = struct.unpack("<IHB", content[position : position + header])
        message += content[position + header : position + header + length]
        position += header + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]
            record.ParseFromString(message)
            name = record.WhichOneof("record_type")
            found[name].append(getattr(record, name))
            message = b""
    return found


def wandb_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.wandb") if not path.parent.is_symlink())


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path) -> Path:
    """A sweep of two jobs with W&B, offline."""
    folder = tmp_path_factory.mktemp("sweep")
    arguments = (
        "-m",
        "loss.gamma=0,2",
        "logger=wandb",
        "tags=[one,two]",
        "trainer.log_every_n_steps=1",
        "trainer.max_epochs=1",
    )
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_API_KEY", "WANDB_MODE"):
            patch.delenv(name, raising=False)
        assert run_command("train", f"data.path={tiny_corpus}", *PICTURED, *arguments, folder=folder) == 0
    return folder


@pytest.mark.slow
def test_jobs_of_a_sweep_are_runs_of_one_group(sweep: Path) -> None:
    found = [records(path)["run"][0] for path in wandb_files(sweep)]
    (folder,) = (sweep / "outputs" / "sweeps").iterdir()
    assert [run.run_group for run in found] == [folder.name] * 2
    assert sorted(run.display_name for run in found) == ["0", "1"]
    assert len({run.run_id for run in found}) == 2
    assert all(list(run.tags) == ["one", "two"] for run in found)


@pytest.mark.slow
def test_run_carries_config_figures_pictures_table_and_files(sweep: Path) -> None:
    path = next(path for path in wandb_files(sweep) if "/0/" in str(path))
    found = records(path)
    config: dict[str, Any] = {}
    for update in [found["run"][0].config, *found["config"]]:
        config |= {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in update.update}
    assert config["loss"]["gamma"] == 0
    assert config["run_id"] == "0"
    assert config["seed"] == 42
    names: dict[str, Any] = {}
    for row in found["history"]:
        names |= {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in row.item}
    step = {"loss", "reconstruction", "kl", "beta", "beta_per_grid", "learning_rate", "gradient_norm", "epoch"}
    assert {f"step/{name}" for name in step} <= names.keys()
    assert {"val/object_f1", "val/balanced_accuracy", "val/exact_match", "test/object_f1"} <= names.keys()
    assert {f"val/kl_per_dim/{index}" for index in range(10)} <= names.keys()
    assert {f"val/per_class_recall/{index}" for index in range(10)} <= names.keys()
    assert all(names[f"{picture}/_type"] == "images/separated" for picture in PICTURES)
    assert names["val/per_class/_type"] == "table-file"
    assert (names["val/per_class/nrows"], names["val/per_class/ncols"]) == (10, 5)
    media = {file.name.split("_")[0] for file in path.parent.rglob("media/images/*.png")}
    assert media == PICTURES
    sets = [({entry.path for entry in a.manifest.contents}, set(a.aliases)) for a in found["artifact"]]
    assert ({"best.ckpt"}, {"best", "latest"}) in sets  # W&B itself adds latest, and moves it on to the next version
    assert ({"last.ckpt"}, {"latest"}) in sets
    exports, aliases = sets[-1]
    assert {"metrics.json", "vae_best.pth", "vae_best.safetensors"} <= exports
    assert aliases == {"best", "latest"}
    assert found["exit"][0].exit_code == 0


def tensorboard(folder: Path) -> tuple[Trainer, TensorBoardLogger]:
    logger = TensorBoardLogger(folder, name="", version="")
    return trainer(folder, PerClassRecall(), logger=logger), logger


def test_tensorboard_shows_scalars_pictures_and_the_table_of_classes(tmp_path: Path) -> None:
    fit, logger = tensorboard(tmp_path)
    assert shows_pictures(fit)
    fit.fit(build(), TinyData())
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    log_picture(fit, "tiny", png.getvalue())
    logger.experiment.flush()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    (picture,) = events.Images("tiny")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture.encoded_image_string))), pixels)
    assert {"train/loss", "val/accuracy", "val/per_class_recall/2"} <= set(events.Tags()["scalars"])
    (name,) = [tag for tag in events.Tags()["tensors"] if "per_class" in tag]
    first, last = events.Tensors(name)  # one for each epoch
    rows = last.tensor_proto.string_val[0].decode().splitlines()
    assert rows[0] == "| class | name | recall | f1 | iou |"
    assert [row.split(" | ")[1] for row in rows[2:]] == ["0", "1", "2"]
    assert first.step < last.step


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("failing", ["add_image", "add_text"])
def test_logger_that_fails_costs_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failing: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(SummaryWriter, failing, full)
    fit, _ = tensorboard(tmp_path)
    png = io.BytesIO()
    Image.new("L", (2, 2)).save(png, "PNG")
    log_picture(fit, "tiny", png.getvalue())
    log_table(fit, "rows", ("a", "b"), [(1, 2.5)])
    name = "tiny" if failing == "add_image" else "rows"
    assert warnings(caplog) == [f"TensorBoardLogger could not log {name}: no space left on device"]


def test_loggers_that_show_nothing_are_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fit = trainer(tmp_path, logger=CSVLogger(tmp_path))
    assert not shows_pictures(fit)
    log_picture(fit, "tiny", b"no picture at all")
    log_table(fit, "rows", ("a",), [(1,)])
    log_run_files(fit, tmp_path)
    assert warnings(caplog) == []


class Broken:
    """A run of W&B whose process is gone."""

    def __init__(self) -> None:
        self.calls = 0

    def log(self, *_: Any) -> None:
        self.calls += 1
        raise BrokenPipeError("the process is gone")

    @property
    def config(self) -> Any:
        raise BrokenPipeError("the process is gone")


def test_wandb_that_dies_costs_one_warning_and_not_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = Broken()
    logger = SteadyWandbLogger(save_dir=tmp_path, experiment=run)
    logger.log_hyperparams({"a": 1})
    for step in range(3):
        logger.log_metrics({"loss": 1.0}, step)
    assert run.calls == 3
    logger.finalize("success")
    (warning,) = caplog.messages
    assert warning == "W&B could not log the config, and no further error of it is shown: the process is gone"
