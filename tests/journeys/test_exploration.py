"""New items between trainings, as a client sees them."""

from __future__ import annotations

import json

import pytest

from journeys.steps import ITEMS_SCHEMA, Journey, genre_of
from support import Server, refused, settled

RECIPE = "aws-user-personalization"
MOST = {"itemExplorationConfig": {"explorationWeight": "1"}}
NOW = 1_700_000_000


@pytest.fixture(scope="module")
def way(server: Server) -> Journey:
    """All items are old: only those that are put may be explored."""
    journey = Journey(server, "exploring")
    dated = [*ITEMS_SCHEMA["fields"], {"name": "CREATION_TIMESTAMP", "type": "long"}]
    rows = "".join(f"{item},{genre_of(item)},1990,1400000000\n" for item in range(300))
    head = "ITEM_ID,GENRE,YEAR,CREATION_TIMESTAMP\n"
    journey.data(items=(head + rows).encode(), items_schema=ITEMS_SCHEMA | {"fields": dated})
    journey.train(RECIPE)
    return journey


def put(way: Journey, item: str) -> None:
    properties = json.dumps({"genre": "Horror", "year": 2023, "creationTimestamp": NOW})
    way.events.put_items(datasetArn=way.arns["ITEMS"], items=[{"itemId": item, "properties": properties}])


def share(way: Journey, campaign: str, item: str) -> float:
    """Of 30 answers."""
    return sum(item in way.recommend(campaign, userId="3") for _ in range(30)) / 30


def campaign(way: Journey, name: str, version: str) -> None:
    way.arns[name] = way.personalize.create_campaign(name=name, solutionVersionArn=version, campaignConfig=MOST)[
        "campaignArn"
    ]


def test_a_batch_job_brings_new_items_into_the_campaign_too(way: Journey) -> None:
    campaign(way, "full", way.arns[f"{RECIPE} version"])
    put(way, "first")
    assert share(way, "full", "first") == 0
    way.begin_batch("inference", RECIPE, "batch", [{"userId": "3"}], batchInferenceJobConfig=MOST)
    (answer,) = way.batch_answers("inference", "batch")
    assert "first" in answer["output"]["recommendedItems"]
    assert share(way, "full", "first") > 0.9
    horror = way.filter("horror", 'INCLUDE ItemID WHERE Items.GENRE IN ("Horror") AND Items.YEAR = 2023')
    assert way.recommend("full", userId="3", filterArn=horror) == ["first"]


def test_an_update_is_a_version_with_new_items_and_the_old_metrics(way: Journey) -> None:
    put(way, "second")
    solution = way.arns[f"{RECIPE} solution"]
    update = way.personalize.create_solution_version(solutionArn=solution, trainingMode="UPDATE")["solutionVersionArn"]
    ended = settled(way.personalize.describe_solution_version, "solutionVersion", solutionVersionArn=update)
    assert (ended["status"], ended["trainingMode"], ended["trainingType"]) == ("ACTIVE", "UPDATE", "MANUAL")
    metrics = way.personalize.get_solution_metrics
    full = way.arns[f"{RECIPE} version"]
    assert metrics(solutionVersionArn=update)["metrics"] == metrics(solutionVersionArn=full)["metrics"]
    campaign(way, "update", update)
    assert share(way, "update", "second") > 0.9
    assert share(way, "full", "second") == 0


def test_age_limits_are_checked(way: Journey) -> None:
    for age in ("0", "-1", "inf", "nan", "x", "1_0"):
        refused(
            "InvalidInputException",
            "above 0",
            way.personalize.create_campaign,
            name="wrong",
            solutionVersionArn=way.arns[f"{RECIPE} version"],
            campaignConfig={"itemExplorationConfig": {"explorationItemAgeCutOff": age}},
        )
