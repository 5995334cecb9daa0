"""PutItems, PutUsers, PutActions: records by themselves, beside imports (spec control-plane 5.1 and 6)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from journeys.steps import Journey, as_csv, field, schema
from support import Server, wait_for

RECIPE = "aws-popularity-count"
USERS_SCHEMA = schema(
    "Users", field("USER_ID"), field("memberClass", ["null", "string"], categorical=True), field("AGE", ["null", "int"])
)
ACTIONS_SCHEMA = schema(
    "Actions", field("ACTION_ID"), field("VALUE", ["null", "long"]), field("KIND", ["null", "string"], categorical=True)
)


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A deployed campaign; three recorded rows are enough for a compaction."""
    server = Server(tmp_path_factory.mktemp("server") / "data", compaction_events=3).start()
    journey = Journey(server, "put")
    journey.data()
    journey.dataset("USERS", USERS_SCHEMA)
    journey.dataset("ACTIONS", ACTIONS_SCHEMA)
    journey.train(RECIPE)
    journey.deploy(RECIPE)
    journey.filter("noir", 'INCLUDE ItemID WHERE Items.GENRE IN ("Noir")')
    journey.filter("young", 'INCLUDE ItemID WHERE Items.GENRE IN ("Noir") IF CurrentUser.AGE < 30')
    yield journey
    server.stop()


def put_item(way: Journey, item: str, **properties: Any) -> None:
    way.events.put_items(datasetArn=way.arns["ITEMS"], items=[{"itemId": item, "properties": json.dumps(properties)}])


def noir(way: Journey) -> set[str]:
    return set(way.recommend(RECIPE, filterArn=way.arns["noir"], numResults=100))


def records(way: Journey, kind: str, key: str, mode: str = "ALL") -> dict[str, dict[str, str]]:
    return {row[key]: row for row in way.export(kind, mode)}


def test_an_item_counts_in_filters_at_once_and_is_replaced_as_a_whole(way: Journey) -> None:
    assert noir(way) == set()
    put_item(way, "3", genre="Noir|Drama", year=1941)
    assert noir(way) == {"3"}
    put_item(way, "3", GENRE="Drama", YEAR="1942")
    assert noir(way) == set()
    put_item(way, "4", genre="Noir", year=1944.0)
    assert noir(way) == {"4"}
    assert records(way, "ITEMS", "ITEM_ID")["3"] == {"ITEM_ID": "3", "GENRE": "Drama", "YEAR": "1942"}


def test_the_newest_record_wins_whichever_way_it_came(way: Journey) -> None:
    for item in ("5", "6", "7", "8"):
        put_item(way, item, genre="Noir", year=1950)
    rows = [("ITEM_ID", "GENRE", "YEAR"), ("6", "Comedy", "2000"), ("7", "Noir", "2001")]
    for mode in ("INCREMENTAL", "FULL"):
        ended = way.import_job("ITEMS", as_csv(rows), f"put-{mode}", importMode=mode)
        assert ended["status"] == "ACTIVE", ended
        assert not {"6"} & noir(way)
        assert {"5", "7", "8"} <= noir(way)
        put_item(way, "6", genre="Noir", year=1950)
        assert {"5", "6", "7", "8"} <= noir(way)
    found = records(way, "ITEMS", "ITEM_ID")
    assert found["7"]["YEAR"] == "2001"
    assert found["6"]["YEAR"] == "1950"
    # FULL replaced the imported rows; what was put alone survived.
    assert set(found) == {"3", "4", "5", "6", "7", "8"}
    assert set(records(way, "ITEMS", "ITEM_ID", "BULK")) == {"6", "7"}
    versions = [row["GENRE"] for row in way.export("ITEMS", "PUT") if row["ITEM_ID"] == "3"]
    assert versions == ["Noir|Drama", "Drama"]


def test_a_user_counts_in_filters_at_once(way: Journey) -> None:
    put_item(way, "9", genre="Noir", year=1)
    asked = {"userId": "7", "filterArn": way.arns["young"]}
    assert set(way.recommend(RECIPE, **asked)) != noir(way)  # without an age the condition does not hold
    for age, member in ((20, "gold"), (40, "gold"), (29, None)):
        properties = {"age": age} | ({"memberClass": member} if member else {})
        way.events.put_users(
            datasetArn=way.arns["USERS"], users=[{"userId": "7", "properties": json.dumps(properties)}]
        )
        assert (set(way.recommend(RECIPE, **asked)) == noir(way)) == (age < 30)
    # memberClass was left out the last time, so it is null now.
    wanted = {"USER_ID": "7", "memberClass": "", "AGE": "29"}
    assert records(way, "USERS", "USER_ID")["7"] == wanted
    wait_for(lambda: way.server.moved(way.arns["USERS"]))
    assert set(way.recommend(RECIPE, **asked)) == noir(way)
    assert records(way, "USERS", "USER_ID")["7"] == wanted


