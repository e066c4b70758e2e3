"""Training of the operators of a model: a minute or two, once, when the model is done."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import trange

from arcvae.errors import DataError, NonFiniteError
from arcvae.grid.codes.operators import ONE, Changed, ShapeOperators
from arcvae.grid.models.objects import ObjectsVAE
from arcvae.grid.operations.operator_examples import Examples, Shapes, examples
from arcvae.training.scheduler import warmup_then_decay

log = logging.getLogger(__name__)

_GRIDS: Final = 20_000
"""Grids of a split whose shapes are looked for, from the first on."""
_NUMBERS_ALONE: Final = 0.6
"""Share of the steps that compare numbers alone; in the others what they draw counts as well, and takes longer."""
_SINGLES: Final = 0.25
"""Share of the steps for what is done to one shape: it is easier to learn than what is done to two."""
_VALIDATIONS: Final = 4
"""How often the steps in which drawings count are followed by a look at other shapes."""
_PULL: Final = 0.1
"""Weight of the distance of numbers beside what they draw, in nats."""


@dataclass(frozen=True)
class OperatorSettings:
    """How operators are trained; see ``conf/operate.yaml``.

    Args:
        steps: Training steps of both networks together.
        batch_size: Examples of a step.
        lr: Peak of the learning rate, which follows a short warm-up and a cosine.
        examples: Different examples for each network.
        mutated: Share of the shapes in which one cell is moved, for more variety than a corpus has.
        width: Features of the dense layers.
        blocks: Residual blocks of each network.
    """

    steps: int = 5000
    batch_size: int = 256
    lr: float = 2e-3
    examples: int = 100_000
    mutated: float = 0.3
    width: int = 256
    blocks: int = 2


def train_operators(
    model: ObjectsVAE, train: Tensor, val: Tensor, settings: OperatorSettings, seed: int
) -> tuple[ShapeOperators, dict[str, list[float]]]:
    """The operators of a model, trained on the shapes of a corpus.

    What an operation makes of the cells of a shape is coded; the operator is to find these numbers, and later on to
    draw these cells. The numbers are compared as ``log(1 + d^2)``, d in standard deviations of the posterior:
    those of a wrong shape do not count much more than those of another wrong one.

    Args:
        model: In evaluation mode; its weights stay as they are.
        train: Grids ``(N, S, S)`` uint8 whose shapes are trained on.
        val: Those by which the best of some states of training is chosen.
        settings: How.
        seed: The same seed gives the same operators.

    Returns:
        The operators, in evaluation mode, and, for each network, the share of exact results on ``val`` after each look.

    Raises:
        DataError: Grids without objects.
        NonFiniteError: Training diverged.
    """
    torch.manual_seed(seed)
    device = next(model.parameters()).device
    operators = ShapeOperators(model, settings.width, settings.blocks).to(device)
    shapes = {split: Shapes.of(model, grids[:_GRIDS]) for split, grids in (("train", train), ("val", val))}
    for split, found in shapes.items():
        if not len(found.parity):
            raise DataError(f"the {split} split has no objects; operators need some")
    generator = torch.Generator().manual_seed(seed)
    frozen = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    exact = {}
    for name, pairs in (("one shape", False), ("two shapes", True)):
        log.info("Operators on %s: making %s examples", name, f"{settings.examples:,}")
        count = (settings.examples, max(1, min(4000, settings.examples // 10)))
        made, held = (
            examples(model, shapes[split], size, pairs=pairs, mutated=share, generator=generator)
            for split, size, share in (("train", count[0], settings.mutated), ("val", count[1], 0.0))
        )
        exact[name] = _train(operators, model, made, held, settings, generator, pairs)
        log.info("Operators on %s: %.3f of the results for shapes of val are exact", name, max(exact[name]))
    for parameter in frozen:
        parameter.requires_grad_(True)
    # As they are stored: what is measured is what will be loaded.
    return operators.half().float().eval(), exact


def _train(
    operators: ShapeOperators, model: ObjectsVAE, made: Examples, held: Examples, settings: OperatorSettings,
    generator: torch.Generator, pairs: bool,
) -> list[float]:  # fmt: skip
    """Train one network in place; it keeps the state with the most exact results of some."""
    network = operators.two if pairs else operators.one
    steps = max(_VALIDATIONS, round(settings.steps * (1 - _SINGLES if pairs else _SINGLES)))
    optimizer = torch.optim.AdamW(network.parameters(), settings.lr, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = warmup_then_decay(optimizer, steps, 1, warmup_epochs=0.02)
    first_drawn = round(_NUMBERS_ALONE * steps)
    looks = {first_drawn + (steps - first_drawn) * (look + 1) // _VALIDATIONS - 1 for look in range(_VALIDATIONS)}
    best, exact = {}, []
    for step in trange(steps, leave=False, mininterval=1.0):
        batch = made[torch.randint(len(made), (settings.batch_size,), generator=generator)]
        loss = _loss(apply(operators, batch, pairs), model, batch, drawn=step >= first_drawn)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step in looks:
            if not math.isfinite(loss.item()):
                raise NonFiniteError(f"the loss is {loss.item()} after step {step + 1}; lower operators.lr")
            exact.append(exact_share(operators, model, held, pairs))
            if exact[-1] >= max(exact):
                best = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict(best)
    return exact


def apply(operators: ShapeOperators, batch: Examples, pairs: bool) -> Changed:
    """What operators make of the shapes, or of the pairs of shapes, of some examples."""
    device = next(operators.parameters()).device
    first, parity, change = (part.to(device) for part in (batch.first, batch.parity, batch.change))
    if not pairs:
        return operators.change(first, parity, change)
    second = (batch.second.to(device), batch.second_parity.to(device))
    return operators.combine((first, parity), second, change, batch.offset.to(device), batch.aligned.to(device))


def _loss(found: Changed, model: ObjectsVAE, batch: Examples, *, drawn: bool) -> Tensor:
    """Nats that the results of a batch cost, on average."""
    device = found.shapes.device
    kind, mean, logvar, shift = (part.to(device) for part in (batch.kind, batch.mean, batch.logvar, batch.shift))
    one = kind == ONE
    cost = F.cross_entropy(found.kinds, kind)
    if not one.any():
        return cost
    places = F.cross_entropy(found.shifts.flatten(0, 1), found.shift_targets(shift).flatten(), reduction="none")
    distance = ((found.shapes - mean).square() * (-logvar).exp()).sum(1).log1p()
    each = places.view(-1, 2).sum(1) + (_PULL if drawn else 1.0) * distance
    if drawn:
        parity = batch.result_parity.to(device)
        scores = model.decoder.scores(found.shapes, parity).flatten(1)
        used = model.frame.valid.to(device)[parity]
        wrong = F.binary_cross_entropy_with_logits(scores, batch.cells.to(device).to(scores), reduction="none")
        each = each + wrong.where(used, 0.0).sum(1)
    return cost + each[one].mean()


@torch.no_grad()
def exact_share(operators: ShapeOperators, model: ObjectsVAE, held: Examples, pairs: bool) -> float:
    """Share of examples whose results draw exactly the right cells in the right place, or are rightly told to be none.

    What a slot cannot hold is right if the operator says so.
    """
    right = []
    for index in torch.arange(len(held)).split(2048):
        batch = held[index]
        found = apply(operators, batch, pairs)
        kind = found.kind().cpu()
        scores = model.decoder.scores(found.shapes, batch.result_parity.to(found.shapes.device)).flatten(1).cpu()
        same = ((scores > 0) == batch.cells).all(1) & (found.shift().cpu() == batch.shift).all(1)
        right.append((kind == batch.kind) & (same | (kind != ONE)))
    return torch.cat(right).double().mean().item()
