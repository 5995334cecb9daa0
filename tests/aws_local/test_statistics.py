"""Metrics of CloudWatch as clients ask for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aws_local.talk import error_of

MOMENT = datetime(2026, 1, 2, 3, 7, 16, tzinfo=UTC)
"""Of both values; the period of five minutes began at 3:05."""
BEGIN = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)
BETWEEN = {"StartTime": MOMENT - timedelta(hours=3), "EndTime": MOMENT + timedelta(hours=1)}
DIMENSIONS = [{"Name": "EventAttributionSource", "Value": "MAIL"}, {"Name": "DatasetGroupArn", "Value": "arn:a"}]


@pytest.fixture(scope="module")
def cloudwatch(guest):
    made = guest("cloudwatch")
    data = [
        {"MetricName": "N", "Dimensions": dimensions, "Timestamp": MOMENT, "Value": value}
        for dimensions, value in (
            (DIMENSIONS, 60.0),
            (DIMENSIONS[::-1], 40.0),
            ([{**DIMENSIONS[0], "Value": "WEB"}, DIMENSIONS[1]], 7.0),
        )
    ]
    made.put_metric_data(Namespace="shop", MetricData=data)
    return made


def query(dimensions):
    metric = {"Namespace": "shop", "MetricName": "N", "Dimensions": dimensions}
    return {"Id": "a", "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Sum"}}


@pytest.mark.parametrize("dimensions", [DIMENSIONS, DIMENSIONS[::-1]], ids=["as put", "reversed"])
def test_dimensions_have_no_order_and_values_the_time_of_their_period(cloudwatch, dimensions):
    found = cloudwatch.get_metric_data(MetricDataQueries=[query(dimensions)], **BETWEEN)["MetricDataResults"]
    assert [(each["Values"], each["Timestamps"]) for each in found] == [([100.0], [BEGIN])]
    asked = {"Namespace": "shop", "MetricName": "N", "Period": 300, "Statistics": ["Sum"], "Dimensions": dimensions}
    points = cloudwatch.get_metric_statistics(**asked, **BETWEEN)["Datapoints"]
    assert [(each["Sum"], each["Timestamp"]) for each in points] == [(100.0, BEGIN)]


@pytest.mark.parametrize("expression", ["a*2", "SEARCH('{shop} N', 'Sum', 300)", "SELECT SUM(N) FROM shop"])
def test_what_is_not_computed_is_said(cloudwatch, expression):
    queries = [query(DIMENSIONS), {"Id": "b", "Expression": expression, "Period": 300}]
    told = error_of(cloudwatch.get_metric_data, MetricDataQueries=queries, **BETWEEN)
    assert (told["Code"], "'b'" in told["Message"]) == ("ValidationError", True)
    same = [query(DIMENSIONS), {"Id": "b", "Expression": "a"}]
    found = cloudwatch.get_metric_data(MetricDataQueries=same, **BETWEEN)["MetricDataResults"]
    assert [each["Values"] for each in found] == [[100.0], [100.0]]
