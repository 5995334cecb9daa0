"""One server at a time has a folder, whatever becomes of the file that says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tailorbird.storage.folder import LOCK_FILE, FolderInUse, Lock


def test_a_lock_whose_file_is_removed_or_whose_folder_is_moved_still_holds(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    held = Lock(folder)
    held.tell("http://127.0.0.1:1")
    with pytest.raises(FolderInUse, match=f"process {os.getpid()} at http://127.0.0.1:1"):
        Lock(folder)
    (folder / LOCK_FILE).unlink()
    with pytest.raises(FolderInUse, match="process unknown"):
        Lock(folder)
    assert list(folder.iterdir()) == [], "nor is another file made, which would name nobody"
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(FolderInUse):
        Lock(moved)
    held.release()
    Lock(moved).release()
