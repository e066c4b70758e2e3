"""The job of ``arcvae.report``: one page of a run, of several, of a sweep, or of a model that comes with arcvae."""

from __future__ import annotations

import json
import logging
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from arcvae.app.checks import falling_metrics
from arcvae.app.compose import plan
from arcvae.app.identity import make_run_id
from arcvae.app.opening import open_model
from arcvae.app.overrides import needed_again
from arcvae.app.reported import PAGE, is_sweep, jobs_in
from arcvae.app.shipped import comes_with_arcvae, shipped
from arcvae.app.sweep import jobs_of_sweep
from arcvae.app.tasks import task_of_export, task_of_node
from arcvae.app.trust import foreign_targets
from arcvae.app.variants import given_variants
from arcvae.errors import ArcvaeError, ConfigError, DataError
from arcvae.io.door import read_yaml_list
from arcvae.io.exports import read_export
from arcvae.io.files import write_atomic
from arcvae.io.renamed import with_present_names
from arcvae.io.settings import leaves
from arcvae.training.page.comparison import comparison_page
from arcvae.training.page.parts import PagePart, page, shown, table, text, words
from arcvae.training.page.run import run_page
from arcvae.training.record import RunRecord
from arcvae.training.task import Task

log = logging.getLogger("arcvae")

_ELSEWHERE: Final = ("ckpt_path", "hydra", "output_dir")
"""Keys of overrides that say where a run lay, not what it was."""


def report(config: dict[str, Any], shown: dict[str, Any], folder: Path, command: Sequence[str]) -> None:  # noqa: ARG001
    """Write a page, and say where it is.

    Args:
        config: Plain, resolved and checked config (``conf/report.yaml``).
        shown: The same without the values of secrets; not used.
        folder: As for every job; not used, for the page goes where ``out`` says.
        command: Command line; not used.
    """
    runs, plugins, out = config["runs"], config["plugins"], config["out"]
    new = Path(config["output_dir"]) / "report" / make_run_id() / PAGE
    first = Path(runs[0])
    if comes_with_arcvae(runs[0]):
        target = Path(out or Path(config["output_dir"]) / "report" / f"{runs[0]}.html")
        content = _shipped_page(runs[0])
    elif len(runs) > 1 or is_sweep(first):
        target = Path(out or (first / PAGE if len(runs) == 1 else new))
        content = _comparison(runs, plugins)
    else:
        target = Path(out or first / PAGE)
        content = page_of_run(first, plugins)
    write_atomic(target, content, follow=bool(out))
    log.info("Page  %s  (%.1f MB)", target, len(content) / 1e6)


def page_of_run(run: Path, plugins: Sequence[str]) -> bytes:
    """The page of a finished training run.

    Args:
        run: Its folder.
        plugins: Modules of the user; what a record names is not imported.

    Raises:
        DataError: Not the folder of a finished training run.
    """
    record = RunRecord.read(run)
    task = _task(record, plugins)
    content = run_page(
        record,
        task,
        command=_command(run, record),
        changes=_changes(record),
        pictures=_pictures(run),
        parts=_parts(task, run, run, plugins),
    )
    return content.encode()


def _task(record: RunRecord, plugins: Sequence[str]) -> Task[Any, Any]:
    """The task of a run; one that is not arcvae's nor of a given plugin is shown as any task."""
    node = with_present_names(record.config).get("task")
    if not isinstance(node, Mapping):
        return Task()
    if foreign := foreign_targets({"task": node, "plugins": plugins}):
        log.warning("Shown without what its task knows: %s", foreign[0])
        return Task()
    return task_of_node(node, plugins)


def _parts(task: Task[Any, Any], model: Path, folder: Path | None, plugins: Sequence[str] = ()) -> Sequence[PagePart]:
    """What the task adds; nothing where that is nothing for any model, or this one cannot be opened."""
    if type(task).page_parts is Task.page_parts:
        return ()
    try:
        return task.page_parts(open_model(model, plugins).model, folder)
    except ArcvaeError as error:
        log.warning("The page shows no model: %s", error)
        return ()


def _command(run: Path, record: RunRecord) -> str:
    """What to type to make a run again: its own overrides, for a job of a sweep too."""
    try:
        words = read_yaml_list(run / ".hydra" / "overrides.yaml", DataError, "another run")
    except ArcvaeError:
        return shlex.join(record.command)
    kept = [word for word in words if re.split(r"[.=/]", word.lstrip("+~"), maxsplit=1)[0] not in _ELSEWHERE]
    flags = [word for word in needed_again(record.command) if not word.startswith("plugins=")]
    return shlex.join(["python", "-m", "arcvae.train", *flags, *kept])


