"""Counting and publishing of metrics, step by step and with a clock of the test's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support import ROLE, Server
from tailorbird.api import attributions, lifecycle, lookup
from tailorbird.api.resources import RESOURCES
from tailorbird.data import compaction
from tailorbird.errors import InvalidInputException, ResourceAlreadyExistsException
from tailorbird.jobs import dispatcher
from tailorbird.storage.cloudwatch import CloudWatchError
from tailorbird.workspace import Workspace
from world import World

DAY = 86400.0
METRIC = {"eventType": "click", "metricName": "clicks", "expression": "SAMPLECOUNT()"}


class Counted(World):
    """A world with a tracker, whose clicks a metric attribution counts."""

    def open(self) -> None:
        self.prepare()
        self.tracker = self.call("create_event_tracker", name="t", datasetGroupArn=self.group)["trackingId"]
        self.attribute()

    def attribute(self) -> None:
        self.attribution = self.call(
            "create_metric_attribution",
            name="m",
            datasetGroupArn=self.group,
            metrics=[METRIC],
            metricsOutputConfig={"roleArn": ROLE},
        )["metricAttributionArn"]

    def click(self, number: int = 1, source: str = "mail") -> None:
        """Distinct clicks, now."""
        for each in range(number):
            event = {"eventType": "Click", "itemId": "3", "sentAt": self.now, "eventId": f"{self.now} {source} {each}"}
            event["metricAttribution"] = {"eventAttributionSource": source}
            self.call("put_events", trackingId=self.tracker, sessionId="s", userId="u", eventList=[event])

    def compact(self) -> None:
        compaction.move(self.workspace, lookup.dataset(self.workspace, self.workspace.catalogue.get(self.dataset)))

    def counted(self) -> dict[tuple[str, str], float]:
        """By metric and source, all time together."""
        for arn in attributions.due(self.workspace):
            attributions.count(self.workspace, self.workspace.catalogue.get(arn))
        assert not attributions.due(self.workspace)
        found: dict[tuple[str, str], float] = {}
        for tally in attributions.metrics(self.workspace, "us-east-1"):
            key = (tally.metric, tally.source)
            found[key] = found.get(key, 0.0) + tally.value
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Counted]:
    made = Counted(tmp_path)
    made.open()
    yield made
    made.workspace.close()


def test_events_count_once_wherever_they_lie(world: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributions, "AT_ONCE", 2)
    assert world.counted() == {}
    world.click(3)
    world.compact()
    world.click(4, "sms")
    assert world.counted() == {("CLICKS", "MAIL"): 3.0, ("CLICKS", "SMS"): 4.0}
    world.compact()
    assert world.counted() == {("CLICKS", "MAIL"): 3.0, ("CLICKS", "SMS"): 4.0}
    world.click(1, "web")
    assert world.counted()["CLICKS", "WEB"] == 1.0


def test_what_came_before_a_change_counts_for_the_metrics_that_there_were(world: Counted) -> None:
    world.click(2)
    added = METRIC | {"metricName": "later"}
    request = {"addMetrics": [added], "removeMetrics": ["clicks"]}
    world.call("update_metric_attribution", metricAttributionArn=world.attribution, **request)
    world.now += 1
    world.click(3)
    assert world.counted() == {("CLICKS", "MAIL"): 2.0, ("LATER", "MAIL"): 3.0}


@pytest.mark.parametrize("name", ["clicks", "Clicks", "CLICKS", "clickS"])
def test_names_that_cloudwatch_shows_alike_are_one_name(world: Counted, name: str) -> None:
    """They would be added up."""
    other = {"eventType": "buy", "metricName": name, "expression": "SAMPLECOUNT()"}
    with pytest.raises(ResourceAlreadyExistsException, match="there is a metric 'clicks' already"):
        world.call("update_metric_attribution", metricAttributionArn=world.attribution, addMetrics=[other])
    twice = {"addMetrics": [METRIC | {"metricName": "one"}, METRIC | {"metricName": "One"}]}
    with pytest.raises(ResourceAlreadyExistsException, match="there is a metric 'one' already"):
        world.call("update_metric_attribution", metricAttributionArn=world.attribution, **twice)
    world.call(
        "update_metric_attribution",
        metricAttributionArn=world.attribution,
        addMetrics=[other],
        removeMetrics=["clicks"],
    )
    world.call("delete_metric_attribution", metricAttributionArn=world.attribution)
    world.later(1)
    lifecycle.sweep(world.workspace, RESOURCES)
    with pytest.raises(InvalidInputException, match="every metricName must be another, whatever its case"):
        world.call(
            "create_metric_attribution",
            name="m",
            datasetGroupArn=world.group,
            metrics=[METRIC, other],
            metricsOutputConfig={"roleArn": ROLE},
        )


def test_a_deleted_attribution_counts_what_came_before_and_a_new_one_what_comes_after(world: Counted) -> None:
    world.click(2)
    world.call("delete_metric_attribution", metricAttributionArn=world.attribution)
    world.later(1)
    lifecycle.sweep(world.workspace, RESOURCES)
    assert world.counted() == {("CLICKS", "MAIL"): 2.0}
    world.click(5)
    world.attribute()
    world.now += 1
    world.click(1)
    assert world.counted() == {("CLICKS", "MAIL"): 3.0}


def test_old_metrics_and_old_answers_are_removed(world: Counted) -> None:
    world.click(2)
    assert len(world.counted()) == 1
    for days, left in ((62, 1), (2, 0)):
        world.now += days * DAY
        dispatcher.tidy(world.workspace)
        assert len(world.counted()) == left


def test_events_of_a_clock_ahead_count_now_and_are_removed_like_others(world: Counted) -> None:
    event = {"eventType": "Click", "itemId": "3", "sentAt": 4_102_444_800}
    world.call("put_events", trackingId=world.tracker, sessionId="s", userId="u", eventList=[event])
    assert sum(world.counted().values()) == 1
    (tally,) = attributions.metrics(world.workspace, "us-east-1")
    assert world.now - 900 < tally.bucket <= world.now
    world.now += 64 * DAY
    dispatcher.tidy(world.workspace)
    assert not world.counted()


@pytest.fixture
def elsewhere(world: Counted, server: Server) -> Workspace:
    """The world's workspace, with the CloudWatch of a server that is not its own."""
    values = server.environment()
    config = dataclasses.replace(
        world.workspace.config,
        cloudwatch_endpoint=server.url,
        cloudwatch_namespace="Shop",
        s3_access_key=values["AWS_ACCESS_KEY_ID"],
        s3_secret_key=values["AWS_SECRET_ACCESS_KEY"],
    )
    return dataclasses.replace(world.workspace, config=config)


def test_whole_buckets_are_sent_to_another_cloudwatch(world: Counted, server: Server, elsewhere: Workspace) -> None:
    world.now = world.now // 900 * 900

    def sums() -> list[float]:
        query: dict[str, Any] = {"Namespace": "Shop", "MetricName": "CLICKS", "Statistics": ["Sum"], "Period": 900}
        between = [datetime.fromtimestamp(world.now + shift, UTC) for shift in (-3600, 3600)]
        points = server.client("cloudwatch").get_metric_statistics(StartTime=between[0], EndTime=between[1], **query)
        return [point["Sum"] for point in points["Datapoints"]]

    world.click(2)
    assert world.counted() == {("CLICKS", "MAIL"): 2.0}
    attributions.publish(elsewhere)
    assert sums() == []
    world.now += 900
    broken = dataclasses.replace(elsewhere.config, s3_secret_key="wrong")
    with pytest.raises(CloudWatchError, match="InvalidSignature"):
        attributions.publish(dataclasses.replace(elsewhere, config=broken))
    assert attributions.unpublished(elsewhere)
    for _ in range(2):
        attributions.publish(elsewhere)
        assert sums() == [2.0]
    assert not attributions.unpublished(elsewhere)
