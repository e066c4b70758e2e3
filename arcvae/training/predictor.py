"""A trained classifier to compute with: samples to classes and probabilities. Lightning and Hydra are not imported."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from arcvae.errors import CheckpointError, DataError
from arcvae.imbalance.logit_adjustment import adjust_logits, log_prior

Decision = Literal["argmax", "adjusted"]
BATCH: Final = 256
"""Samples per forward pass."""


class Predictor:
    """A network that gives each element of a sample a class.

    Takes NumPy arrays or torch tensors, in batches of any size, and returns the same kind.

    Args:
        model: Samples ``(N, *)`` to logits ``(N, C, *)``.
        class_names: Names of the C classes; None numbers them.
        logit_adjustment: Class counts of the train split and ``tau``, as tuned on the validation split; None allows the
            plain argmax only.
        sample_shapes: Shapes that one sample may have, with a letter for a length that is free, such as ``(20, "T")``;
            None leaves that to the model.
        path: File it is from, for messages.

    Example:
        >>> predictor = Predictor(nn.Linear(4, 3), ["robin", "wren", "owl"])
        >>> samples = np.zeros((2, 4), dtype=np.float32)
        >>> predictor.predict(samples).shape, predictor.probabilities(samples).shape
        ((2,), (2, 3))
    """

    def __init__(
        self,
        model: nn.Module,
        class_names: Sequence[str] | None = None,
        *,
        logit_adjustment: Mapping[str, Any] | None = None,
        sample_shapes: Sequence[tuple[int | str, ...]] | None = None,
        path: str | os.PathLike[str] = "this model",
    ) -> None:
        self.model, self.path = model.eval(), Path(path)
        self.class_names = None if class_names is None else tuple(class_names)
        self.sample_shapes = sample_shapes
        self.class_log_prior = None if logit_adjustment is None else log_prior(logit_adjustment["class_counts"])
        self.tau = 0.0 if logit_adjustment is None else float(logit_adjustment["tau"])

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.model.parameters()).device

    def predict(self, samples: Any, decision: Decision = "argmax") -> Any:
        """The class of each element.

        Args:
            samples: ``(N, *)``, finite floating point.
            decision: ``"argmax"``: the class with the highest score. ``"adjusted"``: the same after the logit
                adjustment that was tuned on the validation split, which undoes what class weights bias.

        Returns:
            ``(N, *)`` int64 in [0, C).

        Raises:
            CheckpointError: No logit adjustment came with this model.
            DataError: Samples of another type or shape.
            ValueError: Unknown decision.
        """
        return _like(samples, self._logits(samples, decision).argmax(1))

    def names(self, samples: Any, decision: Decision = "argmax") -> list[str]:
        """The name of the class of each sample; takes the arguments of :meth:`predict`, for one class a sample."""
        classes = self._logits(samples, decision).argmax(1).tolist()
        return [str(index) if self.class_names is None else self.class_names[index] for index in classes]

    def probabilities(self, samples: Any, decision: Decision = "argmax") -> Any:
        """``(N, C, *)`` float32, summing to 1 over the classes; takes the arguments of :meth:`predict`."""
        return _like(samples, self._logits(samples, decision).softmax(1))

    @torch.no_grad()
    def _logits(self, samples: Any, decision: str) -> Tensor:
        if decision not in ("argmax", "adjusted"):
            raise ValueError(f"decision must be 'argmax' or 'adjusted', got {decision!r}")
        batch = self._samples(samples)
        pieces = [self.model(piece.to(self.device)).float().cpu() for piece in batch.split(BATCH)]
        logits = torch.cat(pieces)
        if decision == "argmax":
            return logits
        if self.class_log_prior is None:
            raise CheckpointError(f"{self.path} has no tuned logit adjustment; use decision='argmax'")
        return adjust_logits(logits, self.class_log_prior, self.tau)

    def _samples(self, samples: Any) -> Tensor:
        array = torch.as_tensor(np.ascontiguousarray(samples) if isinstance(samples, np.ndarray) else samples)
        if not array.is_floating_point():
            raise DataError(f"samples have dtype {array.dtype}, expected floating point")
        if not len(array):
            raise DataError("there are no samples")
        if self.sample_shapes is not None and not any(_fits(array.shape[1:], shape) for shape in self.sample_shapes):
            wanted = " or ".join(f"(N, {', '.join(map(str, shape))})" for shape in self.sample_shapes)
            raise DataError(f"samples have shape {tuple(array.shape)}, expected {wanted}")
        if not torch.isfinite(array).all():
            raise DataError("samples must be finite")
        return array.float()


def _fits(found: Sequence[int], expected: Sequence[int | str]) -> bool:
    """Whether a shape is an expected one, in which a letter stands for any length."""
    return len(found) == len(expected) and all(
        isinstance(wanted, str) or wanted == size for size, wanted in zip(found, expected, strict=True)
    )


def _like(example: Any, result: Tensor) -> Tensor | NDArray[Any]:
    """``result`` as the kind of array that the caller uses."""
    return result.to(example.device) if isinstance(example, Tensor) else result.numpy()
