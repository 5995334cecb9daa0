"""The whole journey through boto3 over a real socket, on data made here."""

from __future__ import annotations

import json
import time

import pytest
from botocore.exceptions import ClientError

from journeys.steps import ITEMS, NO_EXPLORATION, Journey, genre_of
from support import ROLE, Server, settled, wait_for

RECIPES = ("aws-user-personalization", "aws-sims", "aws-personalized-ranking", "aws-popularity-count")
METRICS = {
    "coverage",
    "mean_reciprocal_rank_at_25",
    *(f"normalized_discounted_cumulative_gain_at_{k}" for k in (5, 10, 25)),
    *(f"precision_at_{k}" for k in (5, 10, 25)),
}


@pytest.fixture(scope="module")
def journey(server: Server) -> Journey:
    """A journey that has come to deployed campaigns."""
    way = Journey(server, "films")
    way.data()
    way.train(*RECIPES)
    way.deploy(*RECIPES)
    return way


def test_solution_versions_tell_what_they_are(journey: Journey) -> None:
    for recipe in RECIPES:
        version = journey.version(recipe)
        assert version["name"] == version["solutionVersionArn"].split("solution/")[1]
        assert version["trainingHours"] > 0
        assert version["trainingMode"] == "FULL"
        assert version["creationDateTime"] < version["lastUpdatedDateTime"]
        arn = version["solutionVersionArn"]
        metrics = journey.personalize.get_solution_metrics(solutionVersionArn=arn)["metrics"]
        assert set(metrics) == METRICS
        if recipe != "aws-popularity-count":  # here everyone keeps to a genre, so that the popular is seldom right
            assert all(0 < value <= 1 for value in metrics.values()), metrics
    solution = journey.personalize.describe_solution(solutionArn=journey.arns["aws-sims solution"])["solution"]
    assert solution["latestSolutionVersion"]["status"] == "ACTIVE"
    assert solution["solutionConfig"] == {}


def test_related_items_share_the_genre_and_are_25_even_for_unknown_items(journey: Journey) -> None:
    related = journey.recommend("aws-sims", itemId="5")
    assert len(related) == 25
    assert sum(genre_of(int(item)) == genre_of(5) for item in related[:10]) >= 8
    unknown = journey.recommend("aws-sims", itemId="no-such-item")
    assert unknown[:5] == journey.recommend("aws-popularity-count")[:5]
    assert len(unknown) == len(set(unknown)) == 25


def test_recommendations_fit_the_user_and_filters_narrow_them(journey: Journey) -> None:
    answer = journey.runtime.get_recommendations(campaignArn=journey.arns["aws-user-personalization"], userId="3")
    items = [item["itemId"] for item in answer["itemList"]]
    assert len(items) == len(set(items)) == 25
    assert answer["recommendationId"].startswith("RID-")
    assert len(answer["recommendationId"]) == 40
    scores = [item["score"] for item in answer["itemList"]]
    assert scores == sorted(scores, reverse=True)
    assert 0 < sum(scores) <= 1
    assert sum(genre_of(int(item)) == genre_of(3) for item in items[:10]) >= 6  # by chance: 2

    comedy = journey.filter("Comedy", 'INCLUDE ItemID WHERE Items.GENRE IN ("Comedy")')
    assert {genre_of(int(item)) for item in journey.recommend(userId="3", filterArn=comedy)} == {"Comedy"}
    seventies = journey.filter("1970s", "INCLUDE ItemID WHERE Items.YEAR >= 1970 AND Items.YEAR < 1980")
    assert {1950 + int(item) % 60 for item in journey.recommend(userId="3", filterArn=seventies)} <= set(
        range(1970, 1980)
    )
    chosen = journey.filter("genre", "INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)")
    two = journey.recommend(userId="3", filterArn=chosen, filterValues={"GENRE": '"Horror","Drama"'}, numResults=50)
    assert {genre_of(int(item)) for item in two} == {"Horror", "Drama"}
    assert len(two) == 50


def test_a_click_changes_the_next_answer_and_the_filters(journey: Journey) -> None:
    watched = journey.filter("watched", 'INCLUDE ItemID WHERE Interactions.event_type IN ("watch")')
    unwatched = journey.filter("unwatched", 'EXCLUDE ItemID WHERE Interactions.event_type IN ("watch")')
    created = journey.personalize.create_event_tracker(name="films-tracker", datasetGroupArn=journey.arns["group"])
    before = journey.recommend(userId="3")
    horror = [str(item) for item in range(ITEMS) if genre_of(item) == "Horror"][:4]
    assert not set(horror) & set(journey.recommend(userId="new visitor", filterArn=watched))
    for item in horror:
        for user in ("3", "new visitor"):
            journey.events.put_events(
                trackingId=created["trackingId"],
                userId=user,
                sessionId=f"session of {user}",
                eventList=[
                    {"sentAt": int(time.time()), "eventType": "watch", "properties": json.dumps({"itemId": item})}
                ],
            )
    after = journey.recommend(userId="3")
    assert after != before
    assert set(horror) <= set(journey.recommend(userId="3", filterArn=watched, numResults=100))
    assert not set(horror) & set(journey.recommend(userId="3", filterArn=unwatched, numResults=100))
    assert set(journey.recommend(userId="new visitor", filterArn=watched)) == set(horror)
    newcomer = journey.recommend(userId="new visitor", numResults=10)
    assert sum(genre_of(int(item)) == "Horror" for item in newcomer) >= 6
    assert len(journey.recommend(userId="nobody ever saw me")) == 25


