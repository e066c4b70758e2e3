"""The documents are true: commands compose, examples run, links lead somewhere, the tree is the tree."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from hydra.core.config_store import ConfigStore

import arcvae
from arcvae.app.compose import CONF_DIR, plan
from arcvae.app.overrides import words_as_list
from arcvae.errors import ArcvaeError, ConfigError
from arcvae.imbalance.losses import make_loss, register_loss, temporary_losses
from tests.conftest import FAST, Command, metrics, runs

ROOT = Path(__file__).parent.parent
PATHS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "outputs/examples/RESULTS.md", "outputs/examples/LOG.md")
TEXTS = {path: (ROOT / path).read_text() for path in PATHS}
README, CONTRIBUTING, RESULTS = TEXTS["README.md"], TEXTS["CONTRIBUTING.md"], TEXTS["outputs/examples/RESULTS.md"]
COMMAND = re.compile(r"(?<!\$ )python -m arcvae\.([a-z]+)([^`\n]*)")
"""In prose and tables a command ends at the backtick, in blocks at the end of the line."""


def commands(text: str) -> list[tuple[str, ...]]:
    """The commands of a document as a shell would split them, without ``python -m``."""
    found = (shlex.split(name + arguments, comments=True) for name, arguments in COMMAND.findall(text))
    return sorted({tuple(words) for words in found})


DOCUMENTED = sorted({command for path in PATHS if path != "CONTRIBUTING.md" for command in commands(TEXTS[path])})
FORMER = commands((ROOT / "tests" / "golden" / "0.1.0" / "commands.txt").read_text())
WORDS = sorted(
    {word for text in TEXTS.values() for line in text.splitlines() if line.startswith("| ")
     for word in re.findall(r"`((?:trainer|logger|loss|model|beta|data|experiment)=\w+)`", line)}
)  # fmt: skip


def compose(command: tuple[str, ...]) -> list[dict[str, Any]]:
    """The configs of the jobs that a command asks for."""
    name, *words = command
    multirun = "-m" in words
    words = words_as_list("runs", words) if name == "report" else words
    return plan(name, [word for word in words if word not in ("-m", "--cfg", "job")], multirun=multirun)


def block(text: str, beginning: str, language: str = "python") -> str:
    """The code block that begins so."""
    (found,) = (code for code in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if code.startswith(beginning))
    assert isinstance(found, str)
    return found


@pytest.fixture
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The modules of the examples can be imported; what they register is forgotten afterwards."""
    (tmp_path / "my_losses.py").write_text(block(README, "from arcvae.imbalance.losses import"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "tests" / "plugins")
    with temporary_losses():
        yield
    for name in ("my_losses", "symbols"):
        sys.modules.pop(name, None)
    for options in ConfigStore.instance().repo.values():
        if isinstance(options, dict):
            options.pop("symbols.yaml", None)


@pytest.mark.usefixtures("own_modules")
@pytest.mark.parametrize("command", DOCUMENTED, ids=" ".join)
def test_commands_compose(command: tuple[str, ...]) -> None:
    jobs = compose(command)
    swept = [word for word in command if "," in word and "[" not in word] if "-m" in command else []
    assert len(jobs) == math.prod(word.count(",") + 1 for word in swept)


def test_commands_of_the_version_before_are_documented() -> None:
    assert [command for command in FORMER if command not in DOCUMENTED] == []  # and what is documented composes


def test_all_commands_of_the_tables_were_found() -> None:
    assert len(DOCUMENTED) >= len(FORMER) == 42
    assert len([line for line in README.splitlines() if re.match(r"\| .* \| `python -m ", line)]) >= 10
    assert {"trainer=mps", "trainer=ddp", "logger=wandb", "logger=none"} <= set(WORDS)


@pytest.mark.parametrize("word", WORDS)
def test_single_words_are_options(word: str) -> None:
    group, option = word.split("=")
    assert (CONF_DIR / group / f"{option}.yaml").is_file()  # each of which composes, by a test of their own


@pytest.mark.parametrize("path", PATHS)
def test_what_a_shell_would_expand_is_quoted(path: str) -> None:
    # zsh refuses a word with brackets, braces or a pattern that matches no file; bash takes parentheses for its own.
    typed = [line for code in re.findall(r"```bash\n(.*?)```", TEXTS[path], re.DOTALL) for line in code.splitlines()]
    typed += re.findall(r"`((?:python|make|pip) [^`\n]*)`", TEXTS[path])
    assert path not in ("README.md", "CONTRIBUTING.md") or typed
    for line in typed:
        assert not re.search(r"[\[\]*?(){}^]", re.sub(r"'[^']*'|\"[^\"]*\"|#.*", "", line)), line


def test_reported_mistakes_are_what_is_printed() -> None:
    found = re.search(r"\$ python -m arcvae\.train (.*)\n((?:arcvae: .*\n)+)", RESULTS)
    assert found
    with pytest.raises(ConfigError) as caught:
        plan("train", found[1].split())
    printed, shown = ("\n".join(lines) for lines in (caught.value.lines(), found[2].splitlines()))
    # A loss that is added need not be added here.
    assert re.sub(r"choose one of [\w, ]+", "", printed) == re.sub(r"choose one of [\w, ]+", "", shown)


@pytest.mark.usefixtures("own_modules")
def test_example_of_a_loss_trains(train: Command, tmp_path: Path) -> None:
    (command,) = (command for command in commands(README) if "plugins=[my_losses]" in command)
    assert train(*command[1:], *FAST, "trainer.max_epochs=1") == 0
    (folder,) = runs(tmp_path)
    loss = metrics(folder)["config"]["loss"]
    assert (loss["name"], loss["ceiling"]) == ("capped", 3.0)


@pytest.mark.slow
@pytest.mark.usefixtures("own_modules")
def test_example_of_a_task_trains(train: Command, tmp_path: Path) -> None:
    (command,) = (command for command in commands(README) if "plugins=[symbols]" in command)
    assert train(*command[1:], "trainer.max_epochs=1", "callbacks.progress_bar.refresh_rate=0", corpus=None) == 0
    (folder,) = runs(tmp_path)
    assert set(metrics(folder)["baseline"]) >= {"accuracy", "object_f1"}


@pytest.mark.parametrize("model", ["atomic-d10", "outputs/latest"])
def test_example_with_codes_runs(model: str, run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = block(TEXTS["outputs/examples/RESULTS.md"], "import numpy as np\nimport arcvae")
    assert 'arcvae.load("atomic-d10")' in code
    monkeypatch.chdir(run_folder.parent.parent.parent)
    names: dict[str, Any] = {}
    exec(code.replace("atomic-d10", model), names)
    assert names["mu"].shape == names["closer"].shape == (3, 10)
    assert names["halfway"].shape == names["both"].shape == (16, 16)
    assert names["adjusted"].shape == (3, 16, 16)
    assert names["new"].shape == (5, 16, 16)
    if model == "atomic-d10":  # what the comments say of a refined code, and of a sum
        assert (names["codec"].decode(names["closer"]) == names["grids"]).all()
        assert [names["grids"][i].max() for i in range(3)] == [0, 1, 2]
        assert (names["both"] == names["grids"].max(0)).all()


def test_example_with_codes_of_objects_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # it leaves a picture
    names: dict[str, Any] = {}
    exec(block(README, "import numpy as np\nimport arcvae\nfrom arcvae import operations as ops"), names)
    assert capsys.readouterr().out.splitlines()[0].split() == ["grid", "slot", "row", "column", "color", "shape"]
    assert (names["codec"].reconstruct(names["grids"]) == names["grids"]).all()
    expected = np.zeros((16, 16), dtype=np.uint8)
    expected[5:8, 2:4], expected[9, 8:13] = 1, 4
    assert (names["turned"][0] == np.rot90(expected)).all()
    assert names["new"].shape == (5, 16, 16)
    assert len(names["task"].program) == 2
    assert (tmp_path / "task.png").stat().st_size > 5_000


@pytest.mark.slow
def test_example_from_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = block(TEXTS["outputs/examples/RESULTS.md"], "import arcvae\n\nrecord, codec, folder")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    fewer = code.replace("num_grids=20000", "num_grids=2000")
    assert fewer != code
    exec(fewer, names)
    assert names["record"].epochs == 2
    assert names["folder"].is_dir()
    assert (tmp_path / "grids.png").stat().st_size > 5_000


def test_example_of_a_loss_over_batches_is_dice() -> None:
    names: dict[str, Any] = {"torch": torch, "Tensor": torch.Tensor, "F": F, "register_loss": register_loss}
    logits, target = torch.randn(3, 4, 5, 5, dtype=torch.float64), torch.randint(3, (3, 5, 5))
    padded = F.pad(target, (0, 2), value=-1), F.pad(logits, (0, 2), value=7.0)
    with temporary_losses():
        exec(block(CONTRIBUTING, '@register_loss("soft_dice"'), names)
        ours = make_loss("soft_dice", scale=1.0)(logits, target).item()
        assert make_loss("soft_dice", scale=1.0, ignore_index=-1)(padded[1], padded[0]).item() == pytest.approx(ours)
        perfect = 100.0 * F.one_hot(target, 4).movedim(-1, 1)
        assert make_loss("soft_dice")(perfect, target).item() == pytest.approx(0, abs=1e-9)
    p, total = logits.softmax(1), 0.0
    for c in range(4):
        hit = sum(float(p[i, c][target[i] == c].sum()) for i in range(3))
        total += 1 - (2 * hit + 1) / (float(p[:, c].sum()) + int((target == c).sum()) + 1)
    assert ours == pytest.approx(total / 4)


def contributions() -> dict[str, str]:
    """Files that CONTRIBUTING says to write, with what goes into them."""
    pattern = (
        r"`((?:arcvae|conf|tests)/[\w/]+\.(?:py|yaml))`(?:[^`\n]|\n(?!\n)|`(?!``))*\n\n```(?:python|yaml)\n(.*?)```"
    )
    return dict(re.findall(pattern, CONTRIBUTING, re.DOTALL))


@pytest.mark.parametrize("pick", ["min", "max"])
def test_sweep_of_weights_and_biases_composes_as_its_agent_types_it(pick: str) -> None:
    utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils")
    sweep = yaml.safe_load((ROOT / "outputs" / "examples" / "wandb_sweep.yaml").read_text())
    drawn = {
        name: {"value": given[pick] if pick in given else given["values"][-1]}
        for name, given in sweep["parameters"].items()
    }
    command = utils.create_sweep_command(sweep["command"])
    start, words = command.index("-m"), utils.create_sweep_command_args({"args": drawn})["args_no_hyphens"]
    assert command[start : start + 2] == ["-m", "arcvae.train"]
    (config,) = plan("train", [*command[start + 2 : command.index("${args_no_hyphens}")], *words])
    assert (config["beta"]["maximum"], config["optimizer"]["lr"]) == (
        drawn["beta.maximum"]["value"], drawn["optimizer.lr"]["value"],
    )  # fmt: skip
    assert config["loss"]["name"] == "cross_entropy"
    assert config["monitor"] == sweep["metric"]["name"]


@pytest.mark.slow
def test_notebook_runs_and_shows_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = json.loads((ROOT / "outputs" / "examples" / "first_steps.ipynb").read_text())
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        exec("".join(cell["source"]), names)
    assert 0 < names["run"].record.test["exact_match"] < 1
    kinds = [{kind for output in cell["outputs"] for kind in output.get("data", {})} for cell in cells]
    assert sum("image/png" in found for found in kinds) == 3
    assert sum("text/html" in found for found in kinds) == 2
    assert not any(output.get("name") == "stderr" for cell in cells for output in cell["outputs"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path) -> Path:
    """A copy of the project to which somebody has added what CONTRIBUTING says, where it says."""
    folder = tmp_path_factory.mktemp("house")
    for name in ("arcvae", "conf", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "golden", "weights"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(tiny_corpus, folder / "corpus.npz")
    for path, code in contributions().items():
        file = folder / path
        file.write_text(f"{file.read_text()}\n\n{code}" if file.exists() else code)
    return folder


def run_in(folder: Path, *arguments: str) -> None:
    """Run Python in a folder, whose package goes before the installed one."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_contributing_names_two_files_and_a_test_for_a_loss_and_for_a_model() -> None:
    assert sorted(contributions()) == [
        "arcvae/grid/models/dense.py", "arcvae/imbalance/element_losses.py", "conf/loss/capped.yaml",
        "conf/model/dense.yaml", "tests/grid/models/test_dense.py", "tests/imbalance/test_losses.py",
    ]  # fmt: skip
    assert all((ROOT / path).exists() == path.endswith("losses.py") for path in contributions())


@pytest.mark.slow
def test_loss_and_model_of_contributing_pass_their_tests(house: Path) -> None:
    found = contributions()
    theirs = [path for path in found if path.startswith("tests/")]
    run_in(house, "-m", "pytest", "-q", "-k", "dense or capped", *theirs, "tests/grid/models/test_base.py")
    ours = [path for path in found if path.endswith(".py")]
    run_in(house, "-m", "ruff", "check", *ours)
    run_in(house, "-m", "ruff", "format", "--check", *ours)
    run_in(house, "-m", "mypy", "--strict", *(path for path in ours if path.startswith("arcvae/")))


@pytest.mark.slow
def test_loss_and_model_of_contributing_train_and_load(house: Path) -> None:
    composing = "import json, sys; from arcvae.app.compose import plan\n"
    composing += "for name, words, sweep in json.loads(sys.argv[1]): plan(name, words, multirun=sweep)"
    jobs = [(name, [word for word in words if word != "-m"], "-m" in words) for name, *words in commands(CONTRIBUTING)]
    assert len(jobs) == 3
    run_in(house, "-c", composing, json.dumps(jobs))
    overrides = [word for word in FAST if not word.startswith(("model.", "trainer.max_epochs="))]
    run_in(
        house, "-m", "arcvae.train", "data.path=corpus.npz", "loss=capped", "loss.class_weights=sqrt_inverse",
        "model=dense", "model.hidden=16", "trainer.max_epochs=1", *overrides,
    )  # fmt: skip
    loading = "import arcvae; print(type(arcvae.load('outputs/latest').model.encoder).__module__)"
    run_in(house, "-c", f"{loading}; assert arcvae.__file__.startswith({str(house)!r})")


def test_model_of_ones_own_trains_with_the_installed_package(
    train: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = contributions()
    (tmp_path / "my_models.py").write_text(found["arcvae/grid/models/dense.py"])
    (tmp_path / "my_conf" / "model").mkdir(parents=True)
    named = found["conf/model/dense.yaml"].replace("arcvae.grid.models.dense.", "my_models.")
    (tmp_path / "my_conf" / "model" / "dense.yaml").write_text(named)
    monkeypatch.syspath_prepend(tmp_path)
    overrides = [word for word in FAST if not word.startswith("model.")]
    words = "--config-dir", "my_conf", "plugins=[my_models]", "model=dense"
    assert train(*words, *overrides, "trainer.max_epochs=1") == 0
    (folder,) = runs(tmp_path)
    with pytest.raises(ArcvaeError, match="my_models"):
        arcvae.load(folder)
    assert arcvae.load(folder, model=sys.modules["my_models"].DenseVAE).model.latent_dim == 10
    del sys.modules["my_models"]


@pytest.mark.parametrize("path", PATHS)
def test_targets_of_make_exist(path: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"(?:`|^)make ([a-z-]+)", TEXTS[path], re.MULTILINE))
    assert targets or path.endswith("LOG.md")
    assert all(re.search(rf"^{target}:.*## ", makefile, re.MULTILINE) for target in targets)


def test_all_that_run_the_checks_run_the_same_targets() -> None:
    for file in (".ci/run", ".github/workflows/ci.yml"):
        assert re.findall(r"make ([a-z-]+)$", (ROOT / file).read_text(), re.MULTILINE) == ["check", "test-all"]


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", PATHS)
def test_links_lead_somewhere(path: str) -> None:
    text = re.sub(r"```.*?```", "", TEXTS[path], flags=re.DOTALL)
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        name, _, anchor = link.partition("#")
        target = (ROOT / path).parent / name if name else ROOT / path
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in map(slug, headings), link


def test_files_that_contributing_names_exist() -> None:
    named = set(re.findall(r"`((?:arcvae|conf|tests)/[\w/.]+)`", CONTRIBUTING)) - set(contributions())
    named = {path for path in named if not re.search(r"NAME|VERSION|/x/y|/x/test_y", path)}
    assert len(named) > 20
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_tree_has_every_folder_and_every_command() -> None:
    tree, folders, here = README.split("## The tree")[1].split("```")[1], set(), []
    for line in tree.splitlines()[1:]:
        if match := re.match(r"((?:  )*)(\w+)/(?: |$)", line):
            here = [*here[: len(match[1]) // 2], match[2]]
            folders.add("/".join(here))
    packages = [ROOT / "arcvae", *(ROOT / "arcvae").rglob("*/")]
    there = {str(folder.relative_to(ROOT)) for folder in packages if (folder / "__init__.py").exists()}
    assert there <= folders
    assert all((ROOT / folder).is_dir() for folder in folders)
    top = {file.name for file in (ROOT / "arcvae").glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"\b(\w+\.py)\b", tree)) == top
    assert all(re.search(rf"\b{group.stem}\b", tree) for group in (ROOT / "conf").iterdir())


def test_pictures_are_there_and_small_and_readme_has_one() -> None:
    for path, text in TEXTS.items():
        for picture in re.findall(r"!\[.*?\]\((.*?)\)", text):
            assert 5_000 < ((ROOT / path).parent / picture).stat().st_size < 200_000
    assert len(re.findall(r"!\[", README)) == 1


def test_readme_is_short_and_no_figure_is_missing() -> None:
    assert len(README.splitlines()) <= 200
    for text in TEXTS.values():
        assert not re.search(r"@@|[A-Z]+_TABLE|TODO|FIXME", text)


def test_readme_says_what_the_weights_score() -> None:
    scores = json.loads((ROOT / "arcvae" / "weights" / "atomic-d10.json").read_text())
    alone, refined = (f"{scores[split]['exact_match']:.3f}".removeprefix("0") for split in ("test", "test_refined"))
    assert f"exact match {alone}, refined {refined}." in " ".join(README.split())
    assert f"{100 * scores['prior']['samples']['valid']:.0f} % are valid" in " ".join(README.split())
    results = TEXTS["outputs/examples/RESULTS.md"]
    scores = json.loads((ROOT / "arcvae" / "weights" / "atomic-objects.json").read_text())
    for split, row in (("test", "exact match, encoder alone"), ("test_refined", "codes refined (")):
        figure = f"{scores[split]['exact_match']:.3f}".removeprefix("0")
        (line,) = (line for line in results.splitlines() if row in line)
        assert line.endswith(f"| {figure} |")


def test_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", TEXTS["CHANGELOG.md"], re.MULTILINE)
    assert versions[0] == arcvae.__version__
    assert len(versions) == len(set(versions))


def test_exit_codes_are_those_of_the_faults() -> None:
    from arcvae import errors

    words = {2: "config", 3: "data", 4: "checkpoint", 5: "file system", 6: "non-finite", 7: "run folder in use"}
    faults = [
        fault for fault in vars(errors).values() if isinstance(fault, type) and issubclass(fault, errors.ArcvaeError)
    ]
    assert {fault.exit_code for fault in faults} == {1, *words}
    sentence = " ".join(RESULTS.split("Exit codes:")[1].split("\n\n")[0].split())
    assert all(re.search(rf"{code} {word}", sentence) for code, word in words.items())
