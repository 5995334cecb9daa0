"""What changes after it was created: campaigns, solutions, schemas; stopped trainings; metadata and promotions."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from journeys.steps import ITEMS_SCHEMA, NO_EXPLORATION, Journey, genre_of, interactions_csv, items_csv
from support import ROLE, Server, refused, settled, wait_for

SIMS, POPULAR, PERSONAL, RANKING = (
    "aws-sims",
    "aws-popularity-count",
    "aws-user-personalization",
    "aws-personalized-ranking",
)


@pytest.fixture(scope="module")
def way(server: Server) -> Journey:
    journey = Journey(server, "changing")
    journey.data()
    journey.train(POPULAR, SIMS, PERSONAL, RANKING)
    journey.deploy(POPULAR, SIMS)
    return journey


def campaign(way: Journey, name: str) -> dict[str, Any]:
    return way.personalize.describe_campaign(campaignArn=way.arns[name])["campaign"]


def test_a_campaign_serves_the_old_version_until_its_update_is_done(way: Journey) -> None:
    arn, other = way.arns[POPULAR], way.arns[f"{PERSONAL} version"]
    assert "latestCampaignUpdate" not in campaign(way, POPULAR)
    config = {"itemExplorationConfig": {"explorationWeight": "0.1"}}
    answer = way.personalize.update_campaign(
        campaignArn=arn, solutionVersionArn=other, minProvisionedTPS=3, campaignConfig=config
    )
    assert answer["campaignArn"] == arn
    begun = campaign(way, POPULAR)
    assert begun["status"] == "ACTIVE"
    assert begun["solutionVersionArn"] == way.arns[f"{POPULAR} version"]
    assert begun["latestCampaignUpdate"]["status"] in ("CREATE PENDING", "CREATE IN_PROGRESS")
    assert begun["latestCampaignUpdate"]["solutionVersionArn"] == other
    assert len(way.recommend(POPULAR)) == 25  # popularity still answers, for nobody in particular
    refused("ResourceInUseException", "under way", way.personalize.update_campaign, campaignArn=arn)
    refused("ResourceInUseException", "under way", way.personalize.delete_campaign, campaignArn=arn)
    in_use = {"solutionArn": way.arns[f"{PERSONAL} solution"]}
    refused("ResourceInUseException", "in use", way.personalize.delete_solution, **in_use)
    wait_for(lambda: campaign(way, POPULAR)["solutionVersionArn"] == other)
    ended = campaign(way, POPULAR)
    assert ended["latestCampaignUpdate"]["status"] == "ACTIVE"
    assert ended["campaignConfig"] == config
    assert ended["minProvisionedTPS"] == 3
    refused("InvalidInputException", "userId", way.runtime.get_recommendations, campaignArn=arn)


def test_latest_follows_the_newest_version(way: Journey) -> None:
    solution = way.arns[f"{SIMS} solution"]
    config = {"syncWithLatestSolutionVersion": True}
    create = way.personalize.create_campaign
    version = way.arns[f"{SIMS} version"]
    refused("InvalidInputException", "$LATEST", create, name="x", solutionVersionArn=version, campaignConfig=config)
    refused("ResourceNotFoundException", "nothing", create, name="x", solutionVersionArn=solution + "nothing/$LATEST")
    way.arns["follower"] = create(name="follower", solutionVersionArn=f"{solution}/$LATEST", campaignConfig=config)[
        "campaignArn"
    ]
    assert campaign(way, "follower")["solutionVersionArn"] == version
    newer = way.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    wait_for(lambda: campaign(way, "follower")["solutionVersionArn"] == newer)
    assert campaign(way, "follower")["latestCampaignUpdate"]["status"] == "ACTIVE"
    assert campaign(way, SIMS)["solutionVersionArn"] == version


def test_exploration_settings_are_checked(way: Journey) -> None:
    for weight, words in {"2": "from 0 to 1", "x": "number"}.items():
        refused(
            "InvalidInputException",
            words,
            way.personalize.create_campaign,
            name="wrong",
            solutionVersionArn=way.arns[f"{PERSONAL} version"],
            campaignConfig={"itemExplorationConfig": {"explorationWeight": weight}},
        )


def test_a_solution_is_updated(way: Journey) -> None:
    arn = way.arns[f"{RANKING} solution"]
    update = way.personalize.update_solution
    refused("InvalidInputException", "Nothing to update", update, solutionArn=arn)
    wrong = {"autoTrainingConfig": {"schedulingExpression": "rate(31 days)"}}
    refused("InvalidInputException", "30 days", update, solutionArn=arn, solutionUpdateConfig=wrong)
    config = {"autoTrainingConfig": {"schedulingExpression": "rate(2 days)"}}
    update(solutionArn=arn, performAutoTraining=False, solutionUpdateConfig=config)

    def described() -> dict[str, Any]:
        return way.personalize.describe_solution(solutionArn=arn)["solution"]

    assert described()["performAutoTraining"] is True
    assert described()["latestSolutionUpdate"]["performAutoTraining"] is False
    refused("ResourceInUseException", "under way", way.personalize.delete_solution, solutionArn=arn)
    wait_for(lambda: described()["latestSolutionUpdate"]["status"] == "ACTIVE")
    assert described()["performAutoTraining"] is False
    assert described()["solutionConfig"] == config


def test_a_schema_is_replaced(way: Journey) -> None:
    def schema(name: str, *fields: dict[str, Any]) -> str:
        text = json.dumps(ITEMS_SCHEMA | {"fields": [*ITEMS_SCHEMA["fields"], *fields]})
        return way.personalize.create_schema(name=name, schema=text)["schemaArn"]

    arn, update = way.arns["ITEMS"], way.personalize.update_dataset
    strict = schema("strict", {"name": "MOOD", "type": "string", "categorical": True})
    refused("InvalidInputException", "MOOD is new and must allow null", update, datasetArn=arn, schemaArn=strict)
    users = way.arns["INTERACTIONS schema"]
    refused("InvalidInputException", "INTERACTIONS", update, datasetArn=arn, schemaArn=users)
    refused("InvalidInputException", "cannot be replaced", update, datasetArn=way.arns["INTERACTIONS"], schemaArn=users)
    new = schema("with-mood", {"name": "MOOD", "type": ["null", "string"], "categorical": True})

    def described() -> dict[str, Any]:
        return way.personalize.describe_dataset(datasetArn=arn)["dataset"]

    assert update(datasetArn=arn, schemaArn=new) == {"datasetArn": arn, "ResponseMetadata": AnyValue()}
    assert described()["status"] in ("UPDATE PENDING", "UPDATE IN_PROGRESS")
    refused("ResourceInUseException", "in use", way.personalize.delete_schema, schemaArn=new)
    refused("ResourceInUseException", "UPDATE", update, datasetArn=arn, schemaArn=new)
    wait_for(lambda: described()["status"] == "ACTIVE")
    assert described()["schemaArn"] == new
    assert described()["latestDatasetUpdate"]["schemaArn"] == new
    assert described()["latestDatasetUpdate"]["status"] == "ACTIVE"
    way.personalize.delete_schema(schemaArn=way.arns["ITEMS schema"])
    time.sleep(1.1)  # a serving process may keep a dataset's schema for a second
    sad = way.filter("sad", 'EXCLUDE ItemID WHERE Items.MOOD IN ("sad")')
    assert len(way.recommend(SIMS, itemId="3", filterArn=sad)) == 25
    head, _, rows = items_csv().partition(b"\r\n")
    moody = b"".join(row + b",sad\r\n" for row in rows.splitlines())
    way.load("ITEMS", head + b",MOOD\r\n" + moody, "moody")
    assert way.recommend(SIMS, itemId="3", filterArn=sad) == []


class AnyValue:
    """Equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def test_a_training_is_stopped(server: Server) -> None:
    way = Journey(server, "stopped")
    way.data(interactions=long_csv())
    solution = way.personalize.create_solution(
        name="stopped", datasetGroupArn=way.arns["group"], recipeArn=f"arn:aws:personalize:::recipe/{PERSONAL}"
    )["solutionArn"]
    first, second, waiting = (
        way.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"] for _ in range(3)
    )
    stop = way.personalize.stop_solution_version_creation

    def status(arn: str) -> str:
        return way.personalize.describe_solution_version(solutionVersionArn=arn)["solutionVersion"]["status"]

    stop(solutionVersionArn=waiting)
    assert status(waiting) == "CREATE STOPPED"
    wait_for(lambda: status(first) == "CREATE IN_PROGRESS")
    stop(solutionVersionArn=first)
    assert status(first) in ("CREATE STOPPING", "CREATE STOPPED")
    wait_for(lambda: status(first) == "CREATE STOPPED")
    refused("ResourceInUseException", "CREATE STOPPED", stop, solutionVersionArn=first)
    ended = settled(way.personalize.describe_solution_version, "solutionVersion", solutionVersionArn=second)
    assert ended["status"] == "ACTIVE"
    assert status(first) == status(waiting) == "CREATE STOPPED"
    way.personalize.delete_solution(solutionArn=solution)


