"""The one walk in (`parse`: validate against the model) and the one walk out (`project`: drop the rest).

botocore checks some constraints on the client's side; patterns, maximum lengths, maximum values and enums are
only checked here (spec control-plane 1.1). Each shape is made into a function once, since looking things up in it took
half the time of an answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import msgspec
import regex
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from tailorbird.data.values import LATEST_TIMESTAMP
from tailorbird.errors import AwsError, InvalidInputException, InvalidNextTokenException
from tailorbird.numbers import to_number

# The model allows s3 and http locations; ours may also be files under the folders of the configuration.
PATTERNS_WIDENED = {"(s3|http|https)://.+": "(s3|http|https|file)://.+"}
SHOWN = 80
"""Characters of a value that a message shows: enough to find it in one's own request."""
# Their text holds a JSON object; the object itself is as good (spec control-plane 6, "properties").
JSON_TEXTS = ("EventPropertiesJSON", "ItemProperties", "UserProperties", "ActionProperties")


@lru_cache(maxsize=256)  # the models have 14
def _pattern(text: str) -> regex.Pattern[str]:
    """The model's Java pattern, compiled; AWS matches whole values, anchored or not."""
    # Java's \d and \w are of ASCII, its \p{L} is not; no pattern of the models has both.
    return regex.compile(PATTERNS_WIDENED.get(text, text), 0 if r"\p{" in text else regex.ASCII)


Reader = Callable[[Any], Any]
"""Returns a value as its shape has it; raises Misfit."""
Projection = Callable[[Any], Any]


class Misfit(Exception):
    """A value that does not fit its shape; on its way up it learns where that value is."""

    def __init__(self, told: Callable[[str], str]) -> None:
        """`told` makes the message of where the value is."""
        super().__init__()
        self._told = told
        self._where = ""
        self.error: type[AwsError] = InvalidInputException
        """What a client is told by."""

    def within(self, step: str) -> Misfit:
        """The same, seen from one level above."""
        self._where = step + self._where
        return self

    def __str__(self) -> str:
        return self._told(self._where.removeprefix("."))


def parse(shape: Shape, value: Any) -> Any:
    """Returns `value` as the model's `shape` has it, without unknown members and nulls.

    Timestamps become float epoch seconds. Raises InvalidInputException naming the member and the constraint; of a
    page's token InvalidNextTokenException, the one error that all lists have.
    """
    try:
        return _reader(shape)(value)
    except Misfit as misfit:
        raise misfit.error(str(misfit)) from None


@cache
def _reader(shape: Shape) -> Reader:
    if shape.type_name not in _READERS:
        raise TypeError(f"the service models use a shape type that is new to us: {shape.type_name}")
    return _READERS[shape.type_name](shape)


def _wrong(value: Any, constraint: str) -> Misfit:
    shown = repr(value)
    shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + "..."
    return Misfit(lambda where: f"Value {shown} at '{where or 'the request'}' is not valid: it must {constraint}.")


def _bounds(shape: Shape, noun: str) -> Callable[[float, Any], None]:
    """Checks a value's size against the shape's bounds; `noun` is what has them, empty for the value itself."""
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    low, high = (-math.inf if least is None else least), (math.inf if most is None else most)
    words = f"have {noun} of" if noun else "be"

    def check(size: float, value: Any) -> None:
        if size < low:
            raise _wrong(value, f"{words} at least {low}")
        if size > high:
            raise _wrong(value, f"{words} at most {high}")

    return check


def _structure(shape: StructureShape) -> Reader:
    required = tuple(shape.required_members)
    members = [(name, _reader(member)) for name, member in shape.members.items()]

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(value, "be a JSON object")
        for name in required:
            if value.get(name) is None:
                raise Misfit(lambda where: f"Member '{where}' is required and missing.").within(f".{name}")
        found = {}
        for name, reader in members:
            if (member := value.get(name)) is not None:
                try:
                    found[name] = reader(member)
                except Misfit as misfit:
                    raise misfit.within(f".{name}") from None
        return found

    return read


def _list(shape: ListShape) -> Reader:
    check, reader = _bounds(shape, "a length"), _reader(shape.member)

    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong(value, "be a list")
        check(len(value), value)
        found: list[Any] = []
        try:
            for item in value:
                found.append(reader(item))  # noqa: PERF401 - which one does not fit is told by how many did
        except Misfit as misfit:
            raise misfit.within(f"[{len(found)}]") from None
        return found

    return read


