"""Metric attributions at work: recorded events and imports counted, shown in CloudWatch, written to S3.

Source: spec recipes-and-runtime 6.4. `MetricCounters` is the truth; CloudWatch and the files are made from it and
from the import. What arrived before an attribution, or before a metric was added to it, does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import polars as pl

from tailorbird.api import lifecycle, lookup
from tailorbird.data import attribution, datasets
from tailorbird.data.attribution import Metric
from tailorbird.data.clocks import DAY
from tailorbird.data.datasets import SOURCE
from tailorbird.storage import cloudwatch
from tailorbird.storage.catalogue import Document
from tailorbird.storage.metric_counters import Tally
from tailorbird.workspace import Workspace, region_of

KIND = "MetricAttribution"
AT_ONCE = 50_000
"""Events counted together: as many as wait for a compaction by default. To read them takes 0.4 s and 33 MB."""
CONSIDERED = 14.0 * DAY
"""Seconds: older events do not reach CloudWatch (spec recipes-and-runtime 6.4)."""
KEPT = 63.0 * DAY
"""Seconds for which CloudWatch, by its documentation, keeps values of periods from five minutes on, and we do."""
FILE = "AggregatedAttributionMetrics - {mode} - {time:.0f}.csv"


def of_group(workspace: Workspace, group: str) -> Document | None:
    """The group's metric attribution, if it has one."""
    found = lifecycle.related(workspace, KIND, datasetGroupArn=group)
    return found[0] if found else None


def due(workspace: Workspace) -> list[str]:
    """The ARNs of the attributions, in all regions, for which events came that are not counted yet."""
    found: list[str] = []
    for _, document in workspace.catalogue.select(KIND, failed=workspace.faults.failed):
        arn = document["metricAttributionArn"]
        workspace.faults.attempt(f"metrics of {arn}", partial(_add_if_news, workspace.at_arn(arn), document, found))
    return found


def unpublished(workspace: Workspace) -> bool:
    """Whether `publish` would find anything to do."""
    return bool(workspace.config.cloudwatch_endpoint) and workspace.metric_counters.unpublished(*_window(workspace))


def publish(workspace: Workspace) -> None:
    """Sends what is complete to the CloudWatch that the configuration names; raises CloudWatchError."""
    workspace.metric_counters.publish(*_window(workspace), partial(_send, workspace))


def count(workspace: Workspace, document: Document) -> None:
    """Counts the events that came since the last time for one attribution."""
    group, metrics = document["datasetGroupArn"], metrics_of(document)
    target = lookup.dataset_of(workspace, group, "INTERACTIONS")
    if target is None:
        return
    reader = _reader(document, "metricAttributionArn")
    reached = workspace.metric_counters.reached(reader, document["_from"])
    while True:
        rows, newest = datasets.recorded(workspace, target, after=reached, limit=AT_ONCE)
        if newest <= reached:
            return
        rows = datasets.settled(rows, workspace.clock())
        found = attribution.totals(metrics, rows, _items(workspace, group, metrics))
        workspace.metric_counters.add(reader, reached, newest, _tallies(workspace, group, metrics, found))
        reached = newest


def metrics(workspace: Workspace, region: str) -> list[Tally]:
    """What CloudWatch shows of a region."""
    return workspace.metric_counters.all(workspace.at(region).arn_prefix)


