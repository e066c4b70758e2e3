"""The record of a training run, ``metrics.json``: enough to repeat, reload and compare the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from html import escape
from pathlib import Path
from typing import Any, Final

from arcvae.errors import DataError
from arcvae.io.door import read_json
from arcvae.io.files import write_json

RECORD: Final = "metrics.json"
"""Name of the file in a run folder."""
RECORD_FORMAT: Final = 2
"""Version of the format. Format 1 is that of arcvae 0.1.0."""
NO_COLLAPSE: Final = "no collapse"
"""The verdict in words on a run that has not collapsed."""


@dataclass(frozen=True, repr=False)
class RunRecord:
    """Everything known about a finished training run. Results are numbers and lists, by metric.

    ``val`` and ``test`` are the results at the plain argmax (``test`` is None without a test split), ``adjusted`` those
    with logit adjustment and ``baseline`` those of the trivial predictor, both on ``baseline_split``.
    """

    run_id: str
    config_hash: str
    seed: int
    val: dict[str, Any]
    verdict: dict[str, Any]
    baseline: dict[str, Any]
    test: dict[str, Any] | None = None
    adjusted: dict[str, Any] = field(default_factory=dict)
    baseline_split: str = "test"
    logit_adjustment: dict[str, Any] = field(default_factory=dict)
    findings: list[dict[str, str]] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    """A row for each epoch, as in ``metrics.csv``."""
    command: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    software: dict[str, Any] = field(default_factory=dict)
    corpus: dict[str, Any] = field(default_factory=dict)
    samples: dict[str, Any] = field(default_factory=dict)
    """Number of samples of "train", "val" and "test"; empty in records of earlier versions."""
    class_names: list[str] = field(default_factory=list)
    class_counts: list[int] = field(default_factory=list)
    class_weights: list[float] | None = None
    parameters: int | None = None
    precision: str | None = None
    device: str | None = None
    epochs: int | None = None
    steps: int | None = None
    monitor: str | None = None
    """The metric by which the best checkpoint was chosen."""
    monitor_mode: str | None = None
    """"max" or "min": which of its values is the best. None in records of earlier versions."""
    best: float | None = None
    """That metric of the best checkpoint."""
    wall_seconds: float | None = None
    """Wall time of the command that wrote the record; a resumed run has trained for longer."""
    train_seconds: float | None = None
    sample_unit: str = "samples"
    samples_per_second: float | None = None
    peak_memory_mib: float | None = None
    pictures_not_saved: list[str] = field(default_factory=list)
    version: str = "0.1.0"
    """Version of arcvae that wrote the record."""
    format: int = RECORD_FORMAT

    @property
    def objective(self) -> float | None:
        """What a hyperparameter search optimises: the monitored metric of the best checkpoint."""
        return self.best

    @property
    def split(self) -> str:
        """The split on which the run is judged: "test", or "val" without a test split."""
        return self.baseline_split

    @property
    def collapses(self) -> str:
        """The verdict in words: each kind of collapse, or that there is none."""
        return verdict_on([self])

    def results(self, split: str) -> dict[str, Any]:
        """Results of "val", "test", "adjusted" or "baseline"; empty where there are none.

        Raises:
            KeyError: No such split.
        """
        found = {"val": self.val, "test": self.test, "adjusted": self.adjusted, "baseline": self.baseline}[split]
        return found or {}

    def __repr__(self) -> str:
        (ours, trivial), verdict = self._beside(), self.collapses
        shown = ", ".join(f"{name} {ours[name]:.4f} ({trivial[name]:.4f})" for name in ours)
        return f"<RunRecord {self.run_id}: {verdict}; {self.split}, trivial predictor in brackets: {shown}>"

    def _repr_html_(self) -> str:
        """Its figures beside those of the trivial predictor, for notebooks."""
        ours, trivial = self._beside()
        rows = "".join(f"<tr><td>{escape(k)}</td><td>{ours[k]:.4f}</td><td>{trivial[k]:.4f}</td></tr>" for k in ours)
        heading = f"<tr><th></th><th>{escape(self.split)}</th><th>trivial predictor</th></tr>"
        return f"<b>{escape(self.run_id)}</b>: {escape(self.collapses)}<table>{heading}{rows}</table>"

    def _beside(self) -> tuple[dict[str, float], dict[str, float]]:
        """Numbers of the run that the trivial predictor has as well, and its."""
        ours, trivial = self.results(self.split), self.baseline
        both = [
            name for name, value in ours.items() if isinstance(value, float) and isinstance(trivial.get(name), float)
        ]
        return {name: ours[name] for name in both}, {name: trivial[name] for name in both}

    def write(self, folder: Path) -> None:
        """Write ``metrics.json``.

        Raises:
            FileSystemError: It cannot be written.
        """
        write_json(folder / RECORD, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> RunRecord:
        """Read the record in a run folder; that of an earlier version is upgraded.

        Raises:
            DataError: There is none, it is damaged, of a newer format, or not that of a training run.
            FileSystemError: It may not be read.
        """
        path = folder / RECORD
        content = read_json(path, DataError, "the folder of a finished training run")
        needed = ("run_id", "config_hash", "val", "verdict", "baseline", "seed")
        if not isinstance(content, dict) or any(name not in content for name in needed):
            raise DataError(f"{path} is not the record of a training run; give a folder below outputs/train")
        content = _upgraded(content)
        if content["format"] != RECORD_FORMAT:
            raise DataError(f"{path} has format {content['format']}, this arcvae knows {RECORD_FORMAT}; update arcvae")
        known = {entry.name: str(entry.type) for entry in fields(cls)}
        for name, kind in known.items():
            if name in content and not _is_of(kind, content[name]):
                raise DataError(f"{path}: {name} is not what a training run writes there; give another folder")
        return cls(**{name: value for name, value in content.items() if name in known})


def verdict_on(records: Sequence[RunRecord]) -> str:
    """The verdict on runs in words: each kind of collapse that one of them has, or :data:`NO_COLLAPSE`."""
    names = dict.fromkeys(name for record in records for name in record.verdict)
    found = [name for name in names if any(record.verdict.get(name) is True for record in records)]
    return ", ".join(found).replace("_", " ").upper() or NO_COLLAPSE


def _is_of(kind: str, value: Any) -> bool:
    """Whether a value is of the outer type of an annotation, such as ``dict[str, Any] | None``."""
    if value is None:
        return "None" in kind
    outer = kind.partition("[")[0].partition(" ")[0]
    return isinstance(value, {"str": str, "int": int, "float": int | float, "dict": dict, "list": list}[outer])


def _upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """Convert a record of format 1 to format 2; others are returned as they are."""
    if "format" in content:
        return content
    renamed = {"at_tuned_decision": "adjusted", "diagnosis": "findings"}
    new = {renamed.get(name, name): value for name, value in content.items()}
    decision = dict(new.pop("decision", None) or {})
    if "prior_strength" in decision:
        decision["tau"] = decision.pop("prior_strength")
    rates = {name: new.pop(name) for name in list(new) if name.endswith("_per_second")}
    unit, rate = next(iter(rates.items()), ("samples_per_second", None))
    made_with = ("python", "platform", "packages", "git_commit", "git_dirty")
    return new | {
        "format": RECORD_FORMAT,
        "logit_adjustment": decision,
        "sample_unit": unit.removesuffix("_per_second"),
        "samples_per_second": rate,
        "software": {name: new.get(name) for name in made_with},
    }
