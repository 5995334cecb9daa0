"""What trends now: a campaign and a domain's recommender that follow events without a training."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from journeys.steps import INTERACTIONS_SCHEMA, Journey, interactions_csv
from support import Server, settled

TRENDING = "aws-trending-now"
METRICS = 9
DAY = 86400


def closed_interval(seconds: int) -> int:
    """Some time within the last interval that has closed, in epoch seconds."""
    return (int(time.time()) // seconds - 1) * seconds + seconds // 2


def put(way: Journey, counts: dict[str, int], when: int, event_type: str = "click") -> None:
    for item, count in counts.items():
        for number in range(count):
            event = {"eventType": event_type, "itemId": item, "sentAt": when + number}
            way.events.put_events(
                trackingId=way.arns["trackingId"], sessionId=f"s{number}", userId=f"u{number}", eventList=[event]
            )


def track(way: Journey) -> None:
    created = way.personalize.create_event_tracker(name=way.name, datasetGroupArn=way.arns["group"])
    way.arns["trackingId"] = created["trackingId"]


@pytest.fixture(scope="module")
def journey(server: Server) -> Journey:
    way = Journey(server, "trends")
    way.data()
    track(way)
    config = {"featureTransformationParameters": {"trend_discovery_frequency": "1d"}}
    way.train(TRENDING, solutionConfig=config)
    return way


def test_metrics_have_the_growth_that_was_foreseen(journey: Journey) -> None:
    version = journey.arns[f"{TRENDING} version"]
    metrics = journey.personalize.get_solution_metrics(solutionVersionArn=version)["metrics"]
    assert len(metrics) == METRICS
    assert 0 <= metrics["trending_prediction_accuracy"] <= 1


def test_events_of_a_closed_interval_trend_even_of_new_items(journey: Journey) -> None:
    when = closed_interval(DAY)
    put(journey, {"brand new": 6, "7": 4}, when)
    put(journey, {"9": 9}, when - DAY)
    put(journey, {"11": 9}, int(time.time()))
    journey.deploy(TRENDING)
    answer = journey.runtime.get_recommendations(campaignArn=journey.arns[TRENDING], userId="1")["itemList"]
    assert [item["itemId"] for item in answer[:2]] == ["brand new", "7"]
    assert len(answer) == 25
    assert not any("score" in item for item in answer)
    assert "9" not in journey.recommend(TRENDING, numResults=3), "it has fallen"
    journey.filter("horror", 'INCLUDE ItemID WHERE Items.GENRE IN ("Horror")')
    assert journey.recommend(TRENDING, filterArn=journey.arns["horror"], numResults=3)[0] == "7"


def test_trends_have_no_batch_jobs(journey: Journey) -> None:
    with pytest.raises(ClientError, match="batch inference"):
        journey.personalize.create_batch_inference_job(**journey.batch_request(TRENDING, "trends"))


def test_the_interval_is_one_of_four(journey: Journey) -> None:
    request: dict[str, Any] = {
        "datasetGroupArn": journey.arns["group"],
        "recipeArn": f"arn:aws:personalize:::recipe/{TRENDING}",
    }
    for text in ("5 minutes", "2 hours"):
        config = {"featureTransformationParameters": {"trend_discovery_frequency": text}}
        with pytest.raises(ClientError, match="one of 30 minutes, 1 hour, 3 hours, 1 day"):
            journey.personalize.create_solution(name="wrong", solutionConfig=config, **request)


def test_the_use_case_trends_too(server: Server) -> None:
    way = Journey(server, "videos")
    way.s3.create_bucket(Bucket=way.bucket)
    created = way.personalize.create_dataset_group(name="videos", domain="VIDEO_ON_DEMAND")
    way.arns["group"] = created["datasetGroupArn"]
    way.dataset("INTERACTIONS", INTERACTIONS_SCHEMA, domain="VIDEO_ON_DEMAND")
    way.load("INTERACTIONS", interactions_csv())
    track(way)
    arn = way.personalize.create_recommender(
        name="trending",
        datasetGroupArn=way.arns["group"],
        recipeArn="arn:aws:personalize:::recipe/aws-vod-trending-now",
    )["recommenderArn"]
    ended = settled(way.personalize.describe_recommender, "recommender", recommenderArn=arn)
    assert ended["status"] == "ACTIVE", ended
    assert len(ended["modelMetrics"]) == METRICS - 1
    put(way, {"premiere": 5}, closed_interval(2 * 3600), "Watch")
    answer = way.runtime.get_recommendations(recommenderArn=arn)["itemList"]
    assert answer[0]["itemId"] == "premiere"
