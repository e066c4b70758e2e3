"""Which elements and samples count."""

from __future__ import annotations

import pytest
import torch

from arcvae.imbalance.masking import valid_elements, valid_samples


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32, torch.int64])
@pytest.mark.parametrize("ignore_index", [-100, 0, 3, 156, 255, 1000])
def test_valid_elements_are_those_with_another_value(dtype: torch.dtype, ignore_index: int) -> None:
    # 156 is -100 modulo 256, -1 is 255: a comparison in the type of the target would confuse them.
    limits = torch.iinfo(dtype)
    values = [v for v in (-100, -1, 0, 3, 100, 156, 255) if limits.min <= v <= limits.max]
    target = torch.tensor(values, dtype=dtype)
    assert valid_elements(target, ignore_index).tolist() == [v != ignore_index for v in values]


def test_without_an_ignore_index_every_element_counts() -> None:
    target = torch.tensor([[0, 255], [-100, 1]])
    assert valid_elements(target, None).tolist() == [[True, True], [True, True]]


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 2, 3)])
def test_sample_counts_if_any_of_its_elements_does(shape: tuple[int, ...]) -> None:
    valid = torch.zeros(shape, dtype=torch.bool)
    valid[1] = True
    valid.view(4, -1)[2, -1] = True
    assert valid_samples(valid).tolist() == [False, True, True, False]
