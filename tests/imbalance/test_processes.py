"""Metrics of two processes, each with its share of the samples, equal those of one process with all of them."""

from __future__ import annotations

import multiprocessing
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from arcvae.imbalance.calibration import Calibration
from arcvae.imbalance.confusion import classification_metrics
from arcvae.imbalance.logit_adjustment import log_prior
from arcvae.imbalance.metrics import ClassificationMetrics
from arcvae.imbalance.ranking import RankingMetrics
from arcvae.imbalance.tau_tuner import TauTuner

COUNTS = [900, 60, 40]


def _samples() -> tuple[Tensor, Tensor]:
    """Logits ``(60, 3, 4)`` and targets ``(60, 4)`` with padding; the halves differ in calibration and best tau."""
    generator = torch.Generator().manual_seed(7)
    target = torch.multinomial(torch.tensor(COUNTS).float(), 240, replacement=True, generator=generator).view(60, 4)
    logits = torch.randn(60, 3, 4, generator=generator) + 2 * torch.nn.functional.one_hot(target, 3).movedim(2, 1)
    logits[:35] -= 0.8 * log_prior(COUNTS).view(1, 3, 1)
    logits[35:] *= 3
    target[:, 3] = 255
    target[10] = 255
    return logits, target


def _f1_macro(confusion: Tensor) -> float:
    return float(classification_metrics(confusion)["f1_macro"])


def _figures(logits: Tensor, target: Tensor) -> dict[str, Any]:
    """Everything that the metrics compute, as plain types, from batches of at most 16 samples."""
    metrics, calibration = ClassificationMetrics(3, 0, ignore_index=255), Calibration()
    tuner, ranking = TauTuner(log_prior(COUNTS), _f1_macro, ignore_index=255), RankingMetrics()
    for part, truth in zip(logits.split(16), target.split(16), strict=True):
        confidence, decision = part.softmax(1).max(1)
        metrics.update(decision, truth)
        calibration.update(confidence, decision == truth, truth != 255)
        tuner.update(part, truth)
        valid = truth[:, 0] != 255
        ranking.update(part[valid, :, 0], truth[valid, 0])
    found = {name: value.tolist() for kind in (metrics, ranking) for name, value in kind.compute().items()}
    return found | {"tau": tuner.compute()} | calibration.compute()._asdict()


def _process(rank: int, meeting: str, answers: Any) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    logits, target = _samples()
    mine = slice(35) if rank == 0 else slice(35, None)  # shares of different size, and numbers of batches
    answers.put((rank, _figures(logits[mine], target[mine])))
    dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_available(), reason="torch was built without torch.distributed")
def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    logits, target = _samples()
    one = _figures(logits, target)
    halves = [_figures(logits[mine], target[mine]) for mine in (slice(35), slice(35, None))]
    # A process that does not add up would find one of these.
    assert len({half["tau"] for half in [*halves, one]}) == 3
    assert len({half["error"] for half in [*halves, one]}) == 3
    assert len({half["cmap"] for half in [*halves, one]}) == 3

    # Elsewhere the libraries of the system do not survive a fork; here it saves ten seconds of imports.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    answers = context.Queue()
    processes = [context.Process(target=_process, args=(rank, str(tmp_path / "meet"), answers)) for rank in (0, 1)]
    for process in processes:
        process.start()
    try:
        found = dict(answers.get(timeout=120) for _ in processes)
    finally:
        for process in processes:
            process.join(timeout=30)
            process.kill()
    for figures in (found[0], found[1]):
        assert figures.keys() == one.keys()
        for name, value in one.items():
            # Sums of confidences depend on the order of their terms, in the last digit.
            assert figures[name] == pytest.approx(value, rel=1e-12, nan_ok=True), name
