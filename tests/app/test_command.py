"""What a command does before, around and after its jobs."""

from __future__ import annotations

import errno
import importlib
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hydra.core.plugins import Plugins
from hydra.experimental.callback import Callback

import arcvae
from arcvae.app.command import CHILD, run_command
from arcvae.app.compose import plan
from arcvae.app.hydra_files import write_hydra_files
from arcvae.app.overrides import parse_overrides, quoted
from arcvae.errors import CheckpointError, ConfigError, DataError
from arcvae.training.run_folder import held_run_folder

Command = Callable[..., int]
Check = Callable[[dict[str, Any]], None]


@dataclass
class Call:
    """What a job was called with."""

    config: dict[str, Any]
    shown: dict[str, Any]
    folder: Path
    command: list[str]


@pytest.fixture
def calls() -> list[Call]:
    return []


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[Call]) -> Command:
    """Run ``python -m arcvae.NAME WORDS`` in ``tmp_path``; returns the exit code.

    The job keeps its arguments, and returns ``result``, raises it, or does with the config what it says. The config of
    ``evaluate`` is small and composes fast.
    """
    monkeypatch.chdir(tmp_path)

    def run(*words: str, name: str = "evaluate", result: Any = None, check: Check = lambda _: None) -> int:
        def job(config: dict[str, Any], shown: dict[str, Any], folder: Path, command: list[str]) -> Any:
            calls.append(Call(config, shown, folder, command))
            outcome = result(config) if callable(result) else result
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr("sys.argv", [f"arcvae.{name}", *words])
        return run_command(name, job, check)

    return run


def test_folder_of_options_is_that_of_the_runs_of_a_comparison_too(
    run: Command, calls: list[Call], tmp_path: Path
) -> None:
    (tmp_path / "mine" / "loss").mkdir(parents=True)
    (tmp_path / "mine" / "loss" / "sharp.yaml").write_text("defaults:\n  - focal\n\ngamma: 4.0\n")
    seen: list[dict[str, Any]] = []
    words = ("--config-dir", "mine", "overrides=['loss=sharp']")
    assert run(*words, name="compare", result=None, check=seen.append) == 0
    assert seen[0]["overrides"] == calls[0].config["overrides"]
    (job,) = plan("train", calls[0].config["overrides"])
    assert job["loss"]["gamma"] == 4.0


