"""Metrics as CloudWatch has them (spec recipes-and-runtime 6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tailorbird.storage import aws
from tailorbird.storage.metric_counters import Tally

NAMESPACE = "AWS/Personalize"
AT_ONCE = 500
"""Values in one request; CloudWatch takes 1000, in 1 MB at most, and a source alone may have 1024 letters."""


class CloudWatchError(Exception):
    """The service cannot be reached, or refuses; the message says why."""


def datum(tally: Tally) -> dict[str, Any]:
    """A tally as a member of PutMetricData's MetricData."""
    dimensions = {"EventAttributionSource": tally.source, "DatasetGroupArn": tally.group}
    return {
        "MetricName": tally.metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        "Timestamp": datetime.fromtimestamp(tally.bucket, UTC),
        "Value": tally.value,
    }


def send(
    endpoint: str, access_key: str, secret_key: str, region: str, namespace: str, tallies: Sequence[Tally]
) -> None:
    """Puts the tallies into the CloudWatch service at `endpoint`; raises CloudWatchError."""
    from botocore.exceptions import BotoCoreError, ClientError

    client = aws.client("cloudwatch", endpoint, access_key, secret_key, region)
    try:
        for start in range(0, len(tallies), AT_ONCE):
            part = [datum(tally) for tally in tallies[start : start + AT_ONCE]]
            client.put_metric_data(Namespace=namespace, MetricData=part)
    except (BotoCoreError, ClientError) as error:
        raise CloudWatchError(f"{endpoint} did not take the metrics: {error}") from error
