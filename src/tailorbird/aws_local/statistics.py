"""Metrics of CloudWatch as they differ from moto: whose order and times are AWS's, and what is not computed here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1)
"""Without a zone, as are all of moto's moments, which are UTC."""


def mend() -> None:
    """Has moto's CloudWatch answer as it should, for all of this process; may be called again."""
    from moto.cloudwatch import models

    module: Any = models
    module.Dimension.__lt__ = lambda one, other: (one.name, one.value or "") < (other.name, other.value or "")
    module.daterange = _periods
    backend = module.CloudWatchBackend
    backend.get_filtered_metrics = _each_once
    if backend.get_metric_data is not _data:
        global _data_of_moto
        _data_of_moto = backend.get_metric_data
        backend.get_metric_data = _data


_data_of_moto: Any = None


def _data(
    backend: Any, queries: list[dict[str, Any]], start_time: datetime, end_time: datetime, scan_by: str
) -> list[dict[str, Any]]:
    """What GetMetricData answers, from the beginning of the period in which the start is."""
    from moto.cloudwatch.exceptions import ValidationError

    ids = {query["Id"] for query in queries if "MetricStat" in query}
    for query in queries:
        if "Expression" in query and query["Expression"] not in ids:
            raise ValidationError(
                f"Error in expression {query['Id']!r}: metric math, SEARCH and SELECT are not computed here; ask for "
                "the metrics by MetricStat, and compute on what comes."
            )
    periods = [int(query["MetricStat"]["Period"]) for query in queries if "MetricStat" in query]
    return list(_data_of_moto(backend, queries, _begin(start_time, max(periods, default=1)), end_time, scan_by))


def _begin(moment: datetime, period: int) -> datetime:
    """When the period of so many seconds begins that a moment is in."""
    seconds = int((moment.replace(tzinfo=None) - _EPOCH).total_seconds())
    return moment.replace(microsecond=0) - timedelta(seconds=seconds % period)


def _periods(start: datetime, stop: datetime, step: timedelta) -> Iterator[datetime]:
    """The beginnings of the periods from one moment to another."""
    begin = _begin(start, int(step.total_seconds()))
    while begin < stop:
        yield begin
        begin += step


def _each_once(backend: Any, metric_name: str, namespace: str, dimensions: list[dict[str, str]]) -> list[Any]:
    """What ListMetrics lists: each metric once, however many values it has, which moto lists one by one."""
    found: dict[tuple[str, str, frozenset[tuple[str, str]]], Any] = {}
    for value in backend.get_all_metrics():
        if value.filter(namespace, metric_name, dimensions):
            of = frozenset((each.name, each.value) for each in value.dimensions)
            found.setdefault((value.namespace, value.name, of), value)
    return list(found.values())
