"""What W&B and TensorBoard are given, read back from the files that a run without network leaves."""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FAST, Command, runs

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
            record = wandb_internal_pb2.Record()
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
    from arcvae.train import main

    folder = tmp_path_factory.mktemp("sweep")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_API_KEY", "WANDB_MODE"):
            patch.delenv(name, raising=False)
        patch.chdir(folder)
        arguments = ["-m", "loss.gamma=0,2", "logger=wandb", "tags=[one,two]", "trainer.log_every_n_steps=1"]
        patch.setattr("sys.argv", ["arcvae.train", f"data.path={tiny_corpus}", *FAST, *arguments])
        assert main() == 0
    return folder


def test_jobs_of_a_sweep_are_runs_of_one_group(sweep: Path) -> None:
    found = [records(path)["run"][0] for path in wandb_files(sweep)]
    (folder,) = (sweep / "outputs" / "sweeps").iterdir()
    assert [run.run_group for run in found] == [folder.name] * 2
    assert sorted(run.display_name for run in found) == ["0", "1"]
    assert len({run.run_id for run in found}) == 2
    assert all(list(run.tags) == ["one", "two"] for run in found)


def test_run_carries_config_figures_pictures_table_and_files(sweep: Path) -> None:
    path = next(path for path in wandb_files(sweep) if "/0/" in str(path))
    found = records(path)
    config = {}
    for update in [found["run"][0].config, *found["config"]]:
        config |= {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in update.update}
    assert config["loss"]["gamma"] == 0
    assert config["run_id"] == "0"
    assert config["seed"] == 42
    names: dict[str, Any] = {}
    for row in found["history"]:
        names |= {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in row.item}
    step = {"loss", "reconstruction", "kl", "beta", "effective_beta", "learning_rate", "gradient_norm", "epoch"}
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


def test_tensorboard_shows_the_same_scalars_and_pictures(train: Command, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert train("logger=tensorboard", *FAST, "trainer.log_every_n_steps=1") == 0
    (folder,) = runs(tmp_path)
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert set(tags["images"]) == PICTURES
    assert {"step/loss", "step/beta", "val/object_f1", "val/kl_per_dim/0", "test/exact_match"} <= set(tags["scalars"])
    assert any("per_class" in tag for tag in tags["tensors"])


def test_server_that_does_not_answer_leaves_an_offline_run(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    assert train("logger=wandb", *FAST, "trainer.max_epochs=1") == 0
    assert "W&B does not answer: this run stays offline" in capsys.readouterr().out
    assert len(wandb_files(tmp_path)) == 1


def test_logger_that_fails_costs_a_warning(
    train: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from torch.utils.tensorboard import SummaryWriter

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(SummaryWriter, "add_image", full)
    assert train("logger=tensorboard", *FAST, "trainer.max_epochs=1") == 0
    assert "TensorBoardLogger did not take samples: no space left on device" in capsys.readouterr().out
