"""Arguments that are refused, and those that will do."""

from __future__ import annotations

import numpy as np
import pytest

from arcvae.grid.codes.object_codes import ObjectCodes
from arcvae.grid.operations.checks import one_of, size_of, whole


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)])
def test_whole_numbers_of_any_kind_will_do(value: object) -> None:
    assert whole("n", value, 3) == 3
    assert type(whole("n", value)) is int


@pytest.mark.parametrize("value", [3.0, 2.5, True, "3", None, [3]])
def test_other_values_are_no_whole_numbers(value: object) -> None:
    with pytest.raises(ValueError, match=r"^n=.* must be a whole number$"):
        whole("n", value)
    with pytest.raises(ValueError, match=r"^n=.* must be a whole number of 1 at least$"):
        whole("n", value, 1)


def test_small_numbers_words_and_unknown_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^n=0 must be a whole number of 1 at least$"):
        whole("n", 0, 1)
    assert one_of("axis", "x", ("x", "y")) == "x"
    with pytest.raises(ValueError, match=r"^axis='z' must be 'x' or 'y'$"):
        one_of("axis", "z", ("x", "y"))
    numbers = np.zeros((1, 1, 11), dtype=np.float32)
    assert size_of(ObjectCodes(numbers, size=(3, 4)), "tile") == (3, 4)
    with pytest.raises(ValueError, match=r"^tile needs the size of the grids; take the codes from codec\.codes"):
        size_of(ObjectCodes(numbers), "tile")
