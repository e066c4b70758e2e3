"""Values of environment variables: to work with, and never written down."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from arcvae.app.resolving import resolved, without_secrets


def test_secrets_stay_names() -> None:
    unread = {"a": "${oc.env:KEY}", "b": ["${oc.env:KEY}", 1], "c": {"d": 5}, "n": "${oc.env:N}", "l": "${oc.env:L}"}
    found = {"a": "hunter2", "b": ["hunter2", 1], "c": {"d": 5}, "n": 3, "l": ["hunter2"]}
    assert without_secrets(unread, found) == unread | {"n": 3}


def test_secrets_are_resolved_to_work_with_and_stay_names_to_be_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCVAE_SECRET", "hunter2")
    plain, shown = resolved(OmegaConf.create({"a": "${oc.env:ARCVAE_SECRET}", "b": 1, "c": "${b}", "d": "???"}))
    assert plain == {"a": "hunter2", "b": 1, "c": 1, "d": "???"}
    assert shown == {"a": "${oc.env:ARCVAE_SECRET}", "b": 1, "c": 1, "d": "???"}


def test_secrets_stay_names_wherever_they_are_referred_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCVAE_SECRET", "hunter2")
    monkeypatch.setenv("ARCVAE_LIST", "[hunter2, 7]")
    config = {
        "tags": ["${oc.env:ARCVAE_SECRET}"],
        "logger": {"tags": "${tags}"},
        "first": "${logger.tags.0}",
        "within": "x-${oc.env:ARCVAE_SECRET}-y",
        "default": "${oc.env:NOT_THERE,${oc.env:ARCVAE_SECRET}}",
        "list": "${oc.decode:${oc.env:ARCVAE_LIST}}",
        "plain": "${oc.create:[1, 2]}",
    }
    plain, shown = resolved(OmegaConf.create(config))
    assert plain["logger"]["tags"] == ["hunter2"]
    assert plain["list"] == ["hunter2", 7]
    assert shown["logger"]["tags"] == ["${oc.env:ARCVAE_SECRET}"]
    assert shown["within"] == "x-${oc.env:ARCVAE_SECRET}-y"
    assert shown["plain"] == [1, 2]
    assert "hunter2" not in str(shown)
    monkeypatch.setenv("ARCVAE_SECRET", "other")
    assert resolved(OmegaConf.create(config))[0]["within"] == "x-other-y"  # the environment is read again afterwards


def test_secrets_stay_names_where_a_name_cannot_take_the_place_of_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    OmegaConf.register_new_resolver("half", lambda text: str(int(text) // 2), replace=True)
    monkeypatch.setenv("ARCVAE_SECRET", "4242")
    config = {"a": "${half:${oc.env:ARCVAE_SECRET}}", "b": ["${a}"], "n": 1, "c": "${n}"}
    plain, shown = resolved(OmegaConf.create(config))
    OmegaConf.clear_resolver("half")
    assert plain == {"a": "2121", "b": ["2121"], "n": 1, "c": 1}
    assert "2121" not in str(shown)
    assert shown["n"] == 1
