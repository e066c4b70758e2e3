"""A model comes back from its checkpoint as it was trained; whatever is no checkpoint is refused before it is built."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import arcvae
from arcvae.app.restore import Restored, restore
from arcvae.app.shipped import SHIPPED, model_at
from arcvae.audio.corpus.files import write_synthetic_corpus
from arcvae.audio.task import AudioTask
from arcvae.errors import CheckpointError, DataError
from arcvae.grid.task import GridTask
from arcvae.io.tensors import load_torch, save_torch
from tests.conftest import FAST, NamedCommand, fault, metrics, save_arrays


def opened(path: Path, folder: Path, **changes: Any) -> Restored:
    settings = {"data_path": None, "accelerator": "cpu", "output_dir": str(folder)} | changes
    return restore(str(path), **settings)


@pytest.mark.parametrize(("fixture", "task"), [("run_folder", GridTask), ("clips_run", AudioTask)])
def test_restored_model_is_the_one_that_was_saved(
    request: pytest.FixtureRequest, tmp_path: Path, fixture: str, task: type
) -> None:
    run: Path = request.getfixturevalue(fixture)
    best = run / "checkpoints" / "best.ckpt"
    found, record = opened(best, tmp_path), metrics(run)
    state = load_torch(best)["state_dict"]
    assert found.module.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.module.state_dict().items())
    assert type(found.task) is type(found.module.task) is task
    assert not found.module.training
    assert found.counts == record["class_counts"]
    assert found.same_corpus
    assert found.data.content_hash == record["corpus"]["sha256"]
    weights = found.module.loss.class_weights
    assert (None if weights is None else weights.tolist()) == pytest.approx(record["class_weights"])
    assert found.module.clock.epoch == pytest.approx(load_torch(best)["epoch"] + 1, abs=0.5)


@pytest.mark.parametrize("name", sorted(file.stem for file in SHIPPED.glob("*.json")))
def test_models_that_come_with_arcvae_are_what_load_opens(name: str, tiny_corpus: Path, tmp_path: Path) -> None:
    found, codec = opened(model_at(name), tmp_path, data_path=str(tiny_corpus)), arcvae.load(name)
    ours, theirs = found.module.model.state_dict(), codec.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key].contiguous(), theirs[key].contiguous()) for key in ours)
    assert found.counts[0] == 19_078_077
    assert found.module.clock.progress == 1
    assert not found.same_corpus


def test_class_weights_are_those_of_the_run_whatever_the_corpus(run_folder: Path, tmp_path: Path, caplog: Any) -> None:
    other = save_arrays(tmp_path / "other.npz")  # uniform colours, which would give other weights
    found = opened(run_folder / "checkpoints" / "best.ckpt", tmp_path, data_path=str(other))
    assert f"{other} is not the corpus that" in caplog.text
    assert not found.same_corpus
    record = metrics(run_folder)
    assert found.counts == record["class_counts"] != found.data.class_counts.tolist()
    assert found.module.loss.class_weights is not None
    assert found.module.loss.class_weights.tolist() == pytest.approx(record["class_weights"])


def test_run_on_a_corpus_of_an_earlier_generator_wants_that_corpus(tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "golden" / "0.1.0" / "grid"
    best = golden / "checkpoints" / "best.ckpt"
    with pytest.raises(DataError, match=r"atomic-240-seed42-v1\.npz is missing, .* give another corpus \(data\.path\)"):
        opened(best, tmp_path)
    other = save_arrays(tmp_path / "other.npz")
    assert not opened(best, tmp_path, data_path=str(other)).same_corpus
    (tmp_path / "corpora").mkdir()
    shutil.copy(golden / "corpus.npz", tmp_path / "corpora" / "atomic-240-seed42-v1.npz")
    assert opened(best, tmp_path).same_corpus
    assert len(list((tmp_path / "corpora").iterdir())) == 1  # nothing was generated beside it


def test_corpus_of_another_kind_is_refused(run_folder: Path, clips_run: Path, tmp_path: Path) -> None:
    small = {name: np.zeros((4, 8, 8), np.uint8) for name in ("train", "val", "test")}
    corpus = save_arrays(tmp_path / "small.npz", **small)
    with pytest.raises(DataError, match=r"small.npz has grid_size 8, .*best.ckpt was trained with 16"):
        opened(run_folder / "checkpoints" / "best.ckpt", tmp_path, data_path=str(corpus))
    write_synthetic_corpus(tmp_path / "five.npz", 5, 80, seed=1)
    with pytest.raises(DataError, match=r"five.npz has num_classes 5, .*best.ckpt was trained with 4"):
        opened(clips_run / "checkpoints" / "best.ckpt", tmp_path, data_path=str(tmp_path / "five.npz"))


def test_corpus_with_other_classes_is_refused(clips_run: Path, tmp_path: Path) -> None:
    content = load_torch(clips_run / "checkpoints" / "best.ckpt")
    content["arcvae"]["class_names"][1] = "wren"
    save_torch(tmp_path / "wrens.ckpt", content)
    with pytest.raises(DataError, match=r"has a class 'species_01' where .*wrens.ckpt was trained on 'wren'"):
        opened(tmp_path / "wrens.ckpt", tmp_path)
    for key in ("class_names", "class_counts"):
        content["arcvae"][key] = content["arcvae"][key][:3]
    content["arcvae"]["class_weights"] = None
    save_torch(tmp_path / "fewer.ckpt", content)
    with pytest.raises(DataError, match=r"has 4 classes, .*fewer.ckpt was trained on 3"):
        opened(tmp_path / "fewer.ckpt", tmp_path)


def bad_checkpoints(run: Path, folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that are no checkpoint to restore, and what is said of each."""
    good = run / "checkpoints" / "best.ckpt"
    found = {
        "text": (folder / "text.ckpt", "is not an intact checkpoint"),
        "truncated": (folder / "truncated.ckpt", "is not an intact checkpoint"),
        "export": (run / "encoder.pth", "is an export (encoder); give a checkpoint"),
        "weights": (run / "class_weights.pth", "is the class weights of a run"),
    }
    found["text"][0].write_text("not a checkpoint")
    found["truncated"][0].write_bytes(good.read_bytes()[:-100])

    def changed(name: str, message: str, change: Callable[[dict[str, Any]], object]) -> None:
        content = load_torch(good)
        change(content)
        save_torch(folder / f"{name}.ckpt", content)
        found[name] = (folder / f"{name}.ckpt", message)

    def model(**values: Any) -> Callable[[dict[str, Any]], object]:
        return lambda content: content["arcvae"]["config"]["model"].update(values)

    inner = {"_target_": "torch.optim.optimizer.torch.utils.collect_env.run", "command": "touch canary"}
    shell = {"_target_": "os.system", "command": "touch canary"}
    changed("newer", "has format 99, this arcvae knows", lambda c: c["arcvae"].update(format=99))
    changed("foreign", "a Lightning checkpoint of another program", lambda c: c.pop("arcvae"))
    changed("smaller", "does not fit its architecture", model(hidden=17))
    changed("missing", "encoder.mu.bias is missing", lambda c: c["state_dict"].pop("model.encoder.mu.bias"))
    changed("huge", "model.latent_dim=1000000000", model(latent_dim=10**9))
    changed("nan", "not finite", lambda c: c["state_dict"]["model.encoder.mu.bias"].fill_(torch.nan))
    changed("shell", "is not arcvae's", lambda c: c["arcvae"]["config"].update(model=shell))
    changed("task", "is not arcvae's", lambda c: c["arcvae"]["config"].update(task=shell))
    changed("nested", "is more than a value", model(latent_dim=inner))
    changed("counts", "lacks class_counts", lambda c: c["arcvae"].pop("class_counts"))
    changed("stranger", "unknown key model.storeys", model(storeys=3))
    changed(
        "secret",
        "data.path=${oc.env:HOME} is not resolved from a file; give data.path",
        lambda c: c["arcvae"]["config"]["data"].update(path="${oc.env:HOME}"),
    )
    changed("nested secret", "model.widths=['${oc.env:HOME}']", model(widths=["${oc.env:HOME}"]))
    changed("giant", "does not fit its architecture", model(widths=[65536, 65536, 65536], hidden=65536))
    changed("long", "must be a list of", model(widths=[1] * 1000))
    return found


