"""What a model of grids has learned: its likelihood, its codes, and pictures of both."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from arcvae.grid.analysis.code_pictures import code_map, decoded_grids, interpolations, smooth_numbers, traversals
from arcvae.grid.analysis.factors import recovered_factors
from arcvae.grid.analysis.likelihood import bits_per_cell, independent_bits, log_likelihoods
from arcvae.grid.analysis.objects import errors_by_objects
from arcvae.grid.analysis.pictures import kl_figure, reconstruction_figure
from arcvae.grid.analysis.walks import walk
from arcvae.grid.codec import Codec
from arcvae.grid.codes.refinement import refine as refined_codes
from arcvae.grid.codes.sampling import fitted_object_prior
from arcvae.grid.corpus.data import GridDataModule
from arcvae.grid.corpus.files import read_factors
from arcvae.grid.findings import ACTIVE_NATS
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.module import GridModule
from arcvae.imbalance.counts import count_classes
from arcvae.imbalance.logit_adjustment import adjust_logits, log_prior
from arcvae.imbalance.metrics import ClassificationMetrics
from arcvae.io.files import write_atomic
from arcvae.io.waiting import shown
from arcvae.training.plots import draw_picture
from arcvae.training.report import table
from arcvae.training.task import Value

log = logging.getLogger(__name__)

LIKELIHOOD_GRIDS, SCATTERED, WALKS = 2000, 2000, 500
"""Grids of which the likelihood is computed, codes of which the scatter plots are made, grids in which objects walk."""
REFINED_AT_ONCE = 500
"""Grids whose codes are refined before a bar moves on."""
_BY_OBJECTS = ("share", "exact_match", "left_out", "added", "recolored")


def study(
    module: GridModule,
    data: GridDataModule,
    split: str,
    results: Mapping[str, Value],
    *,
    limit: int,
    adjustment: Mapping[str, Any],
    seed: int,
    folder: Path,
    refine: int = 0,
    importance_samples: int = 64,
) -> dict[str, Any]:
    """Write pictures and reconstructions of a split into a folder, and return further figures.

    Args:
        module: Trained.
        data: Its corpus, or another one.
        split: "train", "val" or "test".
        results: Metrics of the split.
        limit: Grids to look at, from the first on.
        adjustment: Class counts of the train split and ``tau``.
        seed: Seed of the noise and of all choices.
        folder: Existing folder.
        refine: Rounds of :func:`arcvae.grid.codes.refinement.refine`; with some, ``refined`` is added.
        importance_samples: Samples for the likelihood of each grid, K.
    """
    grids = data.splits[split][:limit]
    class_log_prior, tau = log_prior(adjustment["class_counts"]), float(adjustment["tau"])
    mu, plain, adjusted = _pass(module, grids, class_log_prior, tau)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, original=grids.numpy(), argmax=plain, adjusted=adjusted, mu=mu)
    write_atomic(folder / "reconstructions.npz", buffer.getvalue())
    pictures = _pictures(module, data, split, results, grids.numpy(), plain, mu, seed)
    for name, draw in pictures.items():
        draw_picture(folder, name, draw)
    few = grids[:LIKELIHOOD_GRIDS]
    by_objects = errors_by_objects(grids.numpy(), plain)
    log.info("By number of objects\n%s", table(by_objects, _BY_OBJECTS))
    likelihood = _likelihood(module, few, data, adjustment, importance_samples, seed)
    _log_bits(likelihood)
    found = {"likelihood": likelihood, "by_objects": by_objects}
    found |= _objects(module.model, data, split, grids, seed, folder)
    return found | ({"refined": _refined(module, grids, torch.from_numpy(mu), refine)} if refine else {})


def _refined(module: GridModule, grids: Tensor, mu: Tensor, rounds: int) -> dict[str, Any]:
    """Metrics at codes that were refined from the means ``(N, D)``, and what it cost."""
    started = time.perf_counter()
    metrics = ClassificationMetrics(module.num_classes, module.task.background)
    decoded = []
    pairs = zip(mu.split(REFINED_AT_ONCE), grids.split(REFINED_AT_ONCE), strict=True)
    for codes, batch in shown(pairs, "Refining codes", -(-len(mu) // REFINED_AT_ONCE), "batch"):
        better = decoded_grids(module, refined_codes(module.model, codes.to(module.device), batch, rounds))
        metrics.update(torch.from_numpy(better), batch)
        decoded.append(better)
    seconds = time.perf_counter() - started
    by_objects = errors_by_objects(grids.numpy(), np.concatenate(decoded))
    log.info(
        "By number of objects, codes refined in up to %d rounds (%.1f ms per grid)\n%s",
        rounds, 1000 * seconds / len(grids), table(by_objects, _BY_OBJECTS),
    )  # fmt: skip
    results = module.task.rename({name: value.tolist() for name, value in metrics.compute().items()})
    return results | {"rounds": rounds, "seconds": seconds, "by_objects": by_objects}


@torch.no_grad()
def _pass(
    module: GridModule, grids: Tensor, class_log_prior: Tensor, tau: float
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8]]:
    """Mean codes ``(N, D)``, and grids ``(N, S, S)`` decoded from them at the plain argmax and logit adjusted."""
    codes, plain, adjusted = [], [], []
    for batch in grids.split(1000):
        mu, _ = module.model.encoder(batch.to(module.device))
        logits = module.model.decoder(mu)
        codes.append(mu.cpu())
        plain.append(logits.argmax(1).to(torch.uint8).cpu())
        adjusted.append(adjust_logits(logits, class_log_prior, tau).argmax(1).to(torch.uint8).cpu())
    return torch.cat(codes).numpy(), torch.cat(plain).numpy(), torch.cat(adjusted).numpy()


def _likelihood(
    module: GridModule, grids: Tensor, data: GridDataModule, adjustment: Mapping[str, Any], samples: int, seed: int
) -> dict[str, Any]:
    """Bits per cell under the decoder as it is, under the logit-adjusted one, without a code, and with a fitted prior.

    The last for codes of objects alone, which a prior is fitted to in seconds.
    """
    model, cells, priors = module.model, module.model.grid_size**2, []
    if isinstance(model, ObjectsVAE):
        prior = fitted_object_prior(model, data.splits["train"], seed=seed, device=module.device)
        priors = [partial(prior.to(module.device).log_weight, model)]
    class_log_prior, tau = log_prior(adjustment["class_counts"]), float(adjustment["tau"])
    bounds = log_likelihoods(
        model, grids, samples=samples, adjustments=[(class_log_prior, 0.0), (class_log_prior, tau)],
        generator=torch.Generator().manual_seed(seed), further_priors=priors,
    )  # fmt: skip
    found: dict[str, Any] = {}
    names = "bits_per_cell", "bits_per_cell_adjusted", "bits_per_cell_fitted_prior"
    for name, bound in zip(names, bounds, strict=False):  # of the fitted prior, the decoder as it is
        found[name], found[f"{name}_standard_error"] = bits_per_cell(bound, cells)
    trivial = independent_bits(adjustment["class_counts"], count_classes(grids.numpy(), module.num_classes).tolist())
    return found | {
        "bits_per_cell_of_independent_cells": trivial, "importance_samples": samples, "grids": len(grids),
    }  # fmt: skip


def _log_bits(likelihood: Mapping[str, Any]) -> None:
    fitted = likelihood.get("bits_per_cell_fitted_prior")
    log.info(
        "Bits per cell %.3f under the prior of the model%s; cells alone, by their frequencies, %.3f",
        likelihood["bits_per_cell"],
        "" if fitted is None else f", {fitted:.3f} under one fitted to the train split",
        likelihood["bits_per_cell_of_independent_cells"],
    )


def _objects(
    model: GridModel,
    data: GridDataModule,
    split: str,
    grids: Tensor,
    seed: int,
    folder: Path,
) -> dict[str, Any]:
    """Whether objects can be moved in codes; of codes of objects, what they leave out and what they get right."""
    walks = walk(model, grids.numpy()[:WALKS], seed)
    figures = walks.figures()
    if len(walks.true):
        draw_picture(folder, "walks", walks.figure)
    log.info(
        "Walks of %d objects: %.3f of the places between are exact, %.3f of the ends",
        figures["walks"], figures["between_exact"], figures["ends_exact"],
    )  # fmt: skip
    if model.slots is None:
        return {"walks": figures}
    codes = Codec(model).codes(grids.numpy())
    missing = np.asarray(codes.left_out)
    left_out = {"grids": int((missing > 0).sum()), "objects": int(missing.sum())}
    if left_out["objects"]:
        log.info("%d objects of %d grids have no slot: too many, or too large", left_out["objects"], left_out["grids"])
    found = {"walks": figures, "left_out": left_out}
    factors = read_factors(data.corpus_path, split)
    if factors is None:
        return found
    recovered = recovered_factors(grids.numpy(), factors[: len(grids)], codes)
    log.info("Colour and place of %d objects that stand alone: %.4f exact", *recovered.values())
    return found | {"factors": recovered}


def _pictures(
    module: GridModule,
    data: GridDataModule,
    split: str,
    results: Mapping[str, Value],
    grids: NDArray[np.uint8],
    decoded: NDArray[np.uint8],
    mu: NDArray[np.float32],
    seed: int,
) -> dict[str, Callable[[], Figure]]:
    """How to draw each picture, by name."""
    kl = results["kl_per_dim"]
    assert isinstance(kl, list)
    wrong = (grids != decoded).reshape(len(grids), -1).sum(1)
    order = np.argsort(wrong, kind="stable")
    middle = max(0, len(order) // 2 - 2)
    groups = {"best": order[:4], "median": order[middle : middle + 4], "worst": order[::-1][:4]}
    extremes = np.concatenate(list(groups.values()))
    headings = [name for name, indices in groups.items() for _ in indices]
    some = np.random.default_rng(seed).permutation(len(grids))
    latents, names, nats, heading = smooth_numbers(module.model, mu, kl, split)
    active = ACTIVE_NATS if module.model.levels is None else None  # packed latents are judged by their variance
    return {
        "reconstructions": lambda: reconstruction_figure(
            grids[extremes], decoded[extremes],
            f"{split.capitalize()} grids by wrong cells: accuracy of all cells, F1 of objects", headings,
        ),
        "kl_per_dimension": lambda: kl_figure(nats, names, active, heading),
        "codes": lambda: code_map(data, split, grids, latents, some[:SCATTERED], seed),
        "traversals": lambda: traversals(module, latents[some[0]], names, nats),
        **({"interpolations": lambda: interpolations(module, grids, mu, some[:12], split)} if len(grids) > 1 else {}),
    }  # fmt: skip
