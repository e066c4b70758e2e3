"""What the commands share: composing and checking a config, building objects, and the jobs that they run."""

import sys
from importlib.util import find_spec

if find_spec("hydra") is None:
    _main = getattr(sys.modules["__main__"], "__spec__", None)
    _line = (
        f"arcvae: {sys.executable} lacks the packages of arcvae; type `make setup`, then `source .venv/bin/activate`"
    )
    # A command ends with this line alone.
    raise SystemExit(_line) if _main and _main.name.startswith("arcvae.") else ModuleNotFoundError(_line)
