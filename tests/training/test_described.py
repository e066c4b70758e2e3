"""Models that a file describes: built from checked values, or refused with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from arcvae.errors import CheckpointError
from arcvae.io.settings import Number, Settings
from arcvae.training.described import build_described

SETTINGS = Settings(rules={"model.width": Number(1, 64, integer=True)})
PATH = Path("here.pth")


class Narrow(nn.Linear):
    def __init__(self, width: int = 2, bias: bool = True, **_: Any) -> None:
        if width == 13:
            raise ValueError("a width of 13\nis unlucky")
        super().__init__(width, 1, bias=bias)


def described(known: Any, model: Any = None, **values: Any) -> nn.Module:
    found: nn.Module = build_described({"_target_": "theirs.Model", **values}, PATH, known, SETTINGS, model)
    return found


def test_arguments_reach_the_class_and_the_target_does_not_decide() -> None:
    found = described(Narrow, width=3, bias=False)
    assert isinstance(found, Narrow)
    assert found.in_features == 3
    assert "bias" not in found.state_dict()
    assert isinstance(described(nn.Identity, model=Narrow, width=3), Narrow)  # the user's goes first


def test_class_that_is_not_known_is_never_looked_up() -> None:
    with pytest.raises(CheckpointError, match=r"here\.pth holds a model of class theirs\.Model, which is not arcvae's"):
        described(None, width=3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 65}, "model.width=65 must be a whole number at least 1 and at most 64"),
        ({"width": "wide"}, "model.width=wide"),
        ({"units": 10**9}, "model.units=1000000000"),  # no rule: still no layer of any size
        ({"units": {"_target_": "os.system"}}, "model.units"),
        ({"width": 13}, "a width of 13 is unlucky"),
    ],
)
def test_values_that_cannot_be_are_refused_in_one_line(values: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=r"here\.pth describes a model that cannot be built: ") as caught:
        described(Narrow, **values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_class_of_the_user_checks_its_own_values() -> None:
    assert described(None, model=Narrow, width=100).in_features == 100
    with pytest.raises(CheckpointError, match="cannot be built: a width of 13 is unlucky"):
        described(None, model=Narrow, width=13)
