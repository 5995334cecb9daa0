"""Domain dataset groups and recommenders, from the schema to the answer (spec recipes-and-runtime 1.5)."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from journeys.steps import INTERACTIONS_SCHEMA, ITEMS, USERS, Journey, as_csv, genre_of, interactions_csv
from support import Server, refused, settled, wait_for

RECIPE = "arn:aws:personalize:::recipe/"
ITEMS_SCHEMA = {
    "type": "record",
    "name": "Items",
    "namespace": "com.amazonaws.personalize.schema",
    "fields": [
        {"name": "ITEM_ID", "type": "string"},
        {"name": "PRICE", "type": "float"},
        {"name": "CATEGORY_L1", "type": ["string"], "categorical": True},
    ],
    "version": "1.0",
}
PURCHASES, VIEWED = "aws-ecomm-popular-items-by-purchases", "aws-ecomm-customers-who-viewed-x-also-viewed"
FOR_YOU = "aws-ecomm-recommended-for-you"
USE_CASES = {
    "ECOMMERCE": [
        VIEWED,
        "aws-ecomm-frequently-bought-together",
        PURCHASES,
        "aws-ecomm-popular-items-by-views",
        FOR_YOU,
    ],
    "VIDEO_ON_DEMAND": [
        "aws-vod-because-you-watched-x",
        "aws-vod-more-like-x",
        "aws-vod-most-popular",
        "aws-vod-top-picks",
        "aws-vod-trending-now",
    ],
}


@pytest.fixture(scope="module")
def shop(server: Server) -> Journey:
    """A domain group with data; `click` of the usual data is View here, and `watch` purchase, in lower case."""
    way = Journey(server, "storefront")
    way.s3.create_bucket(Bucket=way.bucket)
    created = way.personalize.create_dataset_group(name="storefront", domain="ECOMMERCE")
    assert created["domain"] == "ECOMMERCE"
    way.arns["group"] = created["datasetGroupArn"]
    way.dataset("INTERACTIONS", INTERACTIONS_SCHEMA, domain="ECOMMERCE")
    way.dataset("ITEMS", ITEMS_SCHEMA, domain="ECOMMERCE")
    events = interactions_csv().replace(b"click", b"View").replace(b"watch", b"purchase")
    way.load("INTERACTIONS", events)
    rows = [("ITEM_ID", "PRICE", "CATEGORY_L1"), *((str(i), f"{i}.5", genre_of(i)) for i in range(ITEMS))]
    way.load("ITEMS", as_csv(rows))
    return way


def bought(user: str) -> set[str]:
    rows = csv.DictReader(io.StringIO(interactions_csv().decode()))
    return {row["ITEM_ID"] for row in rows if row["USER_ID"] == user and row["EVENT_TYPE"] == "watch"}


@pytest.fixture(scope="module")
def recommenders(shop: Journey) -> dict[str, str]:
    """An ACTIVE recommender for each use case of the domain, by recipe name."""
    arns = {
        recipe: shop.personalize.create_recommender(
            name=recipe.removeprefix("aws-"), datasetGroupArn=shop.arns["group"], recipeArn=RECIPE + recipe, **more
        )["recommenderArn"]
        for recipe, more in ((recipe, config(recipe)) for recipe in USE_CASES["ECOMMERCE"])
    }
    for arn in arns.values():
        ended = settled(shop.personalize.describe_recommender, "recommender", recommenderArn=arn)
        assert ended["status"] == "ACTIVE", ended
        assert ended["modelMetrics"]["coverage"] > 0
        assert len(ended["modelMetrics"]) == 8
    return arns


def config(recipe: str) -> dict[str, Any]:
    return {"recommenderConfig": {"enableMetadataWithRecommendations": True}} if recipe == FOR_YOU else {}


def ask(shop: Journey, arn: str, **request: Any) -> list[dict[str, Any]]:
    return shop.runtime.get_recommendations(recommenderArn=arn, **request)["itemList"]


def test_use_cases_answer_without_scores_and_hide_what_was_bought(shop: Journey, recommenders: dict[str, str]) -> None:
    for recipe, arn in recommenders.items():
        items = ask(shop, arn, userId="3", itemId="5")
        assert len(items) == 25, recipe
        assert not any("score" in item for item in items)
        shown = {item["itemId"] for item in items}
        if recipe in (FOR_YOU, VIEWED):
            assert not shown & bought("3")
    assert bought("3") & {item["itemId"] for item in ask(shop, recommenders[PURCHASES], numResults=ITEMS)}
    related = ask(shop, recommenders[VIEWED], userId="4", itemId="5", numResults=5)
    assert sum(genre_of(int(item["itemId"])) == genre_of(5) for item in related) >= 4
    missing = shop.runtime.get_recommendations
    refused("InvalidInputException", "itemId is required", missing, recommenderArn=recommenders[VIEWED], userId="3")
    refused("InvalidInputException", "userId is required", missing, recommenderArn=recommenders[FOR_YOU])
    both = {"recommenderArn": recommenders[FOR_YOU], "campaignArn": recommenders[FOR_YOU]}
    refused("InvalidInputException", "one of the two", missing, userId="3", **both)
    item = ask(shop, recommenders[FOR_YOU], userId="3", metadataColumns={"ITEMS": ["CATEGORY_L1", "PRICE"]})[0]
    shop.filter("hide", "EXCLUDE ItemID WHERE Items.ITEM_ID IN ($IDS)")
    hide = {"filterArn": shop.arns["hide"], "filterValues": {"IDS": f"['{item['itemId']}', 'gone']"}}
    assert ask(shop, recommenders[FOR_YOU], userId="3", **hide)[0]["itemId"] != item["itemId"]
    slip = hide | {"recommenderArn": recommenders[FOR_YOU], "filterValues": {"IDS": "“1”"}}
    refused("InvalidInputException", "each value in double quotes", missing, userId="3", **slip)
    assert item["metadata"] == {"categoryL1": genre_of(int(item["itemId"])), "price": f"{item['itemId']}.5"}


def test_best_sellers_learn_from_purchases_only(shop: Journey, recommenders: dict[str, str]) -> None:
    buyers: dict[str, set[str]] = {}
    for user in range(USERS):
        for item in bought(str(user)):
            buyers.setdefault(item, set()).add(str(user))
    best = ask(shop, recommenders[PURCHASES], numResults=10)
    counts = [len(buyers[item["itemId"]]) for item in best]
    assert counts == sorted(map(len, buyers.values()), reverse=True)[:10]


def test_a_recommender_is_stopped_and_started(shop: Journey, recommenders: dict[str, str]) -> None:
    arn = recommenders[PURCHASES]
    client = shop.personalize

    def status() -> str:
        return client.describe_recommender(recommenderArn=arn)["recommender"]["status"]

    refused("ResourceInUseException", "INACTIVE", client.start_recommender, recommenderArn=arn)
    assert client.stop_recommender(recommenderArn=arn)["recommenderArn"] == arn
    assert status() in ("STOP PENDING", "STOP IN_PROGRESS")
    refused("ResourceInUseException", "STOP", client.delete_recommender, recommenderArn=arn)
    wait_for(lambda: status() == "INACTIVE")
    refused("InvalidInputException", "INACTIVE", shop.runtime.get_recommendations, recommenderArn=arn)
    client.start_recommender(recommenderArn=arn)
    assert status() in ("START PENDING", "START IN_PROGRESS")
    wait_for(lambda: status() == "ACTIVE")
    assert len(ask(shop, arn)) == 25


def test_a_recommender_is_updated(shop: Journey, recommenders: dict[str, str]) -> None:
    arn = recommenders[FOR_YOU]
    client = shop.personalize

    def described() -> dict[str, Any]:
        return client.describe_recommender(recommenderArn=arn)["recommender"]

    assert "latestRecommenderUpdate" not in described()
    same = {"recommenderArn": arn, **config(FOR_YOU)}
    refused("InvalidInputException", "already", client.update_recommender, **same)
    new = {"itemExplorationConfig": {"explorationWeight": "0"}, "minRecommendationRequestsPerSecond": 2}
    client.update_recommender(recommenderArn=arn, recommenderConfig=new)
    assert described()["latestRecommenderUpdate"]["recommenderConfig"] == new
    assert described()["recommenderConfig"] == config(FOR_YOU)["recommenderConfig"]
    wait_for(lambda: described()["latestRecommenderUpdate"]["status"] == "ACTIVE")
    assert described()["recommenderConfig"] == new
    refused(
        "InvalidInputException",
        "does not explore",
        client.update_recommender,
        recommenderArn=recommenders[PURCHASES],
        recommenderConfig=new,
    )


def test_what_a_recommender_needs(server: Server, shop: Journey, recommenders: dict[str, str]) -> None:
    create, group = shop.personalize.create_recommender, shop.arns["group"]

    def wrong(code: str, words: str, recipe: str, **request: Any) -> None:
        given = {"name": "wrong", "datasetGroupArn": group, "recipeArn": RECIPE + recipe} | request
        refused(code, words, create, **given)

    wrong("InvalidInputException", "VIDEO_ON_DEMAND", "aws-vod-top-picks")
    wrong("InvalidInputException", "for solutions", "aws-sims")
    wrong("ResourceNotFoundException", "aws-magic", "aws-magic")
    wrong("ResourceAlreadyExistsException", "exists", PURCHASES, name=PURCHASES.removeprefix("aws-"))
    custom = shop.personalize.create_dataset_group(name="custom")["datasetGroupArn"]
    wrong("InvalidInputException", "custom one", PURCHASES, datasetGroupArn=custom)
    video = shop.personalize.create_dataset_group(name="video", domain="VIDEO_ON_DEMAND")["datasetGroupArn"]
    wrong("InvalidInputException", "Items dataset", "aws-vod-top-picks", datasetGroupArn=video)
    solution = {"name": "s", "datasetGroupArn": group, "recipeArn": RECIPE + PURCHASES}
    refused("InvalidInputException", "CreateRecommender", shop.personalize.create_solution, **solution)
    refused("ResourceInUseException", "recommender", shop.personalize.delete_dataset_group, datasetGroupArn=group)
    few = create(name="few", datasetGroupArn=video, recipeArn=RECIPE + "aws-vod-most-popular")["recommenderArn"]
    ended = settled(shop.personalize.describe_recommender, "recommender", recommenderArn=few)
    assert ended["status"] == "CREATE FAILED"
    assert "Interactions dataset" in ended["failureReason"]


def test_lists_and_deletion(shop: Journey, recommenders: dict[str, str]) -> None:
    client = shop.personalize
    pages = client.get_paginator("list_recommenders").paginate(datasetGroupArn=shop.arns["group"])
    assert {row["recommenderArn"] for page in pages for row in page["recommenders"]} == set(recommenders.values())
    arn = recommenders[VIEWED]
    client.delete_recommender(recommenderArn=arn)
    gone = client.describe_recommender(recommenderArn=arn)["recommender"]
    assert gone["status"].startswith("DELETE")
    assert "modelMetrics" not in gone

    def vanished() -> bool:
        try:
            client.describe_recommender(recommenderArn=arn)
        except client.exceptions.ResourceNotFoundException:
            return True
        return False

    wait_for(vanished)


def test_recipes(shop: Journey) -> None:
    client = shop.personalize
    everything = client.list_recipes()["recipes"]
    names = [recipe["name"] for recipe in everything]
    assert names == sorted(names)
    assert {"aws-hrnn", "aws-hrnn-coldstart", "aws-hrnn-metadata"} <= set(names)
    for domain, expected in USE_CASES.items():
        assert [recipe["name"] for recipe in everything if recipe.get("domain") == domain] == expected
        first = client.list_recipes(domain=domain)
        second = client.list_recipes(domain=domain, nextToken=first["nextToken"])
        assert [recipe["name"] for recipe in first["recipes"] + second["recipes"]] == expected
        assert "nextToken" not in second
    assert {recipe["name"] for recipe in everything if "domain" not in recipe} >= {"aws-sims", "aws-popularity-count"}
    for recipe in everything:
        shown = client.describe_recipe(recipeArn=recipe["recipeArn"])["recipe"]
        assert shown["recipeType"]
        assert "domain" not in shown
        transformation = client.describe_feature_transformation(
            featureTransformationArn=shown["featureTransformationArn"]
        )["featureTransformation"]
        assert transformation["status"] == "ACTIVE"
        algorithm = client.describe_algorithm(algorithmArn=shown["algorithmArn"])["algorithm"]
        assert algorithm["algorithmImage"]["dockerURI"]


def test_algorithms_tell_their_hyperparameters(shop: Journey) -> None:
    client = shop.personalize
    algorithm = client.describe_algorithm(algorithmArn="arn:aws:personalize:::algorithm/aws-user-personalization")[
        "algorithm"
    ]
    assert algorithm["defaultHyperParameters"] == {"hidden_dimension": "149", "bptt": "32", "recency_mask": "true"}
    ranges = algorithm["defaultHyperParameterRanges"]
    assert {"name": "bptt", "minValue": 2, "maxValue": 32, "isTunable": True} in ranges["integerHyperParameterRanges"]
    assert ranges["categoricalHyperParameterRanges"] == [
        {"name": "recency_mask", "values": ["true", "false"], "isTunable": True}
    ]
    sims = client.describe_algorithm(algorithmArn="arn:aws:personalize:::algorithm/aws-sims")["algorithm"]
    continuous = sims["defaultHyperParameterRanges"]["continuousHyperParameterRanges"]
    assert [entry["name"] for entry in continuous] == ["popularity_discount_factor"]
    parameters = client.describe_feature_transformation(
        featureTransformationArn="arn:aws:personalize:::feature-transformation/sims"
    )["featureTransformation"]["defaultParameters"]
    assert parameters["min_user_history_length_percentile"] == "0.005"
    for describe, member, kind in (
        (client.describe_algorithm, "algorithmArn", "algorithm"),
        (client.describe_feature_transformation, "featureTransformationArn", "feature-transformation"),
    ):
        refused("ResourceNotFoundException", "magic", describe, **{member: f"arn:aws:personalize:::{kind}/magic"})
        refused("InvalidInputException", kind.split("-")[0], describe, **{member: RECIPE + "aws-sims"})


def test_without_interactions_only_what_hides_them_is_refused(shop: Journey, recommenders: dict[str, str]) -> None:
    """The last one of this module: the dataset is gone afterwards."""
    assert ask(shop, recommenders[FOR_YOU], userId="3")
    shop.personalize.delete_dataset(datasetArn=shop.arns["INTERACTIONS"])
    wait_for(lambda: not shop.personalize.list_datasets(datasetGroupArn=shop.arns["group"])["datasets"][1:])
    assert len(ask(shop, recommenders[PURCHASES])) == 25
    asked = {"recommenderArn": recommenders[FOR_YOU], "userId": "3"}
    words = "asks for Interactions.EVENT_TYPE, which"
    refused("InvalidInputException", words, shop.runtime.get_recommendations, **asked)
