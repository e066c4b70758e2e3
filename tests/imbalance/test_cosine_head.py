"""The cosine head against torch's cosine similarity, and that it trains with LDAM."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from arcvae.imbalance.cosine_head import CosineConv2d, CosineHead


def test_logits_are_cosines_times_the_scale() -> None:
    head, x = CosineHead(5, 3, scale=30.0).double(), torch.randn(7, 5, dtype=torch.float64)
    with torch.no_grad():
        head.weight.mul_(torch.tensor([[0.1], [1.0], [9.0]]))  # the length of a vector must not matter
    expected = 30 * F.cosine_similarity(x[:, None], head.weight[None], dim=2)
    torch.testing.assert_close(head(x), expected, rtol=1e-9, atol=1e-9)


def test_feature_of_zeros_has_zero_logits_and_finite_gradients() -> None:
    head, x = CosineHead(5, 3, scale=30.0), torch.zeros(1, 5, requires_grad=True)
    logits = head(x)
    assert not logits.any()
    F.cross_entropy(logits, torch.tensor([1])).backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert head.weight.grad is not None
    assert torch.isfinite(head.weight.grad).all()


def test_map_has_the_cosine_of_each_patch_with_each_kernel() -> None:
    head, x = CosineConv2d(4, 3, size=3, scale=30.0).double(), torch.randn(2, 4, 5, 6, dtype=torch.float64)
    with torch.no_grad():
        head.weight.mul_(torch.tensor([0.1, 1.0, 9.0]).view(3, 1, 1, 1))
    patches = F.unfold(x, 3, padding=1).transpose(1, 2)  # (N, places, F k k)
    expected = 30 * F.cosine_similarity(patches[:, :, None], head.weight.flatten(1)[None, None], dim=3)
    torch.testing.assert_close(head(x).flatten(2).transpose(1, 2), expected, rtol=1e-9, atol=1e-9)


def test_patch_of_zeros_has_zero_logits_and_finite_gradients() -> None:
    head, x = CosineConv2d(4, 3, size=3, scale=30.0), torch.zeros(1, 4, 5, 5, requires_grad=True)
    logits = head(x)
    assert not logits.any()
    F.cross_entropy(logits, torch.ones(1, 5, 5, dtype=torch.long)).backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