def test_a_list_is_ranked_whole(journey: Journey) -> None:
    given = [str(item) for item in range(40, 60)] + [f"unknown {i}" for i in range(5)]
    answer = journey.runtime.get_personalized_ranking(
        campaignArn=journey.arns["aws-personalized-ranking"], userId="7", inputList=given
    )
    ranked = answer["personalizedRanking"]
    assert sorted(item["itemId"] for item in ranked) == sorted(given)
    assert [item["itemId"] for item in ranked[20:]] == given[20:]
    assert all("score" not in item for item in ranked[20:])
    assert sum(item["score"] for item in ranked[:20]) == pytest.approx(1, abs=1e-5)
    assert genre_of(int(ranked[0]["itemId"])) == genre_of(7)


def test_batch_inference_answers_every_line(journey: Journey) -> None:
    lines = [
        b'{"userId": "3"}',
        b'{"userId": "nobody"}',
        b"not json",
        b'{"userId": "\xff"}',
        b'{"itemId": "3"}',
        b'{"userId": 7.0}',
        b'{"userId": "4"}',
    ]
    journey.s3.put_object(Bucket=journey.bucket, Key="batch/in/users.json", Body=b"\n".join(lines))
    arn = journey.personalize.create_batch_inference_job(
        solutionVersionArn=journey.arns["aws-user-personalization version"],
        jobName="films-batch",
        roleArn=ROLE,
        numResults=10,
        batchInferenceJobConfig=NO_EXPLORATION,
        jobInput={"s3DataSource": {"path": f"s3://{journey.bucket}/batch/in/users.json"}},
        jobOutput={"s3DataDestination": {"path": f"s3://{journey.bucket}/"}},
    )["batchInferenceJobArn"]
    ended = settled(journey.personalize.describe_batch_inference_job, "batchInferenceJob", batchInferenceJobArn=arn)
    assert ended["status"] == "ACTIVE", ended
    body = journey.s3.get_object(Bucket=journey.bucket, Key="users.json.out")["Body"].read()
    answers = [json.loads(line) for line in body.splitlines()]
    assert [answer["error"] is None for answer in answers] == [True, True, False, False, False, False, True]
    assert answers[0]["input"] == {"userId": "3"}
    assert [answer["input"] for answer in answers[2:6:3]] == ["not json", {"userId": 7.0}]
    assert all("userId" in answer["error"] for answer in answers[4:6])
    live = journey.runtime.get_recommendations(
        campaignArn=journey.arns["aws-user-personalization"], userId="4", numResults=10
    )
    assert answers[6]["output"] == {
        "recommendedItems": [item["itemId"] for item in live["itemList"]],
        "scores": [item["score"] for item in live["itemList"]],
    }


def test_clean_up_in_one_go(server: Server) -> None:
    """Everything is deleted one directly after the other, with no waiting in between."""
    way = Journey(server, "shortlived")
    way.data()
    way.train("aws-sims")
    way.deploy("aws-sims")
    way.filter("drama", 'INCLUDE ItemID WHERE Items.GENRE IN ("Drama")')
    tracker = way.personalize.create_event_tracker(name="shortlived", datasetGroupArn=way.arns["group"])
    client = way.personalize
    in_use = client.exceptions.ResourceInUseException
    for refused in (
        lambda: client.delete_solution(solutionArn=way.arns["aws-sims solution"]),
        lambda: client.delete_schema(schemaArn=way.arns["ITEMS schema"]),
        lambda: client.delete_dataset_group(datasetGroupArn=way.arns["group"]),
    ):
        with pytest.raises(in_use):
            refused()
    client.delete_campaign(campaignArn=way.arns["aws-sims"])
    status = client.describe_campaign(campaignArn=way.arns["aws-sims"])["campaign"]["status"]
    assert status in ("DELETE PENDING", "DELETE IN_PROGRESS")
    client.delete_event_tracker(eventTrackerArn=tracker["eventTrackerArn"])
    client.delete_filter(filterArn=way.arns["drama"])
    client.delete_solution(solutionArn=way.arns["aws-sims solution"])
    client.delete_dataset(datasetArn=way.arns["INTERACTIONS"].replace("INTERACTIONS", "EVENT_INTERACTIONS"))
    for kind in ("INTERACTIONS", "ITEMS"):
        client.delete_dataset(datasetArn=way.arns[kind])
        client.delete_schema(schemaArn=way.arns[f"{kind} schema"])
    client.delete_dataset_group(datasetGroupArn=way.arns["group"])
    assert client.describe_dataset_group(datasetGroupArn=way.arns["group"])["datasetGroup"]["status"].startswith(
        "DELETE"
    )

    def gone() -> bool:
        try:
            client.describe_dataset_group(datasetGroupArn=way.arns["group"])
        except client.exceptions.ResourceNotFoundException:
            return True
        return False

    wait_for(gone)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.describe_solution_version(solutionVersionArn=way.arns["aws-sims version"])
    assert not [g for g in client.list_dataset_groups()["datasetGroups"] if g["name"] == "shortlived"]
    again = Journey(server, "shortlived")
    again.s3.delete_object(Bucket=again.bucket, Key="shortlived-items.csv")
    again.data()  # the names of jobs are free again, too
