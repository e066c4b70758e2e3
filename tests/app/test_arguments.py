"""What classes and functions say of the keys that a config passes to them."""

from __future__ import annotations

import pytest

from arcvae.app.arguments import found_at, parameters_of, said_by, unknown_argument, wrong_type


def test_parameters_are_those_of_the_function_or_constructor() -> None:
    assert next(iter(parameters_of("arcvae.training.scheduler.warmup_then_decay") or {})) == "optimizer"
    assert "self" not in (parameters_of("arcvae.grid.models.beta_vae.BetaVAE") or {})
    assert parameters_of("arcvae.imbalance.losses.make_loss") is None  # takes any
    assert found_at("arcvae.grid.models.beta_vae.BetaVAE").__name__ == "BetaVAE"


@pytest.mark.parametrize("target", ["no_such_module.X", "arcvae.errors.NoSuchError", "", "print"])
def test_target_that_is_not_there_is_the_callers_matter(target: str) -> None:
    for ask in (lambda: parameters_of(target), lambda: unknown_argument(("a", "b"), "b", target)):
        with pytest.raises((ImportError, AttributeError, ValueError)):
            ask()


def test_key_is_unknown_where_the_class_has_no_such_parameter() -> None:
    target = "torch.optim.SGD"
    assert unknown_argument(("optimizer", "momentum"), "momentum", target) is None
    assert unknown_argument(("optimizer", "momentun"), "momentun", target) == (
        "unknown key optimizer.momentun: torch.optim.SGD takes no momentun (did you mean momentum?)"
    )
    assert unknown_argument(("optimizer", "groups", "x"), "groups", target) == (
        "unknown key optimizer.groups.x: torch.optim.SGD takes no groups"
    )


def test_value_has_the_type_of_the_annotation_where_that_is_plain() -> None:
    assert wrong_type(("optimizer", "momentum"), 1, "torch.optim.SGD") is None
    assert wrong_type(("optimizer", "momentum"), "abc", "torch.optim.SGD") == "optimizer.momentum=abc must be a number"
    assert wrong_type(("optimizer", "nesterov"), 1, "torch.optim.SGD") == "optimizer.nesterov=1 must be true or false"
    assert wrong_type(("optimizer", "foreach"), None, "torch.optim.SGD") is None  # bool | None
    assert wrong_type(("trainer", "devices"), "2", "lightning.pytorch.Trainer") is None  # several types, one of lists


def test_inspector_is_asked_once_what_it_knows_is_registered() -> None:
    node = {"_target_": "arcvae.imbalance.losses.make_loss", "name": "focal", "gama": 1}
    assert list(said_by("arcvae.imbalance.registry.loss_problems", node)) == ["gama"]
