"""aws-user-personalization-v2 and aws-personalized-ranking-v2 through boto3 (spec recipes-and-runtime 1.2, 4.2)."""

from __future__ import annotations

import csv
import io
import json

import pytest

from journeys.steps import INTERACTIONS_SCHEMA, ITEMS, ITEMS_SCHEMA, Journey, as_csv, field, genre_of, interactions_csv
from support import Server, refused

USER, RANKING = "aws-user-personalization-v2", "aws-personalized-ranking-v2"
COLD = 1500
"""Items that nobody has touched: with the others more than the candidates an answer is chosen from."""


def interactions() -> bytes:
    """As other journeys have them, and from which device."""
    header, *rows = csv.reader(io.StringIO(interactions_csv().decode()))
    return as_csv([(*header, "DEVICE"), *((*row, ("tv", "phone")[int(row[0]) % 2]) for row in rows)])


def items() -> bytes:
    """Thirty of the cold items are of the year 1800."""
    known = [(str(item), genre_of(item), str(1950 + item % 60)) for item in range(ITEMS)]
    cold = [(f"cold {item}", genre_of(item), "1800" if item % 50 == 0 else "1801") for item in range(COLD)]
    return as_csv([("ITEM_ID", "GENRE", "YEAR"), *known, *cold])


@pytest.fixture(scope="module")
def journey(server: Server) -> Journey:
    """A journey that has come to deployed campaigns, whose configuration says nothing of metadata."""
    way = Journey(server, "second")
    way.s3.create_bucket(Bucket=way.bucket)
    way.arns["group"] = way.personalize.create_dataset_group(name=way.name)["datasetGroupArn"]
    device = field("DEVICE", categorical=True)
    way.dataset("INTERACTIONS", INTERACTIONS_SCHEMA | {"fields": [*INTERACTIONS_SCHEMA["fields"], device]})
    way.dataset("ITEMS", ITEMS_SCHEMA)
    way.load("INTERACTIONS", interactions())
    way.load("ITEMS", items())
    way.train(USER)
    way.train(RANKING, solutionConfig={"algorithmHyperParameters": {"apply_recency_bias": "false"}})
    way.deploy(USER, RANKING)
    return way


def ask(way: Journey, **request: object) -> list[dict]:
    """The answer without what the service explores: a place in a thousand."""
    listed = way.runtime.get_recommendations(campaignArn=way.arns[USER], **request)["itemList"]
    return [item for item in listed if item.get("reason") != ["Exploration"]]


def test_scores_are_shares_among_the_candidates(journey: Journey) -> None:
    answer = ask(journey, userId="3", numResults=500)
    scores = [item["score"] for item in answer]
    assert scores == sorted(scores, reverse=True)
    assert 0.5 < sum(scores) < 1
    assert not any("reason" in item for item in answer)
    lists = [(user, journey.recommend(USER, userId=str(user), numResults=10)) for user in range(20)]
    theirs = [genre_of(int(item.removeprefix("cold "))) == genre_of(user) for user, best in lists for item in best]
    assert sum(theirs) > 120  # by chance: 40
    chosen = journey.filter("nineties", "INCLUDE ItemID WHERE Items.YEAR >= 1990 AND Items.YEAR < 2000")
    few = ask(journey, userId="3", numResults=500, filterArn=chosen)
    assert 45 <= len(few) <= 50
    assert sum(item.get("score", 0) for item in few) == pytest.approx(1, abs=0.02)


def test_popular_items_follow_where_the_filter_leaves_too_few_candidates(journey: Journey) -> None:
    chosen = journey.filter("1800", "INCLUDE ItemID WHERE Items.YEAR = 1800")
    answer = ask(journey, userId="3", numResults=30, filterArn=chosen)
    assert 28 <= len({item["itemId"] for item in answer}) == len(answer)
    scored = [item for item in answer if "score" in item]
    assert answer[: len(scored)] == scored
    assert not any("reason" in item for item in scored)
    padding = answer[len(scored) :]
    assert padding
    assert all(item["reason"] == ["Popular item"] for item in padding)


def test_promoted_items_say_so(journey: Journey) -> None:
    chosen = journey.filter("1801", "INCLUDE ItemID WHERE Items.YEAR = 1801")
    promotion = {"name": "old", "percentPromotedItems": 20, "filterArn": chosen}
    answer = ask(journey, userId="3", numResults=25, promotions=[promotion])
    told = [item.get("reason") for item in answer if item.get("promotionName") == "old"]
    assert told == [["Promoted item"]] * 5
    assert not any("reason" in item for item in answer if "promotionName" not in item)


def test_scores_of_promoted_items_are_shares_of_the_same_whole(journey: Journey) -> None:
    chosen = journey.filter("old", "INCLUDE ItemID WHERE Items.YEAR < 1990")
    promotion = {"name": "old", "percentPromotedItems": 20, "filterArn": chosen}
    answer = ask(journey, userId="3", numResults=300, promotions=[promotion])
    assert sum("promotionName" in item for item in answer) == 60
    alone = {item["itemId"]: item["score"] for item in ask(journey, userId="3", numResults=300)}
    assert {item["score"] - alone[item["itemId"]] for item in answer if item["itemId"] in alone} == {0}
    among = journey.filter("not-old", "INCLUDE ItemID WHERE Items.YEAR >= 1990")
    answer = ask(journey, userId="3", numResults=300, promotions=[promotion], filterArn=among)
    assert all(item["score"] > 0 for item in answer if "promotionName" in item)
    assert sum(item.get("score", 0) for item in answer) == pytest.approx(1, abs=0.02)


