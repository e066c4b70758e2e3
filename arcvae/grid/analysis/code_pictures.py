"""Pictures of codes: a map of them, what each of their numbers changes, and the way from one code to another."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from torch import Tensor
from torch.nn.functional import one_hot

from arcvae.grid.analysis.objects import find_components
from arcvae.grid.analysis.pictures import codes_figure, mosaic
from arcvae.grid.corpus.data import GridDataModule
from arcvae.grid.corpus.files import read_factors
from arcvae.grid.corpus.generator import FACTORS, KINDS
from arcvae.grid.models.base import GridModel
from arcvae.grid.models.packing import BOUND, level_of
from arcvae.grid.module import GridModule

_SPAN = 2.5
"""How far a latent dimension is moved to each side, in standard deviations of the prior."""


def smooth_numbers(
    model: GridModel, mu: NDArray[np.float32], kl: list[float], split: str
) -> tuple[NDArray[np.float32], list[str], list[float], str]:
    """What pictures show of codes: the numbers that the decoder is smooth in, and how much each says.

    Latents that are packed share the KL of their number; what one says is told by the entropy of its levels.

    Args:
        model: Trained.
        mu: Mean codes ``(N, D)``.
        kl: Nats per grid of each number, ``(D,)``.
        split: Where they are from.

    Returns:
        Numbers ``(N, L)``, their L names, nats of each, and a heading for these.
    """
    if model.levels is None:
        heading = f"KL of each latent dimension on {split}: {sum(kl):.1f} nats per grid in all"
        return mu, list(model.kl_names), kl, heading
    latents = model.latents(torch.from_numpy(mu))
    shares = one_hot(level_of(latents, model.levels).long(), model.levels).double().mean(0)  # (L, B)
    entropies: list[float] = torch.special.entr(shares).sum(1).tolist()
    names = [f"{name}.{digit + 1}" for digit in range(model.digits) for name in model.kl_names]
    heading = f"Entropy of each packed latent on {split}: {sum(entropies):.1f} nats, KL of the code {sum(kl):.1f}"
    return latents.numpy(), names, entropies, heading


def code_map(
    data: GridDataModule,
    split: str,
    grids: NDArray[np.uint8],
    mu: NDArray[np.float32],
    some: NDArray[np.int64],
    seed: int,
) -> Figure:
    """Codes ``(N, L)`` of grids in the plane, of those that are chosen, by their objects."""
    found = find_components(grids[some])
    most = int(max(1, found.objects_per_grid.max()))
    labels: dict[str, tuple[NDArray[np.int64], list[str]]] = {
        "number of objects": (found.objects_per_grid, [str(n) for n in range(most + 1)]),
        "colour of the largest object": (found.main_color, list(data.class_names)),
    }
    factors = read_factors(data.corpus_path, split)
    if factors is not None:
        sizes = factors[some][:, :, FACTORS.index("size")].astype(np.int64)
        largest = np.take_along_axis(factors[some], sizes.argmax(1)[:, None, None], 1)[:, 0]
        labels["kind of the largest object"] = (largest[:, 0].astype(np.int64), ["none", *KINDS])
    codes = mu[some]
    if codes.shape[1] < 2 or len(codes) < 3 or not codes.std():
        spread = np.random.default_rng(seed).uniform(size=len(codes))
        maps = {"z0 (the height means nothing)": np.stack([codes[:, 0], spread], 1)}
    else:
        pca = PCA(2, random_state=seed)
        points = pca.fit_transform(codes)
        near = min(30.0, (len(codes) - 1) / 3)
        maps = {
            f"PCA ({100 * pca.explained_variance_ratio_.sum():.0f} % of the variance)": points,
            "t-SNE": TSNE(2, perplexity=near, init="random", random_state=seed).fit_transform(codes),
        }
    return codes_figure(maps, labels, f"Mean codes of {len(some):,} {split} grids")


@torch.no_grad()
def decoded_grids(module: GridModule, z: Tensor) -> NDArray[np.uint8]:
    """Grids ``(N, S, S)`` of codes ``(N, D)``, at the plain argmax."""
    logits: Tensor = module.model.decoder(z.to(module.device))
    return logits.argmax(1).to(torch.uint8).cpu().numpy()


def traversals(module: GridModule, start: NDArray[np.float32], names: list[str], nats: list[float]) -> Figure:
    """Grids drawn from one code, a row for each of the 16 numbers that say most, which is moved.

    Args:
        module: Trained.
        start: The code, as :func:`smooth_numbers` gives it, ``(L,)``.
        names: Of its numbers.
        nats: What each of them says.
    """
    model, span = module.model, _SPAN if module.model.levels is None else BOUND
    steps = np.linspace(-span, span, 9)
    order = np.argsort(nats)[::-1][:16]
    latents = np.repeat(start[None], len(order) * len(steps), 0)
    for row, dimension in enumerate(order):
        values = model.traversal(start, int(dimension), steps)
        latents[row * len(steps) : (row + 1) * len(steps), dimension] = values
    what = "number moved at a time, by KL" if model.levels is None else "packed latent moved at a time, by entropy"
    return mosaic(
        decoded_grids(module, model.pack(torch.from_numpy(latents))), len(steps), f"One code with one {what} in nats",
        rows=[f"{names[dimension]}\n{nats[dimension]:.2f}" for dimension in order],
        headings=[f"{step:+.1f}" for step in steps] if model.slots is None else [],
    )  # fmt: skip


def interpolations(
    module: GridModule, grids: NDArray[np.uint8], mu: NDArray[np.float32], some: NDArray[np.int64], split: str
) -> Figure:
    """From the code of one grid to that of another, for pairs of those that are chosen."""
    pairs = some[: len(some) // 2 * 2].reshape(-1, 2)
    shares = torch.linspace(0, 1, 7)
    codes = torch.from_numpy(mu)
    rows = []
    for first, second in pairs:
        decoded = decoded_grids(module, module.model.between(codes[first], codes[second], shares))
        rows.append(np.concatenate([grids[first][None], decoded, grids[second][None]]))
    headings = ["grid", *(f"{share:.2f}" for share in shares), "grid"]
    return mosaic(
        np.concatenate(rows), len(headings), f"From the code of one {split} grid to that of another", headings=headings
    )