def _changes(record: RunRecord) -> list[tuple[str, object, object]]:
    """Key, default, and value of the run, where these differ."""
    (defaults,) = plan("train", [])
    before, here = (
        {".".join(path): value for path, value in leaves(config)}
        for config in (defaults, with_present_names(record.config))
    )
    keys = [key for key in dict.fromkeys((*here, *before)) if key.partition(".")[0] not in _ELSEWHERE]
    return [(key, before.get(key), here.get(key)) for key in keys if before.get(key) != here.get(key)]


def _pictures(run: Path) -> dict[str, bytes]:
    """Pictures in a run folder, those of the best epoch first; of a picture of every epoch the last one."""
    files = [*(run / "checkpoints").glob("*.png"), *run.glob("*.png")]
    latest: dict[str, tuple[int, Path]] = {}
    for file in files:
        stem, _, epoch = file.stem.partition("_epoch_")
        number = int(epoch) if epoch.isdecimal() else 0
        if stem not in latest or number > latest[stem][0]:
            latest[stem] = (number, file)
    best = sorted(latest, key=lambda stem: (not stem.endswith("_best"), stem))
    doubles = {f"{stem.removesuffix('_best')}" for stem in best if stem.endswith("_best")}
    return {latest[stem][1].stem: latest[stem][1].read_bytes() for stem in best if stem not in doubles}


def _comparison(runs: Sequence[str], plugins: Sequence[str]) -> bytes:
    """The page of several runs; the folder of a sweep stands for its jobs."""
    folders: list[str] = []
    unfinished: list[tuple[str, str, str]] = []
    for run in runs:
        sweep = is_sweep(Path(run))
        folders += [str(job) for job in jobs_in(Path(run))] if sweep else [run]
        unfinished += _unfinished(Path(run)) if sweep else []
    found = given_variants(folders, plugins)
    records = {name: [RunRecord.read(run) for run in variant] for name, variant in found.items()}
    everyone = [record for variant in records.values() for record in variant]
    tasks = [with_present_names(record.config["task"]) for record in everyone]
    if any(task != tasks[0] for task in tasks):
        raise DataError("these runs are of different tasks, whose figures do not compare; give runs of one task")
    falling = {name for record in everyone for name in falling_metrics({**record.config, "plugins": list(plugins)})}
    title = f"Sweep {Path(runs[0]).resolve().name}" if len(runs) == 1 else f"{len(folders)} runs"
    task = _task(everyone[0], plugins)
    return comparison_page(title, records, task, lower_is_better=sorted(falling), unfinished=unfinished).encode()


def _unfinished(sweep: Path) -> list[tuple[str, str, str]]:
    """Overrides, state and error of the jobs of a sweep that have no record."""
    jobs = jobs_of_sweep(sweep).values()
    return [(" ".join(j["overrides"]), str(j["state"]), j["error"] or "") for j in jobs if j["state"] != "finished"]


def _shipped_page(name: str) -> bytes:
    """The page of a model that comes with arcvae: what it is, and what its task adds."""
    path = shipped(Path(name))
    facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    known = {key: facts.get(key) for key in ("command", "seed", "parameters", "epochs", "train_seconds", "sha256")}
    rows = [[text(key.replace("_", " ")), text(value)] for key, value in known.items() if value is not None]
    task = task_of_export(read_export(path), path)
    parts = _parts(task, path, None)
    if not parts:
        raise ConfigError(f"runs=[{name}]: there is nothing to explore in its codes; give a model of objects, or a run")
    lead = f'<p>A model that comes with arcvae: <code>arcvae.load("{text(name)}")</code>.</p>'
    columns = {"test": facts["test"], task.trivial_name: facts["baseline"]}
    columns |= {"refined codes": facts["test_refined"]} if "test_refined" in facts else {}
    scores = [[words(key), *(shown(of.get(key)) for of in columns.values())] for key in task.headline]
    corpus = "On the test split of the corpus that it was trained on: CORPUS, which does not come with arcvae."
    sections = [
        ("", "", ""),  # what its task adds comes first
        ("figures", "Figures", table(["", *columns], scores, caption=corpus)),
        ("again", "How to make it again", table(["", ""], rows, kind="text")),
    ]
    return page(name, lead, sections, parts).encode()
