"""What was shown and what it led to: answers that events name, and the metrics of those events."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from journeys.steps import INTERACTIONS_SCHEMA, Journey, as_csv, field, interactions_csv, schema
from support import ROLE, Server, refused, wait_for
from tailorbird.storage.recommendation_log import RecommendationLog

RECIPE = "aws-popularity-count"
WITH_COLUMNS = schema(
    "Interactions",
    *INTERACTIONS_SCHEMA["fields"],
    field("IMPRESSION", ["null", "string"]),
    field("RECOMMENDATION_ID", ["null", "string"]),
    field("EVENT_ATTRIBUTION_SOURCE", ["null", "string"]),
)
HEADER = tuple(column["name"] for column in WITH_COLUMNS["fields"])


class Shop(Journey):
    """A journey with a campaign of popular items, whose visitors click on what they are shown."""

    def open(self) -> None:
        head, *rows = interactions_csv().split()
        added = b",IMPRESSION,RECOMMENDATION_ID,EVENT_ATTRIBUTION_SOURCE"
        self.data(b"\n".join([head + added, *(row + b",,," for row in rows)]), interactions_schema=WITH_COLUMNS)
        self.train(RECIPE)
        self.deploy(RECIPE)
        self.tracking_id = self.tracker()

    def shown(self, **request: Any) -> tuple[str, list[str]]:
        answer = self.runtime.get_recommendations(campaignArn=self.arns[RECIPE], **request)
        return answer["recommendationId"], [item["itemId"] for item in answer["itemList"]]

    def click(self, user: str, item: str, **event: Any) -> None:
        base = {"eventType": "click", "itemId": item, "sentAt": 1_700_000_000}
        self.events.put_events(
            trackingId=self.tracking_id, sessionId=f"s-{user}", userId=user, eventList=[base | event]
        )

    def stored(self, user: str) -> dict[str, str]:
        (row,) = [row for row in self.export("INTERACTIONS", "PUT") if row["USER_ID"] == user]
        return row


def buckets(server: Server, name: str, group: str, source: str) -> list[tuple[float, float]]:
    """A metric in CloudWatch: begin of each quarter of an hour, and sum."""
    found = server.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Personalize",
        MetricName=name,
        Dimensions=[
            {"Name": "EventAttributionSource", "Value": source},
            {"Name": "DatasetGroupArn", "Value": group},
        ],
        StartTime=datetime.now(UTC) - timedelta(days=1),
        EndTime=datetime.now(UTC) + timedelta(hours=1),
        Period=900,
        Statistics=["Sum"],
    )
    return sorted((point["Timestamp"].timestamp(), point["Sum"]) for point in found["Datapoints"])


def attribute(shop: Shop, *metrics: tuple[str, str, str], path: str = "reports/") -> str:
    return shop.personalize.create_metric_attribution(
        name=f"{shop.name}-worth",
        datasetGroupArn=shop.arns["group"],
        metrics=[
            {"eventType": event_type, "metricName": name, "expression": expression}
            for event_type, name, expression in metrics
        ],
        metricsOutputConfig={"roleArn": ROLE, "s3DataDestination": {"path": f"s3://{shop.bucket}/{path}"}},
    )["metricAttributionArn"]


@pytest.fixture(scope="module")
def shop(server: Server) -> Shop:
    """Clicks are counted from now on; there was one before."""
    journey = Shop(server, "counted-shop")
    journey.open()
    journey.click("before", "1", sentAt=time.time() - 7200)
    metrics = (("CLICK", "countClicks", "samplecount()"), ("click", "years", "SUM(items.year)"))
    journey.arns["attribution"] = attribute(journey, *metrics)
    return journey


def test_an_answer_that_an_event_names_is_its_impression(shop: Shop) -> None:
    named, items = shop.shown(numResults=40)
    assert (len(named), len(items)) == (40, 40)
    shop.click("implicit", items[3], recommendationId=named)
    row = shop.stored("implicit")
    assert (row["IMPRESSION"], row["RECOMMENDATION_ID"]) == ("|".join(items[:25]), named)
    assert row["EVENT_ATTRIBUTION_SOURCE"] == "", "only what the client says"


def test_an_explicit_impression_wins(shop: Shop) -> None:
    named, items = shop.shown()
    shop.click("explicit", items[0], recommendationId=named, impression=["1", "2"])
    assert shop.stored("explicit")["IMPRESSION"] == "1|2"


def test_an_unknown_recommendation_id_is_no_error(shop: Shop) -> None:
    shop.click("unknown", "3", recommendationId="RID-unknown")
    row = shop.stored("unknown")
    assert (row["ITEM_ID"], row["IMPRESSION"], row["RECOMMENDATION_ID"]) == ("3", "", "RID-unknown")


def test_answers_of_another_group_do_not_count(shop: Shop, server: Server) -> None:
    other = Shop(server, "other-shop")
    other.s3.create_bucket(Bucket=other.bucket)
    other.arns["group"] = other.personalize.create_dataset_group(name="other-shop")["datasetGroupArn"]
    other.dataset("INTERACTIONS", WITH_COLUMNS)
    other.tracking_id = other.tracker()
    named, items = shop.shown()
    other.click("stranger", items[0], recommendationId=named)
    assert other.stored("stranger")["IMPRESSION"] == ""
    request = {"dataSource": {"dataLocation": "s3://b/x.csv"}, "roleArn": ROLE, "publishAttributionMetricsToS3": True}
    create = other.personalize.create_dataset_import_job
    words, arn = "needs a metric attribution", other.arns["INTERACTIONS"]
    refused("InvalidInputException", words, create, jobName="x", datasetArn=arn, **request)
    refused("InvalidInputException", "not of ITEMS", create, jobName="x", datasetArn=shop.arns["ITEMS"], **request)


def test_clicks_are_attributed_to_who_led_to_them(shop: Shop, server: Server) -> None:
    quarter = (int(time.time()) - 7200) // 900 * 900
    named, items = shop.shown(numResults=5)
    shop.click("a", items[0], recommendationId=named, sentAt=quarter)
    shop.click("b", "2", recommendationId=named, sentAt=quarter + 899)
    shop.click("c", "3", recommendationId=named, sentAt=quarter + 900)
    shop.click("d", "3", sentAt=quarter, metricAttribution={"eventAttributionSource": "recommended_for_you"})
    shop.click("e", "3", sentAt=quarter)
    shop.click("f", "3", sentAt=quarter, eventType="watch")
    shop.click("g", "3", sentAt=quarter - 15 * 86400)
    group, campaign = shop.arns["group"], shop.arns[RECIPE].upper()
    expected = [(quarter, 2.0), (quarter + 900, 1.0)]
    wait_for(lambda: buckets(server, "COUNTCLICKS", group, campaign) == expected)
    assert buckets(server, "COUNTCLICKS", group, "RECOMMENDED_FOR_YOU") == [(quarter, 1.0)]
    assert buckets(server, "COUNTCLICKS", group, "SOURCE_NAME_UNDEFINED") == [(quarter, 1.0)]
    year = {row["ITEM_ID"]: int(row["YEAR"] or 0) for row in shop.export("ITEMS", "BULK")}
    expected = [(quarter, float(year[items[0]] + year["2"])), (quarter + 900, float(year["3"]))]
    assert buckets(server, "YEARS", group, campaign) == expected
    listed = server.client("cloudwatch").list_metrics(Namespace="AWS/Personalize")["Metrics"]
    assert {metric["MetricName"] for metric in listed} == {"COUNTCLICKS", "YEARS"}
    names = [json.dumps(metric, sort_keys=True) for metric in listed]
    assert len(names) == len(set(names)), "each once, however many quarters of an hour have values"


def test_imports_are_reported_in_s3_and_incremental_ones_in_cloudwatch(shop: Shop, server: Server) -> None:
    quarter = (int(time.time()) - 7200) // 900 * 900
    named, items = shop.shown(numResults=5)
    rows = [HEADER, *((f"u{n}", items[0], "click", str(quarter), "", named, "") for n in range(3))]
    rows += [("v", "3", "click", "1600000000", "", "", "mail"), ("w", "3", "watch", str(quarter), "", "", "")]
    for mode in ("INCREMENTAL", "FULL"):
        ended = shop.import_job(
            "INTERACTIONS", as_csv(rows), f"report-{mode}", importMode=mode, publishAttributionMetricsToS3=True
        )
        assert (ended["status"], ended["publishAttributionMetricsToS3"]) == ("ACTIVE", True)
        name = f"reports/AggregatedAttributionMetrics - {mode} - {int(ended['creationDateTime'].timestamp() + 0.5)}.csv"
        found = shop.s3.list_objects_v2(Bucket=shop.bucket, Prefix="reports/Agg")["Contents"]
        text = shop.s3.get_object(Bucket=shop.bucket, Key=name)["Body"].read().decode()
        assert name in [each["Key"] for each in found]
        head, *lines = text.splitlines()
        assert head == "METRIC_NAME,EVENT_TYPE,VALUE,MATH_FUNCTION,EVENT_ATTRIBUTION_SOURCE,TIMESTAMP"
        assert f"COUNTCLICKS,CLICK,3.0,samplecount,{shop.arns[RECIPE]},{quarter}" in lines
        assert f"COUNTCLICKS,CLICK,1.0,samplecount,mail,{1600000000 // 900 * 900}" in lines
        assert len(lines) == 4
    group, campaign = shop.arns["group"], shop.arns[RECIPE].upper()
    counted = dict(buckets(server, "COUNTCLICKS", group, campaign))
    assert counted[quarter] == 5.0, "two events and the three rows of the incremental import, none of the full one"
    assert buckets(server, "COUNTCLICKS", group, "MAIL") == [], "too old for CloudWatch"


def test_a_report_that_cannot_be_written_fails_the_import_and_changes_nothing(shop: Shop) -> None:
    output = {"roleArn": ROLE, "s3DataDestination": {"path": "s3://no-such-bucket/reports"}}
    arn = shop.arns["attribution"]
    shop.personalize.update_metric_attribution(metricAttributionArn=arn, metricsOutputConfig=output)
    before = shop.export("INTERACTIONS", "BULK")
    body = as_csv([HEADER, *[("x", "1", "click", "5", "", "", "")] * 2])
    ended = shop.import_job("INTERACTIONS", body, "lost", publishAttributionMetricsToS3=True)
    assert ended["status"] == "CREATE FAILED"
    assert "The metrics could not be written: There is no bucket no-such-bucket" in ended["failureReason"]
    assert shop.export("INTERACTIONS", "BULK") == before


def test_answers_and_metrics_survive_and_count_on(shop: Shop, server: Server) -> None:
    quarter = (int(time.time()) - 3600) // 900 * 900
    by = {"metricAttribution": {"eventAttributionSource": "after_all"}, "sentAt": quarter}
    shop.click("h", "3", **by)
    named, items = shop.shown(numResults=5)
    kept = RecommendationLog(f"sqlite:///{server.data_dir / 'shown.db'}")
    wait_for(lambda: kept.find([named]))
    kept.close()
    server.kill()
    server.start()
    shop.connect()
    group = shop.arns["group"]
    wait_for(lambda: buckets(server, "COUNTCLICKS", group, "AFTER_ALL") == [(quarter, 1.0)])
    shop.click("later", items[0], recommendationId=named, **by)
    assert shop.stored("later")["IMPRESSION"] == "|".join(items)
    wait_for(lambda: buckets(server, "COUNTCLICKS", group, "AFTER_ALL") == [(quarter, 2.0)])
