"""What was shown and what it led to: answers that events name, and the metrics of those events."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.steps import INTERACTIONS_SCHEMA, Journey, field, interactions_csv, schema
from support import Server

RECIPE = "aws-popularity-count"
WITH_COLUMNS = schema(
    "Interactions",
    *INTERACTIONS_SCHEMA["fields"],
    field("IMPRESSION", ["null", "string"]),
    field("RECOMMENDATION_ID", ["null", "string"]),
    field("EVENT_ATTRIBUTION_SOURCE", ["null", "string"]),
)


class Shop(Journey):
    """A journey with a campaign of popular items, whose visitors click on what they are shown."""

    def open(self) -> None:
        head, *rows = interactions_csv().split()
        added = b",IMPRESSION,RECOMMENDATION_ID,EVENT_ATTRIBUTION_SOURCE"
        self.data(b"\n".join([head + added, *(row + b",,," for row in rows)]), interactions_schema=WITH_COLUMNS)
        self.train(RECIPE)
        self.deploy(RECIPE)
        self.tracking_id = self.tracker()

    def shown(self, **request: Any) -> tuple[str, list[str]]:
        answer = self.runtime.get_recommendations(campaignArn=self.arns[RECIPE], **request)
        return answer["recommendationId"], [item["itemId"] for item in answer["itemList"]]

    def click(self, user: str, item: str, **event: Any) -> None:
        base = {"eventType": "click", "itemId": item, "sentAt": 1_700_000_000}
        self.events.put_events(
            trackingId=self.tracking_id, sessionId=f"s-{user}", userId=user, eventList=[base | event]
        )

    def stored(self, user: str) -> dict[str, str]:
        (row,) = [row for row in self.export("INTERACTIONS", "PUT") if row["USER_ID"] == user]
        return row


@pytest.fixture(scope="module")
def shop(server: Server) -> Shop:
    journey = Shop(server, "shop")
    journey.open()
    return journey


def test_an_answer_that_an_event_names_is_its_impression(shop: Shop) -> None:
    named, items = shop.shown(numResults=40)
    assert (len(named), len(items)) == (40, 40)
    shop.click("implicit", items[3], recommendationId=named)
    row = shop.stored("implicit")
    assert (row["IMPRESSION"], row["RECOMMENDATION_ID"]) == ("|".join(items[:25]), named)
    assert row["EVENT_ATTRIBUTION_SOURCE"] == "", "only what the client says"


def test_an_explicit_impression_wins(shop: Shop) -> None:
    named, items = shop.shown()
    shop.click("explicit", items[0], recommendationId=named, impression=["1", "2"])
    assert shop.stored("explicit")["IMPRESSION"] == "1|2"


def test_an_unknown_recommendation_id_is_no_error(shop: Shop) -> None:
    shop.click("unknown", "3", recommendationId="RID-unknown")
    row = shop.stored("unknown")
    assert (row["ITEM_ID"], row["IMPRESSION"], row["RECOMMENDATION_ID"]) == ("3", "", "RID-unknown")


def test_answers_survive_a_restart(shop: Shop, server: Server) -> None:
    named, items = shop.shown(numResults=5)
    server.stop()
    server.start()
    shop.connect()
    shop.click("later", items[0], recommendationId=named)
    assert shop.stored("later")["IMPRESSION"] == "|".join(items)


def test_answers_of_another_group_do_not_count(shop: Shop, server: Server) -> None:
    other = Shop(server, "other-shop")
    other.open()
    named, items = shop.shown()
    other.click("stranger", items[0], recommendationId=named)
    assert other.stored("stranger")["IMPRESSION"] == ""
