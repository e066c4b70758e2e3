"""Augmentation of clips against plain loops and what its distributions say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy
import torch

from arcvae.audio.corpus.augment import Augmentation, change_tempo, mask_spans, repitch, shift_frames

MEAN, DEVIATION = torch.arange(20.0).view(1, 20, 1), torch.arange(1.0, 21.0).view(1, 20, 1)


def clips(count: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(count, 20, 500, generator=generator), torch.arange(count) % 5


def test_everything_at_zero_changes_nothing_and_is_off() -> None:
    features, labels = clips()
    off = Augmentation()
    assert not off
    found = off(features, labels, MEAN, DEVIATION, 0)
    assert torch.equal(found.features, features)
    assert (found.partners, found.share) == (None, 1.0)
    for part in ("masks", "mixup", "shift", "noise", "pitch", "tempo"):
        assert Augmentation(**{part: 1})  # type: ignore[arg-type]


def test_shift_rolls_each_clip_by_its_own_frames() -> None:
    features, _ = clips(6)
    frames = torch.tensor([0, 1, -1, 250, -499, 7])
    expected = torch.stack([torch.roll(clip, int(by), -1) for clip, by in zip(features, frames, strict=True)])
    assert torch.equal(shift_frames(features, frames), expected)
    deep = torch.randn(6, 3, 20, 500)
    assert torch.equal(shift_frames(deep, frames)[3], torch.roll(deep[3], 250, -1))


@pytest.mark.parametrize("bands", [40, 128])
def test_pitch_moves_the_spectrum_that_the_coefficients_describe(bands: int) -> None:
    # A smooth spectrum over the mel axis, its cepstrum by scipy, and the same of the spectrum moved by 5 % of the axis.
    places = (np.arange(bands) + 0.5) / bands
    bump = lambda middle: np.exp(-(((places - middle) / 0.1) ** 2))  # noqa: E731
    coefficients = [scipy.fft.dct(bump(middle), norm="ortho")[:20] for middle in (0.4, 0.45, 0.35)]
    features = torch.from_numpy(np.stack([coefficients[0]] * 3)).float()[:, None, :, None].repeat(1, 1, 1, 9)
    found = repitch(features, torch.tensor([0.0, 0.05, -0.05]))
    for clip, expected in zip(found, (coefficients[0], coefficients[1], coefficients[2]), strict=True):
        assert np.abs(clip[0, :, 4].numpy() - expected).max() < 2e-3 * np.abs(expected).max()
    level = torch.zeros(1, 1, 20, 9)
    level[:, :, 0] = 3.0
    assert torch.allclose(repitch(level, torch.tensor([0.3])), level, atol=1e-5)  # nothing moves in a flat spectrum


def test_tempo_plays_faster_and_begins_again_and_scales_derivatives() -> None:
    ramp = torch.arange(100.0).expand(2, 1, 4, 100)
    found = change_tempo(torch.cat([ramp, torch.ones(2, 2, 4, 100)], 1), torch.tensor([1.5, 0.5]))
    assert torch.allclose(found[0, 0, 0, :60], 1.5 * torch.arange(60.0))
    assert found[0, 0, 0, 70] == pytest.approx(105 % 100)
    assert torch.allclose(found[1, 0, 0], 0.5 * torch.arange(100.0))
    assert torch.allclose(found[:, 1, 0, 0], torch.tensor([1.5, 0.5]))
    assert torch.allclose(found[:, 2, 0, 0], torch.tensor([2.25, 0.25]))
    same = torch.randn(3, 1, 20, 50)
    assert torch.equal(change_tempo(same, torch.ones(3)), same)


@pytest.mark.parametrize("dim", [2, 3])
def test_masks_fill_their_spans_and_nothing_else(dim: int) -> None:
    features = torch.randn(3, 2, 20, 50)
    starts, widths = torch.tensor([[0, 5], [10, 10], [3, 4]]), torch.tensor([[2, 3], [0, 10], [5, 1]])
    expected = features.clone()
    for clip in range(3):
        for mask in range(2):
            span = slice(int(starts[clip, mask]), int(starts[clip, mask] + widths[clip, mask]))
            expected[(clip, slice(None), span) if dim == 2 else (clip, slice(None), slice(None), span)] = 7.0
    assert torch.equal(mask_spans(features, torch.tensor(7.0), starts, widths, dim), expected)


def test_masked_features_are_the_mean_in_spans_of_the_widths_that_are_asked_for() -> None:
    features, labels = clips(400)
    found = Augmentation(masks=2, mask_frames=50, mask_coefficients=4)(features, labels, MEAN, DEVIATION, 1).features
    changed = found != features
    assert torch.equal(found[changed], MEAN[:, :, :].expand_as(found)[changed])
    frames, rows = changed.all(1).sum(1).double(), changed.all(2).sum(1).double()  # wholly masked, of each clip
    assert frames.max() <= 100
    assert rows.max() <= 8
    # Two spans of a mean length of 25 frames and 2 coefficients, which overlap now and then.
    assert frames.mean() == pytest.approx(50, abs=4)
    assert rows.mean() == pytest.approx(4, abs=0.8)


def test_noise_has_the_deviation_that_is_asked_for() -> None:
    features, labels = clips(40)
    drawn = Augmentation(noise=0.3)(features, labels, MEAN, DEVIATION, 2).features - features
    spread = drawn.std((0, 2)) / DEVIATION[0, :, 0]
    assert torch.allclose(spread, torch.full((20,), 0.3), rtol=0.03)
    assert abs(drawn.mean()) < 0.05


def test_mixup_is_the_sum_of_a_clip_and_its_partner_by_their_shares() -> None:
    features, _ = clips(8)
    labels = torch.arange(8)  # a label tells its clip
    shares = []
    for seed in range(300):
        found = Augmentation(mixup=0.2)(features, labels, MEAN, DEVIATION, seed)
        assert found.partners is not None
        assert sorted(found.partners.tolist()) == labels.tolist()
        if seed < 5:
            expected = found.share * features + (1 - found.share) * features[found.partners]
            assert torch.allclose(found.features, expected)
        shares.append(found.share)
    # Of the larger of w and 1 - w for w ~ beta(a, a): at least 1/2, and E(1 - 2 w)^2 = 1 / (2 a + 1).
    assert min(shares) >= 0.5
    assert np.mean((2 * np.array(shares) - 1) ** 2) == pytest.approx(1 / 1.4, abs=0.05)


def test_draws_depend_on_the_seed_alone() -> None:
    features, labels = clips()
    every = Augmentation(2, 50, 4, 0.2, 100, 0.1, 0.05, 0.3)
    one = every(features, labels, MEAN, DEVIATION, 5)
    torch.rand(7)
    again, other = (every(features, labels, MEAN, DEVIATION, seed) for seed in (5, 6))
    assert torch.equal(one.features, again.features)
    assert one.share == again.share
    assert not torch.equal(one.features, other.features)
    assert not math.isclose(one.share, other.share)


def test_three_channels_are_augmented_alike() -> None:
    features, labels = torch.randn(4, 3, 20, 500), torch.arange(4)
    mean, deviation = torch.randn(3, 20, 1), torch.ones(3, 20, 1)
    found = Augmentation(masks=2, shift=50)(features, labels, mean, deviation, 1).features
    assert found.shape == features.shape
    masked = found == mean
    assert masked.any()
    assert torch.equal(masked[:, 0], masked[:, 1])  # the same spans
