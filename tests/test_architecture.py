"""Rules of the house: imports run one way, nothing is unpickled, files stay short."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import arcvae

PACKAGE = Path(arcvae.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "conf" not in path.parts)
LEAVES = {"errors", "files", "npz", "rules", "keys", "tensorfile", "exports"}
# What a layer may import from; a leaf may be imported by all.
ALLOWED: dict[str, set[str]] = {
    "imbalance": {"imbalance"},
    "training": {"training", "imbalance"},
    "audio": {"audio", "training", "imbalance"},
    "grid": {"grid", "training", "imbalance"},
    "schema": {"schema"},
    "config": {"schema"},
    "door": {"config"},
    "__init__": {"codec"},
    "codec": {"schema", "imbalance", "grid"},
    "build": {"schema", "training", "imbalance"},
    "restore": {"build", "codec", "schema", "training"},
    "train": {"config", "door", "build", "training", "imbalance", "grid", "audio"},
    "evaluate": {"config", "door", "restore", "training", "imbalance"},
    "sample": {"config", "door", "build", "restore", "codec", "training", "grid"},
    "compare": {"config", "door", "schema", "training", "codec", "grid"},
    "corpus": {"door", "grid", "audio"},
    "benchmark": {"build", "grid", "imbalance"},
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    here = room(path)
    allowed = LEAVES if here in LEAVES else ALLOWED[here] | LEAVES
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("arcvae.")}
    assert ours <= allowed, f"{here} must not import {ours - allowed}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_config_build_and_doors_know_hydra(path: Path) -> None:
    knows = any(name.split(".")[0] in ("hydra", "omegaconf") for name in imports(path))
    assert not knows or room(path) in {"config", "door", "build", "train", "corpus", "evaluate", "sample", "compare"}


@pytest.mark.parametrize("name", ["imbalance", "training"])
def test_shared_rooms_do_not_mention_a_task(name: str) -> None:
    for path in (PACKAGE / name).glob("*.py"):
        found = re.findall(r"(?i)\b\w*(?:grids?\b|audio|clips\b|species)\w*", path.read_text())
        assert not found, f"{path.name}: {found}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_unpickled_and_nothing_built_but_in_build(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called == "torch.load":
            assert options.get("weights_only") == "True"
        if called in ("np.load", "numpy.load"):
            assert options.get("allow_pickle") == "False"
        assert not called.startswith(("pickle.", "joblib.", "marshal.", "shelve."))
        assert not called.endswith("load_from_checkpoint")
        assert not called.endswith("instantiate") or room(path) == "build"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_input_is_never_checked_by_assert(path: Path) -> None:
    # `python -O` drops asserts; those that remain tell the type checker what is true by construction.
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assert):
            assert "isinstance" in ast.unparse(node.test)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 330
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_whatever_is_public_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in [*tree.body, *(member for owner in classes for member in owner.body)]:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
            continue
        if node in tree.body or not _inherits_its_meaning(node.name):
            assert ast.get_docstring(node), f"{path.name}: {node.name}"


def _inherits_its_meaning(name: str) -> bool:
    """Whether a method overrides one that is documented where it is first defined."""
    lightning = {"train_dataloader", "val_dataloader", "test_dataloader", "configure_optimizers", "on_train_epoch_end"}
    lightning |= {"training_step", "validation_step", "test_step", "on_train_epoch_start"}
    lightning |= {"on_validation_epoch_end", "on_test_epoch_end"}
    ours = {"content_hash", "sample_shape", "class_counts", "targets", "describe", "derive", "problem", "lines"}
    ours |= {"num_classes", "class_names", "model_settings", "baseline", "evaluation_loader", "study"}
    ours |= {"further_findings"}
    return name in lightning | {"forward"} or name in ours
