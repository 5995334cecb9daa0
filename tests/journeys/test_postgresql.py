"""The way of a user whose installation keeps its documents, events and answers in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from journeys.steps import INTERACTIONS_SCHEMA, Journey, interactions_csv
from postgres import Postgres
from support import Server, terminal, wait_for

RECIPE = "aws-popularity-count"
NOT_SEEN = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")'


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> str:
    return postgres.database()


@pytest.fixture(scope="module")
def server(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("postgresql") / "data", database_url=url).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def way(server: Server) -> Journey:
    """A campaign of the most popular items, and a filter by what a user has had."""
    journey = Journey(server, "postgresql")
    journey.s3.create_bucket(Bucket=journey.bucket)
    journey.arns["group"] = journey.personalize.create_dataset_group(name="postgresql")["datasetGroupArn"]
    journey.dataset("INTERACTIONS", INTERACTIONS_SCHEMA)
    journey.load("INTERACTIONS", interactions_csv())
    journey.arns["tracker"] = journey.tracker()
    journey.train(RECIPE)
    journey.deploy(RECIPE)
    journey.filter("not-seen", NOT_SEEN)
    return journey


def items(way: Journey, user: str) -> list[str]:
    return way.recommend(RECIPE, userId=user, filterArn=way.arns["not-seen"], numResults=5)


def put(way: Journey, user: str, item: str) -> None:
    event = {"eventType": "click", "sentAt": 1_600_000_000, "itemId": item, "properties": json.dumps({})}
    way.events.put_events(trackingId=way.arns["tracker"], userId=user, sessionId=user, eventList=[event])


def test_what_is_put_counts_in_the_next_answer(way: Journey) -> None:
    for number in range(5):
        best = items(way, "newcomer")[0]
        put(way, "newcomer", best)
        assert best not in items(way, "newcomer"), number


def test_nothing_of_it_is_in_the_data_folder(way: Journey, url: str) -> None:
    names = {path.name for path in way.server.data_dir.iterdir()}
    assert names.isdisjoint({"catalogue.db", "live.db", "shown.db", "tallies.db", "access_key.json"})
    told = terminal("env", "--data-dir", str(way.server.data_dir), TAILORBIRD_DATABASE_URL=url)
    assert f"AWS_ACCESS_KEY_ID={way.server.environment()['AWS_ACCESS_KEY_ID']}" in told.stdout
    elsewhere = way.server.data_dir.parent / "other machine"
    assert terminal("env", "--data-dir", str(elsewhere), TAILORBIRD_DATABASE_URL=url).stdout.count("AWS_") == 5


def test_work_goes_on_after_the_database_was_started_again(way: Journey, postgres: Postgres) -> None:
    """Whoever asks meanwhile is told to come again, and what was acknowledged counts afterwards."""
    best = items(way, "patient")[0]
    put(way, "patient", best)
    postgres.stop()
    try:
        for ask in (lambda: put(way, "patient", "1"), lambda: way.personalize.list_schemas()):
            with pytest.raises(ClientError) as caught:
                ask()
            told: Any = caught.value.response
            assert told["Error"]["Code"] == "ServiceUnavailable"
            assert told["ResponseMetadata"]["HTTPStatusCode"] == 503
            assert told["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
    finally:
        postgres.start()

    def works() -> bool:
        try:
            return best not in items(way, "patient")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ServiceUnavailable":
                raise
            return False

    wait_for(works)
    put(way, "patient", items(way, "patient")[0])
    assert way.delete_users(b"USER_ID\npatient\n", "patient")["status"] == "COMPLETED"
    assert best in items(way, "patient")


def test_nothing_stays_of_what_is_deleted(way: Journey, url: str, postgres: Postgres) -> None:
    put(way, "last", "1")
    client, arns = way.personalize, way.arns
    (tracker,) = client.list_event_trackers(datasetGroupArn=arns["group"])["eventTrackers"]
    client.delete_campaign(campaignArn=arns[RECIPE])
    client.delete_event_tracker(eventTrackerArn=tracker["eventTrackerArn"])
    client.delete_filter(filterArn=arns["not-seen"])
    wait_for(lambda: not client.list_campaigns()["campaigns"])
    client.delete_solution(solutionArn=arns[f"{RECIPE} solution"])
    client.delete_dataset(datasetArn=arns["INTERACTIONS"])
    wait_for(lambda: not client.list_datasets()["datasets"] and not client.list_solutions()["solutions"])
    client.delete_dataset_group(datasetGroupArn=arns["group"])
    client.delete_schema(schemaArn=arns["INTERACTIONS schema"])
    wait_for(lambda: not client.list_dataset_groups()["datasetGroups"])
    name = url.partition("@/")[2].partition("?")[0]
    wait_for(lambda: postgres.ask("SELECT count(*) FROM events", name) == 0)
    assert postgres.ask("SELECT count(*) FROM documents WHERE kind IN ('DatasetGroup', 'Campaign')", name) == 0
