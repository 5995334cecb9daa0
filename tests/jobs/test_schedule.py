"""What time alone brings about, with a clock of the test's own: nothing here waits for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from journeys.steps import INTERACTIONS_SCHEMA, NO_EXPLORATION
from support import ROLE
from tailorbird.api import lifecycle, lookup
from tailorbird.api.resources import RESOURCES
from tailorbird.data import compaction
from tailorbird.errors import ResourceInUseException
from tailorbird.jobs import schedule, worker
from world import SIMS, World

HOUR, DAY = 3600.0, 86400.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.prepare()
    made.load("first", 0)
    yield made
    made.workspace.close()


def test_a_solution_trains_by_itself_within_the_hour_and_then_weekly_if_there_is_news(world: World) -> None:
    solution = world.solution()
    world.later(0.5 * HOUR)
    assert world.versions(solution) == []
    world.later(0.5 * HOUR)
    (first,) = world.versions(solution)
    assert (first["status"], first["trainingType"], first["trainingMode"]) == ("ACTIVE", "AUTOMATIC", "FULL")
    world.later(8 * DAY)
    assert len(world.versions(solution)) == 1, "nothing new to learn"
    world.load("second", 1)
    world.later(schedule.RECHECK)
    assert len(world.versions(solution)) == 2
    world.load("third", 2)
    world.later(6 * DAY)
    assert len(world.versions(solution)) == 2, "a week has not passed"
    world.later(1 * DAY)
    assert [version["trainingType"] for version in world.versions(solution)] == ["AUTOMATIC"] * 3


def test_a_version_made_by_hand_takes_the_place_of_the_first(world: World) -> None:
    solution = world.solution(solutionConfig={"autoTrainingConfig": {"schedulingExpression": "rate(2 days)"}})
    world.later(0.2 * HOUR)
    world.call("create_solution_version", solutionArn=solution)
    world.later(1 * HOUR)
    assert [version["trainingType"] for version in world.versions(solution)] == ["MANUAL"]
    world.load("second", 1)
    world.later(1.9 * DAY)
    assert len(world.versions(solution)) == 1
    world.later(0.1 * DAY)
    assert len(world.versions(solution)) == 2


def test_events_are_news_and_a_new_rate_starts_the_schedule_anew(world: World) -> None:
    solution = world.solution()
    tracker = world.call("create_event_tracker", name="t", datasetGroupArn=world.group)["trackingId"]
    world.later(1 * HOUR)
    event = {"eventType": "click", "itemId": "3", "sentAt": world.now}
    world.call("put_events", trackingId=tracker, sessionId="s", userId="u", eventList=[event])
    world.later(5 * DAY)
    rate = {"autoTrainingConfig": {"schedulingExpression": "rate(3 days)"}}
    world.call("update_solution", solutionArn=solution, solutionUpdateConfig=rate)
    world.later(1)
    world.later(2.9 * DAY)
    assert len(world.versions(solution)) == 1
    world.later(0.2 * DAY)
    assert len(world.versions(solution)) == 2


def test_events_that_only_move_into_the_table_are_no_news(world: World) -> None:
    tracker = world.call("create_event_tracker", name="t", datasetGroupArn=world.group)["trackingId"]
    event = {"eventType": "click", "itemId": "3", "sentAt": world.now}
    world.call("put_events", trackingId=tracker, sessionId="s", userId="u", eventList=[event])
    solution = world.solution()
    world.later(1 * HOUR)
    target = lookup.dataset(world.workspace, world.workspace.catalogue.get(world.dataset))
    compaction.move(world.workspace, target)
    assert world.workspace.live.all(target.arn) == []
    world.later(8 * DAY)
    assert len(world.versions(solution)) == 1


def test_automatic_training_can_be_off(world: World) -> None:
    solution = world.solution(performAutoTraining=False)
    for _ in range(3):
        world.later(10 * DAY)
    assert world.versions(solution) == []


def test_a_failed_training_does_not_begin_again_at_once(world: World) -> None:
    empty = world.call("create_dataset_group", name="empty")["datasetGroupArn"]
    solution = str(world.call("create_solution", name="e", datasetGroupArn=empty, recipeArn=SIMS)["solutionArn"])
    for _ in range(5):
        world.later(1 * HOUR)
    (only,) = world.versions(solution)
    assert only["status"] == "CREATE FAILED"


def test_two_servers_begin_one_training(world: World) -> None:
    solution = world.solution()
    seen = world.workspace.catalogue.get(solution)
    world.now += HOUR
    for _ in range(2):
        schedule._train(world.workspace, seen)  # both saw the document before either acted
    assert len(world.versions(solution)) == 1


def test_a_campaign_follows_automatic_versions(world: World) -> None:
    solution = world.solution()
    world.later(1 * HOUR)
    campaign = world.call(
        "create_campaign",
        name="c",
        solutionVersionArn=f"{solution}/$LATEST",
        campaignConfig={"syncWithLatestSolutionVersion": True},
    )["campaignArn"]
    world.load("second", 1)
    world.later(8 * DAY)
    for _ in range(3):
        world.later(1)
    described = world.call("describe_campaign", campaignArn=campaign)["campaign"]
    assert described["solutionVersionArn"] == world.versions(solution)[1]["solutionVersionArn"]
    assert described["latestCampaignUpdate"]["status"] == "ACTIVE"


def domain(world: World) -> str:
    """A domain's dataset group with interactions, into which the world imports from now on."""
    shop = world.call("create_dataset_group", name="shop", domain="ECOMMERCE")["datasetGroupArn"]
    text = json.dumps(INTERACTIONS_SCHEMA)
    schema = world.call("create_schema", name="shop", domain="ECOMMERCE", schema=text)["schemaArn"]
    world.dataset = world.call(
        "create_dataset", name="shop", datasetType="Interactions", datasetGroupArn=shop, schemaArn=schema
    )["datasetArn"]
    world.load("one", 0)
    return str(shop)


