"""Classifiers of MFCCs: :class:`AudioCNN`, and :class:`AudioCNNv2` with twelve times its parameters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from arcvae.audio.features.cepstrum import cosines, middles
from arcvae.audio.features.mfcc import MfccSettings
from arcvae.imbalance.cosine_head import CosineHead, cosine_scale

_COEFFICIENTS = MfccSettings.n_mfcc


class MfccNet(nn.Module):
    """Blocks of convolutions over coefficients and time, the mean of their output over both, and a classifier.

    A block is a 3x3 convolution, a 2x2 maximum (as long as two rows are left), batch normalisation and ReLU. The
    maximum comes first, which leaves a quarter of the work to the other two and halves the time of a training step
    on a CPU. The first convolution takes every second frame, which halves the cost of all that follows; consecutive
    frames overlap by three quarters of their window.

    With ``bands``, the network sees the spectrum that the coefficients describe: on its axis a higher song is the same
    picture higher up, which convolutions know how to use, while a coefficient has nothing in common with the next one.
    The first convolution then takes every second band as well, so that 40 bands cost what 20 coefficients do, and the
    mean is that over time alone: where on the axis something is, is what tells a high song from a low one.

    Features are normalised here, by ``mean`` and ``deviation``, which are part of the state dict.

    Args:
        num_classes: C, >= 2.
        channels: 1 for MFCCs alone, 3 with delta and delta-delta.
        widths: Channels of the blocks, at least one block.
        hidden: Units of a dense layer before the classifier, or None for none.
        dropout: Share of what goes into the classifier that is dropped in training, [0, 1).
        head: The last layer, ``"linear"`` or ``"cosine"`` (:class:`~arcvae.imbalance.cosine_head.CosineHead`).
        scale: What a cosine head multiplies cosines by, > 0; of no effect beside a linear one.
        bands: Points on the mel axis at which the spectrum is taken; 0: the coefficients as they are.

    Raises:
        ValueError: Another head.
    """

    mean: Tensor
    deviation: Tensor
    spectrum: Tensor | None

    def __init__(
        self, num_classes: int, channels: int, widths: Sequence[int], hidden: int | None, dropout: float,
        head: str, scale: float, bands: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_classes, self.channels = num_classes, channels
        self.register_buffer("mean", torch.zeros(channels, _COEFFICIENTS, 1))
        self.register_buffer("deviation", torch.ones(channels, _COEFFICIENTS, 1))
        spectrum = cosines(middles(bands), _COEFFICIENTS, bands).float() if bands else None
        self.register_buffer("spectrum", spectrum, persistent=False)
        layers: list[nn.Module] = []
        before, rows, first = channels, _COEFFICIENTS, (1, 2)
        if bands:
            rows, first = (bands + 1) // 2, (2, 2)
        for number, width in enumerate(widths):
            layers.append(nn.Conv2d(before, width, 3, stride=1 if number else first, padding=1))
            if rows >= 2:
                layers.append(nn.MaxPool2d(2))
                rows //= 2
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.blocks = nn.Sequential(*layers)
        before *= rows if bands else 1
        dense = [] if hidden is None else [nn.Linear(before, hidden), nn.ReLU()]
        size = hidden or before
        self.cosine_scale = cosine_scale(head, scale)
        last = nn.Linear(size, num_classes) if head == "linear" else CosineHead(size, num_classes, scale)
        self.classifier = nn.Sequential(*dense, nn.Dropout(dropout), last)
        # Channels last in memory: 1.3 times faster to train on a CPU.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def head(self) -> nn.Linear | CosineHead:
        """The last layer: features ``(N, F)`` to logits ``(N, C)``."""
        last = self.classifier[-1]
        assert isinstance(last, nn.Linear | CosineHead)
        return last

    def normalise_by(self, mean: Tensor, deviation: Tensor) -> None:
        """Set the statistics of the train split, each ``(channels, 20, 1)``; ``deviation`` > 0."""
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)

    def _normalised(self, features: Tensor) -> Tensor:
        """Features ``(N, channels, 20, T)`` around 0: ``(N, channels, rows, T)``."""
        if self.spectrum is None:
            return (features - self.mean) / self.deviation
        # Of a band the deviation is what it would be if the coefficients were independent: batch normalisation does the
        # rest. In full precision, because a sum of coefficients cancels.
        with torch.autocast(features.device.type, enabled=False):
            deviation = (self.spectrum.square() @ self.deviation.square()).sqrt()
            bands: Tensor = self.spectrum @ (features - self.mean) / deviation
        return bands

    def forward(self, features: Tensor) -> Tensor:
        """Classify clips.

        Args:
            features: ``(N, 20, T)``, or ``(N, channels, 20, T)``; T >= 32.

        Returns:
            Logits ``(N, C)``.
        """
        if features.ndim == 3:
            features = features.unsqueeze(1)  # (N, 1, F, T)
        normal = self._normalised(features).contiguous(memory_format=torch.channels_last)
        found = self.blocks(normal)  # (N, width, rows, frames)
        found = found.mean((2, 3)) if self.spectrum is None else found.mean(3).flatten(1)
        logits: Tensor = self.classifier(found)
        return logits


class AudioCNN(MfccNet):
    """Four blocks: 342,009 parameters for one channel and 89 classes.

    Args:
        num_classes: See :class:`MfccNet`, for all of them.
        channels: 1 or 3.
        widths: Channels of the blocks.
        dropout: In [0, 1).
        head: ``"linear"`` or ``"cosine"``.
        scale: Of a cosine head.
        bands: Of the spectrum; 0: the coefficients as they are.

    Example:
        >>> AudioCNN()(torch.zeros(2, 20, 500)).shape
        torch.Size([2, 89])
    """

    def __init__(
        self,
        num_classes: int = 89,
        channels: int = 1,
        widths: Sequence[int] = (32, 64, 128, 200),
        dropout: float = 0.2,
        head: str = "linear",
        scale: float = 30.0,
        bands: int = 0,
    ) -> None:
        super().__init__(num_classes, channels, widths, None, dropout, head, scale, bands)


class AudioCNNv2(MfccNet):
    """Five blocks and a dense layer: 4,222,041 parameters for three channels and 89 classes.

    Args:
        num_classes: See :class:`MfccNet`, for all of them.
        channels: 1 or 3.
        widths: Channels of the blocks.
        hidden: Units of the dense layer.
        dropout: In [0, 1).
        head: ``"linear"`` or ``"cosine"``.
        scale: Of a cosine head.
        bands: Of the spectrum; 0: the coefficients as they are.

    Example:
        >>> AudioCNNv2()(torch.zeros(2, 3, 20, 500)).shape
        torch.Size([2, 89])
    """

    def __init__(
        self,
        num_classes: int = 89,
        channels: int = 3,
        widths: Sequence[int] = (64, 128, 256, 512, 512),
        hidden: int = 512,
        dropout: float = 0.5,
        head: str = "linear",
        scale: float = 30.0,
        bands: int = 0,
    ) -> None:
        super().__init__(num_classes, channels, widths, hidden, dropout, head, scale, bands)
