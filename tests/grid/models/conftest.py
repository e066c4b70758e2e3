"""Every model that the package ships, as its config builds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

from arcvae.grid.models import model_class
from arcvae.grid.models.base import GridModel

CONFIGS: Final = Path(__file__).parents[3] / "conf" / "model"


def values(name: str) -> dict[str, Any]:
    """What a file of ``conf/model`` says, with the files that it is based on."""
    node = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    base: dict[str, Any] = {}
    for parent in node.pop("defaults", []):
        base |= values(parent)
    return base | node


def model_from(name: str) -> Callable[[], GridModel]:
    """Builds the model of ``conf/model/NAME.yaml``."""
    arguments = values(name)
    make = model_class(arguments.pop("_target_"))
    assert make is not None
    return lambda: make(**arguments)


MODELS: Final = sorted(
    path.stem for path in CONFIGS.glob("*.yaml") if values(path.stem)["_target_"].startswith("arcvae.grid.models.")
)
"""Files of ``conf/model`` that describe a model of grids."""


def pytest_generate_tests(metafunc: Any) -> None:
    """Give every test that takes ``make_model`` each of the models, and ``make_flat`` those without slots."""
    if "make_model" in metafunc.fixturenames:
        metafunc.parametrize("make_model", [model_from(name) for name in MODELS], ids=MODELS)
    if "make_flat" in metafunc.fixturenames:
        flat = [name for name in MODELS if model_from(name)().slots is None]
        metafunc.parametrize("make_flat", [model_from(name) for name in flat], ids=flat)
