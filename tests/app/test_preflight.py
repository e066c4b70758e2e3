"""Files that a config names and that are not there are found before a run."""

from __future__ import annotations

from typing import Any

import pytest

from arcvae.app.preflight import check_files
from arcvae.errors import ArcvaeError, CheckpointError, ConfigError, DataError


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"ckpt_path": None, "data": {"path": None}}, ConfigError, "ckpt_path=null: name the checkpoint"),
        ({"ckpt_path": "no.ckpt"}, CheckpointError, "ckpt_path=no.ckpt: there is no such checkpoint"),
        (
            {"ckpt_path": "atomic_d10"},
            CheckpointError,
            r"no such checkpoint \(did you mean atomic-d10\?\); train first",
        ),
        ({"ckpt_path": __file__, "prior": {"path": "no.safetensors"}}, CheckpointError, "there is no such prior"),
        ({"ckpt_path": None, "task": {}, "data": {"path": "no.npz"}}, DataError, r"there is no file /.*/no\.npz"),
        ({"ckpt_path": "."}, CheckpointError, r"ckpt_path=\.: there is no /.*/checkpoints/best\.ckpt; train first"),
        ({"ckpt_path": None, "task": {}}, None, ""),
        ({"ckpt_path": __file__, "prior": {"path": __file__}, "data": {"path": __file__}}, None, ""),
    ],
)
def test_files_that_are_not_there_are_found_before_a_run(
    config: dict[str, Any], error: type[ArcvaeError] | None, message: str
) -> None:
    if error is None:
        check_files(config)
    else:
        with pytest.raises(error, match=message):
            check_files(config)
