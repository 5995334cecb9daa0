"""`properties`: a JSON object in a string, whose names and values become a dataset's columns (spec control-plane 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tailorbird.data.csv_columns import LATEST_TIMESTAMP, TIMES
from tailorbird.data.schema import CATEGORICAL_LENGTH, STRING_LENGTH, TEXT_LENGTH, Field
from tailorbird.errors import InvalidInputException
from tailorbird.numerals import to_number


def read(text: str | None, where: str) -> dict[str, Any]:
    """The values by their plain names. `where` is the request's member; raises InvalidInput."""
    if text is None:
        return {}
    try:
        decoded = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidInputException(f"Error parsing properties json ({where}: {error}).") from error
    if not isinstance(decoded, dict):
        raise InvalidInputException(f"Error parsing properties json ({where} must be the text of a JSON object).")
    return {plain(name): value for name, value in decoded.items()}


def plain(name: str) -> str:
    """Makes itemCategory and ITEM_CATEGORY alike (spec control-plane 6, "Names")."""
    return name.replace("_", "").lower()


def row(fields: tuple[Field, ...], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A dataset's row, by upper-case column names, from values by plain names; null where there is none."""
    return {field.name.upper(): _value(field, values.get(plain(field.name)), where) for field in fields}


def _value(field: Field, value: Any, where: str) -> Any:
    """The value as the field's type has it. Raises InvalidInput."""
    if value is None:
        return None
    try:
        cast = _CASTS[field.type](value)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise InvalidInputException(
            f"{where}: {field.name} is {value!r}, which is not of type {field.type}."
        ) from error
    if isinstance(cast, str):
        return _fitting(field, cast, where)
    if field.name.upper() in TIMES and not 0 <= cast < LATEST_TIMESTAMP:
        raise InvalidInputException(f"{where}: {field.name} is {cast}; write epoch seconds, not milliseconds.")
    return cast


def _fitting(field: Field, text: str, where: str) -> str:
    """The text, a textual one cut to its limit as an import does; raises InvalidInput for others that are too long."""
    if field.textual:
        return text[:TEXT_LENGTH]
    most = CATEGORICAL_LENGTH if field.categorical else STRING_LENGTH
    if len(text) > most:
        raise InvalidInputException(f"{where}: Length cannot be more than {most} characters for {field.name}.")
    return text


def _text(value: Any) -> str:
    if isinstance(value, bool | dict | list):
        raise TypeError
    return str(value)


def _decimal(value: Any) -> Decimal:
    """A number, or the text of one, with every digit; raises ValueError for what only Python reads, such as 1_0."""
    if isinstance(value, bool) or to_number(str(value)) is None:
        raise ValueError
    return Decimal(str(value))


def _whole(bits: int) -> Callable[[Any], int]:
    def cast(value: Any) -> int:
        number = _decimal(value)
        if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
            raise OverflowError
        if number != number.to_integral_value():
            raise ValueError
        return int(number)

    return cast


def _boolean(value: Any) -> bool:
    known = {True: True, False: False, "true": True, "false": False}
    if (isinstance(value, int | float) and not isinstance(value, bool)) or value not in known:
        raise ValueError
    return known[value]


def _number(value: Any) -> float:
    return float(_decimal(value))


_CASTS: dict[str, Callable[[Any], Any]] = {
    "string": _text,
    "int": _whole(32),
    "long": _whole(64),
    "float": _number,
    "double": _number,
    "boolean": _boolean,
}
