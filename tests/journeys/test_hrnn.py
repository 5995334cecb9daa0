"""The three HRNN recipes through boto3: metadata, context, cold items, and the setting that hides them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from journeys.steps import Journey, as_csv, field, schema
from recipes.tastes import GENRES, KINDS, OLD_ITEMS, genre_of, kind_of, tastes
from support import Server, settled

RECIPES = ("aws-hrnn", "aws-hrnn-metadata", "aws-hrnn-coldstart")
CATEGORY = {"categorical": True}


@pytest.fixture(scope="module")
def journey(server: Server) -> Journey:
    """Data with metadata and context, and a campaign of each recipe."""
    data = tastes(users=160)
    way = Journey(server, "hrnn")
    way.s3.create_bucket(Bucket=way.bucket)
    way.arns["group"] = way.personalize.create_dataset_group(name=way.name)["datasetGroupArn"]
    ids = [field("USER_ID"), field("ITEM_ID")]
    way.dataset("INTERACTIONS", schema("Interactions", *ids, field("TIMESTAMP", "long"), field("DAY_PART", **CATEGORY)))
    way.dataset("ITEMS", schema("Items", ids[1], field("KIND", **CATEGORY), field("GENRE", **CATEGORY)))
    way.dataset("USERS", schema("Users", ids[0], field("TASTE", **CATEGORY)))
    rows = zip(data.user, data.item, data.timestamp, data.context["DAY_PART"].values, strict=True)
    way.load(
        "INTERACTIONS",
        as_csv(
            [
                ("USER_ID", "ITEM_ID", "TIMESTAMP", "DAY_PART"),
                *((str(data.users[user]), str(data.items[item]), str(when), part) for user, item, when, part in rows),
            ]
        ),
    )
    items = [(str(name), kind_of(number), f"g{genre_of(number)}") for number, name in enumerate(data.items)]
    way.load("ITEMS", as_csv([("ITEM_ID", "KIND", "GENRE"), *items]))
    people = [(str(name), f"g{number % GENRES}") for number, name in enumerate(data.users)]
    way.load("USERS", as_csv([("USER_ID", "TASTE"), *people, ("someone new", "g2")]))
    way.train(*RECIPES, solutionConfig={"algorithmHyperParameters": {"hidden_dimension": "32"}})
    way.deploy(*RECIPES)
    return way


def number(item: str) -> int:
    return int(item.removeprefix("i"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_metrics_and_answers_are_there(journey: Journey, recipe: str) -> None:
    arn = journey.arns[f"{recipe} version"]
    metrics = journey.personalize.get_solution_metrics(solutionVersionArn=arn)["metrics"]
    assert metrics["coverage"] > 0
    answer = journey.runtime.get_recommendations(campaignArn=journey.arns[recipe], userId="u003")
    assert len(answer["itemList"]) == 25
    assert 0 < sum(item["score"] for item in answer["itemList"]) <= 1


@pytest.mark.parametrize("recipe", RECIPES[1:])
def test_context_and_metadata_change_the_answer(journey: Journey, recipe: str) -> None:
    for part, kind in KINDS.items():
        items = journey.recommend(recipe, userId="u003", context={"DAY_PART": part}, numResults=10)
        assert sum(kind_of(number(item)) == kind for item in items) >= 8  # by chance: 5
    newcomer = journey.recommend(recipe, userId="someone new", numResults=10)
    assert sum(genre_of(number(item)) == 2 for item in newcomer) >= 5  # by chance: 1 or 2


def test_context_means_nothing_to_the_recipe_of_sequences_alone(journey: Journey) -> None:
    asked = [journey.recommend("aws-hrnn", userId="u003", context={"DAY_PART": part}) for part in KINDS]
    assert asked[0] == asked[1]


def test_cold_items_are_recommended_to_whom_they_suit(journey: Journey) -> None:
    for user in range(10):
        items = journey.recommend("aws-hrnn-coldstart", userId=f"u{user:03}", context={"DAY_PART": "morning"})
        cold = [number(item) for item in items if number(item) >= OLD_ITEMS]
        assert len(cold) >= 3  # of 12 that have the user's genre and the morning's kind
        assert sum(genre_of(each) == user % GENRES for each in cold) >= len(cold) / 2  # by chance: a sixth


def test_an_update_takes_up_items_that_came_after_the_training(journey: Journey) -> None:
    recipe, fresh = "aws-hrnn-coldstart", "i9999"
    journey.events.put_items(
        datasetArn=journey.arns["ITEMS"],
        items=[{"itemId": fresh, "properties": json.dumps({"kind": "premiere", "genre": "g3"})}],
    )
    update = journey.personalize.create_solution_version(
        solutionArn=journey.arns[f"{recipe} solution"], trainingMode="UPDATE"
    )["solutionVersionArn"]
    ended = settled(journey.personalize.describe_solution_version, "solutionVersion", solutionVersionArn=update)
    assert (ended["status"], ended["trainingMode"]) == ("ACTIVE", "UPDATE"), ended.get("failureReason")
    journey.arns["updated"] = journey.personalize.create_campaign(name="updated", solutionVersionArn=update)[
        "campaignArn"
    ]
    only = journey.filter("premieres", 'INCLUDE ItemID WHERE Items.KIND IN ("premiere")')
    assert journey.recommend(recipe, userId="u003", filterArn=only) == []
    assert journey.recommend("updated", userId="u003", filterArn=only) == [fresh]


def test_too_few_cold_items_fail_the_training_and_say_how_many(journey: Journey) -> None:
    personalize = journey.personalize
    solution = personalize.create_solution(
        name="hrnn-few",
        datasetGroupArn=journey.arns["group"],
        recipeArn="arn:aws:personalize:::recipe/aws-hrnn-coldstart",
        solutionConfig={"featureTransformationParameters": {"cold_start_relative_from": "currentTime"}},
    )["solutionArn"]
    journey.arns["few version"] = personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    ended = journey.version("few")
    assert ended["status"] == "CREATE FAILED"
    assert "100 to 80000 cold items, and the data have 0" in ended["failureReason"]


def test_a_setting_hides_them_from_the_list_and_nowhere_else(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", hide_retired_recipes=True).start()
    try:
        personalize = server.client("personalize")
        assert not any("hrnn" in recipe["name"] for recipe in personalize.list_recipes()["recipes"])
        arn = "arn:aws:personalize:::recipe/aws-hrnn"
        assert personalize.describe_recipe(recipeArn=arn)["recipe"]["name"] == "aws-hrnn"
    finally:
        server.stop()
