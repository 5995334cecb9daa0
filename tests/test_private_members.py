"""Private members of documents are declared, each with a sentence."""

from __future__ import annotations

import re
from pathlib import Path

from tailorbird.api.private import MEMBERS

SOURCES = Path(__file__).parents[1] / "src" / "tailorbird"


def used() -> set[str]:
    found: set[str] = set()
    for part in ("api", "jobs", "cli"):
        for file in (SOURCES / part).rglob("*.py"):
            if file.name != "private.py":
                found |= set(re.findall(r"""["'](_[a-z][A-Za-z]+)["']""", file.read_text()))
                found |= set(re.findall(r"lifecycle\.create\([^)]*?\b(_[a-z][A-Za-z]+)=", file.read_text()))
    return found


def test_every_private_member_is_declared_and_used() -> None:
    assert used() == set(MEMBERS)


def test_every_declaration_says_something() -> None:
    assert [name for name, sentence in MEMBERS.items() if len(sentence) < 20] == []