NAMES = [
    "text", "truncated", "export", "weights", "newer", "foreign",
    "smaller", "missing", "huge", "nan", "shell", "task", "nested", "counts", "stranger",
    "secret", "nested secret", "giant", "long",
]  # fmt: skip


@pytest.fixture(scope="module")
def bad(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    return bad_checkpoints(run_folder, tmp_path_factory.mktemp("bad"))


def test_every_bad_checkpoint_is_tested(bad: dict[str, tuple[Path, str]]) -> None:
    assert list(bad) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_checkpoint_is_refused_and_none_of_its_code_is_run(
    bad: dict[str, tuple[Path, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)  # where a canary would appear
    path, message = bad[name]
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        opened(path, tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    if name not in (
        "export",
        "missing",
        "secret",
    ):  # the corpus is none of its business; one is there to be loaded, the other lacks what loading does not need
        with pytest.raises(CheckpointError, match=path.name):
            arcvae.load(path)
    assert list(tmp_path.iterdir()) == []


class Calls:
    """Is pickled as a call."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.canary}",)


@pytest.mark.slow
@pytest.mark.parametrize("forced", ["0", "1"])
@pytest.mark.parametrize("name", ["bad.ckpt", "bad.pth"])
def test_pickle_that_calls_runs_nothing_wherever_it_is_given(
    command: NamedCommand, tmp_path: Path, tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch, name: str, forced: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", forced)
    bad = tmp_path / name
    torch.save({"state_dict": {}, "arcvae": {"format": 2, "config": {}}, "x": Calls(tmp_path / "canary")}, bad)
    for words in (
        ("train", f"data.path={tiny_corpus}", f"ckpt_path={bad}", *FAST),
        ("evaluate", f"ckpt_path={bad}", "accelerator=cpu"),
        ("sample", f"ckpt_path={bad}", "accelerator=cpu"),
    ):
        assert command(*words) == 4
        line = fault(capsys)
        assert str(bad) in line
        assert "weights_only" not in line
    with pytest.raises(CheckpointError):
        arcvae.load(bad)
    assert not (tmp_path / "canary").exists()
