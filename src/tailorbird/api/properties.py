"""`properties`: a JSON object in a string, whose names and values become a dataset's columns (spec control-plane 6)."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Mapping
from typing import Any

from tailorbird import json_text
from tailorbird.data import values
from tailorbird.data.null_words import is_null_name
from tailorbird.data.schema import Field
from tailorbird.errors import InvalidInputException


def read(text: str | None, where: str, columns: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values by their plain names, and the others by their names as they are spelled.

    where: the request's member; columns: plain names that are looked for. Raises InvalidInput, also where two names
    mean one of the columns and their values differ.
    """
    if text is None:
        return {}, {}
    try:
        decoded = json_text.decode(text)
    except ValueError as error:
        raise InvalidInputException(f"Error parsing properties json ({where}: {error}).") from error
    if not isinstance(decoded, dict):
        raise InvalidInputException(f"Error parsing properties json ({where} must be the text of a JSON object).")
    found: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, value in decoded.items():
        if plain(name) not in columns:
            others[name] = value
        elif found.setdefault(plain(name), value) != value:
            raise InvalidInputException(
                f"{where}: {name} is {reprlib.repr(value)} here, and {reprlib.repr(found[plain(name)])} under another "
                "spelling of the name: give one of them."
            )
    return found, others


def plain(name: str) -> str:
    """Makes itemCategory and ITEM_CATEGORY alike (spec control-plane 6, "Names")."""
    return name.replace("_", "").lower()


def row(fields: tuple[Field, ...], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A dataset's row, by upper-case column names, from values by plain names; None where there is none."""
    return {field.name.upper(): _value(field, given.get(plain(field.name)), where) for field in fields}


def _value(field: Field, given: Any, where: str) -> values.Value:
    """The value as the field's type has it. Raises InvalidInput."""
    try:
        return values.read(field, _joined(field, given))
    except values.UnusableValue as error:
        raise InvalidInputException(f"{where}: {error}; given: {reprlib.repr(given)}.") from error


def _joined(field: Field, given: Any) -> Any:
    """A list of categories, or of the items of an impression, as the one text that columns have."""
    several = field.categorical or field.name.upper() == "IMPRESSION"
    if not several or not isinstance(given, list):
        return given
    found = [each for each in given if each is not None]
    if not field.categorical:  # the items of an impression
        found = [each for each in found if not (isinstance(each, str) and is_null_name(each))]
    whole = all(isinstance(each, str | int) and not isinstance(each, bool) for each in found)
    return "|".join(map(str, found)) if whole else given
