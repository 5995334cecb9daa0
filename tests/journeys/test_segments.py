"""Batch segment jobs: users for an item, and for items with certain attributes."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from journeys.steps import GENRES, INTERACTIONS_SCHEMA, ITEMS, ITEMS_SCHEMA, USERS, Journey, as_csv, interactions_csv
from support import Server, settled

ITEM, ATTRIBUTE = "aws-item-affinity", "aws-item-attribute-affinity"

USERS_SCHEMA = {
    "type": "record",
    "name": "Users",
    "namespace": "com.amazonaws.personalize.schema",
    "fields": [
        {"name": "USER_ID", "type": "string"},
        {"name": "COUNTRY", "type": "string", "categorical": True},
    ],
    "version": "1.0",
}


def country_of(user: int) -> str:
    return "DE" if user % 2 else "FR"


@pytest.fixture(scope="module")
def journey(server: Server) -> Journey:
    way = Journey(server, "segments")
    way.data()
    way.dataset("USERS", USERS_SCHEMA)
    way.load("USERS", as_csv([("USER_ID", "COUNTRY"), *((str(user), country_of(user)) for user in range(USERS))]))
    way.train(ITEM, ATTRIBUTE)
    return way


def segments(way: Journey, recipe: str, job: str, lines: list[Any], **more: Any) -> list[dict[str, Any]]:
    """The answers of a job, in the order of the lines."""
    way.begin_batch("segment", recipe, job, lines, **more)
    return way.batch_answers("segment", job)


def fans(genre: str) -> set[str]:
    return {str(user) for user in range(USERS) if GENRES[user % len(GENRES)] == genre}


def test_metrics_are_the_three_of_segments(journey: Journey) -> None:
    for recipe, least in ((ITEM, 0.03), (ATTRIBUTE, 0.5)):
        found = journey.personalize.get_solution_metrics(solutionVersionArn=journey.arns[f"{recipe} version"])
        metrics = found["metrics"]
        assert sorted(metrics) == ["coverage", "hits_at_1_percent", "recall_at_1_percent"]
        assert metrics["recall_at_1_percent"] > least
        assert 0 < metrics["coverage"] <= 1


def test_users_for_an_item(journey: Journey) -> None:
    lines = [{"itemId": "12"}, {"itemId": "no such item"}, b"{", {"userId": "3"}, {"itemId": "13"}]
    answers = segments(journey, ITEM, "by-item", lines, numResults=10)
    assert [answer["error"] is None for answer in answers] == [True, False, False, False, True]
    assert [answer["output"] is None for answer in answers] == [False, True, True, True, False]
    assert "no such item" in answers[1]["error"]
    assert answers[0]["input"] == {"itemId": "12"}
    for answer, item in ((answers[0], 12), (answers[4], 13)):
        assert list(answer["output"]) == ["usersList"]
        users = answer["output"]["usersList"]
        assert len(users) == len(set(users)) == 10
        assert len(fans(GENRES[item % len(GENRES)]) & set(users)) >= 5  # by chance: 2


def test_everyone_is_in_a_segment_that_is_large_enough(journey: Journey) -> None:
    (answer,) = segments(journey, ITEM, "everyone", [{"itemId": "12"}], numResults=5_000_000)
    assert sorted(answer["output"]["usersList"]) == sorted(map(str, range(USERS)))
    (answer,) = segments(journey, ITEM, "default", [{"itemId": "12"}])
    assert len(answer["output"]["usersList"]) == 25


def test_users_for_attributes(journey: Journey) -> None:
    queries = [
        'ITEMS.GENRE = "Horror"',
        "Items.genre = 'Drama' and items.GENRE = \"Classic\"",
        'ITEMS.GENRE = "Horror" AND ITEMS.YEAR = 1962',
        'ITEMS.GENRE = "horror"',
        'ITEMS.GENRE = "Horror" OR ITEMS.GENRE = "Drama"',
        'ITEMS.GENRE IN ("Horror")',
        'ITEMS.GENRE = "Horror" AND',
        "ITEMS.YEAR = many",
        'ITEMS.COLOUR = "red"',
        "ITEMS.GENRE = 3",
    ]
    answers = segments(
        journey, ATTRIBUTE, "by-attributes", [{"itemAttributes": query} for query in queries], numResults=8
    )
    assert [answer["input"]["itemAttributes"] for answer in answers] == queries
    assert [answer["error"] is None for answer in answers] == [True] * 3 + [False] * 7
    for answer, genre in zip(answers, ("Horror", "Drama", "Horror"), strict=False):
        assert len(fans(genre) & set(answer["output"]["usersList"])) >= 6
    for answer, part in zip(answers[3:], ("no item", "OR", "IN", "AND", "number", "COLOUR", "quotation"), strict=True):
        assert part in answer["error"]


def test_filters_select_users(journey: Journey) -> None:
    journey.filter("country", "INCLUDE UserID WHERE Users.COUNTRY IN ($C)")
    journey.filter("watchers", 'EXCLUDE UserID WHERE Interactions.EVENT_TYPE IN ("WATCH")')
    journey.filter("items", 'INCLUDE ItemID WHERE Items.GENRE IN ("Drama")')
    lines = [{"itemId": "12", "filterValues": {"C": f'"{country}"'}} for country in ("DE", "FR")]
    answers = segments(
        journey, ITEM, "by-country", [*lines, {"itemId": "12"}], filterArn=journey.arns["country"], numResults=USERS
    )
    for answer, country in zip(answers, ("DE", "FR"), strict=False):
        assert set(answer["output"]["usersList"]) == {str(u) for u in range(USERS) if country_of(u) == country}
    assert "C" in answers[2]["error"]
    (answer,) = segments(journey, ITEM, "none", [{"itemId": "12"}], filterArn=journey.arns["watchers"])
    assert answer["output"]["usersList"] == []
    for recipe, chosen in ((ITEM, "items"), (ATTRIBUTE, "watchers")):
        with pytest.raises(ClientError, match="InvalidInputException"):
            journey.personalize.create_batch_segment_job(
                **journey.batch_request(recipe, "refused", filterArn=journey.arns[chosen])
            )


def test_events_count_without_a_training(journey: Journey) -> None:
    tracker = journey.personalize.create_event_tracker(name="segments", datasetGroupArn=journey.arns["group"])
    for item in range(17, ITEMS, 5):  # Horror, but not the item of the question: nobody here sees an item twice
        events = [{"eventType": "click", "itemId": str(item), "sentAt": 1_600_000_000 + item}]
        journey.events.put_events(trackingId=tracker["trackingId"], userId="new", sessionId="s", eventList=events)
    (answer,) = segments(journey, ITEM, "after-events", [{"itemId": "12"}], numResults=10)
    assert "new" in answer["output"]["usersList"]


def test_what_is_wrong_is_refused(journey: Journey) -> None:
    journey.train("aws-popularity-count")
    client = journey.personalize
    refused = client.exceptions.InvalidInputException
    with pytest.raises(refused, match="segments"):
        client.create_batch_segment_job(**journey.batch_request("aws-popularity-count", "wrong"))
    with pytest.raises(refused, match="numResults"):
        client.create_batch_segment_job(**journey.batch_request(ITEM, "wrong", numResults=5_000_001))
    with pytest.raises(refused, match="batch segment"):
        client.create_batch_inference_job(**journey.batch_request(ITEM, "wrong"))
    with pytest.raises(refused, match="batch segment"):
        client.create_campaign(name="wrong", solutionVersionArn=journey.arns[f"{ITEM} version"])
    arn = client.create_batch_segment_job(**journey.batch_request(ITEM, "nothing-there"))["batchSegmentJobArn"]
    ended = settled(client.describe_batch_segment_job, "batchSegmentJob", batchSegmentJobArn=arn)
    assert ended["status"] == "CREATE FAILED"
    assert "Invalid S3 input path" in ended["failureReason"]
    listed = client.list_batch_segment_jobs(solutionVersionArn=journey.arns[f"{ITEM} version"])["batchSegmentJobs"]
    assert {"by-item", "nothing-there"} <= {job["jobName"] for job in listed}


def test_attributes_need_items_that_have_some(server: Server) -> None:
    way = Journey(server, "bare")
    way.s3.create_bucket(Bucket=way.bucket)
    way.arns["group"] = way.personalize.create_dataset_group(name=way.name)["datasetGroupArn"]
    way.dataset("INTERACTIONS", INTERACTIONS_SCHEMA)
    way.load("INTERACTIONS", interactions_csv())
    with pytest.raises(AssertionError, match="needs an Items dataset"):
        way.train(ATTRIBUTE)
    fields = [{**field, "type": ["null", field["type"]]} for field in ITEMS_SCHEMA["fields"][1:]]
    way.dataset("ITEMS", ITEMS_SCHEMA | {"fields": [*ITEMS_SCHEMA["fields"][:1], *fields]})
    way.load("ITEMS", as_csv([("ITEM_ID", "GENRE", "YEAR"), *((str(item), "", "") for item in range(ITEMS))]))
    again = way.personalize.create_solution_version(solutionArn=way.arns[f"{ATTRIBUTE} solution"])
    way.arns[f"{ATTRIBUTE} version"] = again["solutionVersionArn"]
    ended = way.version(ATTRIBUTE)
    assert ended["status"] == "CREATE FAILED"
    assert "makes segments by GENRE, YEAR, and no item has a value there: import items" in ended["failureReason"]
