"""Columns of other names that hold what a field is for: a shop's CustomerID is a USER_ID."""

from __future__ import annotations

from collections.abc import Iterable

WORDS = {
    "USER_ID": ("user", "customer", "client", "visitor", "member", "account", "shopper", "buyer"),
    "ITEM_ID": ("itemid", "productid", "stockcode", "sku", "movieid", "articleid", "asin", "item", "product", "movie"),
    "TIMESTAMP": ("timestamp", "unixtime", "datetime", "date", "time"),
    "EVENT_TYPE": ("eventtype", "event", "behaviour", "behavior", "interaction"),
    "CREATION_TIMESTAMP": ("creation", "created", "release", "published"),
    "PRICE": ("price",),
}
"""What a name may hold, without case and signs, likeliest first: as the exports of shops and public data sets do."""


def of(fields: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """The likely one among `names` of each of the fields that has one, no name twice."""
    left = list(names)
    found: dict[str, str] = {}
    for field in fields:
        likely = (name for word in WORDS.get(field.upper(), ()) for name in left if word in _plain(name))
        if name := next(likely, None):
            found[field] = name
            left.remove(name)
    return found


def rename_hint(fields: Iterable[str], names: Iterable[str]) -> str:
    """What to rename, as a sentence after a space; empty where nothing looks like one of the fields."""
    found = of(fields, names)
    return f" Rename {', '.join(f'{name} to {field}' for field, name in found.items())}." if found else ""


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()
