"""Exports say all that it takes to use them, whatever version wrote them; anything else is refused, not guessed."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from arcvae.errors import CheckpointError
from arcvae.io.exports import (
    CHECKPOINT_FORMAT,
    EXPORT_FORMAT,
    check_digest,
    main_export,
    model_state,
    read_checkpoint,
    read_export,
    write_exports,
)
from arcvae.io.tensors import load_torch, save_safetensors, save_torch

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.steps": torch.tensor(7), "b": torch.tensor([math.pi, -0.0])}
FACTS: dict[str, Any] = {
    "task": {"_target_": "mine.tasks.Words"},
    "model": {"_target_": "mine.Model", "widths": [3, 4], "dropout": 0.1},
    "class_names": ["rare", "frequent"],
    "preprocessing": {"rate": 7},
    "logit_adjustment": {"tau": -0.02, "class_counts": [1, 99], "metric": "f1_macro", "tuned_on": "val"},
    "version": "1.2.3",
}
GRIDS, CLIPS = "arcvae.grid.task.GridTask", "arcvae.audio.task.AudioTask"
WEIGHTS = Path(__file__).parents[2] / "arcvae" / "weights"
GOLDEN = Path(__file__).parents[1] / "golden" / "0.1.0"


def written(folder: Path, **changes: Any) -> Path:
    """An export of format 2 with some entries of its header replaced, or left out if they are ``...``."""
    content = {"format": EXPORT_FORMAT, "part": "tagger", **FACTS, "state_dict": STATE} | changes
    save_torch(folder / "e.pth", {key: value for key, value in content.items() if value is not ...})
    return folder / "e.pth"


def format_1(folder: Path, part: str, model: dict[str, Any], **changes: Any) -> Path:
    """An export as 0.1.0 wrote them."""
    decision = {"prior_strength": 0.44, "class_counts": [22, 1], "metric": "f1_macro", "tuned_on": "val"}
    content = {"format": 1, "part": part, "model": model, "decision": decision, "state_dict": STATE} | changes
    save_torch(folder / "old.pth", {key: value for key, value in content.items() if value is not ...})
    return folder / "old.pth"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_is_written_is_read_in_either_form(tmp_path: Path, suffix: str) -> None:
    parts = {"tagger": STATE, "half_2": {"b": STATE["b"]}}
    write_exports(tmp_path, parts, FACTS)
    assert {path.name for path in tmp_path.iterdir()} == {
        "exports.json", "tagger.pth", "tagger.safetensors", "half_2.pth", "half_2.safetensors",
    }  # fmt: skip
    for name, state in parts.items():
        export = read_export(tmp_path / f"{name}{suffix}")
        found = export.pop("state_dict")
        assert found.keys() == state.keys()
        for key, tensor in state.items():
            assert found[key].dtype == tensor.dtype
            assert found[key].numpy().tobytes() == tensor.numpy().tobytes()
        assert export == {"format": EXPORT_FORMAT, "part": name, **FACTS}


def test_views_and_tensors_with_gradients_are_exported_by_value(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.arange(12.0).view(3, 4))
    write_exports(tmp_path, {"part": {"turned": weight.T, "row": weight[1]}}, FACTS)
    for suffix in (".pth", ".safetensors"):
        found = read_export(tmp_path / f"part{suffix}")["state_dict"]
        assert torch.equal(found["turned"], weight.detach().T)
        assert torch.equal(found["row"], weight.detach()[1])
        assert not found["turned"].requires_grad


@pytest.mark.parametrize("name", ["", "../up", "a/b", "Encoder", "1st", "a" * 65, "a.b", ".hidden"])
def test_part_needs_a_name_that_is_a_file_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name an export"):
        write_exports(tmp_path, {"good": STATE, name: STATE}, FACTS)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CheckpointError, match="not an export of arcvae"):
        read_export(written(tmp_path, part=name))


def test_shipped_export_of_format_1_is_upgraded_and_its_file_left_alone() -> None:
    path = WEIGHTS / "atomic-d10.safetensors"
    recorded = json.loads(path.with_suffix(".json").read_text())
    export = read_export(path)
    assert export["logit_adjustment"] == {
        "tau": -0.02,
        **{key: value for key, value in recorded["decision"].items() if key != "prior_strength"},
    }
    assert export["task"] == {"_target_": GRIDS}
    assert export["model"]["_target_"] == "arcvae.grid.models.spatial.SpatialVAE"
    assert (export["part"], export["class_names"], export["version"]) == ("vae_best", None, None)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == recorded["sha256"]


@pytest.mark.parametrize(
    ("part", "model", "task"),
    [
        ("vae_best", "arcvae.grid.model.BetaVAE", {"_target_": GRIDS}),
        ("encoder", "mine.Model", {"_target_": GRIDS}),
        ("decoder", "arcvae.grid.spatial.SpatialVAE", {"_target_": GRIDS}),
        ("classifier", "arcvae.audio.model.AudioCNN", {"_target_": CLIPS}),
        ("classifier", "mine.Model", {"_target_": CLIPS}),
        ("tagger", "arcvae.audio.model.AudioCNNv2", {"_target_": CLIPS}),
        ("tagger", "mine.Model", {}),
    ],
)
def test_format_1_is_upgraded(tmp_path: Path, part: str, model: str, task: dict[str, str]) -> None:
    export = read_export(format_1(tmp_path, part, {"_target_": model, "latent_dim": 4}))
    assert export["task"] == task
    assert export["part"] == part
    assert export["model"]["latent_dim"] == 4
    assert export["logit_adjustment"] == {
        "tau": 0.44, "class_counts": [22, 1], "metric": "f1_macro", "tuned_on": "val",
    }  # fmt: skip
    assert "decision" not in export


def test_format_1_without_a_decision_has_no_adjustment(tmp_path: Path) -> None:
    for decision in (..., None):
        path = format_1(tmp_path, "vae_best", {"_target_": "arcvae.grid.model.BetaVAE"}, decision=decision)
        assert read_export(path)["logit_adjustment"] is None
    for decision in ({"tau": 1.0}, "0.5"):
        path = format_1(tmp_path, "vae_best", {"_target_": "arcvae.grid.model.BetaVAE"}, decision=decision)
        with pytest.raises(CheckpointError, match="decision without prior_strength"):
            read_export(path)


@pytest.mark.parametrize("task", ["grid", "audio"])
def test_checkpoint_is_read_as_an_export_of_the_whole_model(task: str) -> None:
    folder = GOLDEN / task
    checkpoint, best = read_export(folder / "checkpoints" / "best.ckpt"), read_export(main_export(folder))
    assert checkpoint["part"] is None
    assert checkpoint["task"] == best["task"]
    assert checkpoint["model"] == best["model"]
    assert checkpoint["class_names"] == json.loads((folder / "metrics.json").read_text())["class_names"]
    assert checkpoint["logit_adjustment"] is None
    assert checkpoint["state_dict"].keys() == best["state_dict"].keys()
    assert all(torch.equal(tensor, best["state_dict"][key]) for key, tensor in checkpoint["state_dict"].items())


JUNK = (None, True, 0, -1, 3, 2.5, math.nan, math.inf, "", "text", [], [1, "a"], {}, {"_target_": 7}, torch.zeros(2))


@pytest.mark.parametrize("key", ["format", "part", *FACTS, "state_dict"])
def test_junk_in_the_header_is_refused_or_harmless(tmp_path: Path, key: str) -> None:
    kept = 0
    for junk in (*JUNK, ...):
        try:
            export = read_export(written(tmp_path, **{key: junk}))
        except CheckpointError:
            continue
        kept += 1
        assert isinstance(export["task"].get("_target_", ""), str)
        assert isinstance(export["model"], dict)
        assert all(isinstance(tensor, torch.Tensor) for tensor in export["state_dict"].values())
        names, entry = export["class_names"], export["logit_adjustment"]
        assert names is None or all(isinstance(name, str) for name in names)
        assert export["version"] is None or isinstance(export["version"], str)
        assert entry is None or (math.isfinite(entry["tau"]) and sum(entry["class_counts"]) > 0)
    assert kept < len(JUNK) or key == "version"


@pytest.mark.parametrize(
    "entry",
    [
        {"tau": math.nan, "class_counts": [1, 2]},
        {"tau": True, "class_counts": [1, 2]},
        {"tau": "1", "class_counts": [1, 2]},
        {"class_counts": [1, 2]},
        {"tau": 1.0},
        {"tau": 1.0, "class_counts": []},
        {"tau": 1.0, "class_counts": [0, 0]},
        {"tau": 1.0, "class_counts": [1, -1]},
        {"tau": 1.0, "class_counts": [1.0, 2.0]},
    ],
)
def test_adjustment_that_cannot_be_applied_is_refused(tmp_path: Path, entry: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="logit_adjustment without a finite tau and class_counts"):
        read_export(written(tmp_path, logit_adjustment=entry))


def test_newer_formats_ask_for_an_update(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"has format 3, this arcvae knows {EXPORT_FORMAT}; update arcvae"):
        read_export(written(tmp_path, format=3))
    content = load_torch(GOLDEN / "audio" / "checkpoints" / "best.ckpt")
    content["arcvae"] = content["arcvae"] | {"format": CHECKPOINT_FORMAT + 1}
    save_torch(tmp_path / "c.ckpt", content)
    for read in (read_checkpoint, read_export):
        with pytest.raises(CheckpointError, match=f"has format {CHECKPOINT_FORMAT + 1}, .* update arcvae"):
            read(tmp_path / "c.ckpt")


def test_other_files_are_told_by_what_they_are(tmp_path: Path) -> None:
    export = written(tmp_path)
    with pytest.raises(CheckpointError, match=r"is an export \(tagger\); give a checkpoint of arcvae\.train"):
        read_checkpoint(export)
    others = {
        "a bare state dict": STATE,
        "the class weights of a run": {"class_weights": torch.ones(2)},
        "a Lightning checkpoint of another program": {"pytorch-lightning_version": "2.6", "state_dict": STATE},
        "something else": {"x": 1},
    }
    for what, content in others.items():
        save_torch(tmp_path / "o.pth", content)
        with pytest.raises(CheckpointError, match=f"is {what}, not an export of arcvae; give one that exports.json"):
            read_export(tmp_path / "o.pth")
        with pytest.raises(CheckpointError, match=f"is {what}; give a checkpoint of arcvae.train"):
            read_checkpoint(tmp_path / "o.pth")
    with pytest.raises(CheckpointError, match="is a prior without its model, not an export"):
        read_export(WEIGHTS / "atomic-d10.prior.safetensors")
    save_safetensors(tmp_path / "o.safetensors", STATE, {"format": 2, "part": "tagger", "model": 7})
    with pytest.raises(CheckpointError, match="lacks the config or the weights of its model"):
        read_export(tmp_path / "o.safetensors")


def test_checkpoint_is_read_under_present_names_and_without_what_it_needs_refused(tmp_path: Path) -> None:
    path = GOLDEN / "grid" / "checkpoints" / "best.ckpt"
    content = load_torch(path)
    config = read_checkpoint(path)["arcvae"]["config"]
    assert config["task"] == {"_target_": GRIDS}
    assert config["data"]["_target_"] == "arcvae.grid.corpus.data.GridDataModule"
    since = {"_target_": "arcvae.grid.models.beta_vae.BetaVAE", "head": "linear", "scale": 30.0}
    assert config["model"] == content["arcvae"]["config"]["model"] | since
    stamp = content["arcvae"]
    for changed, message in (
        ({**stamp, "config": {**stamp["config"], "data": 7}}, "lacks data; it cannot be used"),
        ({key: value for key, value in stamp.items() if key != "class_counts"}, "lacks class_counts"),
        ({**stamp, "format": "1"}, "was not written by arcvae.train"),
        ({**stamp, "config": None}, "was not written by arcvae.train"),
        (None, "is a Lightning checkpoint of another program"),
    ):
        save_torch(tmp_path / "c.ckpt", {**content, "arcvae": changed})
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(tmp_path / "c.ckpt")


def test_weights_of_the_model_are_those_and_no_others() -> None:
    state = {"model.a": torch.ones(1), "model.model.b": torch.zeros(1), "loss.class_weights": torch.ones(1)}
    assert list(model_state({"state_dict": state})) == ["a", "model.b"]


def test_file_that_the_manifest_does_not_know_is_refused(tmp_path: Path) -> None:
    write_exports(tmp_path, {"tagger": STATE}, FACTS)
    for name in ("tagger.pth", "tagger.safetensors"):
        check_digest(tmp_path / name)
        content = bytearray((tmp_path / name).read_bytes())
        content[-3] ^= 1
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=r"is not the file that its run wrote \(exports\.json says so\)"):
            check_digest(tmp_path / name)
    shutil.copy(tmp_path / "tagger.pth", tmp_path / "other.pth")
    check_digest(tmp_path / "other.pth")  # of which the manifest says nothing
    for damaged in ("", "7", "{}", '{"sha256": []}', '{"sha256": {"tagger.pth": 7}}', "[" * 100_000):
        (tmp_path / "exports.json").write_text(damaged)
        check_digest(tmp_path / "tagger.pth")


def test_whole_model_of_a_folder_is_found_or_asked_for(tmp_path: Path) -> None:
    write_exports(tmp_path / "tree", {"left": STATE, "tree": STATE, "right": STATE}, FACTS, "tree")
    assert main_export(tmp_path / "tree") == tmp_path / "tree" / "tree.pth"
    (tmp_path / "tree" / "tree.pth").unlink()
    with pytest.raises(CheckpointError, match=r"holds left\.pth, right\.pth, tree\.pth; give one of these files"):
        main_export(tmp_path / "tree")
    # Earlier versions did not say which one it is.
    for manifest in (None, "[]", '{"main": "../codec/vae_best", "sha256": {}}'):
        write_exports(tmp_path / "codec", {"encoder": STATE, "vae_best": STATE, "decoder": STATE}, FACTS)
        assert main_export(tmp_path / "codec") == tmp_path / "codec" / "vae_best.pth"
        if manifest is None:
            (tmp_path / "codec" / "exports.json").unlink()
        else:
            (tmp_path / "codec" / "exports.json").write_text(manifest)
        assert main_export(tmp_path / "codec") == tmp_path / "codec" / "vae_best.pth"
    write_exports(tmp_path / "one", {"tagger": STATE}, FACTS)
    assert main_export(tmp_path / "one") == tmp_path / "one" / "tagger.pth"
    write_exports(tmp_path / "two", {"left": STATE, "right": STATE}, FACTS)
    with pytest.raises(CheckpointError, match=r"two holds left\.pth, right\.pth; give one of these files"):
        main_export(tmp_path / "two")
    (tmp_path / "none").mkdir()
    with pytest.raises(CheckpointError, match=r"none holds no exports; give the folder of a finished training run"):
        main_export(tmp_path / "none")