class ImportMetrics:
    """The metrics of one import's rows, counted while they are read."""

    def __init__(self, workspace: Workspace, document: Document) -> None:
        """document: the metric attribution's."""
        self._workspace = workspace
        self._document = document
        self._group: str = document["datasetGroupArn"]
        self._metrics = metrics_of(document)
        self._items = _items(workspace, self._group, self._metrics)
        self._total = attribution.together([])

    def see(self, frame: pl.DataFrame) -> None:
        """Counts rows as an import has them."""
        rows = self._with_source(frame.rename(str.upper))
        self._total = attribution.together([self._total, attribution.totals(self._metrics, rows, self._items)])

    def write(self, job: Document) -> None:
        """Writes the report of the job under the attribution's output path; raises ObjectError."""
        folder = self._document["metricsOutputConfig"]["s3DataDestination"]["path"].rstrip("/")
        # The same name when the job runs again.
        name = FILE.format(mode=job["importMode"], time=job["creationDateTime"])
        found = attribution.within_quota(self._total, set())
        lines = [
            {
                "METRIC_NAME": self._metrics[row["METRIC"]].name.upper(),
                "EVENT_TYPE": self._metrics[row["METRIC"]].event_type.upper(),
                "VALUE": row["VALUE"],
                "MATH_FUNCTION": self._metrics[row["METRIC"]].function,
                "EVENT_ATTRIBUTION_SOURCE": row[SOURCE],
                "TIMESTAMP": row["BUCKET"],
            }
            for row in found.iter_rows(named=True)
        ]
        with self._workspace.objects.writer(f"{folder}/{name}") as out:
            pl.DataFrame(lines, schema=_REPORT).write_csv(out)

    def add(self, job: Document) -> None:
        """Adds the rows of the job to what CloudWatch shows; once, though the job may run twice."""
        tallies = _tallies(self._workspace, self._group, self._metrics, self._total)
        self._workspace.metric_counters.add(_reader(job, "datasetImportJobArn"), 0, 1, tallies)

    def _with_source(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with their `SOURCE`: what they say themselves, or who gave the answer that they name."""
        told = pl.col("EVENT_ATTRIBUTION_SOURCE") if "EVENT_ATTRIBUTION_SOURCE" in rows.columns else pl.lit(None)
        by = pl.Series("BY", [None] * len(rows), dtype=pl.String)
        if "RECOMMENDATION_ID" in rows.columns:
            answers = self._workspace.recommendation_log.find(rows["RECOMMENDATION_ID"].drop_nulls().unique().to_list())
            names = {name: shown.by for name, shown in answers.items() if shown.group == self._group}
            by = rows["RECOMMENDATION_ID"].replace_strict(names, default=None, return_dtype=pl.String)
        return rows.with_columns(pl.coalesce(told, by).cast(pl.String).alias(SOURCE))


_REPORT = {
    "METRIC_NAME": pl.String,
    "EVENT_TYPE": pl.String,
    "VALUE": pl.Float64,
    "MATH_FUNCTION": pl.String,
    "EVENT_ATTRIBUTION_SOURCE": pl.String,
    "TIMESTAMP": pl.Int64,
}


def metrics_of(document: Document) -> list[Metric]:
    """The metrics of an attribution, whose expressions were checked when they were given."""
    read = (attribution.read(each["metricName"], each["eventType"], each["expression"]) for each in document["metrics"])
    return [metric for metric in read if metric is not None]


def _items(workspace: Workspace, group: str, metrics: list[Metric]) -> pl.DataFrame | None:
    """The newest record of each item, where a metric needs it."""
    items = lookup.dataset_of(workspace, group, "ITEMS") if any(each.dataset == "ITEMS" for each in metrics) else None
    return None if items is None else datasets.latest_records(workspace, items, items.key)


def _tallies(workspace: Workspace, group: str, metrics: list[Metric], found: pl.DataFrame) -> list[Tally]:
    """Totals as CloudWatch is to have them: recent, and of no more sources than there may be."""
    recent = found.filter(pl.col("BUCKET") > workspace.clock() - CONSIDERED)
    return [
        Tally(group, metrics[number].name.upper(), source.upper(), bucket, value)
        for number, source, bucket, value in attribution.within_quota(
            recent, workspace.metric_counters.sources(group)
        ).rows()
    ]


def _add_if_news(workspace: Workspace, document: Document, found: list[str]) -> None:
    """Adds the attribution's ARN to `found` if events came that are not counted yet."""
    target = lookup.dataset_of(workspace, document["datasetGroupArn"], "INTERACTIONS")
    reached = workspace.metric_counters.reached(_reader(document, "metricAttributionArn"), document["_from"])
    if target is not None and datasets.arrival(workspace, target) > reached:
        found.append(document["metricAttributionArn"])


def _reader(document: Document, arn_member: str) -> str:
    """Names come again when their resource is gone, but not at the same moment."""
    return f"{document[arn_member]} {document['creationDateTime']}"


def _window(workspace: Workspace) -> tuple[float, float]:
    """Between which moments (epoch seconds) buckets are published."""
    now = workspace.clock()
    return now - CONSIDERED, now


def _send(workspace: Workspace, tallies: Sequence[Tally]) -> None:
    """Publishes tallies, each in the region of its group."""
    config, key = workspace.config, workspace.access_key
    for region in sorted({region_of(tally.group) for tally in tallies}):
        cloudwatch.send(
            config.cloudwatch_endpoint,
            config.s3_access_key or key.access_key_id,
            config.s3_secret_key or key.secret_access_key,
            region,
            config.cloudwatch_namespace,
            [tally for tally in tallies if region_of(tally.group) == region],
        )
