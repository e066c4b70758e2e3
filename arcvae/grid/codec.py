"""A trained model to compute with: grids to codes, codes to grids. Neither Lightning nor Hydra is imported."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from arcvae.app.checks import problems_of
from arcvae.errors import CheckpointError, DataError
from arcvae.grid.codes.prior import CodePrior, load_prior
from arcvae.grid.codes.refinement import refine as improved
from arcvae.grid.models import MODELS
from arcvae.grid.models.packing import codes_of_latents, digits_of, latents_of_codes
from arcvae.imbalance.logit_adjustment import adjust_logits, log_prior
from arcvae.io.exports import BEST, check_digest, read_export
from arcvae.io.tensors import fill

Array = TypeVar("Array", Tensor, NDArray[Any])
Decision = Literal["argmax", "corrected"]
SHIPPED: Final = Path(__file__).parents[1] / "weights"
"""Models that come with arcvae, each with the command that made it and what it scores in a ``.json`` beside it."""
BATCH: Final = 1000
"""Grids per forward pass, as in evaluation: the same batches give the same bits."""


def load(
    path: str | os.PathLike[str],
    *,
    model: Callable[..., nn.Module] | None = None,
    prior: str | os.PathLike[str] | None = None,
    device: str = "cpu",
) -> Codec:
    """Open a trained model.

    Args:
        path: A run folder, an export (``.pth`` or ``.safetensors``), a checkpoint (``.ckpt``), or the name of a
            model that comes with arcvae: ``"atomic-d10"``.
        model: Class of the model, if it is one of yours; called with the ``model`` values of its config.
        prior: ``prior.safetensors`` that ``arcvae.sample prior=autoregressive`` has trained for this model:
            :meth:`Codec.sample` draws from it. A model that comes with arcvae brings its own.
        device: Where to compute, for example ``"cuda"``.

    Returns:
        A :class:`Codec`. An ``encoder`` export only encodes, a ``decoder`` export only decodes.

    Raises:
        CheckpointError: Missing, damaged, of another architecture or a newer format; nothing in it is run.
    """
    path = _shipped(Path(path))
    if prior is None and path.parent == SHIPPED:
        prior = path.with_suffix(".prior.safetensors")
    if path.is_dir():
        if (path / "classifier.pth").is_file():
            raise CheckpointError(f"{path} is the run of a classifier; it has no codes")
        path = path / f"{BEST}.pth"
    check_digest(path)
    export = read_export(path)
    network = build_model(export["model"], path, model)
    part = network if export["part"] == BEST else getattr(network, export["part"])
    fill(part, export["state_dict"], path)
    if prior is not None and export["part"] == "encoder":
        raise CheckpointError(f"{path} holds only the encoder and has no use for a prior; load {BEST}.pth")
    learned = None if prior is None else load_prior(prior, network).to(device)
    return Codec(
        network.to(device), part=export["part"], path=path, decision=export.get("decision"), code_prior=learned
    )


def _shipped(path: Path) -> Path:
    """The file behind the name of a model that comes with arcvae; a file or folder of that name goes first."""
    models = {file.stem: file for file in SHIPPED.glob("*.safetensors")}
    return path if path.exists() else models.get(str(path), path)


def build_model(config: Mapping[str, Any], path: Path, model: Callable[..., nn.Module] | None = None) -> nn.Module:
    """Build the network that a file describes, from a closed list of classes and with checked values.

    Raises:
        CheckpointError: A class that is not one of arcvae's, or values out of range.
    """
    target = str(config.get("_target_"))
    known = target in MODELS
    if model is None and not known:
        raise CheckpointError(
            f"{path} holds a model of class {target}, which is not arcvae's; "
            "give the class: arcvae.load(..., model=...)"
        )
    values = {key: value for key, value in config.items() if not key.startswith("_")}
    if problems := problems_of({"model": dict(config) if known else values}) if known else []:
        raise CheckpointError(f"{path} describes a model that cannot be built: {'; '.join(problems)}")
    try:
        return (model or MODELS[target])(**values)
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path} describes a model that cannot be built: {error}") from None


class Codec:
    """Encoder and decoder of a trained model.

    Everything takes NumPy arrays or torch tensors, in batches of any size, and returns the same kind.

    Args:
        model: Network with ``encoder``, ``decoder``, ``latent_dim``, ``num_colors`` and ``grid_size``.
        part: ``"vae_best"``, or ``"encoder"`` or ``"decoder"`` for half of one.
        path: File it is from, for messages.
        decision: Class counts of the train split and the strength of the prior correction, as tuned on the
            validation split; None allows the plain argmax only.
        code_prior: Learned distribution of codes; None leaves N(0, I).

    Example:
        >>> from arcvae.grid.models.beta_vae import BetaVAE
        >>> codec = Codec(BetaVAE())
        >>> mu, logvar = codec.encode(np.zeros((3, 16, 16), dtype=np.uint8))
        >>> mu.shape, codec.decode(mu).shape, codec.decode(mu).dtype
        ((3, 10), (3, 16, 16), dtype('uint8'))
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        part: str = BEST,
        path: str | os.PathLike[str] = "this model",
        decision: Mapping[str, Any] | None = None,
        code_prior: CodePrior | None = None,
    ) -> None:
        # In training the convolutions run channels last; other layouts round differently.
        self.model = model.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.part, self.path, self.code_prior = part, Path(path), code_prior
        self.latent_dim, self.grid_size = int(self.model.latent_dim), int(self.model.grid_size)
        self.num_colors = int(self.model.num_colors)
        self.class_log_prior = None if decision is None else log_prior(decision["class_counts"])
        self.prior_strength = 0.0 if decision is None else float(decision["prior_strength"])

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.model.parameters()).device

    @torch.no_grad()
    def encode(self, grids: Array, refine: int = 0) -> tuple[Array, Array]:
        """Mean and log-variance of the posterior.

        Args:
            grids: ``(N, S, S)`` or one grid ``(S, S)``, uint8, colours in [0, C).
            refine: Rounds of a search for means that decode closer to the grids at the plain argmax, >= 0; see
                :func:`arcvae.grid.codes.refinement.refine`. 20 take 5 to 10 ms a grid on one core. The log-variance stays
                that of the mean that the encoder gave.

        Returns:
            mu and logvar, each ``(N, D)`` (or ``(D,)``) float32.

        Raises:
            DataError: Not grids of this size, type and range.
        """
        self._require("encoder", "encode")
        batch, single = self._grids(grids)
        if refine:
            self._require("decoder", "refine")
        pieces = []
        for piece in batch.split(BATCH) if len(batch) else ():
            mu, logvar = self.model.encoder(piece.to(self.device))
            pieces.append((improved(self.model.decoder, mu.float(), piece, refine), logvar))
        mu, logvar = (
            torch.cat([pair[index].float().cpu() for pair in pieces] or [torch.zeros(0, self.latent_dim)])
            for index in (0, 1)
        )
        return _like(grids, mu[0] if single else mu), _like(grids, logvar[0] if single else logvar)

    @torch.no_grad()
    def logits(self, z: Array, decision: Decision = "argmax") -> Array:
        """Scores of each colour, before a decision; softmax over dimension 1 gives probabilities.

        Args:
            z: Codes, ``(N, D)``.
            decision: ``"corrected"`` adds the prior correction.

        Returns:
            ``(N, C, S, S)`` float32.
        """
        codes, _ = self._codes(z)
        shape = (0, self.num_colors, self.grid_size, self.grid_size)
        return _like(z, torch.cat(list(self._decoded(codes, decision)) or [torch.zeros(shape)]))

    def latents(self, z: Array) -> Array:
        """What is smooth in codes: the latents that packed codes hold, or else the codes themselves.

        Args:
            z: Codes, ``(N, D)`` or ``(D,)``, finite.

        Returns:
            ``(N, L)`` or ``(L,)`` float32, L a multiple of D: of packed codes in (-2, 2), others about N(0, 1).
            :meth:`pack` makes codes of them.
        """
        codes, single = self._codes(z)
        found = latents_of_codes(self.model.decoder, codes)
        return _like(z, found[0] if single else found)

    def pack(self, latents: Array) -> Array:
        """Codes ``(N, D)`` or ``(D,)`` of latents ``(N, L)`` or ``(L,)``: the inverse of :meth:`latents`.

        Example:
            >>> from arcvae.grid.models.spatial import SpatialVAE
            >>> codec = Codec(SpatialVAE(latent_dim=8, digits=2))
            >>> z = np.zeros((1, 8), dtype=np.float32)
            >>> codec.latents(z).shape, codec.pack(codec.latents(z)).shape
            ((1, 16), (1, 8))
        """
        numbers, single = self._codes(latents, self.latent_dim * digits_of(self.model.decoder))
        found = codes_of_latents(self.model.decoder, numbers)
        return _like(latents, found[0] if single else found)

    @torch.no_grad()
    def decode(self, z: Array, decision: Decision = "argmax") -> Array:
        """The grids that codes stand for.

        Args:
            z: Codes, ``(N, D)`` or ``(D,)``, finite.
            decision: ``"argmax"``: the colour with the highest score. ``"corrected"``: the same after the prior
                correction that was tuned on the validation split; it takes back what class weights biased.

        Returns:
            ``(N, S, S)`` (or ``(S, S)``) uint8.
        """
        codes, single = self._codes(z)
        pieces = [logits.argmax(1).to(torch.uint8) for logits in self._decoded(codes, decision)]
        grids = torch.cat(pieces or [torch.zeros((0, self.grid_size, self.grid_size), dtype=torch.uint8)])
        return _like(z, grids[0] if single else grids)

    def reconstruct(self, grids: Array, decision: Decision = "argmax", refine: int = 0) -> Array:
        """Encode grids ``(N, S, S)`` uint8, as :meth:`encode` does, and decode the mean codes."""
        return self.decode(self.encode(grids, refine)[0], decision)

    def sample(
        self, count: int, seed: int = 0, decision: Decision = "argmax", temperature: float = 1.0
    ) -> NDArray[np.uint8]:
        """New grids, ``(count, S, S)`` uint8, from codes of the learned prior if there is one, or else of N(0, I).

        Args:
            count: Grids to draw.
            seed: The same seed draws the same codes.
            decision: See :meth:`decode`.
            temperature: Of the learned prior, at least 0.001; below 1: more of what is typical, less variety.

        Raises:
            ValueError: A temperature without a learned prior, or below 0.001.
        """
        return self.decode(self.sample_codes(count, seed, temperature), decision)

    def sample_codes(self, count: int, seed: int = 0, temperature: float = 1.0) -> NDArray[np.float32]:
        """The codes ``(count, D)`` of :meth:`sample`, which takes the same arguments."""
        if self.code_prior is not None:
            return self.code_prior.codes(self.model.decoder, count, seed, temperature).numpy()
        if temperature != 1:
            raise ValueError(f"temperature={temperature:g} is that of a learned prior; {self.path} has none")
        return torch.randn(count, self.latent_dim, generator=torch.Generator().manual_seed(seed)).numpy()

    def _decoded(self, codes: Tensor, decision: Decision) -> Iterator[Tensor]:
        self._require("decoder", "decode")
        if decision not in ("argmax", "corrected"):
            raise ValueError(f"decision must be 'argmax' or 'corrected', got {decision!r}")
        if decision == "corrected" and self.class_log_prior is None:
            raise CheckpointError(f"{self.path} has no tuned decision; use decision='argmax'")
        for piece in codes.split(BATCH) if len(codes) else ():
            logits = self.model.decoder(piece.to(self.device)).float()
            if decision == "corrected" and self.class_log_prior is not None:
                logits = adjust_logits(logits, self.class_log_prior, self.prior_strength)
            yield logits.cpu()

    def _require(self, part: str, verb: str) -> None:
        if self.part not in (BEST, part):
            raise CheckpointError(f"{self.path} holds only the {self.part} and cannot {verb}; load {BEST}.pth")

    def _grids(self, grids: Any) -> tuple[Tensor, bool]:
        array = _tensor(grids)
        size = self.grid_size
        if array.dtype != torch.uint8:
            raise DataError(f"grids have dtype {array.dtype}, expected uint8; convert them")
        if array.shape[-2:] != (size, size) or array.ndim not in (2, 3):
            raise DataError(f"grids have shape {tuple(array.shape)}, expected (N, {size}, {size})")
        if array.numel() and int(array.max()) >= self.num_colors:
            raise DataError(f"grids hold {int(array.max())}, expected colours 0-{self.num_colors - 1}")
        return (array[None], True) if array.ndim == 2 else (array, False)

    def _codes(self, z: Any, size: int | None = None) -> tuple[Tensor, bool]:
        array, size = _tensor(z), size or self.latent_dim
        if not array.is_floating_point():
            raise DataError(f"codes have dtype {array.dtype}, expected floating point")
        if array.ndim not in (1, 2) or array.shape[-1] != size:
            raise DataError(f"codes have shape {tuple(array.shape)}, expected (N, {size})")
        if not torch.isfinite(array).all():
            raise DataError("codes must be finite")
        array = array.float()
        return (array[None], True) if array.ndim == 1 else (array, False)


def _tensor(array: Any) -> Tensor:
    """``array`` as a tensor; one that is mirrored or turned is copied."""
    return torch.as_tensor(np.ascontiguousarray(array) if isinstance(array, np.ndarray) else array)


def _like(example: Any, result: Tensor) -> Any:
    """``result`` as the kind of array that the caller uses."""
    return result.to(example.device) if isinstance(example, Tensor) else result.numpy()
