"""Items that a request or a line of a batch job lists: which texts are slips rather than ids.

An unknown id is answered as an unknown item is, since it may be a new one. But a word for no value is no id at any
door, and what is known items in quotes, in brackets, joined or spelled otherwise was meant to be these: taken at its
word, it would be ranked last without a word, and the list would keep its order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tailorbird.data.null_words import is_null_name
from tailorbird.errors import InvalidInputException
from tailorbird.filters.compared import EDGES, SEPARATORS, Comparand
from tailorbird.serving.questions import Deployment

NAMES = frozenset({"id", "ids", "item", "items", "itemid", "itemids"})
"""What clients write before an id, as in `itemId=1`."""
NOTHING = "{member}[{place}] is {value!r}, a word for no value: give the id of an item, or leave it out."
MEANT = (
    "{member}[{place}] is {value!r}, which is no known item, while {meant} {are}: write each id by itself, as it is."
)

_ORDINARY = re.compile(r"[0-9A-Za-z_-]+")
"""Texts that are no slip unless they are a word for no value."""
_JOINED = re.compile("|".join(SEPARATORS))


def check(deployment: Deployment, member: str, items: Sequence[str]) -> None:
    """Raises InvalidInput for the first slip; may read the records of items that the model does not know."""
    for place, value in enumerate(items):
        meant = _meant(deployment, value)
        if meant is None or (meant and deployment.has_record(value)):
            continue
        if not meant:
            raise InvalidInputException(NOTHING.format(member=member, place=place, value=value))
        listed, are = ", ".join(map(repr, meant)), "is" if len(meant) == 1 else "are"
        raise InvalidInputException(MEANT.format(member=member, place=place, value=value, meant=listed, are=are))


def may_slip(deployment: Deployment, items: Sequence[str]) -> bool:
    """Whether `check` may have something to say; reads nothing."""
    return any(_meant(deployment, value) is not None for value in items)


def _meant(deployment: Deployment, value: str) -> tuple[str, ...] | None:
    """The items that a slip stands for, none of a word for no value; None where it is an item, or may be one."""
    known = deployment.served.numbers.__contains__
    if known(value):
        return None
    if is_null_name(value):
        return ()
    if _ORDINARY.fullmatch(value):
        return None
    parts = [part for part in (part.strip(EDGES) for part in _JOINED.split(value)) if known(part)]
    if len(parts) > 1:
        return tuple(parts)
    items = Comparand(known, names=NAMES, says_nothing=is_null_name)
    return (items.meant(value) or None) if items.hides(value) else None