def _map(shape: MapShape) -> Reader:
    check, key_reader, reader = _bounds(shape, "a number of entries"), _reader(shape.key), _reader(shape.value)

    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(value, "be a JSON object")
        check(len(value), value)
        found = {}
        for key, item in value.items():
            if item is not None:
                try:
                    name = key_reader(key)
                except Misfit as misfit:
                    raise misfit.within(" (key)") from None
                try:
                    found[name] = reader(item)
                except Misfit as misfit:
                    raise misfit.within(f".{key}") from None
        return found

    return read


def _string(shape: StringShape) -> Reader:
    check, enum, pattern = _bounds(shape, "a length"), frozenset(shape.enum), shape.metadata.get("pattern")
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", math.inf)
    is_json = shape.name in JSON_TEXTS
    matches = _pattern(pattern).fullmatch if pattern else None

    def read(value: Any) -> str:
        if is_json and isinstance(value, dict):
            value = msgspec.json.encode(value).decode()
        if not isinstance(value, str):
            raise _wrong(value, "be a string")
        if not least <= len(value) <= most:
            check(len(value), value)
        if enum and value not in enum:
            raise _wrong(value, "be one of " + ", ".join(shape.enum))
        if matches is not None and not matches(value):
            raise _wrong(value, f"match the pattern {pattern}")
        return value

    def read_token(value: Any) -> str:
        try:
            return read(value)
        except Misfit as misfit:
            misfit.error = InvalidNextTokenException
            raise

    return read_token if shape.name == "NextToken" else read


def _boolean(shape: Shape) -> Reader:
    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise _wrong(value, "be true or false")
        return value

    return read


def _integer(shape: Shape) -> Reader:
    check = _bounds(shape, "")

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong(value, "be a whole number")
        if not -(2**31) <= value < 2**31:
            raise _wrong(value, "fit into 32 bits")
        check(value, value)
        return value

    return read


def _float(shape: Shape) -> Reader:
    check = _bounds(shape, "")

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(value, "be a number")
        check(value, value)
        return float(value)

    return read


def _timestamp(shape: Shape) -> Reader:
    """Epoch seconds, whole or not; some clients send them as text (spec control-plane 1.2)."""

    def read(value: Any) -> float:
        seconds = to_number(value) if isinstance(value, str) else value
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not abs(seconds) < LATEST_TIMESTAMP:
            raise _wrong(value, "be a time in epoch seconds, not in milliseconds or as a date")
        return float(seconds)

    return read


_READERS: dict[str, Callable[[Any], Reader]] = {
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


def project(shape: Shape, value: Any) -> Any:
    """Returns the part of `value` that `shape` has; members that are absent or None stay absent."""
    projection = _projection(shape)
    return value if projection is None else projection(value)


@cache
def _projection(shape: Shape) -> Projection | None:
    """What `project` does with the values of a shape; None where it leaves them as they are."""
    make = _PROJECTIONS.get(shape.type_name)
    return None if make is None else make(shape)


def _part_of_structure(shape: StructureShape) -> Projection:
    members = [(name, _projection(member)) for name, member in shape.members.items()]
    return lambda value: {
        name: member if projection is None else projection(member)
        for name, projection in members
        if (member := value.get(name)) is not None
    }


def _part_of_list(shape: ListShape) -> Projection | None:
    projection = _projection(shape.member)
    if projection is None:
        return None

    def part(value: Any) -> Any:
        # Structs are made in the model's shape, and so is JSON.
        return (
            value
            if value and isinstance(value[0], msgspec.Struct | msgspec.Raw)
            else [projection(item) for item in value]
        )

    return part


def _part_of_map(shape: MapShape) -> Projection | None:
    projection = _projection(shape.value)
    return None if projection is None else lambda value: {key: projection(item) for key, item in value.items()}


_PROJECTIONS: dict[str, Callable[[Any], Projection | None]] = {
    "structure": _part_of_structure,
    "list": _part_of_list,
    "map": _part_of_map,
    "timestamp": lambda shape: lambda value: round(value, 3),
}
"""Of the other types, values stay as they are."""
