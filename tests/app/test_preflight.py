"""Files that a config names and that are not there are found before a run."""

from __future__ import annotations

from pathlib import Path
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
        ({"ckpt_path": "atomic-objects"}, None, ""),
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


def test_export_is_told_from_a_checkpoint_before_torch_is_imported(tmp_path: Path) -> None:
    (tmp_path / "vae_best.safetensors").touch()
    with pytest.raises(
        CheckpointError, match=r"vae_best\.safetensors is an export; give a checkpoint of arcvae\.train"
    ):
        check_files({"ckpt_path": str(tmp_path / "vae_best.safetensors")})
