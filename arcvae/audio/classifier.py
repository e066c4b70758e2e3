"""Loading a trained classifier of clips; what the file says of it is checked before anything is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from arcvae.audio.model import AudioCNN, AudioCNNv2, MfccNet
from arcvae.audio.settings import SETTINGS
from arcvae.io.tensors import fill
from arcvae.training.described import build_described
from arcvae.training.predictor import Predictor

MODELS: Final[Mapping[str, Callable[..., MfccNet]]] = {
    f"{model.__module__}.{model.__qualname__}": model for model in (AudioCNN, AudioCNNv2)
}
"""Classes that a file may name."""


def load_classifier(
    export: Mapping[str, Any], path: Path, *, model: Callable[..., MfccNet] | None = None, device: str = "cpu"
) -> Predictor:
    """Build the classifier that an export describes; :func:`arcvae.load` reads the export first.

    Args:
        export: What :func:`arcvae.io.exports.read_export` returns.
        path: File that it is from, for messages.
        model: Class of the model, if it is your own; called with the values of the export's ``model`` node.
        device: Device to compute on, for example ``"cuda"``.

    Returns:
        A predictor of features as a corpus holds them, ``(N, 20, T)``, or ``(N, 3, 20, T)`` with both deltas.

    Raises:
        CheckpointError: Weights of another architecture, a class that is not known, or values out of range.
    """
    known = MODELS.get(str(export["model"].get("_target_")))
    network: MfccNet = build_described(export["model"], path, known, SETTINGS, model, state=export["state_dict"])
    fill(network, export["state_dict"], path)
    channels, coefficients, _ = network.mean.shape
    shapes: list[tuple[int | str, ...]] = [(channels, coefficients, "T")]
    if channels == 1:
        shapes.insert(0, (coefficients, "T"))
    return Predictor(
        network.to(device),
        export.get("class_names"),
        logit_adjustment=export.get("logit_adjustment"),
        sample_shapes=shapes if model is None else None,
        path=path,
    )
