"""The settings as pages: docs/reference/settings.md, and what `tailorbird config` prints of one installation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from tailorbird.config import Config, variable, wanted

HEAD = """# Settings

Made by `make reference` from [`config.py`](../../src/tailorbird/config.py); do not edit. A setting is an environment
variable; options of the command line override it, and one without a text counts as not set.
`tailorbird config` prints the values in force and where each came from. Folders are separated as in `PATH`, web origins
by commas.

| variable | default | values | |
|---|---|---|---|
"""


def page() -> str:
    """The page, as Markdown."""
    rows = (
        f"| `{variable(option.name)}` | {_code(option.default)} | {wanted(option)} | {option.metadata['description']} |"
        for option in fields(Config)
    )
    return HEAD + "\n".join(rows) + "\n"


def in_force(config: Config, environment: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    """(variable, value, default, where the value came from) of every setting."""
    for option in fields(Config):
        value = getattr(config, option.name)
        told = "(set, not shown)" if option.metadata["secret"] and value else _text(value)
        yield (
            variable(option.name),
            told,
            _text(option.default),
            _source(option.name, value, option.default, environment),
        )


def _source(name: str, value: Any, default: Any, environment: Mapping[str, str]) -> str:
    if environment.get(variable(name), "").strip():
        return "environment"
    # The folder is made absolute when it is read.
    return "default" if _text(value) in (_text(default), os.path.abspath(_text(default))) else "command line"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return os.pathsep.join(str(part) for part in value) if isinstance(value, tuple) else str(value)


def _code(value: Any) -> str:
    return f"`{_text(value)}`" if _text(value) else "empty"
