"""Samplers: how often samples of each class are drawn in training.

Class j is drawn with probability proportional to ``n_j^q``, n_j its number of samples, and a sample of it at random:

============  =====================  ==============================================
sampler       q                      at 1216 : 1, the frequent class is drawn
============  =====================  ==============================================
instance      1                      1216 times as often: plain shuffling
square_root   1/2                    34.9 times as often
balanced      0                      as often
progressive   from 1 to 0, linearly  like the first in the beginning, like the last in the end
============  =====================  ==============================================

Where a sample has many elements, its class is the rarest one that occurs in it, by the number of elements in the train
split. Samples are drawn with replacement: in an epoch, those of a frequent class may be left out, those of a rare one
come again and again.

References:
    Kang et al. 2020, section 4.1; its progressive sampler mixes the probabilities of the first and the last, here their
    powers. https://arxiv.org/abs/1910.09217. Samples by their rarest class: Gupta et al. 2019.
    https://arxiv.org/abs/1908.03195
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from arcvae.imbalance.losses import ImbalanceLoss
from arcvae.imbalance.settings import SAMPLERS

Draw = Callable[[int, torch.Generator], Tensor]
"""From the number of an epoch and a generator to the indices of all samples of the epoch, in order."""
_AT_ONCE = 4096


class ClassSampler:
    """Draws the samples of an epoch by class.

    Args:
        classes: Class of each sample, ``(N,)``, any integers.
        sampler: A name of the table above.
        epochs: Epochs of the run, >= 1; after them ``progressive`` has reached q = 0.

    Raises:
        ValueError: Unknown sampler.

    Example:
        >>> sampler = ClassSampler(torch.tensor([5, 5, 5, 5, 7]), "square_root", epochs=1)
        >>> [round(share, 3) for share in sampler.shares(0.0).tolist()]  # 2 : 1
        [0.667, 0.333]
        >>> sampler(0, torch.Generator().manual_seed(0)).shape
        torch.Size([5])
    """

    def __init__(self, classes: Tensor, sampler: str, epochs: int) -> None:
        if sampler not in SAMPLERS:
            raise ValueError(f"unknown sampler {sampler!r}; choose one of {', '.join(SAMPLERS)}")
        self.powers, self.epochs = SAMPLERS[sampler], epochs
        _, self.counts = torch.unique(classes, return_counts=True)  # of the K classes that occur
        self.members = classes.argsort(stable=True)  # a class after another
        self.first = self.counts.cumsum(0) - self.counts

    def shares(self, progress: Tensor | float) -> Tensor:
        """Probability of each class that occurs.

        Args:
            progress: Share of the run that is done, in [0, 1]; a number or ``(*)``.

        Returns:
            ``(*, K)`` float64.
        """
        start, end = self.powers
        q = start + (end - start) * torch.as_tensor(progress, dtype=torch.float64)
        shares: Tensor = (q.unsqueeze(-1) * self.counts.double().log()).softmax(-1)
        return shares

    def __call__(self, epoch: int, generator: torch.Generator) -> Tensor:
        """Indices of the samples of an epoch, ``(N,)``, as many as there are."""
        size = len(self.members)
        return torch.cat([self._draw(part, epoch, generator) for part in torch.arange(size).split(_AT_ONCE)])

    def _draw(self, places: Tensor, epoch: int, generator: torch.Generator) -> Tensor:
        """One sample for each of these places in the epoch."""
        progress = ((epoch + places.double() / len(self.members)) / self.epochs).clamp_max(1.0)
        u, v = torch.rand(2, len(places), generator=generator, dtype=torch.float64)
        edges = self.shares(progress).cumsum(1)  # (places, K)
        kind = torch.searchsorted(edges, u.unsqueeze(1), right=True).squeeze(1).clamp_max(len(self.counts) - 1)
        count = self.counts[kind]
        within = (v * count).long().minimum(count - 1)  # a product may round up to the count itself
        return self.members[self.first[kind] + within]


def rarest_classes(targets: Tensor, class_counts: Tensor) -> Tensor:
    """The class of each sample: the rarest one that occurs in it, by the counts of elements.

    Args:
        targets: ``(N, *)``, any integer type.
        class_counts: Elements of each class in the train split, ``(C,)``.

    Returns:
        ``(N,)`` int64. A sample without any class, of nothing but padding, belongs to the most frequent one.

    Example:
        >>> rarest_classes(torch.tensor([[0, 0, 1], [0, 2, 1], [0, 0, 0]]), torch.tensor([90, 2, 8]))
        tensor([1, 1, 0])
    """
    order = class_counts.argsort(descending=True, stable=True).tolist()  # the rarest last: it overrules the others
    found = torch.full((len(targets),), order[0])
    for kind in order:
        found[(targets == kind).reshape(len(targets), -1).any(1)] = kind
    return found


def corrected_twice(sampler: str, loss: ImbalanceLoss) -> str | None:
    """A warning if two of sampler, loss and class weights favour rare classes, or None.

    Class weights beside a loss of margins are none of that: it is made for them (``loss.defer``).
    """
    registered = loss.registered
    found = [] if sampler == "instance" else [f"data.sampler={sampler}"]
    if "class_counts" in registered.supplied:
        found.append(f"loss.name={registered.name}")
    if loss.class_weights is not None and not registered.needs_cosines:
        found.append("loss.class_weights")
    if len(found) < 2:
        return None
    return f"{found[0]} and {found[1]} both correct for the class frequencies, so that it is done twice"
