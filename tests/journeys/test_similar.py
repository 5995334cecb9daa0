"""Related items by columns and texts: similar-items with themes, semantic-similarity with interactions and without."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.steps import (
    GENRES,
    INTERACTIONS_SCHEMA,
    ITEMS,
    Journey,
    as_csv,
    field,
    genre_of,
    interactions_csv,
    schema,
)
from support import Server, refused, settled

SIMILAR, SEMANTIC, SIMS = "aws-similar-items", "aws-semantic-similarity", "aws-sims"
NEW = 10
"""Items that nobody touched yet."""
DAY = 86400

WORDS = {
    "Comedy": "jokes and laughter",
    "Drama": "tears and quarrels",
    "Horror": "ghosts and screams",
    "Romance": "love and kisses",
    "Sci-Fi": "rockets and planets",
}
TEXT_SCHEMA = schema(
    "Items",
    field("ITEM_ID"),
    field("TITLE", itemName=True),
    field("GENRE", categorical=True),
    field("PLOT", ["null", "string"], textual=True),
    field("CREATION_TIMESTAMP", "long"),
)


def catalogue(count: int) -> bytes:
    """Titles and plots of the items' genres; every item is a day older than the next."""
    rows = [("ITEM_ID", "TITLE", "GENRE", "PLOT", "CREATION_TIMESTAMP")]
    for item in range(count):
        genre = genre_of(item)
        rows.append((str(item), f"Film {item}", genre, f"There are {WORDS[genre]}.", str(1_500_000_000 + item * DAY)))
    return as_csv(rows)


@pytest.fixture(scope="module")
def journey(server: Server) -> Journey:
    way = Journey(server, "similar")
    way.s3.create_bucket(Bucket=way.bucket)
    way.arns["group"] = way.personalize.create_dataset_group(name=way.name)["datasetGroupArn"]
    for kind, avro, rows in (
        ("INTERACTIONS", INTERACTIONS_SCHEMA, interactions_csv()),
        ("ITEMS", TEXT_SCHEMA, catalogue(ITEMS + NEW)),
    ):
        way.dataset(kind, avro)
        way.load(kind, rows)
    way.train(SIMILAR, SEMANTIC, SIMS)
    way.deploy(SIMILAR, SEMANTIC)
    return way


@pytest.fixture(scope="module")
def texts(server: Server) -> Journey:
    """A group that has nothing but items."""
    way = Journey(server, "texts")
    way.s3.create_bucket(Bucket=way.bucket)
    way.arns["group"] = way.personalize.create_dataset_group(name=way.name)["datasetGroupArn"]
    way.dataset("ITEMS", TEXT_SCHEMA)
    way.load("ITEMS", catalogue(50))
    way.train(SEMANTIC)
    way.deploy(SEMANTIC)
    return way


def genres(items: list[str]) -> set[str]:
    return {genre_of(int(item)) for item in items}


def batch(way: Journey, recipe: str, job: str, items: list[str], **more: Any) -> tuple[dict[str, Any], list[Any]]:
    """The job once it has ended, and the answers' outputs."""
    way.begin_batch("inference", recipe, job, [{"itemId": item} for item in items], **more)
    ended = settled(lambda: {"job": way.batch_job("inference", job)}, "job")
    if ended["status"] != "ACTIVE":
        return ended, []
    return ended, [answer["output"] for answer in way.batch_answers("inference", job)]


def influenced(way: Journey, name: str, **influence: float) -> list[str]:
    """What a campaign with this rankingInfluence relates to item 7."""
    campaign = way.personalize.create_campaign(
        name=name,
        solutionVersionArn=way.arns[f"{SEMANTIC} version"],
        campaignConfig={"rankingInfluence": influence},
    )["campaignArn"]
    described = way.personalize.describe_campaign(campaignArn=campaign)["campaign"]
    assert described["campaignConfig"] == {"rankingInfluence": influence}
    answer = way.runtime.get_recommendations(campaignArn=campaign, itemId="7", numResults=10)
    return [item["itemId"] for item in answer["itemList"]]


def themes(name: str = "TITLE") -> dict[str, Any]:
    return {
        "batchInferenceJobMode": "THEME_GENERATION",
        "themeGenerationConfig": {"fieldsForThemeGeneration": {"itemName": name}},
    }


