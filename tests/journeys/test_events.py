"""PutEvents and PutActionInteractions in full (spec control-plane 6)."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from journeys.steps import Journey, as_csv, field, interactions_csv, schema
from support import Server, wait_for

RECIPE = "aws-user-personalization"
FULL_SCHEMA = schema(
    "Interactions",
    field("USER_ID"),
    field("ITEM_ID"),
    field("EVENT_TYPE"),
    field("TIMESTAMP", "long"),
    field("EVENT_VALUE", ["float", "null"]),
    field("IMPRESSION", ["null", "string"]),
    field("RECOMMENDATION_ID", ["null", "string"]),
    field("EVENT_ATTRIBUTION_SOURCE", ["null", "string"]),
    field("cabinType", ["null", "string"], categorical=True),
    field("SEATS", ["null", "int"]),
    field("PAID", ["null", "boolean"]),
)
ACTIONS_SCHEMA = schema(
    "ActionInteractions",
    field("USER_ID"),
    field("ACTION_ID"),
    field("EVENT_TYPE"),
    field("TIMESTAMP", "long"),
    field("RECOMMENDATION_ID", ["null", "string"]),
)


@pytest.fixture(scope="module")
def way(server: Server) -> Journey:
    """Every column that events can fill; nothing is compacted meanwhile."""
    journey = Journey(server, "events")
    journey.s3.create_bucket(Bucket=journey.bucket)
    journey.arns["group"] = journey.personalize.create_dataset_group(name="events")["datasetGroupArn"]
    journey.dataset("INTERACTIONS", FULL_SCHEMA)
    journey.dataset("ACTION_INTERACTIONS", ACTIONS_SCHEMA)
    journey.arns["tracker"] = journey.tracker()
    return journey


def put(way: Journey, user: str | None, *events: dict[str, Any], session: str = "s") -> None:
    who = {"userId": user} if user else {}
    way.events.put_events(
        trackingId=way.arns["tracker"],
        sessionId=session,
        eventList=[{"sentAt": 1_700_000_000, "eventType": "view"} | event for event in events],
        **who,
    )


def stored(way: Journey, user: str) -> list[dict[str, str]]:
    rows = [row for row in way.export("INTERACTIONS", "PUT") if row["USER_ID"] == user]
    return [{name: value for name, value in row.items() if value and name != "USER_ID"} for row in rows]


def raw(way: Journey, body: dict[str, Any]) -> int:
    """Sends what boto3 would not, signed."""
    values = way.server.environment()
    request = AWSRequest("POST", f"{way.server.url}/events", data=json.dumps(body).encode())
    request.headers["content-type"] = "application/json"
    key = Credentials(values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(key, "personalize", values["AWS_DEFAULT_REGION"]).add_auth(request)
    sent = request.prepare()
    with urllib.request.urlopen(urllib.request.Request(sent.url, sent.body, dict(sent.headers))) as answer:
        return int(answer.status)


def test_every_member_fills_its_column(way: Journey) -> None:
    put(
        way,
        "all",
        {
            "itemId": "1",
            "eventValue": 2.5,
            "impression": ["1", "2"],
            "recommendationId": "RID-1",
            "metricAttribution": {"eventAttributionSource": "mail"},
            "properties": json.dumps({"cabinType": "first", "seats": "3", "ignored": True, "eventValue": 9}),
        },
    )
    assert stored(way, "all") == [
        {
            "ITEM_ID": "1",
            "EVENT_TYPE": "view",
            "TIMESTAMP": "1700000000",
            "EVENT_VALUE": "2.5",
            "IMPRESSION": "1|2",
            "RECOMMENDATION_ID": "RID-1",
            "EVENT_ATTRIBUTION_SOURCE": "mail",
            "cabinType": "first",
            "SEATS": "3",
        }
    ]


def test_item_and_value_may_be_properties(way: Journey) -> None:
    put(way, "inside", {"properties": json.dumps({"itemId": "7", "eventValue": "4.5", "CABIN_TYPE": "eco"})})
    put(way, "inside", {"properties": json.dumps({"itemId": 0})}, {"properties": json.dumps({"itemId": "x" * 256})})
    row, *others = stored(way, "inside")
    assert (row["ITEM_ID"], row["EVENT_VALUE"], row["cabinType"]) == ("7", "4.5", "eco")
    assert [other["ITEM_ID"] for other in others] == ["0", "x" * 256]


def test_times_and_properties_as_other_clients_send_them(way: Journey) -> None:
    for item, sent_at in enumerate((1_600_000_000, 1_600_000_001.75, "1600000002", "1600000003.5")):
        event = {"sentAt": sent_at, "eventType": "view", "itemId": str(item), "properties": {"seats": item}}
        body = {"trackingId": way.arns["tracker"], "sessionId": "s", "userId": "raw", "eventList": [event]}
        assert raw(way, body) == 200
    found = stored(way, "raw")
    assert [row["TIMESTAMP"] for row in found] == [f"160000000{item}" for item in range(4)]
    assert [row["SEATS"] for row in found] == ["0", "1", "2", "3"]


def test_repetitions_count_once(way: Journey) -> None:
    put(way, "twice", {"itemId": "1"}, {"itemId": "1"}, {"itemId": "2"})
    put(way, "twice", {"itemId": "1"}, {"itemId": "3", "eventId": "e"})
    put(way, "twice", {"itemId": "4", "eventId": "e"}, {"itemId": "1", "sentAt": 1_700_000_001})
    assert [row["ITEM_ID"] for row in stored(way, "twice")] == ["1", "2", "3", "1"]


def told(way: Journey) -> str:
    return (way.server.data_dir.parent / f"{way.server.data_dir.name}.log").read_text()


def test_the_session_null_is_dropped_and_told_of(way: Journey) -> None:
    put(way, None, {"itemId": "1"}, session="null")
    put(way, "known", {"itemId": "1"}, session="null")
    assert stored(way, "null") == stored(way, "known") == []
    assert "events left out: sessionId is 'null'" in told(way)


def test_words_for_no_value_are_no_ids(way: Journey) -> None:
    words = (
        "null",
        "undefined",
        "None",
        "NaN",
        "NULL",
        "\\N",
        " ",
        "n/a",
        "#N/A",
        "nil",
        "NaT",
        "(null)",
        "-",
        "[object Object]",
        "${userId}",
        "{{ user.id }}",
        "[]",
        "#REF!",
        "Err:502",
        "########",
        "\ufeff",
    )
    for word in words:
        put(way, word, {"itemId": "1"}, session=f"visitor {word}")
        put(way, f"user {word}", {"itemId": word}, {"itemId": "2"}, {"eventType": word, "itemId": "3"})
        if word != "null":
            put(way, f"user {word}", {"itemId": "4"}, session=word)
            with pytest.raises(ClientError, match=r"InvalidInputException.*nobody"):
                put(way, word, {"itemId": "1"}, session=word)
        with pytest.raises(ClientError, match=r"InvalidInputException.*itemId"):
            put(way, "nothing whole", {"itemId": word})
    rows = way.export("INTERACTIONS", "PUT")
    found = {user: [row["ITEM_ID"] for row in rows if row["USER_ID"] == user] for user in {r["USER_ID"] for r in rows}}
    assert not {*words, "nothing whole"} & set(found)
    for word in words:
        assert found[f"visitor {word}"] == ["1"], "a visitor whose session is known"
        assert found[f"user {word}"] == (["2"] if word == "null" else ["2", "4"])
    assert "itemId is missing" in told(way)


def test_an_export_imports_again_as_a_whole(way: Journey) -> None:
    put(way, "undefined", {"itemId": "1", "properties": json.dumps({"cabinType": "null", "seats": ""})}, session="v")
    put(way, "exported", {"itemId": "null"}, {"itemId": "1"})
    rows = way.export("INTERACTIONS", "PUT")
    names = tuple(rows[0])
    body = as_csv([names, *(tuple(row.values()) for row in rows)])
    ended = way.import_job("INTERACTIONS", body, "again-as-a-whole")
    assert ended["status"] == "ACTIVE", ended
    assert len(way.export("INTERACTIONS", "BULK")) == len(rows)


def test_events_without_an_item_are_left_out_and_the_others_kept(way: Journey) -> None:
    identify = {"eventType": "Identify", "properties": json.dumps({"userId": "amplify"})}
    put(way, "amplify", {"itemId": "1"}, identify, {"itemId": "2"})
    assert [row["ITEM_ID"] for row in stored(way, "amplify")] == ["1", "2"]
    put(way, "amplify", identify)
    with pytest.raises(ClientError, match=r"InvalidInputException.*eventList\[0\].itemId is missing"):
        put(way, "amplify", {})
    assert len(stored(way, "amplify")) == 2
    assert "events left out: itemId is missing" in told(way)


def test_times_ahead_are_kept_and_told_of_and_milliseconds_are_refused(way: Journey) -> None:
    put(way, "ahead", {"itemId": "1", "sentAt": 4_102_444_800})
    assert [row["TIMESTAMP"] for row in stored(way, "ahead")] == ["4102444800"]
    assert "events whose time is ahead of the server's clock" in told(way)
    event = {"sentAt": 1_700_000_000_000, "eventType": "view", "itemId": "1"}
    body = {"trackingId": way.arns["tracker"], "sessionId": "s", "userId": "late", "eventList": [event]}
    with pytest.raises(urllib.error.HTTPError) as error:
        raw(way, body)
    assert error.value.code == 400
    assert b"not in milliseconds" in error.value.read()
    assert stored(way, "late") == []


@pytest.mark.parametrize("when", [0, 20_261_129])
def test_times_that_are_no_seconds_are_kept_and_told_of(way: Journey, when: int) -> None:
    put(way, f"early {when}", {"itemId": "1", "sentAt": when})
    assert [row["TIMESTAMP"] for row in stored(way, f"early {when}")] == [str(when)]
    assert "events whose time is before 1995" in told(way)


def test_odd_spellings_are_kept_and_told_of(way: Journey) -> None:
    put(way, "17850.0", {"itemId": " 1"}, {"itemId": "1", "eventType": "'click'"})
    cabin = json.dumps({"cabinType": '["first","eco"]'})
    put(way, "zero\u200b", {"itemId": "1\x00"}, {"itemId": "1", "properties": cabin})
    put(way, "Namibia", {"itemId": "NA"})
    assert [row["ITEM_ID"] for row in stored(way, "17850.0")] == [" 1", "1"]
    assert [row["ITEM_ID"] for row in stored(way, "Namibia")] == ["NA"]
    for words in (
        "events have a USER_ID that some program made a number",
        "events have a space before or after the ITEM_ID",
        "events have a EVENT_TYPE in quotes",
        "events have a USER_ID with characters that cannot be seen",
        "events have a ITEM_ID with characters that cannot be seen",
        "events have a CABINTYPE that is spelled as a list",
    ):
        assert words in told(way)


def test_a_value_is_what_it_is_in_a_file(way: Journey) -> None:
    given = ((2.9, "2"), ("3.5", "3"), ("", ""), ("null", ""), (" 4 ", "4"))
    for seats, _ in given:
        put(way, f"seats {seats}", {"itemId": "1", "properties": json.dumps({"seats": seats, "eventValue": ""})})
    rows = {row["USER_ID"]: row for row in way.export("INTERACTIONS", "PUT")}
    assert [rows[f"seats {seats}"]["SEATS"] for seats, _ in given] == [kept for _, kept in given]
    assert {rows[f"seats {seats}"]["EVENT_VALUE"] for seats, _ in given} == {""}
    for paid in (True, "True", "TRUE", " true "):
        put(way, "paid", {"itemId": repr(paid), "properties": json.dumps({"paid": paid})})
    assert [row["PAID"] for row in stored(way, "paid")] == ["true"] * 4
    put(way, "list", {"itemId": "1", "properties": json.dumps({"cabinType": ["first", "eco"]})})
    assert stored(way, "list")[0]["cabinType"] == "first|eco"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"itemId": "1", "properties": "[]"}, "Error parsing properties json"),
        ({"itemId": "1", "properties": '"{}"'}, "Error parsing properties json"),
        (
            {"properties": json.dumps({"itemId": "x" * 257})},
            "eventList[1]: Length cannot be more than 256 characters for ITEM_ID",
        ),
        ({"properties": '{"itemId": 3.0}'}, "ITEM_ID is the number 3.0: write it as the data have it, in quotes"),
        (
            {"itemId": "1", "properties": '{"seats": "two"}'},
            "SEATS is not a number: write it in digits, such as 12; given: 'two'",
        ),
        (
            {"itemId": "1", "properties": '{"seats": "1_0"}'},
            "SEATS is not a number: write it in digits, such as 12; given: '1_0'",
        ),
        (
            {"itemId": "1", "properties": '{"eventValue": "٣"}'},
            "EVENT_VALUE is not a finite number: write it in digits, such as 12.5; given: '٣'",
        ),
        ({"itemId": "1", "impression": ["x" * 256] * 4}, "1000 characters for IMPRESSION"),
    ],
)
def test_one_wrong_event_refuses_the_call(way: Journey, event: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError, match="InvalidInputException") as error:
        put(way, "wrong", {"itemId": "1"}, event)
    assert words in str(error.value)
    assert stored(way, "wrong") == []


def test_action_interactions(way: Journey) -> None:
    arn = way.arns["ACTION_INTERACTIONS"]
    tracking_id = way.personalize.describe_dataset(datasetArn=arn)["dataset"]["trackingId"]
    assert "trackingId" not in way.personalize.describe_dataset(datasetArn=way.arns["INTERACTIONS"])["dataset"]
    assert len(way.personalize.list_event_trackers(datasetGroupArn=way.arns["group"])["eventTrackers"]) == 1
    rows = [("USER_ID", "ACTION_ID", "EVENT_TYPE", "TIMESTAMP", "RECOMMENDATION_ID"), ("1", "join", "Taken", "5", "")]
    rows += [("1", "call", "Not taken", "6", ""), ("1", "call", "eaten", "7", "")]
    assert way.import_job("ACTION_INTERACTIONS", as_csv(rows), "actions")["status"] == "ACTIVE"

    def act(**event: Any) -> None:
        base = {"sessionId": "s", "timestamp": 8, "actionId": "join", "eventType": "viewed", "userId": "2"}
        way.events.put_action_interactions(trackingId=tracking_id, actionInteractions=[base | event])

    act(recommendationId="RID-2", eventId="e")
    act(actionId="other", eventId="e")
    found = [tuple(row.values()) for row in way.export("ACTION_INTERACTIONS")]
    assert found == [
        ("1", "join", "TAKEN", "5", ""),
        ("1", "call", "NOT_TAKEN", "6", ""),
        ("2", "join", "VIEWED", "8", "RID-2"),
    ]
    refused = way.events.exceptions.InvalidInputException
    with pytest.raises(refused, match=r"actionInteractions\[0\].actionId is missing"):
        act(actionId="undefined")
    act(userId="undefined", sessionId="visitor", timestamp=4_102_444_800)
    assert tuple(way.export("ACTION_INTERACTIONS")[3].values()) == ("visitor", "join", "VIEWED", "4102444800", "")
    with pytest.raises(refused, match="TAKEN, NOT_TAKEN, VIEWED"):
        act(eventType="eaten")
    with pytest.raises(way.events.exceptions.ResourceNotFoundException):
        way.events.put_action_interactions(
            trackingId=way.arns["tracker"],
            actionInteractions=[{"sessionId": "s", "timestamp": 8, "actionId": "a", "eventType": "TAKEN"}],
        )


def test_properties_that_are_no_column_are_told_of_once(way: Journey) -> None:
    unread = json.dumps({"页面": "首页", "page_depth": 1, "cabinType": "eco", "item_id": "2", "eventValue": 1})
    for user in ("reader", "other reader"):
        put(way, user, {"itemId": "1", "properties": unread}, {"itemId": "2", "properties": unread})
    assert [row["cabinType"] for row in stored(way, "reader")] == ["eco", "eco"]
    way.events.put_action_interactions(
        trackingId=way.personalize.describe_dataset(datasetArn=way.arns["ACTION_INTERACTIONS"])["dataset"][
            "trackingId"
        ],
        actionInteractions=[
            {
                "actionId": "a",
                "userId": "reader",
                "sessionId": "s",
                "timestamp": 1_700_000_000,
                "eventType": "VIEWED",
                "properties": json.dumps({"页面": "首页"}),
            }
        ],
    )
    lines = [json.loads(line) for line in told(way).splitlines() if "a property that is no column" in line]
    found = [(line["dataset"].rpartition("/")[2], line["property"]) for line in lines]
    assert sorted(each for each in found if each[1] != "ignored") == [
        ("ACTION_INTERACTIONS", "页面"),
        ("INTERACTIONS", "page_depth"),
        ("INTERACTIONS", "页面"),
    ]


def test_properties_that_contradict_their_event_are_told_of(way: Journey) -> None:
    more = {"itemId": "2", "user_id": "other", "eventType": "buy", "EVENT_VALUE": 2}
    put(way, "contrary", {"itemId": "1", "eventValue": 1, "properties": json.dumps(more)})
    put(way, "contrary", {"itemId": "2", "properties": json.dumps({"itemId": "2", "userId": "contrary"})})
    lines = [json.loads(line) for line in told(way).splitlines() if "says something else" in line]
    assert {"EVENT_VALUE", "eventType", "itemId", "user_id"} <= {line["property"] for line in lines}
    assert "userId" not in {line["property"] for line in lines}
    assert [row["ITEM_ID"] for row in stored(way, "contrary")] == ["1", "2"]


def test_actions_are_for_custom_groups(way: Journey) -> None:
    group = way.personalize.create_dataset_group(name="events-shop", domain="ECOMMERCE")["datasetGroupArn"]
    with pytest.raises(way.personalize.exceptions.InvalidInputException, match="domain"):
        way.personalize.create_dataset(
            name="a",
            datasetType="Action_Interactions",
            datasetGroupArn=group,
            schemaArn=way.arns["ACTION_INTERACTIONS schema"],
        )


def test_sessions_join_their_user_at_training_and_nothing_is_lost_by_compaction(tmp_path_factory: Any) -> None:
    server = Server(tmp_path_factory.mktemp("server") / "data", compaction_events=40).start()
    journey = Journey(server, "sessions")
    journey.data()
    journey.arns["tracker"] = journey.tracker()
    journey.train(RECIPE)
    journey.deploy(RECIPE)
    watched = journey.filter("watched", 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")')

    def seen(user: str) -> set[str]:
        return set(journey.recommend(userId=user, filterArn=watched, numResults=100))

    horror = [str(item) for item in range(2, 52, 5)]
    for item in horror:
        put(journey, None, {"itemId": item, "eventType": "watch"}, session="early")
        put(journey, None, {"itemId": item, "eventType": "watch"}, session="never known")
    before = journey.recommend(userId="early", numResults=10)
    put(journey, "newcomer", {"itemId": "0", "eventType": "click", "eventId": "once"}, session="early")
    assert seen("early") == set(horror)
    assert seen("newcomer") == set()
    for item in horror:
        put(journey, "busy", {"itemId": item, "eventType": "watch", "sentAt": 1_700_000_100}, session="other")
        put(journey, "busy", {"itemId": item, "eventType": "view", "sentAt": 1_700_000_200}, session="other")
    busy = journey.recommend(userId="busy", numResults=10)
    wait_for(lambda: server.moved(journey.arns["INTERACTIONS"]))
    put(journey, "newcomer", {"itemId": "1", "eventType": "watch", "eventId": "once"}, session="early")
    assert journey.recommend(userId="early", numResults=10) == before
    assert journey.recommend(userId="busy", numResults=10) == busy
    assert seen("busy") == set(horror)
    assert len(journey.export("INTERACTIONS", "PUT")) == 41
    assert journey.import_job("INTERACTIONS", interactions_csv(3), "again")["status"] == "ACTIVE"
    assert len(journey.export("INTERACTIONS", "PUT")) == 41

    journey.name = "sessions-again"
    journey.train(RECIPE)
    journey.deploy(RECIPE)
    newcomer = journey.recommend(userId="newcomer", numResults=10)
    assert sum(int(item) % 5 == 2 for item in newcomer) >= 5
    # Sessions that were never linked have lost their influence.
    assert journey.recommend(userId="never known", numResults=10) == journey.recommend(userId="nobody", numResults=10)
    server.stop()
