"""A code in which things stay things: a grid is a set of objects, each with its place, its colour and its shape.

A code is K slots of ``3 + S`` numbers, ``row, column, color, shape 1 .. shape S``. Row and column are the centre of
the bounding box in cells, the top left cell at 0, so that adding 1 moves the object by one cell; an even extent has its
centre on a half. A colour of 0 marks an empty slot. The numbers of the shape are N(0, I) a priori, and a symmetry of
the square permutes them (:mod:`arcvae.grid.models.shapes`). The order of the slots means nothing.

Which objects a grid has is found, not learned (:mod:`arcvae.grid.models.parsing`); the networks code and draw shapes,
wherever and in whichever colour they are. So a model knows no grid size. A grid with more objects than slots loses its
smallest ones, and one with a component that is too large for a shape loses that: both count as errors like any other.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from arcvae.grid.elbo import gaussian_kl
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.dihedral import ORDER, Frame, frame_of
from arcvae.grid.models.parsing import Objects, find_objects
from arcvae.grid.models.shapes import ShapeDecoder, ShapeEncoder

PLACE: Final = 3
"""Numbers of a slot before those of its shape: row, column, colour."""
ROW, COLUMN, COLOR = range(PLACE)
EXACT_LOGVAR: Final = -40.0
"""Log-variance of numbers that an encoder knows exactly."""
_FLOOR: Final = -20.0
"""Log-odds of a cell where no object draws."""


class SlotEncoder(nn.Module):
    """Grids to slots.

    Args:
        slots: K.
        num_colors: C.
        frame: Where shapes lie.
        max_cells: Most cells of an object.
        shape: Codes shapes.
    """

    def __init__(self, slots: int, num_colors: int, frame: Frame, max_cells: int, shape: ShapeEncoder) -> None:
        super().__init__()
        self.slots, self.num_colors, self.frame, self.max_cells = slots, num_colors, frame, max_cells
        self.shape = shape

    def find(self, grids: Tensor) -> Objects:
        """The objects of grids ``(N, H, W)`` of any integer type."""
        return find_objects(grids.cpu().numpy(), self.num_colors, self.frame.size, self.max_cells)

    def forward(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            grids: ``(N, H, W)``, any integer type, any size; cells that are not in [0, C) belong to nothing.

        Returns:
            Mean and log-variance of the code, each ``(N, K (3 + S))``, float32 at least.
        """
        found, device = self.find(grids), grids.device
        grid, color, row, column, parity, shapes = (
            torch.from_numpy(part).to(device)
            for part in (found.grid, found.color, found.row, found.column, found.parity, found.shapes)
        )
        slot, kept = self._slots(grid, shapes.sum(1), len(grids))
        size = PLACE + self.shape.numbers
        mu = torch.zeros(len(grids), self.slots, size, device=device, dtype=self.shape.dtype)
        logvar = torch.full_like(mu, EXACT_LOGVAR)
        logvar[..., PLACE:] = 0.0  # an empty slot says nothing about a shape
        if len(kept):
            means, logvars = self.shape(shapes[kept], parity[kept])
            place = torch.stack([row, column, color], 1)[kept].to(mu.dtype)
            mu[grid[kept], slot] = torch.cat([place, means], 1)
            logvar[grid[kept], slot, PLACE:] = logvars
        return mu.flatten(1), logvar.flatten(1)

    def _slots(self, grid: Tensor, cells: Tensor, num_grids: int) -> tuple[Tensor, Tensor]:
        """The slot of each object that gets one, and the indices of these objects: the largest K of each grid."""
        by_size = torch.argsort(cells, descending=True, stable=True)
        rank = _rank_within(grid[by_size], num_grids)
        kept = by_size[rank < self.slots].sort().values
        return _rank_within(grid[kept], num_grids), kept


def _rank_within(groups: Tensor, num_groups: int) -> Tensor:
    """How many earlier entries have the same group, ``(M,)`` int64 in [0, num_groups) to ``(M,)``."""
    order = torch.argsort(groups, stable=True)
    counts = torch.bincount(groups, minlength=num_groups)
    rank = torch.empty_like(groups)
    rank[order] = torch.arange(len(groups), device=groups.device) - (counts.cumsum(0) - counts)[groups[order]]
    return rank


