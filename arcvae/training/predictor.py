"""A trained classifier in use: samples to classes and probabilities. Imports neither Lightning nor Hydra."""

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
    """A network that classifies samples, or each element of a sample.

    Takes NumPy arrays or torch tensors, in batches of any size, and returns the same kind.

    Args:
        model: Samples ``(N, *)`` to logits ``(N, C, *)``.
        class_names: Names of the C classes; their numbers if None.
        logit_adjustment: ``class_counts`` of the train split and ``tau``, as tuned on the validation split; without it,
            only the plain argmax is possible.
        sample_shapes: Shapes that one sample may have, with a letter for a length that is free, such as ``(20, "T")``;
            None leaves that to the model.
        path: File that the model is from, for messages.

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

    def __repr__(self) -> str:
        classes = "" if self.class_names is None else f", {len(self.class_names)} classes"
        return f"<{type(self).__name__} {self.path}: {type(self.model).__name__}{classes}>"

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return next(self.model.parameters()).device

    def predict(self, samples: Any, *, decision: Decision = "argmax") -> Any:
        """The class of each element.

        Args:
            samples: ``(N, *)``, finite floating point.
            decision: ``"argmax"``: the class with the highest score. ``"adjusted"``: the same after the logit
                adjustment tuned on the validation split, which corrects the bias of class weights.

        Returns:
            ``(N, *)`` int64 in [0, C).

        Raises:
            CheckpointError: No logit adjustment came with this model.
            DataError: Samples of another type or shape.
            ValueError: Unknown decision.
        """
        return _like(samples, self._logits(samples, decision).argmax(1))

    def names(self, samples: Any, *, decision: Decision = "argmax") -> list[str]:
        """The name of each sample's class; arguments as for :meth:`predict`, with one class for each sample."""
        classes = self._logits(samples, decision).argmax(1).tolist()
        return [str(index) if self.class_names is None else self.class_names[index] for index in classes]

    def probabilities(self, samples: Any, *, decision: Decision = "argmax") -> Any:
        """Probabilities ``(N, C, *)``, float32, which sum to 1 over the classes; arguments as for :meth:`predict`."""
        return _like(samples, self._logits(samples, decision).softmax(1))

    def require_decision(self, decision: str) -> None:
        """Refuse a decision that this model cannot make; arguments and errors as for :meth:`predict`."""
        if decision not in ("argmax", "adjusted"):
            raise ValueError(f"decision must be 'argmax' or 'adjusted', got {decision!r}")
        if decision == "adjusted" and self.class_log_prior is None:
            raise CheckpointError(f"{self.path} has no tuned logit adjustment; use decision='argmax'")

    @torch.no_grad()
    def _logits(self, samples: Any, decision: str) -> Tensor:
        self.require_decision(decision)
        batch = self._samples(samples)
        pieces = [self.model(piece.to(self.device)).float().cpu() for piece in batch.split(BATCH)]
        logits = torch.cat(pieces)
        if decision == "argmax" or self.class_log_prior is None:
            return logits
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
    """``result`` as the type of ``example``: a tensor on its device, or an array."""
    return result.to(example.device) if isinstance(example, Tensor) else result.numpy()
