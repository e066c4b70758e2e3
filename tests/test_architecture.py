"""Rules of the house: imports run one way and in no circle, nothing is unpickled, files stay short."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

import arcvae

ROOT = Path(__file__).parents[1]

PACKAGE = Path(arcvae.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "conf" not in path.parts)
COMMANDS = {
    *("train", "evaluate", "sample", "operate", "predict", "compare", "corpus", "tasks", "report", "runs", "benchmark"),
}
# What a room may import from; `errors` may be imported by all.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "io": {"io"},
    "imbalance": {"imbalance", "io"},
    "training": {"training", "imbalance", "io"},
    "audio": {"audio", "training", "imbalance", "io"},
    "grid": {"grid", "training", "imbalance", "io"},
    "app": {"app", "training", "imbalance", "io", ""},
    "__init__": {"app"},
    **{command: {"app"} for command in COMMANDS},
    "benchmark": {"grid", "imbalance", "training", "io"},
    "operations": {"grid"},
}
LOCAL_IMPORTS = {
    "__init__.py": "torch takes seconds to import, and a command with a typing error should not",
    "grid/task.py": "a config is checked before torch is imported",
    "grid/codec.py": "matplotlib takes a second to import and most programs draw nothing",
    "audio/task.py": "a config is checked before torch is imported",
    "audio/features/recording.py": "optional dependencies",
    "training/loggers.py": "wandb takes a second to import and most runs do without",
    "app/preflight.py": "torch is imported early only to ask for a device that a config names",
    "app/loggers.py": "wandb takes a second to import and most runs do without",
    "training/software.py": "a module that is not there on Windows",
}
"""Modules that may import inside of functions, and why."""
LONGEST_FILE, LONGEST_FUNCTION = 320, 60


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parsed(path: Path) -> ast.Module:
    """A file, which many tests look into."""
    return ast.parse(path.read_text())


@cache
def walked(tree: ast.AST) -> tuple[ast.AST, ...]:
    """A tree and all that is in it."""
    return tuple(ast.walk(tree))


@cache
def imports(tree: ast.AST) -> tuple[str, ...]:
    """Every module that is imported anywhere, inside of functions and for the type checker too."""
    found: list[str] = []
    for node in walked(tree):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            found += (node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names))
    return tuple(found)


def graph() -> dict[str, set[str]]:
    """Modules of the package, each with those that it imports."""
    trees = {name_of(path): parsed(path) for path in MODULES}
    return {name: {found for found in imports(tree) if found in trees} - {name} for name, tree in trees.items()}


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for after in edges[node]:
            if after not in index:
                visit(after)
                low[node] = min(low[node], low[after])
            elif after in stack:
                low[node] = min(low[node], index[after])
        if low[node] == index[node]:
            component = [stack.pop()]
            while component[-1] != node:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for node in edges:
        if node not in index:
            visit(node)
    return found


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


@pytest.mark.slow
def test_no_imports_run_in_a_circle() -> None:
    edges = graph()
    assert len(edges) > 60
    assert circles(edges) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    here = room(path)
    ours = {name for name in imports(parsed(path)) if name == "arcvae" or name.startswith("arcvae.")}
    rooms = {[*name.split("."), ""][1] for name in ours} - {"errors", "__version__"}
    assert rooms <= ALLOWED[here], f"{here} must not import {rooms - ALLOWED[here]}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_app_knows_hydra_and_one_file_its_internals(path: Path) -> None:
    found = {name for name in imports(parsed(path)) if name.split(".")[0] in ("hydra", "omegaconf")}
    assert not found or room(path) == "app"
    assert path.name == "hydra_internals.py" or not any("_internal" in name for name in found)


WORDS_OF_TASKS = "grids?|clips|species|audio|vae(_best)?|elbo|kl|latents?|generator_version|snapshots"
"""Of metrics, settings and files of one task."""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_shared_code_knows_no_task(path: Path) -> None:
    if room(path) in ("grid", "audio") or path.name in ("renamed.py", "benchmark.py"):
        return
    nodes = list(walked(parsed(path)))  # what the code says; words of docstrings and comments are free
    docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            assert not re.search(r"arcvae\.(grid|audio)\b", node.value), f"{path.name}:{node.lineno}"
            assert not re.search(rf"(?i)93 %|\b(beta|{WORDS_OF_TASKS})\b", node.value), f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            assert not re.search(rf"(?i)(^|_)({WORDS_OF_TASKS})(_|$)", name), f"{path.name}:{node.lineno}: {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_stand_at_the_top(path: Path) -> None:
    where = path.relative_to(PACKAGE).as_posix()
    tree = parsed(path)
    functions = [node for node in walked(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    local = {
        node.lineno
        for function in functions
        for node in walked(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert not local or where in LOCAL_IMPORTS, f"{where}: imports inside of functions in lines {sorted(local)}"
    if "TYPE_CHECKING" in path.read_text():
        assert where in LOCAL_IMPORTS


def test_exceptions_from_the_rule_are_needed() -> None:
    for where in LOCAL_IMPORTS:
        tree = parsed(PACKAGE / where)
        functions = [node for node in walked(tree) if isinstance(node, ast.FunctionDef)]
        assert any(isinstance(node, ast.Import | ast.ImportFrom) for f in functions for node in walked(f)), where


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_unpickled_and_nothing_built_but_in_build(path: Path) -> None:
    for node in walked(parsed(path)):
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
        assert not called.endswith("instantiate") or path.relative_to(PACKAGE).as_posix() == "app/build.py"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_input_is_never_checked_by_assert(path: Path) -> None:
    # `python -O` drops asserts; those that remain tell the type checker what is true by construction.
    for node in walked(parsed(path)):
        if isinstance(node, ast.Assert):
            assert "isinstance" in ast.unparse(node.test)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_are_short_and_files_say_what_they_are(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert len(text.splitlines()) <= LONGEST_FILE
    assert ast.get_docstring(tree)
    for node in walked(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= LONGEST_FUNCTION, f"{path.name}: {node.name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_whatever_is_public_has_a_docstring(path: Path) -> None:
    tree = parsed(path)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    public = [owner for owner in classes if not owner.name.startswith("_")]
    for node in [*tree.body, *(member for owner in public for member in owner.body)]:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
            continue
        if node in tree.body or node.name not in INHERITED:
            assert ast.get_docstring(node), f"{path.name}: {node.name}"


INHERITED = {
    *("train_dataloader", "val_dataloader", "test_dataloader", "configure_optimizers", "on_train_epoch_end", "forward"),
    *("training_step", "validation_step", "test_step", "on_train_epoch_start", "on_validation_epoch_end"),
    *("on_test_epoch_end", "prepare_data", "state_dict", "load_state_dict", "update", "compute"),
    *("content_hash", "sample_shape", "class_counts", "targets", "describe", "problem", "lines", "num_classes"),
    *("class_names", "model_settings", "preprocessing", "evaluation_loader", "check_corpus", "build_module"),
}
"""Methods that override one which is documented where it is first defined."""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_with_logic_has_a_test_file_of_its_name(path: Path) -> None:
    where = path.relative_to(PACKAGE)
    tree = parsed(path)
    functions = [node for node in walked(tree) if isinstance(node, ast.FunctionDef)]
    if path.name == "__init__.py" or where.parent == Path() or not functions:
        return  # commands have test_commands.py and the tests of their jobs
    test = Path(__file__).parent / where.parent / f"test_{path.name}"
    assert test.is_file(), f"there is no tests/{where.parent / f'test_{path.name}'}"


@pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("git") is None, reason="only git knows which files are tracked"
)
def test_top_level_holds_what_belongs_there_and_nothing_that_a_test_left() -> None:
    listing = ["git", "-c", "safe.directory=*", "ls-files"]  # whoever owns the checkout
    tracked = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    there = {line.partition("/")[0] for line in tracked.splitlines() if not line.startswith(".")}
    named = {"arcvae", "conf", "outputs", "tests", "pyproject.toml", "Makefile", "README.md"}
    assert there - named == {"LICENSE", "CONTRIBUTING.md", "CHANGELOG.md", "constraints.txt"}