def test_unknown_items_of_a_ranked_list_have_the_score_0(journey: Journey) -> None:
    given = ["never seen", *(str(item) for item in range(40, 60)), "nor this"]
    ranked = journey.runtime.get_personalized_ranking(
        campaignArn=journey.arns[RANKING], userId="7", inputList=given, metadataColumns={"ITEMS": ["GENRE"]}
    )["personalizedRanking"]
    assert [(item["itemId"], item["score"]) for item in ranked[20:]] == [("never seen", 0), ("nor this", 0)]
    assert sum(item["score"] for item in ranked) == pytest.approx(1, abs=1e-5)
    assert genre_of(int(ranked[0]["itemId"])) == genre_of(7)
    assert all(item["metadata"]["genre"] == genre_of(int(item["itemId"])) for item in ranked[:20])


@pytest.fixture
def unknown(journey: Journey) -> list[str]:
    """A list with two items that the model does not know: a comedy that came later, and one without a record."""
    new = {"itemId": "new", "properties": json.dumps({"genre": "Comedy", "year": 1990})}
    journey.events.put_items(datasetArn=journey.arns["ITEMS"], items=[new])
    return ["new", "nothing", "5", "1"]


FILTERS = {
    'INCLUDE ItemID WHERE Items.GENRE IN ("Comedy")': ["5", "new"],
    'EXCLUDE ItemID WHERE Items.GENRE IN ("Comedy")': ["1", "nothing"],
    'EXCLUDE ItemID WHERE Items.ITEM_ID IN ("nothing", "5")': ["1", "new"],
    'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")': ["1", "5", "new", "nothing"],
    'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")': [],
}


@pytest.mark.parametrize("expression", FILTERS)
def test_items_of_a_ranked_list_pass_the_filter_by_their_records(
    journey: Journey, unknown: list[str], expression: str
) -> None:
    name = f"list-{list(FILTERS).index(expression)}"
    ranked = journey.runtime.get_personalized_ranking(
        campaignArn=journey.arns[RANKING],
        userId="nobody",
        inputList=unknown,
        filterArn=journey.filter(name, expression),
        metadataColumns={"ITEMS": ["YEAR"]},
    )["personalizedRanking"]
    found = [item["itemId"] for item in ranked]
    assert sorted(found) == FILTERS[expression]
    assert [item in ("new", "nothing") for item in found] == sorted(item in ("new", "nothing") for item in found)
    assert all(item["metadata"] == {"year": "1990"} for item in ranked if item["itemId"] == "new")


def test_metadata_needs_no_flag_and_context_counts(journey: Journey) -> None:
    def scores(**context: str) -> dict[str, float]:
        answer = ask(journey, userId="nobody", context=context, metadataColumns={"ITEMS": ["YEAR"]})
        assert all("year" in item["metadata"] for item in answer)
        return {item["itemId"]: item["score"] for item in answer}

    tv, phone, other, none = scores(DEVICE="tv"), scores(DEVICE="phone"), scores(DEVICE="never seen"), scores()
    assert len(tv.keys() & phone.keys()) < 24 or any(tv[item] != phone[item] for item in tv.keys() & phone.keys())
    assert all(other[item] == none[item] for item in other.keys() & none.keys())
    assert len(other.keys() & none.keys()) >= 23


def test_batches_of_lists_are_filtered_alike(journey: Journey, unknown: list[str]) -> None:
    chosen = journey.filter("comedies", 'INCLUDE ItemID WHERE Items.GENRE IN ("Comedy")')
    line = {"userId": "3", "itemList": unknown}
    journey.begin_batch("inference", RANKING, "second-lists", [line, {"userId": 5}, b"{"], filterArn=chosen)
    known, number, cut = journey.batch_answers("inference", "second-lists")
    assert known["output"]["recommendedItems"] == ["5", "new"]
    assert number["input"] == {"userId": 5}
    assert cut["input"] == "{"
    assert number["error"]
    assert cut["error"]


@pytest.mark.parametrize(
    ("recipe", "expression", "words"),
    [
        (USER, 'INCLUDE UserID WHERE Interactions.EVENT_TYPE IN ("click")', "need one of ItemID"),
        (RANKING, "INCLUDE ItemID WHERE Items.YEAR < CurrentItem.YEAR", "CurrentItem"),
    ],
)
def test_batches_refuse_filters_that_no_line_could_use(
    journey: Journey, recipe: str, expression: str, words: str
) -> None:
    chosen = journey.filter(f"unfit-{recipe}", expression)
    request = journey.batch_request(recipe, "second-unfit", filterArn=chosen)
    refused("InvalidInputException", words, journey.personalize.create_batch_inference_job, **request)


def test_a_ranked_list_is_for_somebody(journey: Journey) -> None:
    ask = journey.runtime.get_personalized_ranking
    refused("InvalidInputException", "userId", ask, campaignArn=journey.arns[RANKING], userId="", inputList=["1"])


def test_batch_answers_say_the_reasons(journey: Journey) -> None:
    chosen = journey.filter("1800-again", "INCLUDE ItemID WHERE Items.YEAR = 1800")
    lines = [{"userId": "3"}, {"userId": "nobody"}]
    journey.begin_batch("inference", USER, "second-batch", lines, numResults=30, filterArn=chosen)
    for answer in journey.batch_answers("inference", "second-batch"):
        output = answer["output"]
        popular = [score is None for score in output["scores"]]
        assert output["reasons"] == [["Popular item"] if each else [] for each in popular]
        assert any(popular)


def test_exploration_cannot_be_configured(journey: Journey) -> None:
    refused(
        "InvalidInputException",
        "does not explore",
        journey.personalize.create_campaign,
        name="exploring",
        solutionVersionArn=journey.arns[f"{USER} version"],
        campaignConfig={"itemExplorationConfig": {"explorationWeight": "0.3"}},
    )
