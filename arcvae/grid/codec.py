"""A trained model of grids to compute with: grids to codes, codes to grids. Imports neither Lightning nor Hydra."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from arcvae.errors import CheckpointError, DataError
from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.codes.object_prior import ObjectPrior
from arcvae.grid.codes.operators import ShapeOperators
from arcvae.grid.codes.prior import CodePrior
from arcvae.grid.codes.refinement import refine as refined_codes
from arcvae.grid.inputs import Array, Draw, as_given, batch_of_codes, batch_of_grids, batch_of_slots, batch_to_draw
from arcvae.grid.models.base import Encoding, GridModel
from arcvae.grid.settings import WHOLE_MODEL
from arcvae.imbalance.logit_adjustment import adjust_logits, log_prior

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Decision = Literal["argmax", "adjusted"]
BATCH: Final = 1000
"""Grids per forward pass, as in evaluation: the same batches give the same bits."""


class Codec:
    """Encoder and decoder of a trained model.

    Everything takes NumPy arrays or torch tensors, in batches of any size, and returns the same kind. Grids may be of
    any type of whole numbers, or nested lists.

    Args:
        model: The network.
        part: ``"vae_best"``, or ``"encoder"`` or ``"decoder"`` for half of one.
        path: File it is from, for messages.
        logit_adjustment: ``tau`` and ``class_counts`` of the train split, as tuned on the validation split; None allows
            the plain argmax only.
        code_prior: Learned distribution of codes; None: the prior of the model.
        operators: What changes shapes by their numbers; None: only drawings of them can be changed.

    Example:
        >>> from arcvae.grid.models.beta_vae import BetaVAE
        >>> codec = Codec(BetaVAE())
        >>> mu, logvar = codec.encode(np.zeros((3, 16, 16), dtype=np.uint8))
        >>> mu.shape, codec.decode(mu).shape, codec.decode(mu).dtype
        ((3, 10), (3, 16, 16), dtype('uint8'))
    """

    def __init__(
        self,
        model: GridModel,
        *,
        part: str = WHOLE_MODEL,
        path: str | os.PathLike[str] = "this model",
        logit_adjustment: Mapping[str, Any] | None = None,
        code_prior: CodePrior | ObjectPrior | None = None,
        operators: ShapeOperators | None = None,
    ) -> None:
        # In training the convolutions run channels last; other layouts round differently.
        self.model: GridModel = model.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.part, self.path, self.code_prior, self.operators = part, Path(path), code_prior, operators
        self.latent_dim, self.grid_size, self.num_colors = model.latent_dim, model.grid_size, model.num_colors
        self.tau, self.log_prior = 0.0, None
        if logit_adjustment is not None:
            self.tau = float(logit_adjustment["tau"])
            self.log_prior = log_prior(logit_adjustment["class_counts"])  # (C,)

    def __repr__(self) -> str:
        size, slots = self.grid_size, self.model.slots
        numbers = f"{self.latent_dim} numbers a grid"
        if slots is not None:
            numbers = f"up to {slots} objects of {self.latent_dim // slots} numbers"
        half = "" if self.part == WHOLE_MODEL else f", only its {self.part}"
        prior = f", prior {type(self.code_prior).__name__}" if self.code_prior is not None else ""
        return f"<Codec {self.path}: {type(self.model).__name__} for {size} x {size} grids, {numbers}{half}{prior}>"

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.model.parameters()).device

    @torch.no_grad()
    def encode(self, grids: Array, refine: int = 0, ignore_index: int | None = None) -> tuple[Array, Array]:
        """Mean and log-variance of the posterior.

        Args:
            grids: ``(N, H, W)`` or one grid ``(H, W)``, uint8, colours in [0, C); of a size that the model accepts.
            refine: Most moves of a search for means that decode closer to the grids at the plain argmax, >= 0; see
                :func:`arcvae.grid.codes.refinement.refine`. 20 take 5 to 10 ms a grid on one core. The log-variance
                stays that of the mean that the encoder gave.
            ignore_index: Value of cells that have no colour, such as padding; None: all have one.

        Returns:
            mu and logvar, each ``(N, D)`` (or ``(D,)``) float32. A warning tells of grids with objects that a code of
            objects has no room for.

        Raises:
            DataError: Not grids of this size, type and range.
        """
        (mu, logvar, left_out, _), single = self._encode(grids, refine, ignore_index)
        if left_out.any():
            warnings.warn(
                f"{int((left_out > 0).sum())} of {len(left_out)} grids have objects that their codes leave out, "
                f"too many or too large; codes(grids).left_out counts them",
                stacklevel=2,
            )
        return as_given(grids, mu, single), as_given(grids, logvar, single)

    def _encode(self, grids: Any, refine: int, ignore_index: int | None) -> tuple[Encoding, bool]:
        """The codes of a batch, on the CPU, and whether it was a single grid."""
        self.require("encoder", "encode")
        batch, single = batch_of_grids(grids, self.model, ignore_index)
        if refine:
            self.require("decoder", "refine")
        none = torch.zeros(0, self.latent_dim)
        found = [Encoding(none, none, torch.zeros(0, dtype=torch.long))]
        for start in range(0, len(batch), BATCH):
            piece = batch[start : start + BATCH]
            mu, logvar, left_out, part_of = self.model.encode(piece.to(self.device))
            mu = refined_codes(self.model, mu.float(), piece, refine, ignore_index=ignore_index)
            found.append(Encoding(mu.cpu(), logvar.float().cpu(), left_out, part_of))
        means, logvars, counts = (torch.cat(parts) for parts in zip(*(one[:3] for one in found), strict=True))
        slots = [one.part_of for one in found if one.part_of is not None]
        return Encoding(means, logvars, counts, torch.cat(slots) if slots else None), single

    @torch.no_grad()
    def logits(self, z: Array | ObjectCodes, decision: Decision = "argmax") -> Array:
        """Logits of each colour; softmax over dimension 1 gives probabilities.

        Args:
            z: Codes, as for :meth:`decode`.
            decision: ``"adjusted"``: after the tuned logit adjustment; see :meth:`decode`.

        Returns:
            ``(N, C, H, W)`` float32.
        """
        given: Any = z
        codes, _, size, draw = batch_to_draw(given, self.model, None)
        pieces = [torch.zeros(0, self.num_colors, *size)]
        pieces += self._decoded(codes, decision, size, draw)
        found: Array = as_given(given, torch.cat(pieces))
        return found

    def latents(self, z: Array | ObjectCodes) -> Array:
        """The numbers in which the decoder is smooth: the latents in packed codes, or else the codes themselves.

        Args:
            z: Codes, ``(N, D)`` or ``(D,)``, finite; or what :meth:`codes` gives.

        Returns:
            ``(N, L)`` or ``(L,)`` float32, L a multiple of D: of packed codes in (-2, 2), others about N(0, 1).
            :meth:`pack` makes codes of them.
        """
        given: Any = z
        codes, single = batch_of_codes(z, self.latent_dim)
        found: Array = as_given(given, self.model.latents(codes), single)
        return found

    def pack(self, latents: Array) -> Array:
        """Codes ``(N, D)`` or ``(D,)`` of latents ``(N, L)`` or ``(L,)``: the inverse of :meth:`latents`.

        Example:
            >>> from arcvae.grid.models.spatial import SpatialVAE
            >>> codec = Codec(SpatialVAE(latent_dim=8, digits=2))
            >>> z = np.zeros((1, 8), dtype=np.float32)
            >>> codec.latents(z).shape, codec.pack(codec.latents(z)).shape
            ((1, 16), (1, 8))
        """
        numbers, single = batch_of_codes(latents, self.model.num_latents)
        return as_given(latents, self.model.pack(numbers), single)

    @torch.no_grad()
    def codes(self, grids: Array, refine: int = 0, ignore_index: int | None = None) -> ObjectCodes:
        """Codes of objects, with names for their numbers; takes the arguments of :meth:`encode`.

        They know this codec and the size of the grids, for :mod:`arcvae.operations`.

        Raises:
            CheckpointError: A model whose codes are not made of objects.
        """
        self._require_objects()
        (mu, _, left_out, part_of), _ = self._encode(grids, refine, ignore_index)
        height, width = np.shape(grids)[-2:]
        size = (int(height), int(width))
        parts = None if part_of is None else part_of.numpy()
        return ObjectCodes(self.model.slot_numbers(mu).numpy(), left_out.numpy(), parts, size=size, codec=self)

    def as_codes(
        self, z: ArrayLike | Tensor | ObjectCodes, size: Sequence[int] | None = None, part_of: ArrayLike | None = None
    ) -> ObjectCodes:
        """Codes that are not from :meth:`codes` (drawn from a prior, encoded, saved), for :mod:`arcvae.operations`.

        Args:
            z: ``(N, D)`` or ``(D,)``, as :meth:`encode` and :meth:`sample_codes` give them, or ``(N, K, 3 + S)`` with
                any number of slots; finite.
            size: Height and width of their grids; None: what codes of objects know, or else those that the model was
                trained on.
            part_of: ``(N, K)``, see :class:`~arcvae.grid.codes.object_codes.ObjectCodes`; None: no object has parts.

        Raises:
            CheckpointError: A model whose codes are not made of objects.
            DataError: Codes of another type or shape, or parts of nothing.
        """
        self._require_objects()
        return replace(batch_of_slots(z, self.model, size, part_of), codec=self)

    def _require_objects(self) -> None:
        if self.model.slots is None:
            raise CheckpointError(f"{self.path} has codes without objects; use encode, or a model=objects")

    @torch.no_grad()
    def decode(
        self, z: Array | ObjectCodes, decision: Decision = "argmax", size: tuple[int, int] | None = None
    ) -> Array:
        """The grids that codes stand for.

        Args:
            z: Codes, ``(N, D)`` or ``(D,)``, finite; or what :meth:`codes` gives, with any number of slots: there a
                later slot covers an earlier one where they overlap.
            decision: ``"argmax"``: the colour with the highest logit. ``"adjusted"``: the same after the logit
                adjustment that was tuned on the validation split, which undoes the bias that class weights cause.
            size: Height and width of the grids; None: what the codes know, or else those that the model was trained on.

        Returns:
            ``(N, H, W)`` (or ``(H, W)``) uint8.

        Raises:
            DataError: Codes of another type or shape, or a size that the model does not draw.
        """
        given: Any = z
        codes, single, drawn, draw = batch_to_draw(z, self.model, size)
        pieces = [torch.zeros(0, *drawn, dtype=torch.uint8)]
        pieces += (logits.argmax(1).to(torch.uint8) for logits in self._decoded(codes, decision, drawn, draw))
        found: Array = as_given(given, torch.cat(pieces), single)
        return found

    def reconstruct(
        self, grids: Array, decision: Decision = "argmax", refine: int = 0, ignore_index: int | None = None
    ) -> Array:
        """Encode grids ``(N, H, W)`` uint8, as :meth:`encode` does, and decode the mean codes."""
        height, width = np.shape(grids)[-2:]
        return self.decode(self.encode(grids, refine, ignore_index)[0], decision, (int(height), int(width)))

    def show(self, grids: Any, decision: Decision = "argmax", refine: int = 0, limit: int = 20) -> Figure:
        """A picture of grids, each above its reconstruction; it shows itself in a notebook, and ``savefig`` saves it.

        Args:
            grids: ``(N, H, W)`` or ``(H, W)``, as for :meth:`encode`.
            decision: See :meth:`decode`.
            refine: See :meth:`encode`.
            limit: Most grids that are drawn, the first ones.

        Raises:
            DataError: See :meth:`encode`; no grids.
        """
        from arcvae.grid.analysis.pictures import reconstruction_figure

        given = grids.cpu() if isinstance(grids, Tensor) else grids
        shown = np.asarray(given if np.ndim(given) == 3 else [given])[:limit]
        if not len(shown):
            raise DataError("there are no grids to show")
        found = self.reconstruct(shown, decision, refine)
        exact = int((shown == found).all((1, 2)).sum())
        title = f"{self.path.name}: {exact} of {len(shown)} grids exact"
        return reconstruction_figure(shown, found, title)

    def sample(
        self, count: int, seed: int = 0, decision: Decision = "argmax", temperature: float = 1.0
    ) -> NDArray[np.uint8]:
        """New grids, ``(count, H, W)`` uint8, from codes of the learned prior or, without one, of the model's prior.

        Args:
            count: Grids to draw.
            seed: The same seed draws the same codes.
            decision: See :meth:`decode`.
            temperature: Of the learned prior, at least 0.001; below 1: more typical grids, less variety.

        Raises:
            ValueError: A temperature without a learned prior, or below 0.001.
        """
        return self.decode(self.sample_codes(count, seed, temperature), decision)

    def sample_codes(self, count: int, seed: int = 0, temperature: float = 1.0) -> NDArray[np.float32]:
        """The codes ``(count, D)`` of :meth:`sample`, which takes the same arguments."""
        if self.code_prior is not None:
            codes = self.code_prior.codes(self.model, count, seed, temperature)
        elif temperature == 1:
            codes = self.model.sample_prior(count, torch.Generator().manual_seed(seed))
        else:
            raise ValueError(f"temperature={temperature:g} is that of a learned prior; {self.path} has none")
        drawn: NDArray[np.float32] = codes.numpy()
        return drawn

    def _decoded(self, codes: Tensor, decision: Decision, size: tuple[int, int], draw: Draw) -> Iterator[Tensor]:
        self.require("decoder", "decode")
        if decision not in ("argmax", "adjusted"):
            raise ValueError(f"decision must be 'argmax' or 'adjusted' (formerly 'corrected'), got {decision!r}")
        if decision == "adjusted" and self.log_prior is None:
            raise CheckpointError(f"{self.path} has no tuned logit adjustment; use decision='argmax'")
        for start in range(0, len(codes), BATCH):
            logits = draw(codes[start : start + BATCH].to(self.device), *size).float()
            if decision == "adjusted" and self.log_prior is not None:
                logits = adjust_logits(logits, self.log_prior, self.tau)
            yield logits.cpu()

    def require(self, part: str, verb: str) -> None:
        """Raise a CheckpointError that names ``verb`` if this part, ``"encoder"`` or ``"decoder"``, is missing."""
        if self.part not in (WHOLE_MODEL, part):
            raise CheckpointError(f"{self.path} holds only the {self.part} and cannot {verb}; load {WHOLE_MODEL}.pth")
