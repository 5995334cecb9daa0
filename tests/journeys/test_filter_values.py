"""filterValues as clients write lists, at every door that takes them (spec recipes-and-runtime 5.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from journeys.steps import ITEMS, Journey, as_csv, field, schema
from support import Server, refused, wait_for

CAMPAIGN, RANKING, SEGMENT = "aws-popularity-count", "aws-personalized-ranking", "aws-item-affinity"
ITEMS_SCHEMA = schema(
    "Items",
    field("ITEM_ID"),
    field("GENRE", categorical=True),
    field("SKU"),
    field("CREATION_TIMESTAMP", ["null", "long"]),
)
HIDDEN = ("1", "2")
LISTS = ("1,2", "1;2;gone", "1|gone|2", "'1','2'", '["1","2"]', "('1', '2')", '"1","2"')
SLIPS = (
    "“1”,“2”",
    "1/2",
    "1:2",
    "1+2",
    "ITEM_ID=1",
    "1.0",
    "1\u200b2",
    "",
    "[]",
    '1,"2"',
    "'1', 2",
    "array(['1', '2'], dtype=object)",
    "[1",
    "1 2",
    "`1`",
    '"1,2"',
)
FORM = "each value in double quotes"


@pytest.fixture(scope="module")
def way(server: Server) -> Journey:
    journey = Journey(server, "values")
    rows = [("ITEM_ID", "GENRE", "SKU", "CREATION_TIMESTAMP")]
    rows += [(str(item), "a|b" if item % 2 else "a", "a|b" if item % 3 else "a", "1500000000") for item in range(ITEMS)]
    journey.data(items=as_csv(rows), items_schema=ITEMS_SCHEMA)
    journey.train(CAMPAIGN, RANKING, SEGMENT)
    journey.deploy(CAMPAIGN, RANKING)
    journey.filter("hide", "EXCLUDE ItemID WHERE Items.ITEM_ID IN ($IDS)")
    journey.filter("show", "INCLUDE ItemID WHERE Items.ITEM_ID IN ($IDS)")
    return journey


def everything(way: Journey, **request: Any) -> set[str]:
    return set(way.recommend(CAMPAIGN, userId="1", numResults=500, **request))


@pytest.mark.parametrize("text", LISTS)
def test_campaigns_rankings_and_promotions_read_every_list(way: Journey, text: str) -> None:
    hide = {"filterArn": way.arns["hide"], "filterValues": {"IDS": text}}
    assert everything(way) - everything(way, **hide) == set(HIDDEN)
    ranked = way.runtime.get_personalized_ranking(
        campaignArn=way.arns[RANKING], userId="1", inputList=["1", "2", "3", "unknown"], **hide
    )
    assert {item["itemId"] for item in ranked["personalizedRanking"]} == {"3", "unknown"}
    promotion = {"name": "p", "percentPromotedItems": 100, "filterArn": way.arns["show"], "filterValues": {"IDS": text}}
    answer = way.runtime.get_recommendations(
        campaignArn=way.arns[CAMPAIGN], userId="1", numResults=2, promotions=[promotion]
    )
    assert {item["itemId"] for item in answer["itemList"] if "promotionName" in item} == set(HIDDEN)


@pytest.mark.parametrize("text", SLIPS)
def test_campaigns_rankings_and_promotions_refuse_slips(way: Journey, text: str) -> None:
    hide = {"filterArn": way.arns["hide"], "filterValues": {"IDS": text}}
    ask, rank = way.runtime.get_recommendations, way.runtime.get_personalized_ranking
    asked = {"campaignArn": way.arns[CAMPAIGN], "userId": "1"}
    refused("InvalidInputException", FORM, ask, **asked, **hide)
    refused("InvalidInputException", FORM, rank, campaignArn=way.arns[RANKING], userId="1", inputList=["1"], **hide)
    promotion = {"name": "p", "percentPromotedItems": 100, **hide}
    refused("InvalidInputException", FORM, ask, **asked, promotions=[promotion])


def test_lines_of_batch_jobs_are_read_alike(way: Journey) -> None:
    listed = (*LISTS, ["1", "2"], [1, 2, "gone"])
    lines = [{"userId": "1", "filterValues": {"IDS": given}} for given in (*listed, *SLIPS, [], ["1,2"])]
    way.begin_batch("inference", CAMPAIGN, "lines", lines, filterArn=way.arns["hide"], numResults=500)
    answers = way.batch_answers("inference", "lines")
    for answer in answers[: len(listed)]:
        assert answer["error"] is None, answer
        assert len(answer["output"]["recommendedItems"]) == len(everything(way)) - len(HIDDEN)
        assert not set(HIDDEN) & set(answer["output"]["recommendedItems"])
    assert all(FORM in answer["error"] for answer in answers[len(listed) :])


def test_names_that_the_filter_does_not_have_are_told(way: Journey) -> None:
    asked = {"userId": "1", "filterArn": way.arns["hide"], "filterValues": {"ids": "1"}}
    problem = "filterValues gives ids, but the filter asks for values for $IDS"
    ask, rank = way.runtime.get_recommendations, way.runtime.get_personalized_ranking
    refused("InvalidInputException", problem, ask, campaignArn=way.arns[CAMPAIGN], **asked)
    refused("InvalidInputException", problem, rank, campaignArn=way.arns[RANKING], inputList=["1", "x"], **asked)
    values = {"IDS": '"1","2"', "ids": "3"}
    assert everything(way) - everything(way, filterArn=way.arns["hide"], filterValues=values) == set(HIDDEN)


def test_values_in_a_wrong_place_of_a_line_are_told(way: Journey) -> None:
    cases: dict[str, tuple[dict[str, Any], str | None]] = {
        "another name": (
            {"filterValues": {"ids": "1"}},
            "filterValues gives ids, but the filter asks for values for $IDS",
        ),
        "another case": ({"filtervalues": {"IDS": "1"}}, "filtervalues must be written filterValues"),
        "beside": ({"IDS": "1"}, "IDS belongs into filterValues"),
        "null": ({"filterValues": None}, None),
        "no text": ({"filterValues": {"IDS": True}}, "filterValues must be an object of texts"),
        "no texts": ({"filterValues": {"IDS": [["1"]]}}, "filterValues must be an object of texts"),
        "inside": ({"IDS": "1", "filterValues": {"IDS": "1"}, "other": 1}, None),
    }
    lines = [{"userId": "1", **members} for members, _ in cases.values()]
    way.begin_batch("inference", CAMPAIGN, "places", lines, filterArn=way.arns["hide"])
    answers = way.batch_answers("inference", "places")
    for (case, (_, problem)), answer in zip(cases.items(), answers, strict=True):
        assert (problem is None) == (answer["error"] is None), case
        assert (problem or "") in (answer["error"] or ""), case


def test_lines_of_segment_jobs_are_read_alike(way: Journey) -> None:
    way.filter("types", "EXCLUDE UserID WHERE Interactions.EVENT_TYPE IN ($TYPES)")
    texts = ("click,watch", "['click', 'watch']", "“click”")
    lines = [{"itemId": "12", "filterValues": {"TYPES": text}} for text in texts]
    way.begin_batch("segment", SEGMENT, "segments", lines, filterArn=way.arns["types"])
    first, second, slip = way.batch_answers("segment", "segments")
    assert first["output"] == second["output"] == {"usersList": []}
    assert FORM in slip["error"]


def test_only_categories_are_split_at_the_bar(way: Journey) -> None:
    way.filter("sku", 'INCLUDE ItemID WHERE Items.SKU IN ("a|b")')
    way.filter("skus", "INCLUDE ItemID WHERE Items.SKU IN ($SKU)")
    way.filter("genre", 'INCLUDE ItemID WHERE Items.GENRE IN ("b")')
    both = {str(item) for item in range(ITEMS) if item % 3} & everything(way)
    assert everything(way, filterArn=way.arns["sku"]) == both
    assert everything(way, filterArn=way.arns["skus"], filterValues={"SKU": "a|b"}) == both
    assert everything(way, filterArn=way.arns["skus"], filterValues={"SKU": '"a"'}) == everything(way) - both
    assert everything(way, filterArn=way.arns["genre"]) == {item for item in everything(way) if int(item) % 2}


def test_milliseconds_are_no_seconds(way: Journey) -> None:
    since = way.filter("since", "INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP > $SINCE")
    assert everything(way, filterArn=since, filterValues={"SINCE": "1400000000"}) == everything(way)
    ask = way.runtime.get_recommendations
    request = {"campaignArn": way.arns[CAMPAIGN], "userId": "1", "filterArn": since}
    late = {"SINCE": json.dumps("1400000000000")}
    refused("InvalidInputException", "1400000000000 is in milliseconds", ask, **request, filterValues=late)
    refused(
        "InvalidInputException",
        "1400000000000 is in milliseconds",
        way.personalize.create_filter,
        name="late",
        datasetGroupArn=way.arns["group"],
        filterExpression="INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP > 1400000000000",
    )


def test_a_filter_of_a_deleted_dataset_is_refused(way: Journey) -> None:
    """The last test here, as it deletes the items."""
    genre = way.filter("literal", 'EXCLUDE ItemID WHERE Items.GENRE IN ("b")')
    before = everything(way)
    way.personalize.delete_dataset(datasetArn=way.arns["ITEMS"])
    ask = way.runtime.get_recommendations

    def answer() -> str | None:
        try:
            ask(campaignArn=way.arns[CAMPAIGN], userId="1", filterArn=genre)
        except way.runtime.exceptions.InvalidInputException as error:
            return str(error)
        return None

    assert "The filter asks for Items.GENRE, which" in wait_for(answer)
    hide = {"filterArn": way.arns["hide"], "filterValues": {"IDS": "1"}}
    assert before - everything(way, **hide) == {"1"}, "the ids are the model's"
    assert everything(way) == before
