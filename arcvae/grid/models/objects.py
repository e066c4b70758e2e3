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
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from arcvae.grid.elbo import gaussian_kl
from arcvae.grid.models.base import Encoding, GridModel
from arcvae.grid.models.dihedral import ORDER, Frame, frame_of
from arcvae.grid.models.shapes import ShapeDecoder, ShapeEncoder
from arcvae.grid.models.slots import COLOR, EXACT_LOGVAR, PLACE, SlotDecoder, SlotEncoder, corners_of, parity_of

_LOG_2PI: Final = math.log(2 * math.pi)


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
        mean_share: Share of the objects whose codes are drawn from the mean of the posterior in training, as they are
            in use, in [0, 1]. The eight numbers of a shape that every symmetry leaves as it is, such as a single cell,
            are equal there, which they never are with noise: a decoder that has not met this draws them wrong.

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

    any_size = True
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
        mean_share: float = 0.125,
    ) -> None:
        if shape_numbers < ORDER:
            raise ValueError(f"shape_numbers={shape_numbers} must be at least {ORDER}, one for each symmetry")
        super().__init__(slots * (PLACE + shape_numbers), num_colors, grid_size)
        self.slots: int = slots
        self.shape_numbers, self.mean_share = shape_numbers, mean_share
        where = frame_of(frame)
        self.encoder = SlotEncoder(
            slots, num_colors, where, max_cells, ShapeEncoder(shape_numbers, where, width, encoder_blocks)
        )
        self.decoder = SlotDecoder(num_colors, grid_size, ShapeDecoder(shape_numbers, where, width, decoder_blocks))

    def forward(self, grids: Tensor) -> Tensor:
        """Logits ``(N, C, H, W)`` decoded from the posterior means of grids ``(N, H, W)`` of any size."""
        mu, _ = self.encoder(grids)
        return self.decoder.draw(mu, *grids.shape[1:])

    def encode(self, grids: Tensor) -> Encoding:
        """Codes; left out are the smallest objects of more than K, and large ones that are not cut."""
        return self.encoder.encode(grids)

    def draw(self, z: Tensor, height: int, width: int) -> Tensor:
        """Logits ``(N, C, H, W)`` of codes ``(N, K (3 + S))`` on grids of any size."""
        return self.decoder.draw(z, height, width)

    def paint(self, z: Tensor, height: int, width: int) -> Tensor:
        """As :meth:`draw`, for any number of slots; where objects overlap, the later slot is seen."""
        return self.decoder.draw(z, height, width, in_order=True)

    def object_masks(self, objects: Tensor) -> tuple[Tensor, Tensor]:
        """Masks of F x F cells, and their corners."""
        masks = self.decoder.scores(objects[:, PLACE:], parity_of(objects)) > 0  # (M, F, F)
        return masks, torch.stack(corners_of(objects, self.frame.size), 1)

    @property
    def frame(self) -> Frame:
        """Where shapes lie."""
        return self.decoder.shape.frame

    @property
    def kl_names(self) -> tuple[str, ...]:
        """Numbers of a slot: the KL is told for each, summed over slots."""
        return ("row", "column", "color", *(f"shape {index}" for index in range(1, self.shape_numbers + 1)))

    @property
    def inferred_entries(self) -> range:
        """The numbers of a shape: place and colour are found."""
        return range(PLACE, PLACE + self.shape_numbers)

    def traversal(self, code: NDArray[np.float32], number: int, steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Places a cell apart about that of the object, every colour in turn, shapes as for any code."""
        field, count = number % (PLACE + self.shape_numbers), len(steps)
        index = np.arange(count, dtype=np.float64)
        if field == COLOR:
            return 1 + index % (self.num_colors - 1)
        return float(code[number]) + index - count // 2 if field < PLACE else steps

    def between(self, first: Tensor, second: Tensor, shares: Tensor) -> Tensor:
        """Each object moves to its partner by whole cells, and its shape changes gradually; colours change halfway.

        Objects are partners if they are alike (colour, then shape and place); one without a partner comes or goes
        halfway, where it is.
        """
        start, end = (code.view(self.slots, -1) for code in (first, second))
        start, end = _partners(start, end)
        share = shares[:, None, None].to(start.dtype)
        late = share >= 0.5  # (T, 1, 1)
        codes = start + share * (end - start)  # (T, K, 3 + S)
        way = end[:, :COLOR] - start[:, :COLOR]
        # By whole cells from the nearer end: half a cell would change which extents of the shape are odd.
        whole = torch.where(
            late, end[:, :COLOR] - ((1 - share) * way).round(), start[:, :COLOR] + (share * way).round()
        )
        color = torch.where(late, end[:, COLOR:PLACE], start[:, COLOR:PLACE])
        return torch.cat([whole, color, codes[..., PLACE:]], 2).flatten(1)

    def latent_steps(self) -> tuple[Tensor, Tensor]:
        """Refinement moves the numbers of shapes alone."""
        step, limit = super().latent_steps()
        self.slot_numbers(step[None])[..., :PLACE] = 0.0
        return step, limit

    def sample_posterior(self, mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
        """Place and colour stay exact; the shapes of filled slots are drawn."""
        moving = self._uncertain(mu)
        return torch.where(moving, mu + noise * (0.5 * logvar).exp(), mu)

    def training_noise(self, mu: Tensor) -> Tensor:
        """None for the slots that are to be at their means."""
        noise = super().training_noise(mu)
        if not self.mean_share:
            return noise
        at_mean = torch.rand(len(mu), self.slots, 1, device=mu.device) < self.mean_share
        return self.slot_numbers(noise).masked_fill(at_mean, 0).flatten(1)

    def kl(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """Nats of each number, ``(N, K (3 + S))``: the KL of shapes from N(0, I), the code length of place and colour.

        A place is one of (2 H - 1) (2 W - 1), in half cells, a colour one of C - 1, the number of objects one of K + 1,
        and the n objects of a grid may come in n! orders, which is taken off. The costs of number and order stand with
        the first colour.
        """
        nats = torch.where(self._uncertain(mu), gaussian_kl(mu, logvar.clamp_min(EXACT_LOGVAR)), torch.zeros_like(mu))
        slots = self.slot_numbers(nats).clone()
        slots[..., :PLACE] = self._cost_of_choices(mu)
        return slots.flatten(1)

    def log_weight(self, z: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
        """``log p(z) - log q(z | x)``, ``(N,)``: of the shapes as densities, of place, colour and number as choices."""
        prior = -0.5 * (z.square() + _LOG_2PI)
        shapes = torch.where(self._uncertain(z), prior, torch.zeros_like(z)).sum(1)
        return shapes - self._cost_of_choices(z).sum((1, 2)) - self.log_posterior(z, logvar, noise)

    def log_posterior(self, z: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
        """``log q(z | x)`` of the shapes of codes from :meth:`sample_posterior`, ``(N,)``; the rest is certain."""
        gaussian = -0.5 * (noise.square() + logvar + _LOG_2PI)
        return torch.where(self._uncertain(z), gaussian, torch.zeros_like(z)).sum(1)

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
        places, colors = math.log(2 * self.grid_size - 1), math.log(self.num_colors - 1)
        costs = filled[..., None] * z.new_tensor([places, places, colors])
        objects = filled.sum(1)
        costs[:, 0, COLOR] += math.log(self.slots + 1) - torch.lgamma(objects + 1)
        return costs


def _partners(start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Slots ``(K, 3 + S)`` of two codes, reordered so that alike objects meet.

    An object that meets an empty slot meets itself instead, without a colour.
    """
    here, there = start[:, COLOR].round() > 0, end[:, COLOR].round() > 0
    distance = torch.cdist(start, end) + 1e3 * (start[:, None, COLOR] != end[:, COLOR])
    distance = distance.masked_fill(~(here[:, None] & there), 1e6)
    rows, columns = (torch.from_numpy(index) for index in linear_sum_assignment(distance.detach().cpu().numpy()))
    start, end, here, there = start[rows], end[columns], here[rows], there[columns]
    ghost = torch.where(here[:, None], start, end)
    ghost[:, COLOR] = 0
    return torch.where((there & ~here)[:, None], ghost, start), torch.where((here & ~there)[:, None], ghost, end)
