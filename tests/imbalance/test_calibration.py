"""Calibration against NumPy and against numbers worked by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from arcvae.imbalance.calibration import Calibration


def test_calibration_error_equals_ten_lines_of_numpy() -> None:
    generator = np.random.default_rng(0)
    confidence, hit = generator.random(5000), generator.random(5000) < 0.5
    ours = Calibration(bins=15)
    for part in np.array_split(np.arange(5000), 7):
        ours.update(torch.from_numpy(confidence[part]), torch.from_numpy(hit[part]))
    error = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence >= low) & (confidence < low + 1 / 15)
        error += inside.mean() * abs(confidence[inside].mean() - hit[inside].mean())
    assert ours.compute().error == pytest.approx(error, abs=1e-9)


def test_confidence_one_lies_in_the_last_bin_and_has_no_error_if_all_is_right() -> None:
    calibration = Calibration(bins=4)
    calibration.update(torch.ones(3), torch.ones(3, dtype=torch.bool))
    assert calibration.compute() == (0.0, [1.0], [1.0], [1.0])


def test_curve_worked_by_hand() -> None:
    # Two bins. Low: .25 and .45, one of two right. High: .75, .85 and .95, all right.
    calibration = Calibration(bins=2)
    hit = torch.tensor([True, False, True, True, True])
    calibration.update(torch.tensor([0.25, 0.45, 0.75, 0.85, 0.95], dtype=torch.float64), hit)
    found = calibration.compute()
    confidence, accuracy, share = found.curve()
    assert confidence == pytest.approx([0.35, 0.85])
    assert accuracy == pytest.approx([0.5, 1.0])
    assert share == pytest.approx([0.4, 0.6])
    assert found.error == pytest.approx(0.4 * 0.15 + 0.6 * 0.15)


def test_bin_without_decisions_is_left_out_of_the_curve() -> None:
    calibration = Calibration(bins=10)
    calibration.update(torch.tensor([0.05, 0.95]), torch.tensor([False, True]))
    assert [len(values) for values in calibration.compute().curve()] == [2, 2, 2]


def test_nothing_decided_has_no_error() -> None:
    calibration = Calibration()
    calibration.update(torch.zeros(0), torch.zeros(0, dtype=torch.bool))
    found = calibration.compute()
    assert math.isnan(found.error)
    assert found.curve() == ([], [], [])


def test_sums_are_kept_in_float64_whatever_the_model_computes_in() -> None:
    # In float32 the sum of 2 ** 24 ones no longer grows.
    calibration = Calibration(bins=1).half()
    calibration.counts += 2**24
    calibration.update(torch.ones(1, dtype=torch.bfloat16), torch.ones(1, dtype=torch.bool))
    assert calibration.counts.item() == 2**24 + 1


def test_elements_that_do_not_count_change_nothing() -> None:
    confidence, hit = torch.rand(6, 5, 5), torch.rand(6, 5, 5) < 0.3
    valid = torch.rand(6, 5, 5) < 0.7
    masked, selected = Calibration(), Calibration()
    masked.update(confidence, hit, valid)
    selected.update(confidence[valid], hit[valid])
    assert masked.compute() == selected.compute()
    everything = Calibration()
    everything.update(confidence, hit)
    assert everything.compute().error != masked.compute().error


def test_reset_forgets() -> None:
    calibration = Calibration()
    calibration.update(torch.ones(3), torch.zeros(3, dtype=torch.bool))
    calibration.reset()
    calibration.update(torch.ones(2), torch.ones(2, dtype=torch.bool))
    assert calibration.compute() == (0.0, [1.0], [1.0], [1.0])


def test_states_move_with_the_module_but_not_to_a_device_without_float64() -> None:
    assert torch.nn.ModuleList([Calibration()]).to("meta")[0].counts.device.type == "meta"
    calibration = Calibration()
    calibration._apply(lambda tensor: SimpleNamespace(device=torch.device("mps")))  # what .to("mps") calls
    assert calibration.counts.device.type == "cpu"
    assert calibration.counts.dtype == torch.float64
