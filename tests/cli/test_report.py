"""What the terminal shows of jobs: a remark on each, and tables that cut nothing off."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from journeys.steps import interactions_csv
from tailorbird.api import lifecycle
from tailorbird.cli import main, report
from tailorbird.numbers import counted
from world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("report"))
    made.prepare()
    made.fill(
        made.dataset, "lossy", interactions_csv(1) + b",1,click,1600000000\r\n" * 3 + b"17850.0,1,click,1600000000\r\n"
    )
    made.call("create_solution_version", solutionArn=made.solution("s"))
    made.work()
    yield made
    made.workspace.close()


def shown(world: World, *words: str) -> str:
    result = CliRunner().invoke(main.app, [*words, "--data-dir", str(world.workspace.config.data_dir)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_jobs_tell_what_an_import_dropped_and_how_many_warnings_there_are(world: World) -> None:
    _, document = world.workspace.catalogue.select("DatasetImportJob")[0]
    arn = lifecycle.own_arn("DatasetImportJob", document)
    (line,) = (line for line in shown(world, "jobs").splitlines() if arn in line)
    told = document["_report"]
    remark = f"3 of {told['rowsRead']:,} rows dropped, {counted(len(told['warnings']), 'warning')}"
    assert told["warnings"]
    assert line.endswith(f"{arn}  {remark}")
    assert told["summary"] in shown(world, "job", arn)


def test_metrics_fit_a_narrow_terminal_and_a_pipe(world: World) -> None:
    version = world.workspace.catalogue.select("SolutionVersion")[0][1]["solutionVersionArn"]
    told = shown(world, "metrics", version).splitlines()
    assert max(map(len, told)) <= 80
    assert told[0].startswith("all: every question that GetSolutionMetrics rests on (")
    figures = r"0\.\d{4} +0\.\d{4} to 0\.\d{4}"
    for k in (5, 10, 25):
        (line,) = (line for line in told if line.startswith(f"ndcg_at_{k} "))
        assert re.fullmatch(rf"ndcg_at_{k} +{figures} +{figures}", line)
        (line,) = (line for line in shown(world, "job", version).splitlines() if f"cumulative_gain_at_{k} " in line)
        assert re.fullmatch(rf"normalized_discounted_cumulative_gain_at_{k} +[\d.]+ +[\d.]+", line)
    for name in ("novelty", "gini", "coverage"):
        assert sum(line.startswith(f"{name}: ") for line in told) == 1, "explained"


def test_metrics_for_programs(world: World) -> None:
    version = world.workspace.catalogue.select("SolutionVersion")[0][1]["solutionVersionArn"]
    told = json.loads(shown(world, "metrics", version, "--json"))
    assert told == world.call("get_extended_metrics", resourceArn=version)


def test_a_long_reason_is_cut_where_jobs_are_listed(tmp_path: Path) -> None:
    world = World(tmp_path)
    reason = "Every row\nis wrong. " * 80 + "Mend the file."
    for name, told in (("long", reason), ("short", "One row is wrong.")):
        arn = f"{world.workspace.arn_prefix}dataset-import-job/{name}"
        failed = {"status": "CREATE FAILED", "failureReason": told, "creationDateTime": 0.0}
        world.workspace.catalogue.insert("DatasetImportJob", arn, failed | {"datasetImportJobArn": arn})
    long, short, hint = shown(world, "jobs").splitlines()
    assert len(long.partition("/long  ")[2]) <= report.REMARK_LETTERS
    assert long.endswith("...")
    assert short.endswith("/short  One row is wrong.")
    assert "tailorbird job ARN" in hint
    assert reason in shown(world, "job", "long")
    world.workspace.close()


def test_jobs_that_wait_say_for_how_many_others(tmp_path: Path) -> None:
    """A training waits for trainings; all else passes them."""
    world = World(tmp_path)
    for kind, name, status in (
        ("SolutionVersion", "one", "CREATE IN_PROGRESS"),
        ("SolutionVersion", "two", "CREATE PENDING"),
        ("DatasetImportJob", "three", "CREATE PENDING"),
        ("BatchInferenceJob", "four", "CREATE PENDING"),
    ):
        arn = f"{world.workspace.arn_prefix}{name}/{name}"
        document = {"status": status, lifecycle.arn_member(kind): arn, "creationDateTime": 0.0}
        world.workspace.catalogue.insert(kind, arn, document)
    waiting = [f"0% waiting for a worker{more}" for more in (": 1 training before it", "", ": 1 job before it")]
    remarks = ["0% starting", *waiting]
    for name, remark in zip(("one", "two", "three", "four"), remarks, strict=True):
        assert remark in shown(world, "job", name).splitlines()
        assert any(line.endswith(f"/{name}  {remark}") for line in shown(world, "jobs").splitlines())
    world.workspace.close()


def test_a_job_may_be_named_without_its_arn(world: World) -> None:
    version = world.workspace.catalogue.select("SolutionVersion")[0][1]["solutionVersionArn"]
    assert "3 dropped" in shown(world, "job", "lossy")
    assert shown(world, "job", "s").startswith(f"{version}  ACTIVE")
    assert shown(world, "job", version.rpartition("/")[2]).startswith(version)
    assert shown(world, "metrics", "s") == shown(world, "metrics", version)
    again = world.call("create_solution_version", solutionArn=version.rpartition("/")[0], name="again")
    folder = str(world.workspace.config.data_dir)
    for words, told in (
        (("job", "s"), f"2 jobs are called s. Give the ARN of one:\n{version}\n{again['solutionVersionArn']}\n"),
        (("job", "none"), "No job has the ARN or name none; `tailorbird jobs` lists them.\n"),
        (("job", version[:-1]), f"No job has the ARN or name {version[:-1]}; `tailorbird jobs` lists them.\n"),
        (("job", ""), "No job has the ARN or name ; `tailorbird jobs` lists them.\n"),
    ):
        result = CliRunner().invoke(main.app, [*words, "--data-dir", folder])
        assert (result.exit_code, result.stderr) == (1, told)


@pytest.mark.parametrize(
    "command", ["", *(each.name or each.callback.__name__ for each in main.app.registered_commands)]
)
def test_help_shows_no_value_for_a_flag_and_cuts_nothing(command: str) -> None:
    result = CliRunner().invoke(main.app, [command, "--help"] if command else ["--help"])
    assert result.exit_code == 0
    assert "--help  " in result.output
    assert "bool" not in result.output.lower()
    assert "..." not in result.output.replace("[ARGS]...", "")


@pytest.mark.parametrize(("count", "words"), [(1, "1 row"), (0, "0 rows"), (2000, "2,000 rows")])
def test_one_is_counted_in_the_singular(count: int, words: str) -> None:
    assert counted(count, "row") == words
    assert counted(count, "row has", "rows have").endswith("has" if count == 1 else "have")


def test_a_job_with_one_value_emptied_and_one_warning(world: World) -> None:
    document = {"status": "ACTIVE", "_report": {"rowsDropped": 1, "rowsRead": 1, "cellsEmptied": 1, "warnings": ["w"]}}
    assert report._remark(world.workspace, "arn", document) == "1 of 1 row dropped, 1 value emptied, 1 warning"
