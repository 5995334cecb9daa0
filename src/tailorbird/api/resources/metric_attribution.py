"""Metric attributions: what events are worth, by the campaign or source that led to them (spec 6.4).

One a group; the dispatcher has them counted (`api/attributions.py`).
"""

from __future__ import annotations

from typing import Any

from tailorbird.api import attributions, lifecycle, lookup, standard
from tailorbird.api.lifecycle import Resource
from tailorbird.data import attribution
from tailorbird.data.datasets import Dataset, arrival
from tailorbird.data.schema import NUMERIC
from tailorbird.errors import InvalidInputException, ResourceAlreadyExistsException
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import Workspace


def _dispose(workspace: Workspace, document: Document) -> None:
    """What came before the deletion counts still."""
    attributions.count(workspace, document)


RESOURCE = Resource(
    "MetricAttribution",
    arn="{name}",
    parents=("DatasetGroup",),
    taggable=False,
    dispose=_dispose,
)

MOST_METRICS = 10
"""Of an attribution (spec recipes-and-runtime 6.4)."""


@lifecycle.atomic
def create_metric_attribution(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Raises ResourceAlreadyExists for a second one in the group, InvalidInput for a metric that cannot be."""
    group = request["datasetGroupArn"]
    lifecycle.active(workspace, "DatasetGroup", group)
    for other in lifecycle.related(workspace, RESOURCE.name, datasetGroupArn=group):
        raise ResourceAlreadyExistsException(
            f"The dataset group has a metric attribution already: {other['metricAttributionArn']}. Update that."
        )
    names = [metric["metricName"] for metric in request["metrics"]]
    if len({name.upper() for name in names}) < len(names):
        raise InvalidInputException(
            f"metrics: every metricName must be another, whatever its case, which CloudWatch does not show; "
            f"given: {', '.join(names)}."
        )
    interactions = _check(workspace, group, "metrics", request["metrics"])
    return lifecycle.create(workspace, RESOURCE, request, _from=arrival(workspace, interactions))


def update_metric_attribution(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Removes metrics, then adds some, and replaces the output's configuration; at once.

    What came before counts for the metrics that there were. Raises ResourceInUse while it is being deleted.
    """
    arn = _arn(request)
    attributions.count(workspace, lifecycle.active(workspace, RESOURCE.name, arn))
    _update(workspace, arn, request)
    return {"metricAttributionArn": arn}


@lifecycle.atomic
def _update(workspace: Workspace, arn: str, request: dict[str, Any]) -> None:
    document, added = lifecycle.active(workspace, RESOURCE.name, arn), request.get("addMetrics", [])
    _check(workspace, document["datasetGroupArn"], "addMetrics", added)

    def change(current: Document) -> Document:
        metrics = _changed(current["metrics"], request.get("removeMetrics", []), added)
        output = request.get("metricsOutputConfig", current["metricsOutputConfig"])
        now = workspace.clock()
        return current | {"metrics": metrics, "metricsOutputConfig": output, "lastUpdatedDateTime": now}

    workspace.catalogue.update(arn, change)


def _changed(metrics: list[Document], removed: list[str], added: list[Document]) -> list[Document]:
    present = [metric["metricName"] for metric in metrics]
    for name in removed:
        if name not in present:
            raise InvalidInputException(f"removeMetrics: there is no metric {name!r}; there are {', '.join(present)}.")
    kept = [metric for metric in metrics if metric["metricName"] not in removed]
    for metric in added:
        for name in (each["metricName"] for each in kept):
            if name.upper() == metric["metricName"].upper():  # as CloudWatch shows them, which would add them up
                raise ResourceAlreadyExistsException(
                    f"addMetrics: there is a metric {name!r} already: take another name."
                )
        kept.append(metric)
    if len(kept) > MOST_METRICS:
        raise InvalidInputException(f"There would be {len(kept)} metrics; at most {MOST_METRICS} are possible.")
    return kept


def list_metric_attribution_metrics(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """The metrics of one attribution."""
    document = lifecycle.find(workspace, RESOURCE.name, _arn(request))
    return standard.page_of_rows("metrics", document["metrics"], request)


def _arn(request: dict[str, Any]) -> str:
    if "metricAttributionArn" not in request:
        raise InvalidInputException("metricAttributionArn is required.")
    return str(request["metricAttributionArn"])


def _check(workspace: Workspace, group: str, where: str, metrics: list[Document]) -> Dataset:
    """The group's interactions, once each metric's expression fits the schemas of the group."""
    datasets = {kind: lookup.dataset_of(workspace, group, kind) for kind in ("INTERACTIONS", "ITEMS")}
    interactions = datasets["INTERACTIONS"]
    if interactions is None or interactions.schema.field("EVENT_TYPE") is None:
        raise InvalidInputException("Metrics need an Interactions dataset whose schema has EVENT_TYPE.")
    for number, metric in enumerate(metrics):
        _check_expression(f"{where}[{number}].expression", metric, datasets)
    return interactions


def _check_expression(where: str, metric: Document, datasets: dict[str, Dataset | None]) -> None:
    read = attribution.read(metric["metricName"], metric["eventType"], metric["expression"])
    if read is None:
        raise InvalidInputException(
            f"{where}: {metric['expression']!r} is none of {attribution.SAMPLE_COUNT}, SUM(Items.COLUMN), "
            f"SUM(Interactions.COLUMN)."
        )
    if read.column:
        of_kind = datasets[read.dataset]
        field = of_kind.schema.field(read.column) if of_kind else None
        if field is None or field.type not in NUMERIC:
            raise InvalidInputException(f"{where}: {read.dataset.capitalize()} has no numeric column {read.column}.")


OPERATIONS = {
    f.__name__: f for f in (create_metric_attribution, update_metric_attribution, list_metric_attribution_metrics)
}
