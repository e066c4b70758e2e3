"""A model of objects that reconstructs some grids exactly, without training."""

from __future__ import annotations

import torch
from torch import Tensor

from arcvae.grid.models.dihedral import frame_of
from arcvae.grid.models.objects import ObjectsVAE


class Perfect(torch.nn.Module):
    """A decoder of shapes that knows by heart what some codes stand for."""

    def __init__(self, codes: Tensor, parity: Tensor, shapes: Tensor) -> None:
        super().__init__()
        self.codes, self.parity, self.shapes, self.frame = codes, parity, shapes, frame_of(8)
        self.numbers = codes.shape[1]

    dtype = torch.float32

    def forward(self, codes: Tensor, parity: Tensor) -> Tensor:
        distance = torch.cdist(codes, self.codes) + 1e3 * (parity[:, None] != self.parity)
        return 12 * (2 * self.shapes[distance.argmin(1)].float() - 1)


def perfect_vae(grids: Tensor) -> ObjectsVAE:
    """A model that reconstructs grids ``(N, S, S)`` uint8, and what symmetries make of them, exactly.

    Its posteriors are narrow.
    """
    torch.manual_seed(0)
    model = ObjectsVAE(width=16)
    views = torch.cat([turned for k in range(4) for turned in (grids.rot90(k, (1, 2)), grids.rot90(k, (1, 2)).mT)])
    found = model.encoder.find(views)
    shapes, parity = torch.from_numpy(found.shapes), torch.from_numpy(found.parity)
    with torch.no_grad():
        model.encoder.shape.network[-1].bias[model.shape_numbers :] = -8.0  # type: ignore[index, union-attr]
        codes, _ = model.encoder.shape(shapes, parity)
    model.decoder.shape = Perfect(codes, parity, shapes)  # type: ignore[assignment]
    return model.eval()


@torch.no_grad()
def codes_of(vae: ObjectsVAE, grids: Tensor) -> Tensor:
    """Mean codes of grids, ``(N, K, 3 + S)``."""
    return vae.slot_numbers(vae.encoder(grids)[0]).clone()


@torch.no_grad()
def drawn(vae: ObjectsVAE, slots: Tensor, size: int = 16) -> Tensor:
    """Grids that slots ``(N, K, 3 + S)`` stand for."""
    return vae.decoder.draw(slots.flatten(1), size, size).argmax(1).to(torch.uint8)
