"""Time what this project promises to be fast, on this machine: ``make benchmark``.

Each figure is the median of several runs after a warm-up. Machines differ and drift: compare ratios.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from arcvae.grid.corpus.files import read_corpus, write_corpus
from arcvae.grid.corpus.generator import generate_grids
from arcvae.grid.elbo import gaussian_kl
from arcvae.grid.models.beta_vae import BetaVAE
from arcvae.grid.opening import load_codec
from arcvae.imbalance.counts import count_classes
from arcvae.imbalance.losses import make_loss
from arcvae.io.exports import read_export
from arcvae.io.streams import steady_streams
from arcvae.training.hardware import flush_denormals, keep_freed_memory, resolve_precision

NUM_GRIDS = 100_000
BATCH = 128


def median_seconds(task: Callable[[], object], repeats: int = 5) -> float:
    """Median wall time of ``task`` after one warm-up."""
    task()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        task()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def training_steps(precision: str, steps: int = 20) -> Callable[[], None]:
    """A function that takes training steps of the reference model at batch 128."""
    grids = torch.from_numpy(generate_grids("atomic", BATCH * steps, seed=0)[0]).split(BATCH)
    model = BetaVAE().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    loss = make_loss("focal", gamma=2.0, class_weights=[0.1, *[1.1] * 9])

    def run() -> None:
        for batch in grids:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
                mu, logvar = model.encoder(batch)
                logits = model.decoder(mu)
            total = loss(logits, batch) + 0.1 * gaussian_kl(mu.float(), logvar.float()).sum(1).mean()
            optimizer.zero_grad()
            total.backward()
            optimizer.step()

    return run


def main() -> int:
    """Print a table of figures; returns the exit code."""
    with steady_streams():
        return _benchmark()


def _benchmark() -> int:
    keep_freed_memory()
    flush_denormals()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.npz"
        rows = [
            ("generate 100,000 grids", median_seconds(partial(generate_grids, "atomic", NUM_GRIDS, 42)), "at most 2 s"),
            ("generate, pack and write them", median_seconds(partial(write_corpus, path, "atomic", NUM_GRIDS, 42)), ""),
            ("read and check them", median_seconds(lambda: _read_afresh(path)), ""),
        ]
        labels = read_corpus(path).train
    rows += [
        ("count classes of 80,000 grids", median_seconds(partial(count_classes, labels, 10)), "at most 0.1 s"),
        ("  the same by numpy.bincount", median_seconds(partial(np.bincount, labels.ravel(), minlength=10)), ""),
    ]
    loading = [sys.executable, "-c", "import arcvae; arcvae.load"]
    imported = median_seconds(lambda: subprocess.run(loading, check=True), repeats=3)
    rows.append(("python -c 'import arcvae; arcvae.load'", imported, "at most 3 s"))
    weights = Path(__file__).parent / "weights" / "atomic-objects.safetensors"
    codec, grids = load_codec(read_export(weights), weights), labels[:10_000]
    rows.append(("code 10,000 grids and draw them", median_seconds(lambda: codec.reconstruct(grids), 3), "at most 3 s"))
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    for name, seconds, goal in rows:
        print(f"{name:<40}{seconds:>9.3f} s   {goal}")
    steps = 20
    for precision in dict.fromkeys(("32-true", resolve_precision("auto", "cpu"))):
        seconds = median_seconds(training_steps(precision, steps)) / steps
        print(f"training step, {precision:<24}{1000 * seconds:>10.1f} ms   {BATCH / seconds:,.0f} grids/s")
    return 0


def _read_afresh(path: Path) -> None:
    path.touch()  # the reader keeps an unchanged file in memory
    read_corpus(path)


if __name__ == "__main__":
    sys.exit(main())