@pytest.mark.parametrize("recipe", [SIMILAR, SEMANTIC])
def test_related_items_live_and_in_a_batch(journey: Journey, recipe: str) -> None:
    metrics = journey.personalize.get_solution_metrics(solutionVersionArn=journey.arns[f"{recipe} version"])["metrics"]
    assert len(metrics) == 8
    assert metrics["mean_reciprocal_rank_at_25"] > 0.01
    warm, cold = "12", str(ITEMS + 2)
    for item in (warm, cold):
        found = journey.recommend(recipe, itemId=item, numResults=5)
        assert [genre_of(int(each)) for each in found].count(genre_of(int(item))) >= 3
        assert item not in found
    unknown = journey.recommend(recipe, itemId="never heard of", numResults=5)
    assert len(genres(unknown)) > 1
    assert (
        "score" not in journey.runtime.get_recommendations(campaignArn=journey.arns[recipe], itemId=warm)["itemList"][0]
    )
    ended, outputs = batch(journey, recipe, f"plain-{recipe}", [warm, cold], numResults=5)
    assert ended["status"] == "ACTIVE"
    assert outputs[0] == {"recommendedItems": journey.recommend(recipe, itemId=warm, numResults=5)}


def test_cold_items_are_recommended_among_their_kind(journey: Journey) -> None:
    kind = ITEMS // len(GENRES)
    for item in range(len(GENRES)):
        found = journey.recommend(SIMILAR, itemId=str(item), numResults=kind)
        assert {str(new) for new in range(ITEMS, ITEMS + NEW) if genre_of(new) == genre_of(item)} <= set(found)


def test_ranking_influence_leans_to_popular_and_fresh_items(journey: Journey) -> None:
    alike = influenced(journey, "alike")
    popular = influenced(journey, "popular", POPULARITY=1.0)
    fresh = influenced(journey, "fresh", POPULARITY=0.0, FRESHNESS=1.0)
    assert len({tuple(alike), tuple(popular), tuple(fresh)}) == 3
    assert sum(map(int, fresh)) > sum(map(int, alike)), "the higher the number, the newer the item"
    config = {"rankingInfluence": {"FRESHNESS": 1.0}}
    _, outputs = batch(journey, SEMANTIC, "fresh", ["7"], numResults=10, batchInferenceJobConfig=config)
    assert outputs[0]["recommendedItems"] == fresh


def test_ranking_influence_is_refused_where_nothing_was_learned(journey: Journey, texts: Journey) -> None:
    version = texts.arns[f"{SEMANTIC} version"]
    create = texts.personalize.create_campaign
    config = {"campaignConfig": {"rankingInfluence": {"POPULARITY": 0.5}}}
    refused(
        "InvalidInputException", "trained with interactions", create, name="x", solutionVersionArn=version, **config
    )
    version = journey.arns[f"{SIMS} version"]
    refused("InvalidInputException", "aws-semantic-similarity", create, name="x", solutionVersionArn=version, **config)


def test_texts_alone_are_enough(texts: Journey) -> None:
    version = texts.arns[f"{SEMANTIC} version"]
    metrics = texts.personalize.get_solution_metrics(solutionVersionArn=version)["metrics"]
    assert list(metrics) == ["coverage"]
    assert genres(texts.recommend(SEMANTIC, itemId="7", numResults=5)) == {genre_of(7)}
    assert texts.recommend(SEMANTIC, itemId="no such item", numResults=1) == ["49"], "the newest"
    assert influenced(texts, "texts-fresh", FRESHNESS=1.0)[0] == "47", "the newest of its kind"
    shown = texts.runtime.get_recommendations(
        campaignArn=texts.arns[SEMANTIC], itemId="7", numResults=1, metadataColumns={"ITEMS": ["TITLE"]}
    )["itemList"][0]
    assert shown["metadata"] == {"title": f"Film {shown['itemId']}"}
    only = texts.filter("drama", 'INCLUDE ItemID WHERE Items.GENRE IN ("Drama")')
    assert genres(texts.recommend(SEMANTIC, itemId="7", filterArn=only)) == {"Drama"}


