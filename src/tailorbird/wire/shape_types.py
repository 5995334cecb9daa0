"""A shape of the models as a type of msgspec's, which decodes and checks a request in one go.

What is refused so is not wrong for that: nulls are left out, and some numbers may be text (`shapes`). The walk decides
and says what is wrong; the usual request takes 1.8 µs where the walk takes 4.9, and a list of 100 ids 3.7 and 16.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
from botocore.model import Shape, StringShape, StructureShape

from tailorbird.data.values import LATEST_TIMESTAMP

INTEGERS = -(2**31), 2**31 - 1
"""The least and the greatest."""


@cache
def decoder(shape: Shape) -> msgspec.json.Decoder[Any]:
    """Decodes what has the shape, and fits it, to what `shapes.parse` makes of it; else raises ValueError."""
    return msgspec.json.Decoder(_type(shape))


@cache
def _type(shape: Shape) -> Any:
    return _TYPES[shape.type_name](shape)


def _structure(shape: StructureShape) -> Any:
    required = frozenset(shape.required_members)
    members = {name: _type(member) for name, member in shape.members.items()}
    return TypedDict(  # type: ignore[operator]
        shape.name, {name: kind if name in required else NotRequired[kind] for name, kind in members.items()}
    )


def _sized(kind: Any, shape: Shape, pattern: str | None = None) -> Any:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    return Annotated[kind, msgspec.Meta(min_length=least, max_length=most, pattern=pattern)]


def _string(shape: StringShape) -> Any:
    if shape.enum:
        return Literal[tuple(shape.enum)]
    pattern = shape.metadata.get("pattern")
    return _sized(str, shape, rf"(?a)\A(?:{pattern})\Z" if pattern else None)


def _number(kind: type, least: float | None, most: float | None) -> Any:
    return Annotated[kind, msgspec.Meta(ge=least, le=most)]


def _integer(shape: Shape) -> Any:
    least, most = shape.metadata.get("min", INTEGERS[0]), shape.metadata.get("max", INTEGERS[1])
    return _number(int, max(least, INTEGERS[0]), min(most, INTEGERS[1]))


def _float(shape: Shape) -> Any:
    return _number(float, shape.metadata.get("min"), shape.metadata.get("max"))


_TYPES: dict[str, Callable[[Any], Any]] = {
    "structure": _structure,
    "list": lambda shape: _sized(list[_type(shape.member)], shape),  # type: ignore[misc]
    "map": lambda shape: _sized(dict[_type(shape.key), _type(shape.value)], shape),  # type: ignore[misc]
    "string": _string,
    "boolean": lambda shape: bool,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "timestamp": lambda shape: Annotated[float, msgspec.Meta(gt=-LATEST_TIMESTAMP, lt=LATEST_TIMESTAMP)],
}
