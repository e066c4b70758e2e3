"""Overrides before a config is composed."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from arcvae.app.compose import plan
from arcvae.app.overrides import at_home, one_line, parse_overrides, quoted, read_overrides, resumed_overrides
from arcvae.errors import ConfigError


def test_what_can_be_read_is_read_beside_what_cannot() -> None:
    parsed, problems = read_overrides(["seed=1", "loss=[", "+a.b=c"])
    assert [(override.key_or_group, override.value()) for override in parsed] == [("seed", 1), ("a.b", "c")]
    (problem,) = problems
    assert problem.startswith("cannot read the override loss=[")
    with pytest.raises(ConfigError) as caught:
        parse_overrides(["loss=[", "a=b=c"])
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("shell", [shell for shell in ("bash", "zsh") if shutil.which(shell)])
@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("overrides=[a=1,b=2]", ["a=1", "b=2"]),
        ("overrides=[data.path=c.npz]", ["data.path=c.npz"]),
        ("overrides=['a=1', b=2 ]", ["a=1", "b=2"]),
        ("overrides=[model.widths=[1,2],b=2]", ["model.widths=[1,2]", "b=2"]),
        ("overrides=[data.path=$HOME/c.npz]", ["data.path=$HOME/c.npz"]),
        ("data.path=a=b/c.npz", "a=b/c.npz"),
        ("data.path=it's=so/c.npz", "it's=so/c.npz"),
        ("data.path=a=[b", "a=[b"),
    ],
)
def test_remedy_is_what_was_meant_once_it_is_typed(shell: str, override: str, value: object) -> None:
    # A list in quotes is one word: `overrides='[a=1,b=2]'` would end in "must be a list".
    (problem,) = read_overrides([override])[1]
    typed = problem.partition(": ")[2]
    script = f"{shlex.quote(sys.executable)} -c 'import sys; print(sys.argv[1], end=chr(0))' {typed}"
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=True)
    assert parse_overrides([done.stdout[:-1]])[0].value() == value


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("data.path=~/c.npz", "/home/é l/c.npz"), ("data.path='~/c.npz'", "/home/é l/c.npz"),
        ('out="~/a,b"', "/home/é l/a,b"), ("out=a~/b", "a~/b"), ("out='~x/c'", "~x/c"), ("~data", None), ("seed=1", 1),
    ],
)  # fmt: skip
def test_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, typed: str, value: object) -> None:
    monkeypatch.setenv("HOME", "/home/é l")
    if value == "a~/b":
        assert at_home(typed) == typed
    else:
        assert parse_overrides([at_home(typed)])[0].value() == value


def test_tilde_is_the_home_folder_for_each_job_of_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    found = plan("train", [at_home("data.path=~/a.npz,~/b.npz,c.npz")], multirun=True)
    assert [config["data"]["path"] for config in found] == ["/home/me/a.npz", "/home/me/b.npz", "c.npz"]


def test_quoted_text_is_read_back_as_it_was() -> None:
    for text in ("a b", "it's", 'say "no"', "a=b", "1", "rené", "back\\slash"):
        assert parse_overrides([f"a={quoted(text)}"])[0].value() == text
    assert one_line(ValueError("a\n  b")) == "a b"
    assert one_line(ValueError()) == "ValueError"


def test_resumed_run_takes_over_its_overrides_and_yours_win(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text("- loss=option_c\n- trainer.max_epochs=3\n- ckpt_path=old\n")
    with (folder / ".hydra" / "overrides.yaml").open("a") as file:  # what must not be taken over from a folder
        file.write("- plugins=[os]\n- model._target_=os.system\n- ++hydra.run.dir=/tmp/x\n- hydra/launcher=basic\n")
    (tmp_path / "it's a link").symlink_to(folder)
    given = [f'ckpt_path="{tmp_path}/it\'s a link/checkpoints/last.ckpt"', "trainer.max_epochs=9"]
    found = resumed_overrides(given)
    assert found == ["loss=option_c", f"ckpt_path='{folder}/checkpoints/last.ckpt'", "trainer.max_epochs=9"]
    assert plan("train", found)[0]["ckpt_path"] == f"{folder}/checkpoints/last.ckpt"
    assert resumed_overrides(["loss=option_a"]) == ["loss=option_a"]


@pytest.mark.parametrize(("config", "name"), [(None, "seed_"), ("widths: [4]", "seed_"), ("bands: 40", "")])
def test_option_that_has_changed_means_what_it_meant_to_the_run(tmp_path: Path, config: str | None, name: str) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").write_text("- experiment=audio_cnn\n- seed=3\n")
    if config is not None:
        (tmp_path / ".hydra" / "config.yaml").write_text(f"model:\n  {config}\n")
    found = resumed_overrides([f"ckpt_path={tmp_path}/checkpoints/last.ckpt"])
    assert found[:2] == [f"experiment=audio_{name}cnn", "seed=3"]


def test_resumed_run_takes_over_nothing_that_names_code(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    lines = ["loss=option_c", "+model.latent_dim={_target_: os.system, command: x}", "plugins=[mine]"]
    (tmp_path / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(lines))
    given = f"ckpt_path={tmp_path}/checkpoints/last.ckpt"
    assert [line for line in resumed_overrides([given]) if not line.startswith("ckpt_path")] == ["loss=option_c"]


def test_what_cannot_be_read_is_left_to_the_check() -> None:
    assert resumed_overrides(["a=b=c", "ckpt_path=x", "nonsense=1"]) == ["a=b=c", "ckpt_path=x", "nonsense=1"]


def recorded(folder: Path, *lines: str) -> str:
    """A run folder with these overrides; the override that continues its last checkpoint."""
    (folder / ".hydra").mkdir(exist_ok=True)
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(lines)))
    return f"ckpt_path={folder}/checkpoints/last.ckpt"


def test_places_of_a_folder_are_not_obeyed(tmp_path: Path) -> None:
    places = ("output_dir=/elsewhere", "data.corpus_dir=/elsewhere", "data.cache_dir=/elsewhere", "++output_dir=/x")
    given = recorded(tmp_path, *places, "seed=3")
    assert [line for line in resumed_overrides([given]) if not line.startswith("ckpt_path")] == ["seed=3"]


@pytest.mark.parametrize("value", ["${oc.env:S}", "'${oc.env:S}'", "['x-${oc.env:S}']", "'${oc.decode:${seed}}'"])
def test_interpolation_of_a_folder_is_refused_unless_its_key_is_given(tmp_path: Path, value: str) -> None:
    given = recorded(tmp_path, f"tags={value}", "data.path='${output_dir}/c.npz'")
    with pytest.raises(
        ConfigError, match=r"overrides\.yaml has tags=.*, which is not resolved from a file; give tags="
    ):
        resumed_overrides([given])
    assert resumed_overrides([given, "tags=[]"])[0] == "data.path='${output_dir}/c.npz'"


def test_bomb_in_a_folder_is_refused_at_once(tmp_path: Path) -> None:
    given = recorded(tmp_path)
    lines = ["- &a0 [x,x,x,x,x,x,x,x,x]", *(f"- &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))]
    (tmp_path / ".hydra" / "overrides.yaml").write_text("\n".join(lines))
    started = time.perf_counter()
    with pytest.raises(ConfigError, match=r"overrides\.yaml is not a list of text \(it uses anchors\)"):
        resumed_overrides([given])
    assert time.perf_counter() - started < 2