@pytest.mark.slow
def test_job_gets_plain_values_the_folder_and_the_command_line(
    run: Command, calls: list[Call], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCVAE_SECRET", "hunter2")
    words = ["loss=option_b", "data.path=${oc.env:ARCVAE_SECRET}", "seed=7"]
    assert run(*words, name="train") == 0
    (call,) = calls
    assert json.loads(json.dumps(call.config)) == call.config
    assert (call.config["seed"], call.config["data"]["seed"], call.config["data"]["path"]) == (7, 7, "hunter2")
    assert call.shown == call.config | {"data": call.config["data"] | {"path": "${oc.env:ARCVAE_SECRET}"}}
    assert "hydra" not in call.config
    assert call.command == ["python", "-m", "arcvae.train", *words]
    assert call.folder.parent == tmp_path / "outputs" / "train"
    assert list(call.folder.iterdir()) == []  # nothing is written before the job holds its folder


@pytest.mark.slow
def test_folder_is_named_after_the_command(run: Command, calls: list[Call], tmp_path: Path) -> None:
    assert run() == run(name="sample") == 0
    assert [call.folder.parent for call in calls] == [tmp_path / "outputs" / name for name in ("evaluate", "sample")]


def test_job_given_by_name_is_imported_after_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "late_job.py").write_text("def work(config, shown, folder, command):\n    (folder / 'done').touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["arcvae.evaluate"])

    def refuse(_: dict[str, Any]) -> None:
        raise DataError("no")

    assert run_command("evaluate", "late_job.work", refuse) == 3
    assert "late_job" not in sys.modules
    assert not (tmp_path / "outputs").exists()
    assert run_command("evaluate", "late_job.work", lambda _: None) == 0
    assert len(list(tmp_path.glob("outputs/evaluate/*/done"))) == 1
    del sys.modules["late_job"]


@pytest.mark.slow
def test_every_job_of_a_sweep_is_checked_before_the_first_runs(run: Command, calls: list[Call], tmp_path: Path) -> None:
    def check(config: dict[str, Any]) -> None:
        if config["seed"] == 3:
            raise ConfigError("three")

    assert run("-m", "seed=1,2,3", check=check) == 2
    assert calls == []
    assert not (tmp_path / "outputs").exists()
    assert run("-m", "seed=1,2", check=check) == 0
    assert [call.config["seed"] for call in calls] == [1, 2]
    assert len({call.folder for call in calls}) == 2


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["loss.name=focla"], "loss.name=focla: choose one of balanced_softmax, cross_entropy, dice, focal, "),
        (["+loss.label_smoothing=0.1"], "unknown key loss.label_smoothing: the parameters of the loss focal are gamma"),
        # There are rules for these keys, but for others of their group.
        (["loss=cross_entropy", "+loss.gamma=2"], "unknown key loss.gamma: the parameters of the loss cross_entropy"),
        (["model=spatial", "+model.widths=[3]"], "unknown key model.widths: arcvae.grid.models.spatial.SpatialVAE"),
        (["beta=constant", "+beta.ramp=1"], "unknown key beta.ramp: arcvae.grid.elbo.Constant takes no ramp"),
        (["optimizer._target_=torch.optim.SGD"], "unknown key optimizer.betas: torch.optim.SGD takes no betas"),
        (["+scheduler.period=1"], "unknown key scheduler.period: arcvae.training.scheduler.warmup_then_decay takes no"),
        (["optimizer._target_=torch.optim.Adamm"], "optimizer._target_=torch.optim.Adamm: module 'torch.optim' has no"),
        (["model._target_=arcvae.grid.models.x.X"], "model._target_=arcvae.grid.models.x.X: No module named"),
        (["+optimizer.eps=abc"], "optimizer.eps=abc must be a number"),
        (["+trainer.limit_train_batches=abc"], "trainer.limit_train_batches=abc must be a number"),
        (["-m", "seed=1,2", "loss.name=focla"], "loss.name=focla: choose one of"),
    ],
)
def test_what_a_class_or_loss_does_not_take_is_refused_before_anything_is_written(
    run: Command, calls: list[Call], tmp_path: Path, words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words, name="train") == 2
    assert capsys.readouterr().err.splitlines()[0].startswith(f"arcvae: error[E_CONFIG]: {line}")
    assert calls == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_sweep_goes_on_after_a_job_that_failed(
    run: Command, calls: list[Call], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("-m", "seed=1,2,3", result=lambda config: DataError("two") if config["seed"] == 2 else None) == 1
    assert [call.config["seed"] for call in calls] == [1, 2, 3]
    assert capsys.readouterr().err.splitlines() == ["arcvae: error[E_DATA]: two"]


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            ConfigError(["a is wrong", "b\n is wrong"]),
            2,
            "arcvae: error[E_CONFIG]: a is wrong\narcvae: error[E_CONFIG]: b is wrong",
        ),
        (CheckpointError("torn"), 4, "arcvae: error[E_CKPT]: torn"),
        (OSError(errno.ENOSPC, "No space left", "f"), 5, "No space left: f; make room or choose another output_dir"),
        (PermissionError(errno.EACCES, "Permission denied"), 5, "Permission denied: a file; choose another"),
        (MemoryError(), 5, "out of memory; in training lower data.batch_size"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 5, "out of memory"),
        (OSError(errno.ELOOP, "Too many links", "loop"), 5, "Too many links: loop; give another path"),
        (OSError(errno.EINVAL, "odd"), 1, "this is a bug in arcvae; please report the lines above"),
        (KeyError("x"), 1, "this is a bug in arcvae"),
    ],
)
def test_each_end_has_its_code_and_its_line(
    run: Command, capsys: pytest.CaptureFixture[str], error: Exception, code: int, line: str
) -> None:
    assert run(result=error) == code
    shown = capsys.readouterr().err
    assert line in shown
    assert ("Traceback" in shown) == (code == 1)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_ends_the_command_with_its_code_and_the_way_to_go_on(
    run: Command, calls: list[Call], capsys: pytest.CaptureFixture[str], number: signal.Signals, code: int
) -> None:
    handlers = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]
    assert run("-m", "seed=1,2", result=lambda _: os.kill(os.getpid(), number)) == code
    assert len(calls) == 1  # it is no failure of one job, after which the next would run
    assert capsys.readouterr().err == f"arcvae: interrupted by {number.name}; finished runs are kept; start again\n"
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)] == handlers


