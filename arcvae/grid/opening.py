"""Opening an export of a model of grids as a codec."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from arcvae.errors import CheckpointError
from arcvae.grid.codec import Codec
from arcvae.grid.codes.operator_files import load_operators
from arcvae.grid.codes.prior_files import load_prior, prior_of_run
from arcvae.grid.models import build_model
from arcvae.grid.models.base import GridModel
from arcvae.grid.settings import WHOLE_MODEL
from arcvae.io.tensors import fill


def load_codec(
    export: Mapping[str, Any],
    path: Path,
    *,
    model: Callable[..., GridModel] | None = None,
    prior: str | os.PathLike[str] | None = None,
    operators: str | os.PathLike[str] | None = None,
    device: str = "cpu",
) -> Codec:
    """Build the codec that an export describes; :func:`arcvae.load` reads the export first.

    Args:
        export: What :func:`arcvae.io.exports.read_export` returns.
        path: File that it is from, for messages.
        model: Class of the model, if it is one of yours; called with the ``model`` values of the export.
        prior: ``prior.safetensors`` that ``arcvae.sample`` has made for this model, with ``prior=autoregressive`` or
            ``prior=objects``: :meth:`Codec.sample` draws from it. None takes that of the run folder, if there is one.
        operators: ``operators.safetensors`` that ``arcvae.operate`` has made for this model: operations with
            ``via="codes"`` use them.
        device: Where to compute, for example ``"cuda"``.

    Returns:
        A :class:`Codec`. An ``encoder`` export only encodes, a ``decoder`` export only decodes.

    Raises:
        CheckpointError: Of another architecture, or not a model of grids; nothing in the export is run.
    """
    part = export["part"] or WHOLE_MODEL
    if part not in (WHOLE_MODEL, "encoder", "decoder"):
        raise CheckpointError(f"{path} holds a {part}, which has no codes; give {WHOLE_MODEL}.pth of a model of grids")
    half = None if part == WHOLE_MODEL else part
    network = build_model(export["model"], path, model, state=export["state_dict"], part=half)
    fill(network if half is None else getattr(network, half), export["state_dict"], path)
    beside = [name for name, given in (("a prior", prior), ("operators", operators)) if given is not None]
    if beside and part == "encoder":
        raise CheckpointError(f"{path} holds only the encoder and has no use for {beside[0]}; load {WHOLE_MODEL}.pth")
    code_prior = prior_of_run(path.parent, network) if prior is None else load_prior(prior, network)
    shape_operators = None if operators is None else load_operators(operators, network).to(device)
    return Codec(
        network.to(device),
        part=part,
        path=path,
        logit_adjustment=export.get("logit_adjustment"),
        code_prior=None if code_prior is None else code_prior.to(device),
        operators=shape_operators,
    )
