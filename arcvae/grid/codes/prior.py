"""An autoregressive prior: a distribution of codes that is fitted to those of a corpus.

Training draws codes towards N(0, I), but those that occur are a small part of it, the smaller the more a code holds. An
autoregressive network learns their distribution. It reads the latents of a code as tokens (see
:mod:`arcvae.grid.codes.quantization`) and predicts each from those before it,

    p(code) = prod_t p(s_t | s_1, ..., s_{t-1})

so the probability of any code can be computed, and a new code is drawn token by token. Encoder and decoder stay as they
are.

References:
    van den Oord et al. 2017, neural discrete representation learning. https://arxiv.org/abs/1711.00937
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from arcvae.grid.codes.quantization import LatentQuantizer
from arcvae.grid.models.base import GridModel
from arcvae.grid.settings import PRIOR_HEADS, prior_width_problem

BATCH: Final = 1000
"""Codes that are drawn at once."""
MIN_TEMPERATURE: Final = 1e-3
"""Lowest temperature of a draw."""


def require_temperature(temperature: float) -> None:
    """Refuse a temperature below :data:`MIN_TEMPERATURE`.

    Raises:
        ValueError: A lower one, or none.

    Example:
        >>> require_temperature(0.0)
        Traceback (most recent call last):
        ValueError: temperature must be at least 0.001, got 0
    """
    if not temperature >= MIN_TEMPERATURE:
        raise ValueError(f"temperature must be at least {MIN_TEMPERATURE:g}, got {temperature:g}")


class CodePrior(nn.Module):
    """Autoregressive distribution of the tokens of codes.

    A transformer reads one group of latents after the other; a small network on top of it predicts the channels of the
    next group one by one. So 80 latents of 16 patches take 16 steps of attention instead of 80.

    Args:
        quantizer: How latents become tokens.
        width: Features of each group, divisible by the 4 heads of attention.
        layers: Layers of the transformer, >= 1.

    Raises:
        ValueError: A width that is not divisible by 4.

    Example:
        >>> prior = CodePrior(LatentQuantizer(groups=16, channels=5, levels=8, bound=2.0, discrete=True))
        >>> tokens = prior.sample(3, torch.Generator().manual_seed(0))
        >>> tokens.shape, prior.log_prob(tokens).shape
        (torch.Size([3, 16, 5]), torch.Size([3]))
    """

    def __init__(self, quantizer: LatentQuantizer, width: int = 128, layers: int = 3) -> None:
        super().__init__()
        if problem := prior_width_problem(width):
            raise ValueError(problem)
        self.quantizer, self.width = quantizer, width
        self.sizes = {"width": width, "layers": layers}
        # The names of the parameters, and the order in which they are drawn, are part of the file format.
        rows = quantizer.channels * quantizer.levels  # of the embeddings: one for each token of each channel
        self.place_table = nn.EmbeddingBag(rows, 4 * width, mode="sum")
        self.read_place = nn.Sequential(nn.GELU(), nn.Linear(4 * width, width))
        self.channel_table = nn.Embedding(rows, width)
        for table in (self.place_table, self.channel_table):
            nn.init.normal_(table.weight, std=0.1)
        self.places = nn.Parameter(torch.randn(quantizer.groups, width) * 0.02)  # positions of the groups
        self.channels = nn.Parameter(torch.randn(quantizer.channels, width) * 0.02)  # positions within a group
        self.before = nn.Parameter(torch.zeros(1, 1, width))  # start of the sequence
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, PRIOR_HEADS, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.hidden = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.scores = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, quantizer.levels))
        self.mask: Tensor
        self.offsets: Tensor
        mask = nn.Transformer.generate_square_subsequent_mask(quantizer.groups)
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("offsets", torch.arange(quantizer.channels) * quantizer.levels, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of each token, given those before it.

        Args:
            tokens: ``(N, groups, channels)`` int64.

        Returns:
            ``(N, groups, channels, levels)``.
        """
        context = self._context(tokens[:, :-1])  # (N, G, width)
        embedded = self.channel_table(tokens + self.offsets)  # (N, G, channels, width)
        earlier = embedded.cumsum(2) - embedded  # of each channel, the sum over those before it
        return self._channel_logits(context[:, :, None], earlier, self.channels)

    def log_prob(self, tokens: Tensor) -> Tensor:
        """Log-probability of each code in nats: ``(N, groups, channels)`` to ``(N,)``."""
        costs = F.cross_entropy(self(tokens).flatten(0, 2).float(), tokens.flatten(), reduction="none")
        return -costs.view(len(tokens), -1).sum(1)

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """Tokens of new codes.

        Args:
            count: N.
            generator: Source of randomness, on the CPU.
            temperature: At least 0.001. Below 1, likely tokens become more likely: more typical codes, less variety.

        Returns:
            ``(N, groups, channels)`` int64, on the CPU.

        Raises:
            ValueError: A lower temperature.
        """
        require_temperature(temperature)
        device = self.before.device
        tokens = torch.zeros(count, 0, self.quantizer.channels, dtype=torch.long)
        for _ in range(self.quantizer.groups):
            context = self._context(tokens.to(device))[:, -1]  # (N, width)
            earlier, chosen = torch.zeros_like(context), []
            for position, offset in zip(self.channels, self.offsets, strict=True):
                logits = self._channel_logits(context, earlier, position).float().cpu()
                token = torch.multinomial((logits / temperature).softmax(1), 1, generator=generator)[:, 0]
                chosen.append(token)
                earlier = earlier + self.channel_table(token.to(device) + offset)
            tokens = torch.cat([tokens, torch.stack(chosen, 1)[:, None]], 1)
        return tokens

    def codes(self, model: GridModel, count: int, seed: int, temperature: float = 1.0) -> Tensor:
        """New codes of the model that this is the prior of.

        Args:
            model: The model that this prior was trained for.
            count: N.
            seed: The same seed draws the same codes.
            temperature: See :meth:`sample`.

        Returns:
            ``(N, D)`` float32, on the CPU.
        """
        generator = torch.Generator().manual_seed(seed)
        codes = []
        for start in range(0, max(1, count), BATCH):
            tokens = self.sample(min(BATCH, count - start), generator, temperature)
            codes.append(model.pack(self.quantizer.latents(tokens, generator)))
        return torch.cat(codes)

    def _context(self, tokens: Tensor) -> Tensor:
        """What the groups so far say about each next one: tokens ``(N, G, channels)`` to ``(N, G + 1, width)``."""
        bags = (tokens + self.offsets).flatten(0, 1)  # (N G, channels)
        groups = self.read_place(self.place_table(bags)).view(*tokens.shape[:2], self.width)
        x = torch.cat([self.before.expand(len(groups), 1, -1), groups], 1)
        size = x.shape[1]
        x, mask = x + self.places[:size], self.mask[:size, :size]
        with sdpa_kernel(SDPBackend.MATH):  # a training step on a CPU takes 0.6 of the time
            for layer in self.layers:
                x = layer(x, src_mask=mask, is_causal=True)
        return x

    def _channel_logits(self, context: Tensor, earlier: Tensor, position: Tensor) -> Tensor:
        """Logits of a channel: its group's context ``(*, width)``, earlier channels of the group, which channel."""
        x = context + earlier + position
        logits: Tensor = self.scores(x + self.hidden(x))
        return logits
