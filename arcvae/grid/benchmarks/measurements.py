"""What studies can measure of codes of grids, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from arcvae.grid.benchmarks import report
from arcvae.grid.benchmarks.operations import measure_operations
from arcvae.grid.benchmarks.pictures import depth_figure, operations_figure
from arcvae.grid.benchmarks.transforms import measure_transforms, transforms_markdown
from arcvae.grid.benchmarks.workload import workload
from arcvae.grid.corpus.files import default_corpus_path, read_corpus, write_corpus
from arcvae.training.measurement import Measurement, Report

_GENERATED: Final = ("atomic", 100_000, 42)
"""Kind, grids and seed of the corpus of models that come without one: what training generates by default."""


class GridMeasurement(Measurement):
    """Measures codes on the test split of a corpus."""

    def corpus(self, path: str | None, output_dir: str) -> Path:
        """The file that is given, or the corpus that training generates by default.

        Raises:
            DataError: It is not a corpus.
        """
        found = Path(path) if path else default_corpus_path(Path(output_dir) / "corpora", *_GENERATED)
        if not path and not found.is_file():
            write_corpus(found, *_GENERATED)
        read_corpus(found)
        return found


class Operations(GridMeasurement):
    """Operations on codes and chains of them, against the same in pixels."""

    def measure(self, model: Any, corpus: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
        """See :func:`arcvae.grid.benchmarks.operations.measure_operations`."""
        keys = ("limit", "chains", "chain_grids", "pairs", "seed")
        work = workload(str(corpus), *(int(settings[key]) for key in keys))
        return measure_operations(
            model, work, seconds=settings["seconds"], refine=settings["refine"], seed=settings["seed"]
        )

    def report(self, results: Mapping[str, Sequence[Mapping[str, Any]]]) -> Report:
        """Gates, tables, a picture of each variant, and curves over depth."""
        pictures = {
            f"operations_{_slug(name)}": partial(operations_figure, name, runs[0]) for name, runs in results.items()
        }
        if next(iter(results.values()))[0]["chains"]:
            pictures["depth"] = partial(depth_figure, results)
        return Report(report.summary(results), report.markdown(results), pictures)


class Transforms(GridMeasurement):
    """Whether three transforms are visible in codes, and whether operations on codes do what they do."""

    def measure(self, model: Any, corpus: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
        """See :func:`arcvae.grid.benchmarks.transforms.measure_transforms`."""
        keys = ("limit", "pairs", "seconds", "seed")
        return measure_transforms(model, read_corpus(corpus), **{key: settings[key] for key in keys})

    def report(self, results: Mapping[str, Sequence[Mapping[str, Any]]]) -> Report:
        """A table and what follows from it."""
        text = transforms_markdown(results)
        return Report(text, text)


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name).strip("_").lower()


MEASUREMENTS: Final[Mapping[str, type[Measurement]]] = {"operations": Operations, "transforms": Transforms}
"""By the value of ``study.measure.what``."""
