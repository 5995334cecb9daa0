"""The server is killed in the middle of each kind of job, started again, and the job ends well."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from journeys.steps import Journey, interactions_csv
from support import ROLE, Server, settled, wait_for

RECIPE = "aws-user-personalization"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("server") / "data", lease_seconds=2, update_seconds=2).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def trained(server: Server) -> Journey:
    """What kills must leave as it is: data, and solution versions of three recipes."""
    journey = Journey(server, "crash")
    journey.data()
    journey.train("aws-popularity-count", "aws-sims", "aws-item-affinity")
    return journey


@pytest.fixture
def way(trained: Journey) -> Journey:
    """Connected to the server where it is since the last kill."""
    trained.connect()
    return trained


def die_and_return(way: Journey, *, workers: bool = False) -> None:
    """Kills the server without warning, starts it on the same folder, and reconnects."""
    way.server.kill(workers=workers)
    way.server.start()
    way.connect()


def in_progress(describe: Callable[..., Any], member: str, **arn: str) -> None:
    wait_for(lambda: describe(**arn)[member]["status"] == "CREATE IN_PROGRESS")


def long_csv(seed: int) -> bytes:
    """Enough rows for an import that takes a second or two."""
    body = interactions_csv(seed)
    head, _, rows = body.partition(b"\r\n")
    copies = [rows.replace(b",15", f",{16 + copy % 10}{copy % 7}".encode()) for copy in range(100)]
    return head + b"\r\n" + b"".join(copies)


def test_killed_during_import(server: Server) -> None:
    way = Journey(server, "long")
    way.data()
    before = journey_rows(server)
    way.s3.put_object(Bucket=way.bucket, Key="long.csv", Body=long_csv(1))
    arn = way.personalize.create_dataset_import_job(
        jobName="long",
        datasetArn=way.arns["INTERACTIONS"],
        dataSource={"dataLocation": f"s3://{way.bucket}/long.csv"},
        roleArn=ROLE,
        importMode="INCREMENTAL",
    )["datasetImportJobArn"]
    in_progress(way.personalize.describe_dataset_import_job, "datasetImportJob", datasetImportJobArn=arn)
    die_and_return(way)
    assert journey_rows(server) in (before, before + rows_of(long_csv(1)))
    ended = settled(way.personalize.describe_dataset_import_job, "datasetImportJob", datasetImportJobArn=arn)
    assert ended["status"] == "ACTIVE", ended
    assert journey_rows(server) == before + rows_of(long_csv(1))


def journey_rows(server: Server) -> int:
    """Rows in all manifests of the data folder."""
    manifests = [json.loads(path.read_text()) for path in (server.data_dir / "tables").glob("*/manifest.json")]
    return sum(part["rows"] for manifest in manifests for part in manifest["parts"])


def rows_of(body: bytes) -> int:
    return body.count(b"\n") - 1


def test_killed_during_training_and_batch(way: Journey) -> None:
    solution = way.personalize.create_solution(
        name="crash", datasetGroupArn=way.arns["group"], recipeArn=f"arn:aws:personalize:::recipe/{RECIPE}"
    )["solutionArn"]
    version = way.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    way.arns[f"{RECIPE} version"] = version
    in_progress(way.personalize.describe_solution_version, "solutionVersion", solutionVersionArn=version)
    # A training takes half a second, in which a worker that is left alone might end it.
    die_and_return(way, workers=True)
    with pytest.raises(way.personalize.exceptions.ResourceInUseException):
        way.personalize.create_campaign(name="early", solutionVersionArn=version)
    assert way.version(RECIPE)["status"] == "ACTIVE"
    way.deploy(RECIPE)
    assert len(way.recommend(userId="1")) == 25

    way.begin_batch("inference", RECIPE, "many", [{"userId": str(user % 80)} for user in range(30_000)])
    wait_for(lambda: way.batch_job("inference", "many")["status"] == "CREATE IN_PROGRESS")
    time.sleep(0.3)
    die_and_return(way)
    assert way.batch_output("many") is None, "the job was over before the server was killed: make it longer"
    answers = way.batch_answers("inference", "many")
    assert len(answers) == 30_000
    assert all(answer["error"] is None for answer in answers)


def test_killed_while_making_segments(way: Journey) -> None:
    way.begin_batch(
        "segment", "aws-item-affinity", "segments", [{"itemId": str(number % 150)} for number in range(25_000)]
    )
    wait_for(lambda: way.batch_job("segment", "segments")["status"] == "CREATE IN_PROGRESS")
    die_and_return(way)
    assert way.batch_output("segments") is None, "the job was over before the server was killed: make it longer"
    answers = way.batch_answers("segment", "segments")
    assert len(answers) == 25_000
    assert all(len(answer["output"]["usersList"]) == 25 for answer in answers)


def test_acknowledged_events_survive_a_kill(way: Journey) -> None:
    way.deploy("aws-popularity-count")
    tracker = way.personalize.create_event_tracker(name="t", datasetGroupArn=way.arns["group"])["trackingId"]
    for item in range(30):
        way.events.put_events(
            trackingId=tracker,
            userId="u",
            sessionId="s",
            eventList=[
                {"sentAt": 1_700_000_000 + item, "eventType": "watch", "itemId": str(item), "eventId": f"e{item}"}
            ],
        )
    die_and_return(way)
    watched = way.filter("watched", 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")')
    found = way.recommend("aws-popularity-count", userId="u", filterArn=watched, numResults=100)
    assert set(found) == {str(item) for item in range(30)}


def test_a_stop_on_request_is_orderly_and_the_job_goes_on_later(way: Journey) -> None:
    solution = way.personalize.create_solution(
        name="s", datasetGroupArn=way.arns["group"], recipeArn=f"arn:aws:personalize:::recipe/{RECIPE}"
    )["solutionArn"]
    version = way.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    in_progress(way.personalize.describe_solution_version, "solutionVersion", solutionVersionArn=version)
    assert way.server.stop() == 0
    way.server.start()
    way.connect()
    way.arns[f"{RECIPE} version"] = version
    assert way.version(RECIPE)["status"] == "ACTIVE"


def test_an_update_goes_on_after_a_kill(way: Journey) -> None:
    given, wanted = way.arns["aws-popularity-count version"], way.arns["aws-sims version"]
    arn = way.personalize.create_campaign(name="updated", solutionVersionArn=given)["campaignArn"]
    assert settled(way.personalize.describe_campaign, "campaign", campaignArn=arn)["status"] == "ACTIVE"
    way.personalize.update_campaign(campaignArn=arn, solutionVersionArn=wanted)
    die_and_return(way)

    def campaign() -> dict[str, Any]:
        return way.personalize.describe_campaign(campaignArn=arn)["campaign"]

    assert campaign()["latestCampaignUpdate"]["solutionVersionArn"] == wanted
    wait_for(lambda: campaign()["solutionVersionArn"] == wanted)
    assert campaign()["latestCampaignUpdate"]["status"] == "ACTIVE"
    assert len(way.runtime.get_recommendations(campaignArn=arn, itemId="3")["itemList"]) == 25