@pytest.mark.slow
@pytest.mark.parametrize("place", ["my runs/one", "O'Brien/one", "plain/one", "$HOME/one"])
def test_the_way_to_go_on_can_be_typed(
    run: Command, calls: list[Call], tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    def work(_: dict[str, Any]) -> None:
        last = calls[-1].folder / "checkpoints" / "last.ckpt"
        last.parent.mkdir(parents=True)
        last.touch()
        os.kill(os.getpid(), signal.SIGINT)

    assert run(f"hydra.run.dir={quoted(str(tmp_path / place))}", name="train", result=work) == 130
    typed = capsys.readouterr().err.partition("continue with ")[2].strip()
    assert ("'" in typed) == (place != "plain/one")
    shell = subprocess.run(["sh", "-c", f"printf %s {typed}"], capture_output=True, text=True, check=True)
    (override,) = parse_overrides([shell.stdout])
    assert override.value() == str(calls[0].folder / "checkpoints" / "last.ckpt")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_the_process_at_once(run: Command, number: signal.Signals) -> None:
    def work(_: dict[str, Any]) -> None:
        try:
            os.kill(os.getpid(), number)
        finally:  # whatever is done after the first takes too long for the user
            os.kill(os.getpid(), number)
            os._exit(99)

    child = os.fork()
    if child == 0:
        run(result=work)
        os._exit(98)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -number


class Returned(Callback):
    """A Hydra callback that keeps what jobs return."""

    values: list[Any] = []

    def on_job_end(self, config: Any, job_return: Any, **_: Any) -> None:  # noqa: ARG002
        self.values.append(job_return.return_value)


@dataclass
class Record:
    objective: Any


@pytest.mark.parametrize(
    ("result", "value"),
    [(0.5, 0.5), (3, 3.0), (Record(0.25), 0.25), (Record(None), None), (None, None), ({"a": 1}, None), (True, None)],
)
def test_value_of_a_job_reaches_callbacks_and_sweepers(run: Command, result: Any, value: float | None) -> None:
    # hydra 2047: `return_value` was None.
    Returned.values.clear()
    words = (f"plugins=[{__name__}]", f"+hydra.callbacks.keep._target_={__name__}.Returned")
    assert run(*words, result=result) == 0
    assert Returned.values == [value]
    assert type(Returned.values[0]) is type(value)


SWEEPER = """
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

class SearchingSweeper(BasicSweeper):
    seen = []

    def sweep(self, arguments):
        for batch in super().sweep(arguments):
            self.seen += [result.return_value for result in batch]
"""


@pytest.mark.slow
def test_sweeper_that_searches_gets_values_and_sees_a_job_fail(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hydra_plugins").mkdir()  # where Hydra wants sweepers to be
    (tmp_path / "hydra_plugins" / "searching.py").write_text(SWEEPER)
    monkeypatch.syspath_prepend(tmp_path)
    sweeper = importlib.import_module("hydra_plugins.searching").SearchingSweeper
    Plugins.instance().register(sweeper)
    words = ["-m", "seed=1,2", "hydra.sweeper._target_=hydra_plugins.searching.SearchingSweeper"]
    assert run(*words, result=lambda config: config["seed"] / 4) == 0
    assert sweeper.seen == [0.25, 0.5]
    assert run(*words, result=DataError("bad")) == 3  # and does not take a missing value for one
    assert "arcvae: error[E_DATA]: bad" in capsys.readouterr().err
    for name in ("hydra_plugins.searching", "hydra_plugins"):
        del sys.modules[name]


@pytest.mark.slow
def test_sweep_goes_on_after_a_job_whose_disk_was_full(run: Command, calls: list[Call]) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "f")
    assert run("-m", "seed=1,2", result=lambda config: full if config["seed"] == 1 else None) == 1
    assert [call.config["seed"] for call in calls] == [1, 2]


def test_relative_paths_mean_the_same_in_the_check_and_in_the_job(run: Command, calls: list[Call]) -> None:
    # hydra 922: with hydra.job.chdir=true the job looked for the corpus in its own folder.
    places = []
    words = ("hydra.job.chdir=true", "data.path=c.npz")
    assert run(*words, check=lambda _: places.append(Path.cwd()), result=lambda _: places.append(Path.cwd())) == 0
    assert places[0] == places[1] != calls[0].folder


def test_folder_that_has_been_deleted_is_named(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert run() == 5
    assert capsys.readouterr().err == (
        "arcvae: error[E_FILES]: the current folder has been deleted; change to one that is there\n"
    )


@pytest.mark.slow
def test_key_that_was_added_is_named_when_a_job_fails_and_the_place_is_shown_on_demand(
    run: Command, calls: list[Call], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("+trainer.benchmark=true", "trainer.max_epochs=1")
    assert run(*words, name="train", result=TypeError("cannot\nunpack")) == 2
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1
    assert "TypeError: cannot unpack (" in shown
    assert "arcvae has no rule for +trainer.benchmark=true: leave that out, or add hydra.verbose=true" in shown
    assert run(*words, "hydra.verbose=true", name="train", result=TypeError("cannot")) == 2
    assert "Traceback" in (calls[1].folder / "train.log").read_text()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["hydra.run.dir=old/0"], 7),
        (["output_dir=old", "hydra.run.dir=${output_dir}/0"], 7),
        (["hydra.run.dir=old/0", "hydra.verbose=true"], 7),  # a line in its log would make another folder of it
        (["-m", "seed=1", "hydra.sweep.dir=old"], 1),
    ],
)
@pytest.mark.parametrize("record", ["metrics.json", "results.json"])
def test_finished_run_is_not_written_over(
    run: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], record: str, words: list[str], code: int
) -> None:
    (tmp_path / "old" / "0").mkdir(parents=True)
    (tmp_path / "old" / "0" / record).write_text("{}")
    assert run(*words) == code
    said = f"{tmp_path}/old/0 holds a finished run; choose another hydra.run.dir, or hydra.sweep.dir for the jobs"
    assert said in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "old" / "0").iterdir()] == [record]