def test_names_and_texts_are_asked_for(server: Server) -> None:
    way = Journey(server, "nameless")
    way.s3.create_bucket(Bucket=way.bucket)
    way.arns["group"] = way.personalize.create_dataset_group(name=way.name)["datasetGroupArn"]
    way.dataset("ITEMS", schema("Items", field("ITEM_ID"), field("PLOT", textual=True)))
    with pytest.raises(AssertionError, match="itemName"):
        way.train(SEMANTIC)


@pytest.mark.parametrize(
    ("titles", "words"),
    [(("", ""), "no item has any in TITLE, PLOT: import items"), (("Alpha", "Omega"), "no word is of two items")],
)
def test_texts_must_say_something(server: Server, titles: tuple[str, str], words: str) -> None:
    way = Journey(server, f"no-texts{titles[0].lower()}")
    way.s3.create_bucket(Bucket=way.bucket)
    way.arns["group"] = way.personalize.create_dataset_group(name=way.name)["datasetGroupArn"]
    nullable = ["null", "string"]
    fields = field("ITEM_ID"), field("TITLE", nullable, itemName=True), field("PLOT", nullable, textual=True)
    way.dataset("ITEMS", schema("Items", *fields))
    way.load("ITEMS", as_csv([("ITEM_ID", "TITLE", "PLOT"), ("a", titles[0], ""), ("b", titles[1], "")]))
    with pytest.raises(AssertionError, match=words):
        way.train(SEMANTIC)


def test_themes_name_what_the_items_have_in_common(journey: Journey) -> None:
    asked = [str(item) for item in range(10)]
    ended, outputs = batch(journey, SIMILAR, "themes", asked, numResults=8, **themes())
    assert ended["status"] == "ACTIVE"
    assert ended["batchInferenceJobMode"] == "THEME_GENERATION"
    for item, output in zip(asked, outputs, strict=True):
        plain = journey.recommend(SIMILAR, itemId=item, numResults=8)
        assert sorted(output["recommendedItems"]) == sorted(plain)
        scores = output["itemsThemeRelevanceScores"]
        assert scores == sorted(scores, reverse=True)
        assert len(scores) == 8
        assert all(-1 <= score <= 1 for score in scores)
        assert scores[0] > 0.1
        telling = set(f"{genre_of(int(item))} {WORDS[genre_of(int(item))]}".lower().split())
        assert telling & set(output["theme"].lower().replace(",", "").split())


def test_themes_are_refused_where_there_is_nothing_to_name(journey: Journey, texts: Journey) -> None:
    create = journey.personalize.create_batch_inference_job
    for recipe, config, words in (
        (SIMS, themes(), "for aws-similar-items"),
        (SIMILAR, themes("YEAR"), "itemName"),
        (SIMILAR, {"batchInferenceJobMode": "THEME_GENERATION"}, "itemName"),
        (SIMILAR, themes() | {"batchInferenceJobMode": "BATCH_INFERENCE"}, "give this mode, or leave the config out"),
        (SIMS, {"themeGenerationConfig": themes()["themeGenerationConfig"]}, "is for batchInferenceJobMode THEME"),
    ):
        refused("InvalidInputException", words, create, **journey.batch_request(recipe, "refused"), **config)
    ended, _ = batch(journey, SIMILAR, "many", ["7"] * 101, **themes())
    assert ended["status"] == "CREATE FAILED"
    assert "100 input lines" in ended["failureReason"]


def test_incremental_updates_are_for_texts_only(journey: Journey) -> None:
    solution = {"datasetGroupArn": journey.arns["group"], "performIncrementalUpdate": True}
    create = journey.personalize.create_solution
    arn = f"arn:aws:personalize:::recipe/{SIMILAR}"
    refused("InvalidInputException", "aws-semantic-similarity", create, name="no", recipeArn=arn, **solution)
    created = create(name="yes", recipeArn=f"arn:aws:personalize:::recipe/{SEMANTIC}", **solution)
    described = journey.personalize.describe_solution(solutionArn=created["solutionArn"])["solution"]
    assert described["performIncrementalUpdate"] is True


def test_every_genre_is_there() -> None:
    assert set(WORDS) == set(GENRES)