def recommender(world: World, group: str, name: str) -> str:
    recipe = "arn:aws:personalize:::recipe/aws-ecomm-recommended-for-you"
    created = world.call(
        "create_recommender",
        name=name,
        datasetGroupArn=group,
        recipeArn=recipe,
        recommenderConfig=NO_EXPLORATION,
    )
    return str(created["recommenderArn"])


def test_recommenders_train_again_weekly_and_answer_all_the_while(world: World) -> None:
    shop = domain(world)
    arn = recommender(world, shop, "r")
    world.work()

    def state() -> tuple[str, dict[str, float], list[str]]:
        found = world.call("describe_recommender", recommenderArn=arn)["recommender"]
        items = world.call("get_recommendations", recommenderArn=arn, userId="3")["itemList"]
        return found["_artifact"], found["modelMetrics"], [item["itemId"] for item in items]

    first = state()
    world.later(8 * DAY)
    assert state() == first, "nothing new to learn"
    world.load("two", 1)
    stamps = []
    for _ in range(2):
        world.later(1)
        lifecycle.sweep(world.workspace, RESOURCES)
        stamps.append(state()[0])
    assert stamps[0] == stamps[1] != first[0]
    assert state()[1] != first[1]
    world.load("three", 2)
    world.later(7 * DAY)
    world.later(1)
    lifecycle.sweep(world.workspace, RESOURCES)
    kept = world.workspace.config.data_dir / "artifacts" / "us-east-1" / "_recommender" / "r"
    folders = {path.name for path in kept.iterdir()}
    assert folders == {artifact.rpartition("/")[2] for artifact in (first[0], state()[0])}
    world.call("delete_recommender", recommenderArn=arn)
    world.later(1)
    lifecycle.sweep(world.workspace, RESOURCES)
    assert not kept.exists()
    assert world.workspace.catalogue.select("RecommenderTraining") == []


def test_trends_are_found_anew_when_an_interval_closes(world: World) -> None:
    world.now = 1_700_000_000.0 // HOUR * HOUR
    tracker = world.call("create_event_tracker", name="t", datasetGroupArn=world.group)["trackingId"]
    config = {"featureTransformationParameters": {"trend_discovery_frequency": "1 hour"}}
    recipe = "arn:aws:personalize:::recipe/aws-trending-now"
    solution = world.call(
        "create_solution", name="t", datasetGroupArn=world.group, recipeArn=recipe, solutionConfig=config
    )["solutionArn"]
    version = world.call("create_solution_version", solutionArn=solution)["solutionVersionArn"]
    world.work()
    campaign = world.call("create_campaign", name="t", solutionVersionArn=version)["campaignArn"]

    def first() -> str:
        return str(world.call("get_recommendations", campaignArn=campaign)["itemList"][0]["itemId"])

    old = first()
    for item, count in (("3", 2), ("new", 3)):
        for number in range(count):
            event = {"eventType": "click", "itemId": item, "sentAt": world.now + number}
            world.call("put_events", trackingId=tracker, sessionId="s", userId="u", eventList=[event])
    world.now += HOUR - 1
    assert first() == old
    world.now += 1
    assert first() == "new"
    world.now += 100 * HOUR
    assert first() == "new", "nothing happened since"


def test_recommenders_do_not_train_while_users_are_deleted(world: World) -> None:
    shop = domain(world)
    (world.files / "gone.csv").write_text("USER_ID\n3\n")

    def delete() -> str:
        request = {"dataSource": {"dataLocation": f"file://{world.files}/gone.csv"}, "roleArn": ROLE}
        created = world.call("create_data_deletion_job", jobName="gone", datasetGroupArn=shop, **request)
        return str(created["dataDeletionJobArn"])

    arn = recommender(world, shop, "r")
    with pytest.raises(ResourceInUseException, match=r"The recommender .* is CREATE PENDING"):
        delete()
    with pytest.raises(ResourceInUseException, match=r"The recommender .* is CREATE PENDING"):
        world.call("delete_dataset", datasetArn=world.dataset)
    world.work()
    world.load("two", 1)
    job = delete()
    with pytest.raises(ResourceInUseException, match=r"The data deletion job .* is PENDING"):
        recommender(world, shop, "other")
    first = world.workspace.catalogue.get(arn)["_artifact"]
    world.later(8 * DAY)
    assert world.workspace.catalogue.select("RecommenderTraining") == []
    worker.work(world.workspace, RESOURCES["DataDeletionJob"], job)
    described = world.call("describe_data_deletion_job", dataDeletionJobArn=job)["dataDeletionJob"]
    assert described["status"] == "COMPLETED"
    assert described["numDeleted"] > 0
    world.later(1)
    assert world.workspace.catalogue.get(arn)["_artifact"] != first