def test_record_of_another_command_does_not_end_an_interrupted_run(
    run: Command, calls: list[Call], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old" / "checkpoints").mkdir(parents=True)
    (tmp_path / "old" / "checkpoints" / "last.ckpt").touch()
    assert run("hydra.run.dir=old") == 7
    assert "old is the folder of a training run; choose another hydra.run.dir" in capsys.readouterr().err
    assert run("hydra.run.dir=old", name="train") == 0
    assert len(calls) == 1


@pytest.mark.parametrize("words", [["report"], ["runs"], ["corpus"], ["predict", "source=x"], ["tasks"]])
def test_command_without_a_run_folder_works_in_one(
    run: Command, calls: list[Call], tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in ("checkpoints/last.ckpt", "metrics.json"):
        (tmp_path / name).touch()
    assert run(*words[1:], name=words[0]) == 0
    assert len(calls) == 1


def test_version_is_told_without_an_installation(
    run: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(name: str) -> None:  # as for a checkout that is on PYTHONPATH
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", refuse)
    assert run("--version") == 0
    assert capsys.readouterr().out == f"arcvae {arcvae.__version__}\n"


@pytest.mark.parametrize("flag", ["--config-name=evaluate", "--config-path=/tmp", "--experimental-rerun=x"])
def test_flags_that_would_go_round_the_check_are_refused(
    run: Command, calls: list[Call], capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    assert run(flag) == 2
    assert "are not supported; use overrides" in capsys.readouterr().err
    assert calls == []


def test_sweep_of_jobs_with_processes_of_their_own_is_refused(run: Command, calls: list[Call]) -> None:
    assert run("-m", "seed=1,2", "trainer=ddp", name="train") == 2
    assert run("hydra.mode=MULTIRUN", "trainer=ddp", name="train") == 2
    assert calls == []
    assert run("trainer=ddp", name="train") == 0


@pytest.mark.slow
def test_sweep_that_is_interrupted_says_how_it_goes_on(
    run: Command, calls: list[Call], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("-m", "seed=1,2")
    assert run(*words, name="train", result=lambda _: os.kill(os.getpid(), signal.SIGTERM)) == 143
    found = re.search(r"the same command with (\S+) goes on with what is not finished", capsys.readouterr().err)
    assert found is not None
    (made,) = (tmp_path / "outputs" / "sweeps").iterdir()
    assert run(*words, found[1], name="train") == 0
    assert [call.folder for call in calls] == [made / "0", made / "0", made / "1"]


def test_process_of_a_further_device_does_not_check_again(
    run: Command, calls: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: dict[str, Any]) -> None:
        raise ConfigError("again")

    assert run(check=refuse) == 2
    monkeypatch.setenv(CHILD, "1")
    assert run(check=refuse) == 0
    assert len(calls) == 1


def test_showing_a_config_checks_its_values_alone(run: Command, calls: list[Call], tmp_path: Path, capsys: Any) -> None:
    def refuse(_: dict[str, Any]) -> None:
        raise DataError("no file")

    assert run("seed=5", "--cfg", "job", check=refuse) == 0
    assert "seed: 5" in capsys.readouterr().out
    assert run("seed=-5", "--cfg", "job") == 2
    assert calls == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_continued_run_takes_over_overrides(
    run: Command, calls: list[Call], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(_: dict[str, Any]) -> None:
        write_hydra_files(calls[-1].folder, calls[-1].shown)

    assert run("loss=option_c", "trainer.max_epochs=3", "hydra.run.dir=one", name="train", result=write) == 0
    last = calls[0].folder / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    last.touch()
    capsys.readouterr()
    for words, taken in (
        ([f"ckpt_path={last}"], f"ckpt_path='{last}'"),
        (["ckpt_path=one"], f"ckpt_path='{tmp_path}/one'"),
        (["ckpt_path=auto", "hydra.run.dir=one"], "ckpt_path=auto"),
    ):
        assert run(*words, "trainer.max_epochs=5", name="train") == 0
        assert capsys.readouterr().out.startswith("Continuing with the overrides of that run: loss=option_c\n")
        config = calls[-1].config
        assert (config["loss"]["class_weights"], config["trainer"]["max_epochs"]) == ("inverse", 5)
        assert calls[-1].command[3:] == ["loss=option_c", taken, *words[1:], "trainer.max_epochs=5"]
        assert (calls[-1].folder == calls[0].folder) == (len(words) == 2)


@pytest.mark.slow
def test_folder_of_a_running_run_is_refused_before_the_job_and_stays_as_it_is(
    run: Command, calls: list[Call], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with held_run_folder(tmp_path / "one"):
        before = [(path, path.stat().st_mtime_ns) for path in (tmp_path / "one").rglob("*")]
        assert run("hydra.run.dir=one", "loss=option_c", name="train") == 7
        assert "another run is going on in" in capsys.readouterr().err
        assert [(path, path.stat().st_mtime_ns) for path in (tmp_path / "one").rglob("*")] == before
    assert calls == []
    assert run("hydra.run.dir=one", name="train") == 0


@pytest.mark.parametrize(
    "words",
    [
        ["loss.gama=1", "seed=-1"],
        ["loss=optoin_b", "model._target_=os.system"],
        ["experiment=audio_cnn", "data.num_clips=889", "trainer.strategy=ddp"],
        ["data.path=nowhere.npz"],
        ["ckpt_path=nowhere.ckpt"],
    ],
)
def test_mistake_is_reported_without_importing_what_takes_long(tmp_path: Path, words: list[str]) -> None:
    # A second and more each; a refusal takes half a second in all.
    slow = ("torch", "lightning", "torchmetrics", "sklearn", "scipy", "matplotlib", "wandb", "pydantic")
    code = (
        f"import sys; sys.argv = ['train', *{words!r}]\n"
        "from arcvae.train import main\n"
        "code = main()\n"
        f"print([name for name in {slow!r} if name in sys.modules])\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr
    assert done.returncode in (2, 3, 4)
    assert all(line.startswith("arcvae: error[E_") for line in done.stderr.splitlines())
    assert list(tmp_path.iterdir()) == []