def long_csv() -> bytes:
    """Enough rows for a training of some seconds."""
    head, _, rows = interactions_csv().partition(b"\r\n")
    copies = (b"\r\n".join(b"%d-" % copy + row for row in rows.splitlines()) for copy in range(15))
    return head + b"\r\n" + b"\r\n".join(copies) + b"\r\n"


def test_metadata_and_promotions(way: Journey) -> None:
    ask = way.runtime.get_recommendations
    plain = way.arns[SIMS]
    refused(
        "InvalidInputException",
        "enableMetadata",
        ask,
        campaignArn=plain,
        itemId="5",
        metadataColumns={"ITEMS": ["YEAR"]},
    )
    arn = way.personalize.create_campaign(
        name="rich",
        solutionVersionArn=way.arns[f"{PERSONAL} version"],
        campaignConfig={"enableMetadataWithRecommendations": True, **NO_EXPLORATION},
    )["campaignArn"]
    columns = {"ITEMS": ["GENRE", "YEAR"]}
    items = ask(campaignArn=arn, userId="3", numResults=50, metadataColumns=columns)["itemList"]
    assert len(items) == 50
    for item in items:
        number = int(item["itemId"])
        assert item["metadata"]["genre"].split("|")[0] == genre_of(number)
        known = not (number % 50 == 7 or number == 11)
        assert item["metadata"].get("year") == (str(1950 + number % 60) if known else None)
    refused("InvalidInputException", "50", ask, campaignArn=arn, userId="3", numResults=51, metadataColumns=columns)
    refused("InvalidInputException", "COLOUR", ask, campaignArn=arn, userId="3", metadataColumns={"ITEMS": ["COLOUR"]})
    refused("InvalidInputException", "USERS", ask, campaignArn=arn, userId="3", metadataColumns={"USERS": ["AGE"]})

    horror = way.filter("horror", "INCLUDE ItemID WHERE Items.GENRE IN ($G)")
    drama = way.filter("drama", 'INCLUDE ItemID WHERE Items.GENRE IN ("Drama")')
    promotion = {
        "name": "fear",
        "percentPromotedItems": 30,
        "filterArn": horror,
        "filterValues": {"G": '"Horror"'},
    }
    answer = ask(campaignArn=arn, userId="3", numResults=11, filterArn=drama, promotions=[promotion])["itemList"]
    promoted = [item for item in answer if "promotionName" in item]
    assert len(answer) == 11
    assert [item["promotionName"] for item in promoted] == ["fear"] * 3
    assert {genre_of(int(item["itemId"])) for item in promoted} == {"Horror"}
    assert {genre_of(int(item["itemId"])) for item in answer if item not in promoted} == {"Drama"}
    best = way.runtime.get_recommendations(
        campaignArn=arn, userId="3", numResults=3, filterArn=horror, filterValues={"G": '"Horror"'}
    )["itemList"]
    assert [item["itemId"] for item in promoted] == [item["itemId"] for item in best]
    for member in ("name", "percentPromotedItems", "filterArn"):
        lacking = {name: value for name, value in promotion.items() if name != member}
        refused("InvalidInputException", member, ask, campaignArn=arn, userId="3", promotions=[lacking])