def test_actions_are_put_and_imported(way: Journey) -> None:
    rows = [("ACTION_ID", "VALUE", "KIND"), ("join", "5", "club"), ("call", "", "phone")]
    assert way.import_job("ACTIONS", as_csv(rows), "put-actions")["status"] == "ACTIVE"
    way.events.put_actions(
        datasetArn=way.arns["ACTIONS"], actions=[{"actionId": "join", "properties": '{"value": 7}'}, {"actionId": "x"}]
    )
    assert records(way, "ACTIONS", "ACTION_ID") == {
        "call": {"ACTION_ID": "call", "VALUE": "", "KIND": "phone"},
        "join": {"ACTION_ID": "join", "VALUE": "7", "KIND": ""},
        "x": {"ACTION_ID": "x", "VALUE": "", "KIND": ""},
    }


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ('{"genre": "Noir"}', "YEAR is missing"),
        ('{"genre": "Noir", "year": ""}', "YEAR is missing"),
        ('{"genre": "Noir", "year": "soon"}', "YEAR is not a number: write it in digits, such as 12; given: 'soon'"),
        (json.dumps({"genre": "Noir", "year": "9" * 4500}), "YEAR is not a number"),
        ('{"genre": "Noir", "year": ' + "9" * 4500 + "}", "Error parsing properties json"),
        ('{"genre": "Noir", "year": "5\\u001f5"}', "YEAR is not a number"),
        ('{"genre": "Noir", "year": 3000000000}', "YEAR does not fit an int"),
        ('{"genre": "Noir", "year": [1]}', "YEAR must be one value"),
        ('{"genre": {"a": 1}, "year": 1}', "GENRE must be one value"),
        ('{"genre": "Noir", "year": 1, "colour": "red"}', "colour is no column"),
        (json.dumps({"genre": "x" * 1001, "year": 1}), "1000 characters for GENRE"),
        ("[1]", "Error parsing properties json"),
        ('"{}"', "Error parsing properties json"),
        ("{", "Error parsing properties json"),
        (r'{"genre": "\ud83d", "year": 1}', r"\ud83d is half of a letter"),
        ('{"genre": "Noir", "year": 1e400}', "YEAR is not a number"),
    ],
)
def test_wrong_records_change_nothing(way: Journey, properties: str, words: str) -> None:
    before = way.export("ITEMS", "PUT")
    good = {"itemId": "good", "properties": '{"genre": "Noir", "year": 1}'}
    with pytest.raises(ClientError, match="InvalidInputException") as error:
        way.events.put_items(datasetArn=way.arns["ITEMS"], items=[good, {"itemId": "bad", "properties": properties}])
    assert words in str(error.value)
    assert "items[1]" in str(error.value)
    assert way.export("ITEMS", "PUT") == before


@pytest.mark.parametrize("word", ["null", "undefined", "[object Object]", "{}", "${itemId}", "\u200b", "\x1f"])
def test_a_word_for_no_value_is_no_id(way: Journey, word: str) -> None:
    refused = way.events.exceptions.InvalidInputException
    genre = '{"genre": "Noir", "year": 1}'
    with pytest.raises(refused, match=r"items\[0\].itemId is .*word for no value"):
        way.events.put_items(datasetArn=way.arns["ITEMS"], items=[{"itemId": word, "properties": genre}])
    with pytest.raises(refused, match="userId"):
        way.events.put_users(datasetArn=way.arns["USERS"], users=[{"userId": word}])
    with pytest.raises(refused, match="actionId"):
        way.events.put_actions(datasetArn=way.arns["ACTIONS"], actions=[{"actionId": word}])


def test_a_value_is_what_it_is_in_a_file(way: Journey) -> None:
    put_item(way, "film", genre=["Noir", "Drama"], year=1941.9)
    assert records(way, "ITEMS", "ITEM_ID")["film"] == {"ITEM_ID": "film", "GENRE": "Noir|Drama", "YEAR": "1941"}
    put_item(way, "old", genre="Noir", year="\x1f" + "0" * 4500 + "5\x1c")
    assert records(way, "ITEMS", "ITEM_ID")["old"]["YEAR"] == "5"
    member = [{"userId": "8", "properties": json.dumps({"memberClass": "null", "age": ""})}]
    way.events.put_users(datasetArn=way.arns["USERS"], users=member)
    assert records(way, "USERS", "USER_ID")["8"] == {"USER_ID": "8", "memberClass": "", "AGE": ""}


def test_only_into_the_right_dataset(way: Journey) -> None:
    users = [{"userId": "1", "properties": "{}"}]
    with pytest.raises(way.events.exceptions.ResourceNotFoundException):
        way.events.put_users(datasetArn=way.arns["USERS"].replace("put/", "none/"), users=users)
    with pytest.raises(way.events.exceptions.InvalidInputException, match="type ITEMS, not USERS"):
        way.events.put_users(datasetArn=way.arns["ITEMS"], users=users)
    with pytest.raises(way.events.exceptions.InvalidInputException, match="ARN of a dataset"):
        way.events.put_users(datasetArn=way.arns["group"], users=users)
