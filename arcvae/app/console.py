"""What a job lets through to the console and the log of its run."""

from __future__ import annotations

import logging
import warnings

import lightning.pytorch  # noqa: F401  (its import adds the handlers that are removed below)


def quiet() -> None:
    """Silence what Lightning says twice, or about choices that are made on purpose here."""
    for name in ("lightning", "lightning.pytorch"):  # Hydra's handlers print and keep its lines
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_is_news)
    for pattern in (
        ".*does not have many workers.*",
        ".*Checkpoint directory .* exists and is not empty.*",
        ".*The number of training batches .* is smaller than the logging interval.*",
        ".*is not supported by the model summary.*",
        ".*ended before the epoch ended and your dataloader is not resumable.*",  # it is, by other means
        ".*sync_dist=True.*",  # the metrics have been added up over all processes before they are logged
        ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*",
    ):
        warnings.filterwarnings("ignore", pattern)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of Lightning says something that this run does not say itself."""
    old = ("💡 Tip", "Trainer already configured", "TPU available", "Loading `train_dataloader`", "Restoring states")
    return not record.getMessage().startswith(old)