def test_metric_attribution(way: Journey) -> None:
    client, output = way.personalize, {"roleArn": ROLE}

    def metric(name: str, expression: str) -> dict[str, str]:
        return {"eventType": "watch", "metricName": name, "expression": expression}

    common = {"name": "worth", "datasetGroupArn": way.arns["group"], "metricsOutputConfig": output}
    for expression, words in {
        "SUM(Items.GENRE)": "no numeric column GENRE",
        "SUM(Items.PRICE)": "no numeric column PRICE",
        "SUM(Users.AGE)": "none of SAMPLECOUNT()",
        "AVG(Items.YEAR)": "none of SAMPLECOUNT()",
    }.items():
        wrong = [metric("a", "SAMPLECOUNT()"), metric("b", expression)]
        refused("InvalidInputException", words, client.create_metric_attribution, metrics=wrong, **common)
    twice = [metric("a", "SAMPLECOUNT()")] * 2
    refused("InvalidInputException", "metricName", client.create_metric_attribution, metrics=twice, **common)
    good = [metric("views", "SAMPLECOUNT()"), metric("years", "SUM(items.year)")]
    arn = client.create_metric_attribution(metrics=good, **common)["metricAttributionArn"]
    assert arn.endswith(":metric-attribution/worth")
    refused("ResourceAlreadyExistsException", arn, client.create_metric_attribution, metrics=good, **common)
    described = client.describe_metric_attribution(metricAttributionArn=arn)["metricAttribution"]
    assert (described["status"], described["metricsOutputConfig"]) == ("ACTIVE", output)
    listed = client.list_metric_attributions(datasetGroupArn=way.arns["group"])["metricAttributions"]
    assert [row["metricAttributionArn"] for row in listed] == [arn]

    def metrics() -> list[dict[str, str]]:
        pages = client.get_paginator("list_metric_attribution_metrics").paginate(
            metricAttributionArn=arn, PaginationConfig={"PageSize": 1}
        )
        return [row for page in pages for row in page["metrics"]]

    assert metrics() == good
    update = client.update_metric_attribution
    refused("InvalidInputException", "'none'", update, metricAttributionArn=arn, removeMetrics=["none"])
    again = {"metricAttributionArn": arn, "addMetrics": [metric("years", "SAMPLECOUNT()")]}
    refused("ResourceAlreadyExistsException", "years", update, **again)
    update(**again, removeMetrics=["years", "views"])
    assert metrics() == [metric("years", "SAMPLECOUNT()")]
    many = [metric(str(number), "SAMPLECOUNT()") for number in range(10)]
    refused("InvalidInputException", "at most 10", update, metricAttributionArn=arn, addMetrics=many)
    client.delete_metric_attribution(metricAttributionArn=arn)


def test_segments_say_what_is_missing(way: Journey) -> None:
    version = way.arns[f"{SIMS} version"]
    refused(
        "InvalidInputException",
        "aws-item-affinity",
        way.personalize.create_batch_segment_job,
        jobName="users",
        solutionVersionArn=version,
        roleArn=ROLE,
        jobInput={"s3DataSource": {"path": "s3://b/in.json"}},
        jobOutput={"s3DataDestination": {"path": "s3://b/out/"}},
    )
    assert way.personalize.list_batch_segment_jobs(solutionVersionArn=version)["batchSegmentJobs"] == []
