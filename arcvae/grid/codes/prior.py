"""A distribution of codes that is learned: what codes of real grids look like, one latent after the other.

Codes of N(0, I) are those that training wishes for; those that occur are few among them, the fewer the more a code
holds. An autoregressive network learns these: it reads the latents of a code as symbols, a level or a narrow bin each,
and says how likely each symbol is after those before it,

    p(code) = prod_t p(s_t | s_1, ..., s_{t-1})

which can be computed for any code, and drawn from one symbol at a time. The encoder and the decoder stay as they are.

References:
    van den Oord et al. 2017, neural discrete representation learning. https://arxiv.org/abs/1711.00937
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from arcvae.app.keys import RULES
from arcvae.errors import CheckpointError
from arcvae.grid.models.packing import BOUND, PackedDecoder, codes_of_latents, digits_of, level_of, middle_of
from arcvae.grid.models.spatial import SpatialDecoder
from arcvae.io.tensors import fill, load_safetensors, save_safetensors

PRIOR_FORMAT: Final = 1
"""Version of the files of priors."""
HEADS: Final = 4
"""Heads of attention."""
BATCH: Final = 1000
"""Codes that are drawn at once."""
COLDEST: Final = 1e-3
"""Lowest temperature."""
BINS: Final = 128
"""Bins of latents that are not packed."""
FARTHEST: Final = 4.0
"""Largest of these latents that is told apart from larger ones."""


@dataclass(frozen=True)
class Alphabet:
    """How the latents of a model become symbols, and in which order a prior reads them.

    Args:
        places: Groups of latents, such as the patches of a grid, that are read one after the other.
        channels: Latents of each place. Latent ``c * places + p`` is the c-th of place p, as in a map of channels.
        levels: Symbols, >= 2: latents between -bound and bound are told apart in so many steps.
        bound: Largest latent; larger ones count as this.
        discrete: Whether latents have no other values than the middles of levels.
    """

    places: int
    channels: int
    levels: int
    bound: float
    discrete: bool

    @classmethod
    def of(cls, model: Any) -> Alphabet:
        """That of a model's codes: the levels of packed ones, or else bins of a sixteenth of a standard deviation.

        Example:
            >>> from arcvae.grid.models.spatial import SpatialVAE
            >>> Alphabet.of(SpatialVAE(latent_dim=10, digits=8))
            Alphabet(places=16, channels=5, levels=8, bound=2.0, discrete=True)
        """
        decoder = model.decoder
        packed = isinstance(decoder, PackedDecoder)
        network = decoder.latents if packed else decoder
        latents = int(model.latent_dim) * digits_of(decoder)
        places = network.places if isinstance(network, SpatialDecoder) else latents
        levels, bound = (decoder.levels, BOUND) if packed else (BINS, FARTHEST)
        return cls(places, latents // places, levels, bound, packed)

    def symbols(self, latents: Tensor) -> Tensor:
        """Latents ``(N, L)`` as symbols ``(N, places, channels)``, int64 in [0, levels)."""
        return level_of(latents, self.levels, self.bound).long().unflatten(1, (self.channels, -1)).transpose(1, 2)

    def latents(self, symbols: Tensor, generator: torch.Generator) -> Tensor:
        """Latents ``(N, L)`` of symbols: the middle of a level, or anywhere in a bin of what is continuous."""
        found = symbols.transpose(1, 2).flatten(1).float()  # (N, L)
        if not self.discrete:
            found = found + torch.rand(found.shape, generator=generator) - 0.5
        return middle_of(found, self.levels, self.bound)


class CodePrior(nn.Module):
    """Autoregressive distribution of the symbols of codes.

    A transformer reads one place after the other; a small network after it tells the channels of the next place, one
    after the other. So 80 latents of 16 patches take 16 steps of attention, not 80.

    Args:
        alphabet: What codes are made of.
        width: Features of each place, divisible by 4.
        layers: Of the transformer, >= 1.

    Raises:
        ValueError: A width that the heads of attention cannot share.

    Example:
        >>> prior = CodePrior(Alphabet(places=16, channels=5, levels=8, bound=2.0, discrete=True))
        >>> symbols = prior.sample(3, torch.Generator().manual_seed(0))
        >>> symbols.shape, prior.nats(symbols).shape
        (torch.Size([3, 16, 5]), torch.Size([3]))
    """

    def __init__(self, alphabet: Alphabet, width: int = 128, layers: int = 3) -> None:
        super().__init__()
        if width % HEADS:
            raise ValueError(f"width={width} must be divisible by {HEADS}, the heads of attention")
        self.alphabet, self.width = alphabet, width
        symbols = alphabet.channels * alphabet.levels  # a row of the tables for each symbol of each channel
        self.place_table = nn.EmbeddingBag(symbols, 4 * width, mode="sum")
        self.read_place = nn.Sequential(nn.GELU(), nn.Linear(4 * width, width))
        self.channel_table = nn.Embedding(symbols, width)
        for table in (self.place_table, self.channel_table):
            nn.init.normal_(table.weight, std=0.1)
        self.places = nn.Parameter(torch.randn(alphabet.places, width) * 0.02)
        self.channels = nn.Parameter(torch.randn(alphabet.channels, width) * 0.02)
        self.before = nn.Parameter(torch.zeros(1, 1, width))  # what stands before the first place
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, HEADS, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.hidden = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.scores = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, alphabet.levels))
        self.mask: Tensor
        self.offsets: Tensor
        mask = nn.Transformer.generate_square_subsequent_mask(alphabet.places)
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("offsets", torch.arange(alphabet.channels) * alphabet.levels, persistent=False)

    def forward(self, symbols: Tensor) -> Tensor:
        """Scores of each symbol, given those before it.

        Args:
            symbols: ``(N, places, channels)`` int64.

        Returns:
            Logits, ``(N, places, channels, levels)``.
        """
        context = self._context(symbols[:, :-1])  # (N, P, width)
        read = self.channel_table(symbols + self.offsets)  # (N, P, C, width)
        return self._channel_scores(context[:, :, None], read.cumsum(2) - read, self.channels)

    def nats(self, symbols: Tensor) -> Tensor:
        """What each code costs, ``-log p``: ``(N, places, channels)`` to ``(N,)``."""
        costs = F.cross_entropy(self(symbols).flatten(0, 2).float(), symbols.flatten(), reduction="none")
        return costs.view(len(symbols), -1).sum(1)

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """Symbols of new codes.

        Args:
            count: N.
            generator: Source of randomness, on the CPU.
            temperature: At least 0.001. Below 1, likely symbols become more likely: more of what is typical, less
                variety.

        Returns:
            ``(N, places, channels)`` int64, on the CPU.

        Raises:
            ValueError: A lower temperature.
        """
        if not temperature >= COLDEST:
            raise ValueError(f"temperature must be at least {COLDEST:g}, got {temperature:g}")
        device = self.before.device
        drawn = torch.zeros(count, 0, self.alphabet.channels, dtype=torch.long)
        for _ in range(self.alphabet.places):
            context = self._context(drawn.to(device))[:, -1]  # (N, width)
            read, chosen = torch.zeros_like(context), []
            for position, offset in zip(self.channels, self.offsets, strict=True):
                scores = self._channel_scores(context, read, position).float().cpu()
                symbol = torch.multinomial((scores / temperature).softmax(1), 1, generator=generator)[:, 0]
                chosen.append(symbol)
                read = read + self.channel_table(symbol.to(device) + offset)
            drawn = torch.cat([drawn, torch.stack(chosen, 1)[:, None]], 1)
        return drawn

    def codes(self, decoder: nn.Module, count: int, seed: int, temperature: float = 1.0) -> Tensor:
        """New codes of the decoder that this is the prior of.

        Args:
            decoder: As this prior was trained for.
            count: N.
            seed: The same seed draws the same codes.
            temperature: See :meth:`sample`.

        Returns:
            ``(N, D)`` float32, on the CPU.
        """
        generator = torch.Generator().manual_seed(seed)
        codes = []
        for start in range(0, max(1, count), BATCH):
            symbols = self.sample(min(BATCH, count - start), generator, temperature)
            codes.append(codes_of_latents(decoder, self.alphabet.latents(symbols, generator)))
        return torch.cat(codes)

    def _context(self, symbols: Tensor) -> Tensor:
        """What is known about each place and the next one: symbols ``(N, P, C)`` to ``(N, P + 1, width)``."""
        bags = (symbols + self.offsets).flatten(0, 1)  # (N P, C)
        read = self.read_place(self.place_table(bags)).view(*symbols.shape[:2], self.width)
        x = torch.cat([self.before.expand(len(read), 1, -1), read], 1)
        size = x.shape[1]
        x, mask = x + self.places[:size], self.mask[:size, :size]
        with sdpa_kernel(SDPBackend.MATH):  # on a CPU a training step with so few places takes 0.6 of the time then
            for layer in self.layers:
                x = layer(x, src_mask=mask, is_causal=True)
        return x

    def _channel_scores(self, context: Tensor, read: Tensor, position: Tensor) -> Tensor:
        x = context + read + position
        return self.scores(x + self.hidden(x))


def weights_digest(network: nn.Module) -> str:
    """SHA-256 of the weights of a network: a prior is of one decoder alone."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_prior(path: str | os.PathLike[str], prior: CodePrior, model: Any) -> None:
    """Write the prior of a model's codes.

    Raises:
        FileSystemError: The file cannot be written.
    """
    facts = {
        "format": PRIOR_FORMAT,
        "part": "prior",
        "prior": {"width": prior.width, "layers": len(prior.layers)},
        "decoder_sha256": weights_digest(model.decoder),
    }
    save_safetensors(path, {name: tensor.detach().cpu() for name, tensor in prior.state_dict().items()}, facts)


