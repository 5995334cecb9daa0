"""What `tailorbird metrics` shows: each metric with its interval, beside that of the most popular items."""

from __future__ import annotations

import json
import textwrap
from contextlib import closing

from tailorbird.api import extensions
from tailorbird.cli.columns import aligned
from tailorbird.cli.report import ambiguous, complain, jobs, jobs_called, say
from tailorbird.config import Config
from tailorbird.errors import AwsError
from tailorbird.evaluation.beyond_accuracy import COHORTS, METRICS, TWO_NDCGS
from tailorbird.numbers import counted
from tailorbird.storage.catalogue import Document
from tailorbird.workspace import open_workspace

WIDTH = 80
"""Letters of a line: the narrowest terminal that is common."""
EXPLAINED = ("novelty", "diversity", "coverage", "gini")
"""Metrics whose names do not tell what they say."""


def print_metrics(config: Config, name: str, *, cohorts: bool = False, as_json: bool = False) -> bool:
    """The answer of GetExtendedMetrics as tables, or as JSON; False where there is none.

    name: as of `report.print_job`. cohorts: whether new, light and heavy users are shown apart, too.
    """
    with closing(open_workspace(config)) as workspace:
        found = jobs_called([job for job in jobs(workspace) if "_metrics" in job[1]], name)
        if len(found) > 1:
            complain(ambiguous(name, found))
            return False
        arn = found[0][0] if found else name
        region = "".join(arn.split(":")[3:4]) or config.region
        try:
            answer = extensions.get_extended_metrics(workspace.at(region), {"resourceArn": arn})
        except AwsError as error:
            complain(error.message)
            return False
    if as_json:
        say(json.dumps(answer, indent=2))
    elif answer["metrics"]:
        _print_tables(answer["metrics"], cohorts)
    else:
        say("The evaluation of this recipe tells no more than `tailorbird job` shows.")
    return True


def _print_tables(rows: list[Document], cohorts: bool) -> None:
    known = [cohort for cohort in COHORTS if any(row["cohort"] == cohort for row in rows)]
    for cohort in known if cohorts else known[:1]:
        _print_cohort(cohort, [row for row in rows if row["cohort"] == cohort])
    for metric in [each for each in EXPLAINED if any(row["name"] == each for row in rows)]:
        _explain(f"{metric}: {METRICS[metric]}")
    _explain("popular: the most popular items, asked the same questions")
    _explain(TWO_NDCGS)
    if len(known) > 1 and not cohorts:
        _explain(f"--cohorts shows {', '.join(known[1:])} users apart.")


def _print_cohort(cohort: str, rows: list[Document]) -> None:
    """The table of one cohort: the model beside the most popular items, each with the ends of its 95 % interval."""
    _explain(f"{cohort}: {COHORTS[cohort]} ({counted(rows[0]['questions'], 'question')})")
    cells = [(row["name"], *_cells(row["model"]), *_cells(row["popularity"])) for row in rows]
    for line in aligned([("metric", "model", "95 %", "popular", "95 %"), *cells]):
        say(line)
    say("")


def _cells(estimate: Document) -> tuple[str, str]:
    """A value, and the ends of its interval where it has one."""
    ends = [_figure(estimate[end]) for end in ("lower", "upper") if estimate[end] is not None]
    return _figure(estimate["value"]), " to ".join(ends)


def _figure(value: float) -> str:
    """Six letters: novelty alone, in bits, reaches 10, and needs no fourth decimal there."""
    return f"{value:.{4 if value < 10 else 3}f}"


def _explain(text: str) -> None:
    say(textwrap.fill(text, WIDTH, break_on_hyphens=False))
