"""What is asked of an installation with MovieLens in it, a case a row of the table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from performance.goals import ACTED, FILTERED, FIRST, KNOWN
from serving.shop import Films

PERSONAL = {"aws-user-personalization": "user-personalization", "aws-user-personalization-v2": "v2"}
RANKING, RELATED = "aws-personalized-ranking", "aws-sims"
RECIPES = (*PERSONAL, RANKING, RELATED)
ANSWERS, RANKED, REPEATED = 25, 100, 500
"""Items of an answer; items of a list to be ranked; users who are asked about again and again."""
STATE = "serving.json"
"""The file in which an installation's folder keeps `Installed`."""
PATH = "/recommendations"


@dataclass(frozen=True)
class Installed:
    """What is asked of an installation."""

    campaigns: dict[str, str]
    """ARN by recipe."""
    filter: str
    tracking: str


def kept(folder: Path) -> Installed:
    """What an installation's folder keeps."""
    return msgspec.json.decode((folder / STATE).read_bytes(), type=Installed)


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    path: str
    bodies: list[dict[str, Any]]
    first: bool = False
    """Whether each is asked once, of a server that was just started."""
    before: list[dict[str, Any]] | None = None
    """Calls of PutEvents that come before."""


def cases(installed: Installed, films: Films) -> list[Case]:
    """All that the installation's campaigns can be asked; those before which users act come last."""
    users, items = films.users, films.interactions["ITEM_ID"].unique().sort().to_list()
    again = users[:: max(len(users) // REPEATED, 1)][:REPEATED]
    found = []
    for recipe, name in PERSONAL.items():
        if recipe not in installed.campaigns:
            continue
        asked = {"campaignArn": installed.campaigns[recipe], "numResults": ANSWERS}
        genres = {"filterArn": installed.filter, "filterValues": {"GENRES": '"Drama"'}}
        events = [event(installed.tracking, user, items[at % len(items)]) for at, user in enumerate(users)]
        found += [
            Case(f"{name}, {KNOWN}", PATH, [asked | {"userId": user} for user in again]),
            Case(f"{name}, {FILTERED}", PATH, [asked | {"userId": user} | genres for user in again]),
            Case(f"{name}, {FIRST}", PATH, [asked | {"userId": user} for user in users], True),
            Case(f"{name}, {ACTED}", PATH, [asked | {"userId": user} for user in users], True, events),
        ]
    if arn := installed.campaigns.get(RANKING):
        lists = [items[at % 50 : at % 50 + RANKED] for at in range(len(again))]
        bodies: list[dict[str, Any]] = [
            {"campaignArn": arn, "userId": user, "inputList": each} for user, each in zip(again, lists, strict=True)
        ]
        found.append(Case(f"personalized-ranking of {RANKED} items", "/personalize-ranking", bodies))
    if arn := installed.campaigns.get(RELATED):
        bodies = [{"campaignArn": arn, "itemId": item, "numResults": ANSWERS} for item in items[:REPEATED]]
        found.append(Case("sims", PATH, bodies))
    return sorted(found, key=lambda case: case.before is not None)


def event(tracking: str, user: str, item: str) -> dict[str, Any]:
    """A call of PutEvents: the user watches the item."""
    each = {"eventType": "watch", "itemId": item, "sentAt": 1_700_000_000}
    return {"trackingId": tracking, "sessionId": f"s{user}", "userId": user, "eventList": [each]}


def check(answer: bytes) -> None:
    """Raises RuntimeError where an answer, with its head, is not `ANSWERS` different items."""
    listed = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])["itemList"]
    if b" 200 " not in answer[:16] or len({each["itemId"] for each in listed}) != ANSWERS:
        raise RuntimeError(answer.decode())
