"""A prior of codes of objects that is fitted to those of a corpus: how many, which colours, which shapes, where.

    p(code) = p(n) n! prod_i p(color_i) p(shape_i) p(place_i | shape_i)

The number of objects and their colours are counted. The numbers of a shape are a mixture of Gaussians: a code is turned
until its largest number comes first, which leaves an eighth of the space, and each Gaussian has a table of the
orientations and of the parity classes of its shapes. A place is uniform over those at which the shape that the code
draws lies inside the grid. ``n!`` is there because the order of objects means nothing.

An object of a draw that would overlap another, or be none or several to the encoder, is drawn again. The probability
above does not know that, so it is a lower bound, and the bits that follow from it are an upper one.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

from arcvae.grid.codes.prior import require_temperature
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.dihedral import INVERSE, ORDER, turn_code
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.models.shapes import upright_code
from arcvae.grid.models.slots import COLOR, COLUMN, PLACE, ROW, parity_of

PARITIES: Final = 4
ORIENTATIONS: Final = ORDER
_TRIES: Final = 50
"""Draws of an object, before its slot stays empty."""
_ANYWHERE: Final = 0.01
"""Share of objects that may lie anywhere: those whose code draws another extent than their own."""
BATCH: Final = 1000
"""Grids that are drawn at once."""


class ObjectPrior(nn.Module):
    """Distribution of the codes of a :class:`~arcvae.grid.models.objects.ObjectsVAE`; make one with
    :func:`arcvae.grid.codes.sampling.fitted_object_prior`.

    Args:
        slots: K.
        num_colors: C.
        shape_numbers: S.
        components: G, Gaussians of the mixture.
    """

    numbers: Tensor
    """``(K + 1,)``, log-probability of each number of objects."""
    colors: Tensor
    """``(C - 1,)``, of each colour but the background."""
    weights: Tensor
    """``(G,)``, of each Gaussian."""
    means: Tensor
    """``(G, S)``, of codes turned upright."""
    variances: Tensor
    """``(G, S)``."""
    kinds: Tensor
    """``(G, 4, 8)``, log-probability of the parity class of the upright shape and of its orientation."""

    def __init__(self, slots: int, num_colors: int, shape_numbers: int, components: int) -> None:
        super().__init__()
        self.sizes = {"components": components}
        for name, shape in (
            ("numbers", (slots + 1,)),
            ("colors", (num_colors - 1,)),
            ("weights", (components,)),
            ("means", (components, shape_numbers)),
            ("variances", (components, shape_numbers)),
            ("kinds", (components, PARITIES, ORIENTATIONS)),
        ):
            self.register_buffer(name, torch.zeros(shape))

    @torch.no_grad()
    def log_prob(self, model: ObjectsVAE, z: Tensor) -> Tensor:
        """Log-probability of codes ``(N, K (3 + S))`` in nats, ``(N,)``: a density in the numbers of shapes."""
        slots = model.slot_numbers(z.float())
        filled = slots[..., COLOR].round() > 0
        objects = slots[filled]  # (M, 3 + S)
        each = self._log_shapes(model, objects) + self.colors[objects[:, COLOR].round().long() - 1]
        each = each + _log_places(model, objects)
        count = filled.sum(1)
        total = self.numbers[count] + torch.lgamma(count + 1.0)
        return total.index_add(0, filled.nonzero()[:, 0], each)

    def log_weight(self, model: ObjectsVAE, z: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
        """``log p(z) - log q(z | x)``, as :meth:`arcvae.grid.models.base.GridModel.log_weight`, under this prior."""
        return self.log_prob(model, z) - model.log_posterior(z, logvar, noise)

    @torch.no_grad()
    def codes(self, model: GridModel, count: int, seed: int, temperature: float = 1.0) -> Tensor:
        """New codes.

        Args:
            model: The model that this is the prior of.
            count: N.
            seed: The same seed draws the same codes.
            temperature: Variance of the shapes about the means of the Gaussians, 1 as fitted; at least 0.001.

        Returns:
            ``(N, K (3 + S))`` float32, on the CPU.

        Raises:
            TypeError: Another kind of model.
            ValueError: A lower temperature.
        """
        require_temperature(temperature)
        if not isinstance(model, ObjectsVAE):
            raise TypeError(f"a {type(model).__name__} has no codes of objects")
        generator = torch.Generator().manual_seed(seed)
        starts = range(0, max(1, count), BATCH)
        return torch.cat([self._draw(model, min(BATCH, count - start), generator, temperature) for start in starts])

    def _draw(self, model: ObjectsVAE, count: int, generator: torch.Generator, temperature: float) -> Tensor:
        codes = torch.zeros(count, model.slots, PLACE + model.shape_numbers)
        wanted = _choice(self.numbers.expand(count, -1), generator)
        taken = torch.zeros(count, model.grid_size, model.grid_size, dtype=torch.bool)
        for slot in range(model.slots):
            pending = (wanted > slot).nonzero()[:, 0]
            for _ in range(_TRIES):
                if not len(pending):
                    break
                objects, cells = self._draw_objects(model, len(pending), generator, temperature)
                pieces = torch.bincount(torch.from_numpy(model.encoder.find(cells).grid), minlength=len(cells))
                free = (pieces == 1) & ~(cells & taken[pending]).flatten(1).any(1)
                codes[pending[free], slot] = objects[free]
                taken[pending[free]] |= cells[free]
                pending = pending[~free]
        return codes.flatten(1)

    def _draw_objects(
        self, model: ObjectsVAE, count: int, generator: torch.Generator, temperature: float
    ) -> tuple[Tensor, Tensor]:
        """Objects ``(M, 3 + S)``, and the cells ``(M, H, W)`` that each covers alone, both on the CPU."""
        device = next(model.parameters()).device
        component = _choice(self.weights.expand(count, -1), generator)
        kind = _choice(self.kinds.flatten(1).cpu()[component], generator)
        noise = torch.randn(count, model.shape_numbers, generator=generator) * math.sqrt(temperature)
        upright = self.means.cpu()[component] + noise * self.variances.cpu()[component].sqrt()
        orientation = kind % ORIENTATIONS
        shape = turn_code(upright, orientation)
        parity = model.frame.parity[kind // ORIENTATIONS, orientation]
        color = 1 + _choice(self.colors.expand(count, -1), generator)
        masks = (model.decoder.scores(shape.to(device), parity.to(device)) > 0).cpu()
        places = []
        for axis, odd in ((1, parity // 2), (0, parity % 2)):
            first, extent = _span(masks.any(1 + axis))
            rank = (torch.rand(count, generator=generator) * (model.grid_size - extent + 1)).long()
            places.append(rank - first + (model.frame.size - 1 - odd) / 2)
        objects = torch.cat([torch.stack([*places, color], 1), shape], 1)
        alone = torch.zeros(count, model.slots, objects.shape[1])
        alone[:, 0] = objects
        drawn = model.draw(alone.flatten(1).to(device), model.grid_size, model.grid_size)
        return objects, drawn.argmax(1).cpu() > 0

    def _log_shapes(self, model: ObjectsVAE, objects: Tensor) -> Tensor:
        """Log-density of shapes and probability of their parity classes, ``(M,)``."""
        upright, orientation = upright_code(objects[:, PLACE:])
        parity = model.frame.parity.to(objects.device)[parity_of(objects), INVERSE.to(objects.device)[orientation]]
        precision = 1 / self.variances
        # Squared distances without an (M, G, S) tensor.
        distance = upright.square() @ precision.T - 2 * upright @ (self.means * precision).T
        distance = distance + (self.means.square() * precision).sum(1)
        normal = -0.5 * (distance + (2 * math.pi * self.variances).log().sum(1))  # (M, G)
        return (self.weights + normal + self.kinds[:, parity, orientation].T).logsumexp(1)


def _choice(log_shares: Tensor, generator: torch.Generator) -> Tensor:
    """An index for each row of ``(M, n)`` log-probabilities, ``(M,)``."""
    return torch.multinomial(log_shares.cpu().double().exp(), 1, generator=generator)[:, 0]


def _span(used: Tensor) -> tuple[Tensor, Tensor]:
    """First line that has a cell, and lines from there to the last, of ``(M, F)`` bool: ``(M,)`` each."""
    lines = used.int()
    first = lines.argmax(1)
    return first, used.shape[1] - lines.flip(1).argmax(1) - first


def _log_places(model: ObjectsVAE, objects: Tensor) -> Tensor:
    """Log-probability of the places of objects ``(M, 3 + S)``, given their shapes: ``(M,)``."""
    parity, side, size = parity_of(objects), model.frame.size, model.grid_size
    masks = model.decoder.scores(objects[:, PLACE:], parity) > 0
    inside, positions = torch.ones_like(parity, dtype=torch.bool), torch.ones_like(parity)
    for place, axis, odd in ((objects[:, ROW], 1, parity // 2), (objects[:, COLUMN], 0, parity % 2)):
        first, extent = _span(masks.any(1 + axis))
        start = (place - (side - 1 - odd) / 2).round() + first
        inside = inside & (start >= 0) & (start + extent <= size)
        positions = positions * (size - extent + 1).clamp_min(1)
    return ((1 - _ANYWHERE) * inside / positions + _ANYWHERE / size**2).log()
