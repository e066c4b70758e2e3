"""A file of the user is replaced only on request."""

from __future__ import annotations

from pathlib import Path

import pytest

from arcvae.app.output import require_new_file, require_new_folder
from arcvae.errors import BusyError, ConfigError


def test_existing_file_is_refused_unless_it_may_be_replaced(tmp_path: Path) -> None:
    there, absent = str(tmp_path / "there.npz"), str(tmp_path / "absent.npz")
    Path(there).touch()
    for out, overwrite in ((None, False), (absent, False), (absent, True), (there, True)):
        require_new_file(out, overwrite=overwrite)
    with pytest.raises(ConfigError, match=r"out=.*there\.npz exists; choose another name or set overwrite=true"):
        require_new_file(there, overwrite=False)


def test_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    for name in ("absent", "empty", "locked"):
        if name != "absent":
            (tmp_path / name).mkdir()
        if name == "locked":
            (tmp_path / name / "run.lock").touch()
        require_new_folder(str(tmp_path / name))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "tasks.jsonl").touch()
    with pytest.raises(BusyError, match=r"out=.*full holds files already; choose another name"):
        require_new_folder(str(tmp_path / "full"))
    with pytest.raises(ConfigError, match=r"out=.*tasks\.jsonl is a file; choose the name of a folder"):
        require_new_folder(str(tmp_path / "full" / "tasks.jsonl"))
