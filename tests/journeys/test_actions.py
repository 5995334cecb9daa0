"""The next best action: what a user is likely to take, what may be offered, what is measured."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from journeys.steps import GENRES, USERS, Journey, as_csv
from support import Server, wait_for

DAY = 86400
RECIPE = "aws-next-best-action"
PREFIX = {"type": "record", "namespace": "com.amazonaws.personalize.schema", "version": "1.0"}
ACTIONS_SCHEMA = PREFIX | {
    "name": "Actions",
    "fields": [
        {"name": "ACTION_ID", "type": "string"},
        {"name": "VALUE", "type": "long"},
        {"name": "EXPIRATION_TIMESTAMP", "type": ["null", "long"]},
        {"name": "REPEAT_FREQUENCY", "type": ["null", "long"]},
        {"name": "KIND", "type": "string", "categorical": True},
    ],
}
RESPONSES_SCHEMA = PREFIX | {
    "name": "ActionInteractions",
    "fields": [
        {"name": "USER_ID", "type": "string"},
        {"name": "ACTION_ID", "type": "string"},
        {"name": "EVENT_TYPE", "type": "string"},
        {"name": "TIMESTAMP", "type": "long"},
    ],
}
CLUBS = [f"{genre} club" for genre in GENRES]
OTHERS = {"newsletter": 9, "app": 2, "call": 5}
"""Actions with too few responses for a propensity, and their values."""


def actions_csv() -> bytes:
    now = int(time.time())
    rows = [("ACTION_ID", "VALUE", "EXPIRATION_TIMESTAMP", "REPEAT_FREQUENCY", "KIND")]
    rows += [(club, "1", "", "", "club") for club in CLUBS]
    rows += [(action, str(value), str(now + 1000), "", "other") for action, value in OTHERS.items()]
    rows += [("over", "99", str(now - 1000), "", "other"), ("again", "0", "", "30", "other")]
    return as_csv(rows)


def responses_csv() -> bytes:
    """Every user was offered each club five times; those of the genre took it mostly, the others hardly ever."""
    rng = np.random.default_rng(0)
    rows = [("USER_ID", "ACTION_ID", "EVENT_TYPE", "TIMESTAMP")]
    for user in range(USERS):
        for number, club in enumerate(CLUBS):
            for offer in range(5):
                when = int(time.time()) - (25 - 5 * offer) * DAY + user
                took = rng.random() < (0.9 if user % len(GENRES) == number else 0.05)
                rows.append((str(user), club, "Taken" if took else ("Not taken", "VIEWED")[offer % 2], str(when)))
    rows.append(("3", "again", "TAKEN", str(int(time.time()) - DAY)))
    rows.append(("4", "again", "TAKEN", str(int(time.time()) - 31 * DAY)))
    return as_csv(rows)


@pytest.fixture(scope="module")
def journey(server: Server) -> Journey:
    way = Journey(server, "actions")
    way.data()
    way.dataset("ACTIONS", ACTIONS_SCHEMA)
    way.dataset("ACTION_INTERACTIONS", RESPONSES_SCHEMA)
    way.load("ACTIONS", actions_csv())
    way.load("ACTION_INTERACTIONS", responses_csv())
    way.train(RECIPE)
    way.deploy(RECIPE)
    return way


def ask(way: Journey, user: str, **request: Any) -> dict[str, float]:
    answer = way.runtime.get_action_recommendations(campaignArn=way.arns[RECIPE], userId=user, **request)
    assert answer["recommendationId"]
    return {action["actionId"]: action["score"] for action in answer["actionList"]}


def test_metrics(journey: Journey) -> None:
    version = journey.arns[f"{RECIPE} version"]
    metrics = journey.personalize.get_solution_metrics(solutionVersionArn=version)["metrics"]
    assert sorted(metrics) == [
        "auc",
        "coverage",
        "normalized_discounted_cumulative_gain_at_10",
        "normalized_discounted_cumulative_gain_at_25",
        "normalized_discounted_cumulative_gain_at_5",
        "precision",
        "recall",
    ]
    assert metrics["auc"] > 0.8
    assert metrics["normalized_discounted_cumulative_gain_at_5"] > 0.8


def test_what_a_user_is_likely_to_take_comes_first(journey: Journey) -> None:
    right = 0
    for user in range(0, USERS, 4):
        found = ask(journey, str(user))
        assert len(found) == 5, found
        assert list(found.values()) == sorted(found.values(), reverse=True)
        assert all(0 <= score <= 1 for score in found.values())
        right += next(iter(found)) == CLUBS[user % len(GENRES)]
    assert right >= 17


def test_events_move_the_propensity_at_once(journey: Journey) -> None:
    before = ask(journey, "newcomer")
    tracker = journey.personalize.create_event_tracker(name="actions", datasetGroupArn=journey.arns["group"])
    for item in range(2, 60, len(GENRES)):
        event = {"eventType": "click", "itemId": str(item), "sentAt": int(time.time())}
        journey.events.put_events(trackingId=tracker["trackingId"], userId="newcomer", sessionId="s", eventList=[event])
    after = ask(journey, "newcomer")
    assert next(iter(after)) == CLUBS[2]
    assert after[CLUBS[2]] > before[CLUBS[2]] + 0.2


def test_actions_without_a_propensity_come_by_value_and_only_when_they_may(journey: Journey) -> None:
    found = ask(journey, "5", numResults=100)
    assert list(found)[-4:] == ["newsletter", "call", "app", "again"]
    assert [found[action] for action in ("newsletter", "again")] == [0.0, 0.0]
    assert "over" not in found
    assert "again" not in ask(journey, "3", numResults=100)
    assert "again" in ask(journey, "4", numResults=100)


def test_what_was_just_taken_waits(journey: Journey) -> None:
    dataset = journey.personalize.describe_dataset(datasetArn=journey.arns["ACTION_INTERACTIONS"])["dataset"]
    assert "again" in ask(journey, "7", numResults=100)
    response = {
        "actionId": "again",
        "sessionId": "s",
        "userId": "7",
        "timestamp": int(time.time()),
        "eventType": "Taken",
    }
    journey.events.put_action_interactions(trackingId=dataset["trackingId"], actionInteractions=[response])
    assert "again" not in ask(journey, "7", numResults=100)


def test_filters(journey: Journey) -> None:
    journey.filter("kind", "INCLUDE ActionID WHERE Actions.KIND IN ($KIND)")
    journey.filter("declined", 'EXCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("NOT TAKEN")')
    journey.filter("item", 'INCLUDE ItemID WHERE Items.GENRE IN ("Drama")')
    others = ask(journey, "5", filterArn=journey.arns["kind"], filterValues={"KIND": '"other"'})
    assert list(others) == ["newsletter", "call", "app", "again"]
    for text in ("other,none", "['other']", '["other"]'):
        assert ask(journey, "5", filterArn=journey.arns["kind"], filterValues={"KIND": text}) == others
    with pytest.raises(ClientError, match=r"each value in double quotes"):
        ask(journey, "5", filterArn=journey.arns["kind"], filterValues={"KIND": "“other”"})
    kept = ask(journey, "5", filterArn=journey.arns["declined"], numResults=100)
    assert 4 <= len(kept) < len(CLUBS) + 4
    with pytest.raises(ClientError, match="ActionID"):
        ask(journey, "5", filterArn=journey.arns["item"])


def test_what_is_wrong_is_refused(journey: Journey) -> None:
    campaign = journey.arns[RECIPE]
    runtime = journey.runtime
    refused = runtime.exceptions.InvalidInputException
    with pytest.raises(refused, match="userId"):
        runtime.get_action_recommendations(campaignArn=campaign)
    with pytest.raises(refused, match="100"):
        runtime.get_action_recommendations(campaignArn=campaign, userId="3", numResults=101)
    with pytest.raises(refused, match="GetActionRecommendations only"):
        runtime.get_recommendations(campaignArn=campaign, userId="3")
    with pytest.raises(runtime.exceptions.ResourceNotFoundException):
        runtime.get_action_recommendations(campaignArn=campaign + "0", userId="3")
    with pytest.raises(
        journey.personalize.exceptions.InvalidInputException,
        match="aws-next-best-action shows no metadata; leave it out",
    ):
        journey.personalize.create_campaign(
            name="shows",
            solutionVersionArn=journey.arns[f"{RECIPE} version"],
            campaignConfig={"enableMetadataWithRecommendations": True},
        )
    journey.train("aws-popularity-count")
    journey.deploy("aws-popularity-count")
    with pytest.raises(refused, match="GetRecommendations only"):
        runtime.get_action_recommendations(campaignArn=journey.arns["aws-popularity-count"], userId="3")


def test_without_the_actions_nothing_may_be_offered(journey: Journey) -> None:
    journey.personalize.delete_dataset(datasetArn=journey.arns["ACTIONS"])
    with pytest.raises(ClientError, match=r"no Actions dataset any more.*create it again"):
        wait_for(lambda: not ask(journey, "5"))


def test_actions_must_be_there(server: Server) -> None:
    way = Journey(server, "no-actions")
    way.data()
    with pytest.raises(AssertionError, match="needs an Actions dataset"):
        way.train(RECIPE)
