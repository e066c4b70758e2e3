"""The explorer of codes of objects: the whole model in a page, with what one needs to paint grids and move objects.

The decoder and the encoder of shapes, the search for objects, operations and the prior run in plain JavaScript, in the
files beside this one: ``codes.js``, ``parsing.js``, ``operations.js`` and ``formats.js`` compute, ``explaining.js``
says why cells are wrong, ``drawing.js`` draws, and ``explorer.js`` is what a person sees. Weights lie in the page as
float32.
"""

from __future__ import annotations

import base64
from importlib import resources
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from arcvae.grid.analysis.render import ARC_COLORS
from arcvae.grid.codec import Codec
from arcvae.grid.codes.object_prior import ObjectPrior
from arcvae.grid.codes.prior_files import OF_RUN, prior_of_run, save_prior
from arcvae.grid.codes.sampling import fitted_object_prior
from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.corpus.shapes import MAX_CELLS, MIN_CELLS
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.training.page.parts import PagePart

COMPUTING: Final = ("codes.js", "parsing.js", "operations.js", "formats.js", "explaining.js")
"""Files of the script that touch no page, in this order: any engine of JavaScript runs them."""
SHOWING: Final = ("drawing.js", "explorer.js")
"""Those after them."""
_EXAMPLES, _SEED = 8, 5
_FITTED, _COMPONENTS = 2000, 64
"""Grids that the prior is fitted to, and its Gaussians: a few seconds."""


def keep_prior(model: GridModel, grids: Tensor, folder: Path, seed: int) -> None:
    """Fit the prior of a model of objects to grids ``(N, S, S)`` and write it into a run folder; else do nothing."""
    if isinstance(model, ObjectsVAE):
        device = next(model.parameters()).device
        prior = fitted_object_prior(model.eval(), grids[:_FITTED], components=_COMPONENTS, seed=seed, device=device)
        save_prior(folder / OF_RUN, prior, model)


def explorer_part(codec: Codec, folder: Path | None) -> PagePart | None:
    """The explorer of a codec; None if its codes are not made of objects.

    Args:
        codec: Encoder and decoder.
        folder: Run folder, which may hold the prior that :func:`keep_prior` wrote; None: there is none.
    """
    if not isinstance(codec.model, ObjectsVAE):
        return None
    files = resources.files(__package__)
    script = "".join((files / name).read_text(encoding="utf-8") for name in (*COMPUTING, *SHOWING))
    return PagePart(
        name="explorer",
        title="Explore its codes",
        body=(files / "explorer.html").read_text(encoding="utf-8"),
        style=(files / "explorer.css").read_text(encoding="utf-8"),
        script=script,
        data=explorer_data(codec.model, _prior_of(codec, folder), of_run=folder is not None),
    )


def explorer_data(model: ObjectsVAE, prior: ObjectPrior | None, *, of_run: bool = False) -> dict[str, Any]:
    """What the script computes with, as JSON can hold it: sizes, weights, prior, examples, colours.

    Args:
        model: What is explored.
        prior: What codes are drawn from, if there is one.
        of_run: Whether it is the model of a run; then the page also names the one that comes with arcvae.
    """
    networks = {"encoder": model.encoder.shape.network, "decoder": model.decoder.shape.network}
    tensors = {f"{part}/{name}": tensor for part, net in networks.items() for name, tensor in net.state_dict().items()}
    if prior is not None:
        tensors |= {f"prior/{name}": tensor for name, tensor in prior.state_dict().items()}
    layout: dict[str, dict[str, tuple[int, int]]] = {}
    at = 0
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        layout.setdefault(part, {})[name] = (at, tensor.numel())
        at += tensor.numel()
    flat = torch.cat([tensor.detach().cpu().float().flatten() for tensor in tensors.values()]).numpy()
    grids, _ = generate_grids("atomic", _EXAMPLES, _SEED, grid_size=min(max(model.grid_size, 8), 30), min_objects=2)
    return {
        "facts": {
            "slots": model.slots,
            "shapeNumbers": model.shape_numbers,
            "colors": model.num_colors,
            "gridSize": model.grid_size,
            "frame": model.frame.size,
            "maxCells": model.encoder.max_cells,
            "corpusCells": (MIN_CELLS, MAX_CELLS),
            "ofRun": of_run,
        },
        "layout": layout,
        "numbers": base64.b64encode(flat.astype("<f4").tobytes()).decode("ascii"),
        "palette": list(ARC_COLORS),
        "examples": (grids % model.num_colors).tolist(),
    }


def _prior_of(codec: Codec, folder: Path | None) -> ObjectPrior | None:
    """The prior that a codec came with, or else that of its run folder, if there is one and it fits."""
    prior = codec.code_prior
    if prior is None and folder is not None:
        prior = prior_of_run(folder, codec.model)  # without one the explorer draws from N(0, I), and says so
    return prior if isinstance(prior, ObjectPrior) else None
