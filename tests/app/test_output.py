"""A file of the user is replaced only on request."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcvae.app.output import require_new_file
from arcvae.errors import ConfigError


def test_existing_file_is_refused_unless_it_may_be_replaced(tmp_path: Path) -> None:
    there, absent = str(tmp_path / "there.npz"), str(tmp_path / "absent.npz")
    Path(there).touch()
    for out, overwrite in ((None, False), (absent, False), (absent, True), (there, True)):
        require_new_file(out, overwrite=overwrite)
    with pytest.raises(ConfigError, match=r"out=.*there\.npz exists; choose another name or set overwrite=true"):
        require_new_file(there, overwrite=False)
