"""Make a corpus: ``python -m arcvae.corpus kind=atomic num_grids=100000 seed=42 out=corpus.npz``.

With ``kind=audio``, from recordings (``source=FOLDER out=birds.npz``) or, without ``source``, of synthetic song. The
kinds are the files of ``conf/kind/``.
"""

from __future__ import annotations

import sys
from typing import Any

from arcvae.app.command import run_command
from arcvae.app.compose import CONF_DIR
from arcvae.app.output import require_new_file
from arcvae.errors import ConfigError


def check(config: dict[str, Any]) -> None:
    """Refuse to write over a file, and a source that is not used, or whose corpus has no name."""
    source = config["source"]
    if source and "source" not in config["writer"]:
        kinds = sorted(file.stem for file in (CONF_DIR / "kind").glob("*.yaml") if "${source}" in file.read_text())
        raise ConfigError(f"source={source} needs kind={' or '.join(kinds)}; this kind is generated")
    if source and not config["out"]:
        raise ConfigError("out=null: name the file that the corpus goes into")
    require_new_file(config["out"], overwrite=config["overwrite"])


def main() -> int:
    """Entry point; returns the exit code."""
    return run_command("corpus", "arcvae.app.jobs.corpus.corpus", check)


if __name__ == "__main__":
    sys.exit(main())
