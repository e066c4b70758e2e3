"""Every foreseen error has a name and an exit code of its own, and says all that it knows."""

from __future__ import annotations

import inspect

import pytest

from arcvae import errors
from arcvae.errors import ArcvaeError, ConfigError, DataError

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ArcvaeError)]


def test_names_and_exit_codes_tell_errors_apart() -> None:
    assert len(KINDS) == 7
    assert len({kind.code for kind in KINDS}) == len({kind.exit_code for kind in KINDS}) == len(KINDS)
    # 0 is success, 2 what argparse and Hydra use for a wrong command line, from 126 on the shell has its own meanings.
    assert all(0 < kind.exit_code < 126 for kind in KINDS)
    assert ConfigError.exit_code == 2


@pytest.mark.parametrize("kind", KINDS)
def test_error_is_one_line_with_its_name(kind: type[ArcvaeError]) -> None:
    assert kind("what is wrong").lines() == [f"arcvae: error[{kind.code}]: what is wrong"]
    assert str(kind("what is wrong")) == "what is wrong"


def test_config_error_has_a_line_for_each_problem() -> None:
    error = ConfigError(("seed=-1 must not be", "unknown key lr"))
    assert error.problems == ["seed=-1 must not be", "unknown key lr"]
    assert error.lines() == [
        "arcvae: error[E_CONFIG]: seed=-1 must not be",
        "arcvae: error[E_CONFIG]: unknown key lr",
    ]
    assert str(error) == "seed=-1 must not be; unknown key lr"
    assert not isinstance(error, DataError)