def load_prior(path: str | os.PathLike[str], model: Any) -> CodePrior:
    """Read what :func:`save_prior` wrote, for the same model.

    Raises:
        CheckpointError: Missing, damaged, not a prior, of a newer format, or of another model.
    """
    tensors, facts = load_safetensors(path)
    version, sizes = facts.get("format"), facts.get("prior")
    if facts.get("part") != "prior" or not isinstance(version, int) or not isinstance(sizes, dict):
        raise CheckpointError(f"{path} is not a prior of codes; give prior.safetensors of arcvae.sample")
    if version > PRIOR_FORMAT:
        raise CheckpointError(f"{path} has format {version}, this arcvae knows {PRIOR_FORMAT}; update arcvae")
    if facts.get("decoder_sha256") != weights_digest(model.decoder):
        raise CheckpointError(f"{path} is the prior of another model; train one for this: prior=autoregressive")
    for name in ("width", "layers"):
        if problem := RULES[f"prior.{name}"].problem(sizes.get(name)):
            raise CheckpointError(f"{path} describes a prior that cannot be built: {name}={sizes.get(name)} {problem}")
    try:
        prior = CodePrior(Alphabet.of(model), sizes["width"], sizes["layers"])
    except ValueError as error:
        raise CheckpointError(f"{path} describes a prior that cannot be built: {error}") from None
    fill(prior, tensors, Path(path))
    return prior.eval()
