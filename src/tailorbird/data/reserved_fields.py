"""Columns whose names mean something: what spec control-plane 4.2 demands of each, by dataset type and domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """What is demanded of a reserved field."""

    type: str
    required: bool = False
    key: bool = False
    """Makes the record; must not allow null where required."""
    categorical: bool = False


_ID = Rule("string", required=True, key=True)
_TIME = Rule("long", required=True, key=True)
_KIND = Rule("string", key=True)
_REQUIRED_KIND = Rule("string", required=True, key=True)
_STRING = Rule("string")
_LONG = Rule("long")
_FLOAT = Rule("float")
_CATEGORY = Rule("string", categorical=True)

_ATTRIBUTION = {
    "EVENT_VALUE": _FLOAT,
    "IMPRESSION": _STRING,
    "RECOMMENDATION_ID": _STRING,
    "EVENT_ATTRIBUTION_SOURCE": _STRING,
}
_INTERACTION = {"USER_ID": _ID, "ITEM_ID": _ID, "TIMESTAMP": _TIME}
_CUSTOM_INTERACTIONS = _INTERACTION | {"EVENT_TYPE": _KIND} | _ATTRIBUTION
_DOMAIN_INTERACTIONS = _INTERACTION | {"EVENT_TYPE": _REQUIRED_KIND} | _ATTRIBUTION

RESERVED: dict[tuple[str, str | None], Mapping[str, Rule]] = {
    ("INTERACTIONS", None): _CUSTOM_INTERACTIONS,
    ("INTERACTIONS", "ECOMMERCE"): _DOMAIN_INTERACTIONS,
    ("INTERACTIONS", "VIDEO_ON_DEMAND"): _DOMAIN_INTERACTIONS,
    ("USERS", None): {"USER_ID": _ID},
    ("USERS", "ECOMMERCE"): {"USER_ID": _ID},
    ("USERS", "VIDEO_ON_DEMAND"): {"USER_ID": _ID, "SUBSCRIPTION_MODEL": _CATEGORY},
    ("ITEMS", None): {"ITEM_ID": _ID, "CREATION_TIMESTAMP": _LONG},
    ("ITEMS", "ECOMMERCE"): {
        "ITEM_ID": _ID,
        "PRICE": Rule("float", required=True),
        "CATEGORY_L1": Rule("string", required=True, categorical=True),
        "CATEGORY_L2": _CATEGORY,
        "CATEGORY_L3": _CATEGORY,
        "PRODUCT_DESCRIPTION": _STRING,
        "CREATION_TIMESTAMP": _LONG,
        "AGE_GROUP": _CATEGORY,
        "ADULT": _CATEGORY,
        "GENDER": _CATEGORY,
    },
    ("ITEMS", "VIDEO_ON_DEMAND"): {
        "ITEM_ID": _ID,
        "CREATION_TIMESTAMP": Rule("long", required=True),
        "GENRES": Rule("string", required=True, categorical=True),
        "PRICE": _FLOAT,
        "DURATION": _FLOAT,
        "GENRE_L2": _CATEGORY,
        "GENRE_L3": _CATEGORY,
        "AVERAGE_RATING": _FLOAT,
        "PRODUCT_DESCRIPTION": _STRING,
        "CONTENT_OWNER": _CATEGORY,
        "CONTENT_CLASSIFICATION": _CATEGORY,
    },
    ("ACTIONS", None): {
        "ACTION_ID": _ID,
        "CREATION_TIMESTAMP": _LONG,
        "VALUE": _LONG,
        "TYPE": _STRING,
        "EXPIRATION_TIMESTAMP": _LONG,
        "REPEAT_FREQUENCY": _LONG,
    },
    ("ACTION_INTERACTIONS", None): {
        "USER_ID": _ID,
        "ACTION_ID": _ID,
        "EVENT_TYPE": _REQUIRED_KIND,
        "TIMESTAMP": _TIME,
        "IMPRESSION": _STRING,
        "RECOMMENDATION_ID": _STRING,
    },
}
"""(Dataset type, domain) to its reserved fields by upper-case name."""

NOT_FEATURES = {
    "INTERACTIONS": (
        "USER_ID",
        "ITEM_ID",
        "TIMESTAMP",
        "EVENT_TYPE",
        "EVENT_VALUE",
        "IMPRESSION",
        "RECOMMENDATION_ID",
        "EVENT_ATTRIBUTION_SOURCE",
    ),
    "USERS": ("USER_ID",),
    "ITEMS": ("ITEM_ID",),
}
"""Reserved columns that are not metadata, by dataset type."""
