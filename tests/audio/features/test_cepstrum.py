"""The spectrum that coefficients describe, against SciPy's cosine transform."""

from __future__ import annotations

import numpy as np
import scipy
import torch

from arcvae.audio.features.cepstrum import cosines, middles


def test_spectrum_is_that_of_the_inverse_transform() -> None:
    coefficients = np.random.default_rng(0).normal(size=20)
    expected = scipy.fft.idct(np.pad(coefficients, (0, 44)), norm="ortho")  # 64 bands
    found = cosines(middles(64), 20, 64) @ torch.from_numpy(coefficients)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_spectrum_is_mirrored_beyond_the_ends_of_the_axis() -> None:
    places = torch.rand(7, 3, dtype=torch.float64)
    assert torch.allclose(cosines(-places, 20, 8), cosines(places, 20, 8))
    assert torch.allclose(cosines(2 - places, 20, 8), cosines(places, 20, 8))
    assert cosines(places, 20, 8).shape == (7, 3, 20)
