"""The classifiers: their size to the parameter, their shapes, and what travels with the weights."""

from __future__ import annotations

import numpy as np
import pytest
import scipy
import torch

from arcvae.audio.model import AudioCNN, AudioCNNv2, MfccNet


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def by_hand(channels: int, widths: list[int], hidden: int | None, classes: int) -> int:
    """3x3 kernels with biases, two numbers a channel to normalise, then dense layers."""
    total, before = 0, channels
    for width in widths:
        total += 9 * before * width + width + 2 * width
        before = width
    for after in (*([hidden] if hidden else []), classes):
        total += before * after + after
        before = after
    return total


def test_large_network_has_the_size_of_the_reference() -> None:
    assert parameters(AudioCNNv2(num_classes=89, channels=3)) == 4_222_041
    assert by_hand(3, [64, 128, 256, 512, 512], 512, 89) == 4_222_041


def test_small_network_has_about_344_thousand_parameters() -> None:
    assert parameters(AudioCNN(num_classes=89, channels=1)) == by_hand(1, [32, 64, 128, 200], None, 89) == 342_009
    assert parameters(AudioCNN(num_classes=89, channels=3)) == 342_009 + 2 * 9 * 32


@pytest.mark.parametrize("kind", [AudioCNN, AudioCNNv2])
@pytest.mark.parametrize("channels", [1, 3])
def test_logits_have_a_column_for_each_class_and_every_parameter_a_gradient(kind: type[MfccNet], channels: int) -> None:
    model = kind(num_classes=5, channels=channels)  # type: ignore[call-arg]
    shape = (2, 20, 500) if channels == 1 else (2, 3, 20, 500)
    logits = model(torch.randn(shape))
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0 or name.endswith("bias"), name  # batch norm cancels the conv biases


def test_one_channel_may_be_left_out() -> None:
    model = AudioCNN(num_classes=3).eval()
    clips = torch.randn(2, 20, 500)
    assert torch.equal(model(clips), model(clips[:, None]))


def test_time_reaches_the_logits_wherever_something_happens() -> None:
    model = AudioCNN(num_classes=3).eval()
    silent = torch.zeros(1, 20, 500)
    for frame in (0, 249, 470):
        clip = silent.clone()
        clip[:, :, frame : frame + 10] = 5.0
        assert not torch.allclose(model(clip), model(silent), atol=1e-6), frame


def test_normalisation_is_applied_and_travels_with_the_weights() -> None:
    model = AudioCNNv2(num_classes=3).eval()
    mean, deviation = torch.randn(3, 20, 1), torch.rand(3, 20, 1) + 0.5
    clips = torch.randn(2, 3, 20, 500)
    plain = model(clips)
    model.normalise_by(mean, deviation)
    assert torch.allclose(model(clips * deviation + mean), plain, atol=1e-4)
    fresh = AudioCNNv2(num_classes=3).eval()
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh(clips), model(clips))
    assert torch.equal(fresh.mean, mean)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bands", [8, 33, 40, 64])
def test_bands_are_the_spectrum_that_the_normalised_coefficients_describe(bands: int, channels: int) -> None:
    model = AudioCNN(num_classes=3, channels=channels, bands=bands).eval()
    rows = 2 if bands == 64 else 1  # of four blocks: half as many five times, at least one
    assert parameters(model) == parameters(AudioCNN(num_classes=3, channels=channels)) + (rows - 1) * 200 * 3
    assert "spectrum" not in model.state_dict()
    mean, deviation = torch.randn(channels, 20, 1), torch.rand(channels, 20, 1) + 0.5
    model.normalise_by(mean, deviation)
    seen: list[torch.Tensor] = []
    model.blocks.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    clips = torch.randn(4, channels, 20, 500) * deviation + mean
    assert model(clips).shape == (4, 3)
    centred = scipy.fft.idct((clips - mean).numpy(), n=max(bands, 20), axis=2, norm="ortho")
    assert seen[0].shape == (4, channels, bands, 500)
    if bands >= 20:  # of fewer bands the transform would take fewer coefficients
        scale = np.median(centred / seen[0].numpy(), axis=(0, 3), keepdims=True)
        np.testing.assert_allclose(seen[0].numpy() * scale, centred, atol=1e-4)
    assert seen[0].std() == pytest.approx(1, abs=0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(clips)
    assert torch.equal(seen[0], seen[1])


def test_bands_tell_a_high_song_from_a_low_one() -> None:
    # One block leaves many rows; a mean over them would say the same of both.
    model = AudioCNN(num_classes=3, widths=[8], bands=40).eval()
    low, high = (torch.from_numpy(scipy.fft.dct(np.eye(40)[band], norm="ortho")[:20]).float() for band in (12, 28))
    found = model(torch.stack([low, high])[:, :, None].repeat(1, 1, 64))
    assert not torch.allclose(found[0], found[1], rtol=1e-2)


@pytest.mark.parametrize("kind", [AudioCNN, AudioCNNv2])
def test_batch_of_one_clip_trains(kind: type[MfccNet]) -> None:
    # The last batch of an epoch may be one; torch refuses to normalise a single value per channel.
    model = kind(num_classes=5, channels=1).train()  # type: ignore[call-arg]
    logits = model(torch.randn(1, 20, 500))
    logits.square().sum().backward()
    assert torch.isfinite(logits).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.grad is not None)