class SlotDecoder(nn.Module):
    """Slots to logits: each shape is drawn where it belongs, and the drawings of one colour are added up.

    Args:
        slots: K.
        num_colors: C.
        grid_size: H = W of the grids that :meth:`forward` draws.
        shape: Draws shapes.
    """

    def __init__(self, slots: int, num_colors: int, grid_size: int, shape: ShapeDecoder) -> None:
        super().__init__()
        self.slots, self.num_colors, self.grid_size, self.shape = slots, num_colors, grid_size, shape

    def forward(self, z: Tensor) -> Tensor:
        """
        Args:
            z: Codes, ``(N, K (3 + S))``.

        Returns:
            Logits, ``(N, C, H, W)``, 0 for the background; float32 at least.
        """
        return self.draw(z, self.grid_size, self.grid_size)

    def draw(self, z: Tensor, height: int, width: int) -> Tensor:
        """As :meth:`forward`, on a grid of any size."""
        slots = z.to(self.shape.dtype).unflatten(1, (self.slots, -1))  # (N, K, 3 + S)
        color = slots[..., COLOR].round().long()
        grid, slot = ((color > 0) & (color < self.num_colors)).nonzero(as_tuple=True)  # (M,) each
        filled = slots[grid, slot]  # (M, 3 + S)
        # The half cells of a centre tell whether an extent is odd; what is left of it is a shift within a cell.
        row, column = filled[:, ROW], filled[:, COLUMN]
        halves = [(2 * place).round().long() for place in (row, column)]
        odd = [1 - half.remainder(2) for half in halves]
        scores = self.shape(filled[:, PLACE:], 2 * odd[0] + odd[1])  # (M, F F)
        frame = self.shape.frame.size
        tops, lefts = ((half - (frame - 1 - o)) // 2 for half, o in zip(halves, odd, strict=True))
        offset = (row - halves[0] / 2, column - halves[1] / 2)
        scores = scores.masked_fill(~self.shape.frame.valid.to(z.device)[2 * odd[0] + odd[1]], _FLOOR)
        canvas = _placed(scores.unflatten(1, (frame, frame)), tops, lefts, height, width)  # (M, H, W)
        canvas = _shifted(canvas, *offset).clamp_min(_FLOOR)
        # Log-odds of each colour: those of its objects, added up as odds, so that one object alone keeps its own.
        odds = canvas.new_full((len(z) * self.num_colors, height * width), math.exp(_FLOOR))
        odds = odds.index_add(0, grid * self.num_colors + color[grid, slot], canvas.clamp_max(-_FLOOR).exp().flatten(1))
        logits = odds.log().view(len(z), self.num_colors, height, width)
        return torch.cat([torch.zeros_like(logits[:, :1]), logits[:, 1:]], 1)


def _placed(scores: Tensor, tops: Tensor, lefts: Tensor, height: int, width: int) -> Tensor:
    """Scores ``(M, F, F)`` on grids ``(M, H, W)``, the top left corner of the frame at (top, left); else the floor."""
    count, frame = len(scores), scores.shape[1]
    rows = torch.arange(height, device=scores.device) - tops[:, None]  # (M, H), row of the frame
    columns = torch.arange(width, device=scores.device) - lefts[:, None]  # (M, W)
    inside = ((rows >= 0) & (rows < frame))[:, :, None] & ((columns >= 0) & (columns < frame))[:, None]
    index = rows.clamp(0, frame - 1)[:, :, None] * frame + columns.clamp(0, frame - 1)[:, None]
    found = scores.flatten(1).gather(1, index.flatten(1)).view(count, height, width)
    return found.masked_fill(~inside, _FLOOR)


def _shifted(canvas: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """``(M, H, W)`` moved by parts of a cell to first order: exact at 0, and with a gradient there."""
    if not (down.requires_grad or right.requires_grad or down.any() or right.any()):
        return canvas
    padded = nn.functional.pad(canvas, (1, 1, 1, 1), value=_FLOOR)
    vertical = (padded[:, :-2, 1:-1] - padded[:, 2:, 1:-1]) / 2
    horizontal = (padded[:, 1:-1, :-2] - padded[:, 1:-1, 2:]) / 2
    return canvas + down[:, None, None] * vertical + right[:, None, None] * horizontal


class ObjectsVAE(GridModel):
    """Grids as sets of objects; eleven numbers an object by default.

    Args:
        slots: K, most objects of a grid, >= 1.
        shape_numbers: S, numbers of a shape, >= 8 for codes that symmetries permute; see
            :mod:`arcvae.grid.models.dihedral`.
        num_colors: C, >= 2.
        grid_size: H = W of the grids that are trained on and drawn; grids of other sizes are encoded all the same.
        frame: F, largest height and width of an object, in cells; even.
        max_cells: Most cells of an object; a component of more is cut into parts.
        width: Features of the dense layers.
        encoder_blocks: Residual blocks of the encoder of shapes.
        decoder_blocks: Residual blocks of the decoder of shapes.

    Raises:
        ValueError: An odd frame, or fewer than eight numbers of a shape: they could not tell its orientation.

    Example:
        >>> vae = ObjectsVAE(slots=2, width=32)
        >>> grid = torch.zeros(1, 16, 16, dtype=torch.uint8)
        >>> grid[0, 2:4, 5:8] = 3
        >>> mu, _ = vae.encoder(grid)
        >>> mu.shape, mu[0, :3].tolist()  # two rows: the centre lies between them
        (torch.Size([1, 22]), [2.5, 6.0, 3.0])
    """

    encoder: SlotEncoder
    decoder: SlotDecoder

    def __init__(
        self,
        slots: int = 6,
        shape_numbers: int = 8,
        num_colors: int = 10,
        grid_size: int = 16,
        frame: int = 8,
        max_cells: int = 15,
        width: int = 384,
        encoder_blocks: int = 1,
        decoder_blocks: int = 2,
    ) -> None:
        if shape_numbers < ORDER:
            raise ValueError(f"shape_numbers={shape_numbers} must be at least {ORDER}, one for each symmetry")
        super().__init__(slots * (PLACE + shape_numbers), num_colors, grid_size)
        self.slots: int = slots
        self.shape_numbers = shape_numbers
        where = frame_of(frame)
        self.encoder = SlotEncoder(
            slots, num_colors, where, max_cells, ShapeEncoder(shape_numbers, where, width, encoder_blocks)
        )
        self.decoder = SlotDecoder(
            slots, num_colors, grid_size, ShapeDecoder(shape_numbers, where, width, decoder_blocks)
        )

    def forward(self, grids: Tensor) -> Tensor:
        """Logits ``(N, C, H, W)`` decoded from the posterior means of grids ``(N, H, W)`` of any size."""
        mu, _ = self.encoder(grids)
        return self.decoder.draw(mu, *grids.shape[1:])

    def draw(self, z: Tensor, height: int, width: int) -> Tensor:
        """Logits ``(N, C, H, W)`` of codes ``(N, K (3 + S))`` on grids of any size."""
        return self.decoder.draw(z, height, width)

    def accepts(self, height: int, width: int) -> bool:
        """Grids of any size."""
        return True

    @property
    def kl_names(self) -> tuple[str, ...]:
        """Numbers of a slot: the KL is told for each, summed over slots."""
        return ("row", "column", "color", *(f"shape {index}" for index in range(1, self.shape_numbers + 1)))

    def traversal(self, code: NDArray[np.float32], number: int, steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Places a cell apart about that of the object, every colour in turn, shapes as for any code."""
        field, count = number % (PLACE + self.shape_numbers), len(steps)
        index = np.arange(count, dtype=np.float64)
        if field == COLOR:
            return 1 + index % (self.num_colors - 1)
        return float(code[number]) + index - count // 2 if field < PLACE else steps

    def latent_steps(self) -> tuple[Tensor, Tensor]:
        """Refinement moves the numbers of shapes alone."""
        step, limit = super().latent_steps()
        self.slot_numbers(step[None])[..., :PLACE] = 0.0
        return step, limit

    def sample_posterior(self, mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
        """Place and colour stay exact; the shapes of filled slots are drawn."""
        moving = self._uncertain(mu)
        return torch.where(moving, mu + noise * (0.5 * logvar).exp(), mu)

    def kl(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """Nats of each number, ``(N, K (3 + S))``: the KL of shapes from N(0, I), the code length of place and colour.

        A place is one of H x W cells, a colour one of C - 1, the number of objects one of K + 1, and the n objects of a
        grid may come in n! orders, which is taken off. The costs of number and order stand with the first colour.
        """
        nats = torch.where(self._uncertain(mu), gaussian_kl(mu, logvar.clamp_min(EXACT_LOGVAR)), torch.zeros_like(mu))
        slots = self.slot_numbers(nats).clone()
        slots[..., :PLACE] = self._cost_of_choices(mu)
        return slots.flatten(1)

    def log_weight(self, z: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
        """``log p(z) - log q(z | x)``, ``(N,)``: of the shapes as densities, of place, colour and number as choices."""
        gaussian = 0.5 * (noise.square() + logvar - z.square())
        shapes = torch.where(self._uncertain(z), gaussian, torch.zeros_like(z)).sum(1)
        return shapes - self._cost_of_choices(z).sum((1, 2))

    def sample_prior(self, count: int, generator: torch.Generator) -> Tensor:
        """Objects of any place, colour and N(0, I) shape, as many as slots or fewer: what the KL charges for."""
        objects = torch.randint(self.slots + 1, (count, 1), generator=generator)
        filled = torch.arange(self.slots) < objects  # (N, K)
        shape = torch.randn(count, self.slots, self.shape_numbers, generator=generator)
        place = torch.randint(2 * self.grid_size - 1, (count, self.slots, 2), generator=generator) / 2
        color = torch.randint(1, self.num_colors, (count, self.slots, 1), generator=generator)
        codes = torch.cat([place, color.float(), shape], 2) * filled[..., None]
        return codes.flatten(1)

    def _filled(self, z: Tensor) -> Tensor:
        return self.slot_numbers(z)[..., COLOR].round() > 0  # (N, K)

    def _uncertain(self, z: Tensor) -> Tensor:
        """Which numbers are of the shape of a filled slot, ``(N, K (3 + S))`` bool."""
        shape = torch.arange(PLACE + self.shape_numbers, device=z.device) >= PLACE
        return (self._filled(z)[..., None] & shape).flatten(1)

    def _cost_of_choices(self, z: Tensor) -> Tensor:
        """Nats of row, column and colour of each slot, ``(N, K, 3)``."""
        filled = self._filled(z).to(z.dtype)
        size, colors = math.log(self.grid_size), math.log(self.num_colors - 1)
        costs = filled[..., None] * z.new_tensor([size, size, colors])
        objects = filled.sum(1)
        costs[:, 0, COLOR] += math.log(self.slots + 1) - torch.lgamma(objects + 1)
        return costs
