"""The one walk in (`parse`: validate against the model) and the one walk out (`project`: drop the rest).

botocore checks some constraints on the client's side; patterns, maximum lengths, maximum values and enums are
only checked here (spec control-plane 1.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec
import regex
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from tailorbird.errors import InvalidInputException

# The model allows s3 and http locations; ours may also be files under the folders of the configuration.
PATTERNS_WIDENED = {"(s3|http|https)://.+": "(s3|http|https|file)://.+"}
SHOWN = 80
# Their text holds a JSON object; the object itself is as good (spec control-plane 6, "properties").
JSON_TEXTS = ("EventPropertiesJSON", "ItemProperties", "UserProperties", "ActionProperties")


@lru_cache(maxsize=256)
def _pattern(text: str) -> regex.Pattern[str]:
    """The model's Java pattern, compiled; AWS matches whole values, anchored or not."""
    # Java's \d and \w are of ASCII, its \p{L} is not; no pattern of the models has both.
    return regex.compile(PATTERNS_WIDENED.get(text, text), 0 if r"\p{" in text else regex.ASCII)


def parse(shape: Shape, value: Any, where: str = "") -> Any:
    """Returns `value` as the model's `shape` has it, without unknown members and nulls.

    Timestamps become float epoch seconds. Raises InvalidInputException naming the member and the constraint.
    """
    reader = _READERS.get(shape.type_name)
    if reader is None:
        raise TypeError(f"the service models use a shape type that is new to us: {shape.type_name}")
    return reader(shape, value, where)


def _wrong(where: str, value: Any, constraint: str) -> InvalidInputException:
    shown = repr(value)
    shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + "..."
    return InvalidInputException(f"Value {shown} at '{where or 'the request'}' is not valid: it must {constraint}.")


def _bounds(shape: Shape, size: float, value: Any, where: str, noun: str) -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        raise _wrong(where, value, f"have {noun} of at least {low}" if noun else f"be at least {low}")
    if high is not None and size > high:
        raise _wrong(where, value, f"have {noun} of at most {high}" if noun else f"be at most {high}")


def _structure(shape: StructureShape, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(where, value, "be a JSON object")
    for name in shape.required_members:
        if value.get(name) is None:
            raise InvalidInputException(f"Member '{_join(where, name)}' is required and missing.")
    return {
        name: parse(member, value[name], _join(where, name))
        for name, member in shape.members.items()
        if value.get(name) is not None
    }


def _list(shape: ListShape, value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(where, value, "be a list")
    _bounds(shape, len(value), value, where, "a length")
    return [parse(shape.member, item, f"{where}[{index}]") for index, item in enumerate(value)]


def _map(shape: MapShape, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(where, value, "be a JSON object")
    _bounds(shape, len(value), value, where, "a number of entries")
    return {
        parse(shape.key, key, f"{where} (key)"): parse(shape.value, item, _join(where, key))
        for key, item in value.items()
        if item is not None
    }


def _string(shape: StringShape, value: Any, where: str) -> str:
    if isinstance(value, dict) and shape.name in JSON_TEXTS:
        value = msgspec.json.encode(value).decode()
    if not isinstance(value, str):
        raise _wrong(where, value, "be a string")
    _bounds(shape, len(value), value, where, "a length")
    if shape.enum and value not in shape.enum:
        raise _wrong(where, value, "be one of " + ", ".join(shape.enum))
    pattern = shape.metadata.get("pattern")
    if pattern and not _pattern(pattern).fullmatch(value):
        raise _wrong(where, value, f"match the pattern {pattern}")
    return value


def _boolean(shape: Shape, value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(where, value, "be true or false")
    return value


def _integer(shape: Shape, value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(where, value, "be a whole number")
    if not -(2**31) <= value < 2**31:
        raise _wrong(where, value, "fit into 32 bits")
    _bounds(shape, value, value, where, "")
    return value


def _float(shape: Shape, value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(where, value, "be a number")
    _bounds(shape, value, value, where, "")
    return float(value)


def _timestamp(shape: Shape, value: Any, where: str) -> float:
    """Epoch seconds, whole or not; some clients send them as text (spec control-plane 1.2)."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    if not abs(seconds) < 1e11:
        raise _wrong(where, value, "be a time in epoch seconds, not in milliseconds or as a date")
    return seconds


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


_READERS: dict[str, Callable[[Any, Any, str], Any]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "boolean": _boolean,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "timestamp": _timestamp,
}


def project(shape: Any, value: Any) -> Any:
    """Returns the part of `value` that `shape` has; members that are absent or None stay absent."""
    if shape.type_name == "structure":
        return {
            name: project(member, value[name]) for name, member in shape.members.items() if value.get(name) is not None
        }
    if shape.type_name == "list":
        return [project(shape.member, item) for item in value]
    if shape.type_name == "map":
        return {key: project(shape.value, item) for key, item in value.items()}
    if shape.type_name == "timestamp":
        return round(value, 3)
    return value
