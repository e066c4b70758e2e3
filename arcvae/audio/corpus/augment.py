"""Augmentation of whole batches of features on their device: pitch, tempo, shift in time, noise, mixup, masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from arcvae.audio.features.cepstrum import cosines, middles

_POINTS: Final = 128
"""Of the mel axis, at which :func:`repitch` looks; the result hardly depends on how many there are."""


def shift_frames(features: Tensor, frames: Tensor) -> Tensor:
    """Move each clip in time; what leaves it at one end comes back at the other.

    Args:
        features: ``(N, *, T)``.
        frames: ``(N,)``, integers; above 0 moves to later frames.

    Example:
        >>> shift_frames(torch.tensor([[[1, 2, 3]], [[1, 2, 3]]]), torch.tensor([1, -1]))
        tensor([[[3, 1, 2]],
        <BLANKLINE>
                [[2, 3, 1]]])
    """
    length = features.shape[-1]
    index = (torch.arange(length, device=features.device) - frames.to(features.device)[:, None]) % length  # (N, T)
    index = index.view(len(features), *[1] * (features.ndim - 2), length)
    return features.gather(-1, index.expand_as(features))


def repitch(features: Tensor, shifts: Tensor) -> Tensor:
    """Move the spectrum of each clip along the mel axis, as far as its coefficients tell it.

    Coefficients are the cosine series of a spectrum over the mel axis, which is taken at other places here and mirrored
    beyond its ends.

    Args:
        features: ``(N, channels, F, T)``, of an orthonormal DCT-II.
        shifts: ``(N,)``, as shares of the whole axis; above 0 moves to higher frequencies.

    Returns:
        The same shape.
    """
    count = features.shape[2]
    places = middles(_POINTS)
    there = cosines(places - shifts.double()[:, None], count, _POINTS)  # (N, points, F)
    moved = cosines(places, count, _POINTS).T @ there  # (N, F, F)
    return moved.to(features)[:, None] @ features


def change_tempo(features: Tensor, factors: Tensor) -> Tensor:
    """Play each clip faster or slower; a clip that ends too early begins again.

    Args:
        features: ``(N, channels, F, T)``; the channels are features and their derivatives in time, of rising order.
        factors: ``(N,)``, > 0; above 1 is faster.

    Returns:
        The same shape, by linear interpolation.
    """
    channels, length = features.shape[1], features.shape[-1]
    factors = factors.to(features)
    at = torch.arange(length, device=features.device) * factors[:, None]  # (N, T)
    before = at.floor().long()
    share = (at - before)[:, None, None]
    index = before[:, None, None].expand_as(features)
    found = features.gather(-1, index % length).lerp(features.gather(-1, (index + 1) % length), share)
    order = torch.arange(channels, device=features.device)
    return found * (factors[:, None] ** order)[:, :, None, None]


def mask_spans(features: Tensor, value: Tensor, starts: Tensor, widths: Tensor, dim: int) -> Tensor:
    """Replace spans of each clip along one axis.

    Args:
        features: ``(N, channels, F, T)``.
        value: What they become, broadcast over ``features``.
        starts: ``(N, masks)``, first index of each span.
        widths: ``(N, masks)``, its length, >= 0.
        dim: 2 for coefficients, 3 for frames.

    Returns:
        The same shape.
    """
    places = torch.arange(features.shape[dim], device=features.device)
    starts, widths = starts.to(features.device)[..., None], widths.to(features.device)[..., None]  # (N, masks, 1)
    masked = ((places >= starts) & (places < starts + widths)).any(1)  # (N, F or T)
    masked = masked[:, None, :, None] if dim == 2 else masked[:, None, None]
    return torch.where(masked, value, features)


class Mixed(NamedTuple):
    """A batch after augmentation."""

    features: Tensor
    """As they came in."""
    partners: Tensor | None
    """Labels of the clips that were mixed in, ``(N,)``; None without mixup."""
    share: float
    """Of the first label, in [.5, 1]; the partners have the rest."""


@dataclass(frozen=True)
class Augmentation:
    """What is done to the clips of a training batch. All draws depend on a seed alone; 0 switches a part off.

    The features are cepstral coefficients: masks over them are those of SpecAugment over mel bands, one step later, and
    noise is noise in the coefficients.

    Args:
        masks: Spans of frames, and as many of coefficients, that become the mean of the train split.
        mask_frames: The longest span of frames; its length is uniform from 0 on.
        mask_coefficients: The same for coefficients.
        mixup: Alpha of the beta distribution of the share with which the clips of a batch are mixed.
        shift: Most frames that a clip is moved, either way.
        noise: Standard deviation of normal noise, as a share of that of each coefficient.
        pitch: Standard deviation of the shift of the spectrum of each clip, as a share of the mel axis: another singer.
        tempo: Standard deviation of the tempo of each clip, in octaves: the same.

    References:
        Park et al. 2019, "SpecAugment". https://arxiv.org/abs/1904.08779
        Zhang et al. 2018, "mixup". https://arxiv.org/abs/1710.09412
    """

    masks: int = 0
    mask_frames: int = 50
    mask_coefficients: int = 4
    mixup: float = 0.0
    shift: int = 0
    noise: float = 0.0
    pitch: float = 0.0
    tempo: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.masks or self.mixup or self.shift or self.noise or self.pitch or self.tempo)

    def __call__(self, features: Tensor, labels: Tensor, mean: Tensor, deviation: Tensor, seed: int) -> Mixed:
        """Augment a batch.

        Mixup draws one share for the batch, and takes the larger part as the first: a target that is one class is then
        that of the larger part, and swapping both changes nothing.

        Args:
            features: ``(N, F, T)`` or ``(N, channels, F, T)``, floating point.
            labels: ``(N,)``.
            mean: Of the train split, ``(channels, F, 1)``.
            deviation: The same, > 0.
            seed: 0 <= seed < 2^63.
        """
        rng = np.random.default_rng(seed)
        x = features.view(len(features), *mean.shape[:2], -1)  # (N, channels, F, T)
        if self.pitch:
            x = repitch(x, torch.from_numpy(self.pitch * rng.standard_normal(len(x))))
        if self.tempo:
            x = change_tempo(x, torch.from_numpy(2 ** (self.tempo * rng.standard_normal(len(x)))))
        if self.shift:
            x = shift_frames(x, torch.from_numpy(rng.integers(-self.shift, self.shift + 1, len(x))))
        if self.noise:
            generator = torch.Generator(x.device).manual_seed(seed)
            drawn = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
            x = x + self.noise * deviation * drawn
        partners, share = None, 1.0
        if self.mixup:
            drawn_share = float(rng.beta(self.mixup, self.mixup))
            share = max(drawn_share, 1 - drawn_share)
            order = torch.from_numpy(rng.permutation(len(x))).to(x.device)
            x, partners = share * x + (1 - share) * x[order], labels[order]
        for dim, widest in ((3, self.mask_frames), (2, self.mask_coefficients)) if self.masks else ():
            widths = rng.integers(0, min(widest, x.shape[dim]) + 1, (len(x), self.masks))
            starts = rng.integers(0, x.shape[dim] - widths + 1)
            x = mask_spans(x, mean, torch.from_numpy(starts), torch.from_numpy(widths), dim)
        return Mixed(x.view_as(features), partners, share)
