"""Our own service through boto3, and what the command line shows of trainings."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from typing import Any

import boto3
import pytest

from journeys.steps import Journey
from support import Server, clean_environment, refused, terminal
from tailorbird.evaluation.beyond_accuracy import COHORTS, METRICS, TWO_NDCGS

PERSONAL, SIMS, SEGMENTS = "aws-user-personalization", "aws-sims", "aws-item-affinity"


@pytest.fixture(scope="module")
def way(server: Server) -> Journey:
    journey = Journey(server, "extended")
    journey.data()
    journey.train(PERSONAL, SIMS, SEGMENTS)
    return journey


@pytest.fixture(scope="module")
def ours(server: Server) -> Any:
    return server.client("tailorbird")


def test_boto3_finds_the_service_by_the_environment(server: Server) -> None:
    program = "import boto3; print(boto3.client('tailorbird').meta.service_model.operation_names)"
    environment = clean_environment() | server.environment()
    told = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    assert "GetJobProgress" in told.stdout
    assert "tailorbird" not in boto3.Session().get_available_services()


def test_progress_of_a_job_that_has_ended(way: Journey, ours: Any) -> None:
    told = ours.get_job_progress(jobArn=way.arns[f"{PERSONAL} version"])
    assert (told["status"], told["share"], told["message"]) == ("ACTIVE", 1.0, "done")
    described = way.version(PERSONAL)
    assert described["creationDateTime"] <= told["startedDateTime"] <= described["lastUpdatedDateTime"]
    assert "estimatedSecondsLeft" not in told


def test_progress_wants_a_job(way: Journey, ours: Any) -> None:
    refused("InvalidInputException", "no job", ours.get_job_progress, jobArn=way.arns["group"])
    missing = way.arns[f"{PERSONAL} version"] + "0"
    refused("ResourceNotFoundException", missing, ours.get_job_progress, jobArn=missing)


def test_extended_metrics(way: Journey, ours: Any) -> None:
    arn = way.arns[f"{PERSONAL} version"]
    rows = ours.get_extended_metrics(resourceArn=arn)["metrics"]
    found = {(row["cohort"], row["name"]): row for row in rows}
    assert set(found) == {(cohort, name) for cohort in COHORTS for name in METRICS}
    official = way.personalize.get_solution_metrics(solutionVersionArn=arn)["metrics"]
    reciprocal = found["all", "mean_reciprocal_rank_at_25"]
    assert reciprocal["model"]["value"] == official["mean_reciprocal_rank_at_25"]
    assert reciprocal["model"]["lower"] < reciprocal["model"]["value"] < reciprocal["model"]["upper"]
    assert reciprocal["model"]["lower"] > reciprocal["popularity"]["upper"], "the made-up users go by genre and order"
    assert "lower" not in found["all", "gini"]["model"]
    related = ours.get_extended_metrics(resourceArn=way.arns[f"{SIMS} version"])["metrics"]
    assert {row["cohort"] for row in related} == {"all"}
    assert ours.get_extended_metrics(resourceArn=way.arns[f"{SEGMENTS} version"])["metrics"] == []


def tailorbird(server: Server, *words: str) -> str:
    """The exit status of a command, and what it printed."""
    ended = terminal(*words, "--data-dir", str(server.data_dir), COLUMNS="160")
    return f"{ended.returncode} {ended.stdout}"


def test_job_and_metrics_tell_one_baseline_and_two_ndcgs(way: Journey, ours: Any) -> None:
    arn, key = way.arns[f"{SIMS} version"], "mean_reciprocal_rank_at_25"
    rows = ours.get_extended_metrics(resourceArn=arn)["metrics"]
    (reciprocal,) = [row for row in rows if row["name"] == key]
    job = tailorbird(way.server, "job", arn)
    (line,) = [line for line in job.splitlines() if key in line]
    assert re.findall(r"[\d.]+", line.partition(key)[2]) == [
        str(reciprocal[of]["value"]) for of in ("model", "popularity")
    ]
    assert TWO_NDCGS in job
    assert TWO_NDCGS in " ".join(tailorbird(way.server, "metrics", arn).split())
    segments = tailorbird(way.server, "job", way.arns[f"{SEGMENTS} version"])
    assert "most active users" in segments
    assert TWO_NDCGS not in segments


def test_the_command_line_shows_metrics_and_follows_a_training(way: Journey) -> None:
    told = partial(tailorbird, way.server)
    table = told("metrics", way.arns[f"{PERSONAL} version"])
    assert table.startswith("0 all: ")
    assert all(name in table for name in METRICS)
    assert not any(f"\n{cohort}: " in table for cohort in COHORTS)
    table = told("metrics", way.arns[f"{PERSONAL} version"], "--cohorts")
    assert [table.count(f"{cohort}: ") for cohort in COHORTS] == [1] * len(COHORTS)
    assert "tells no more than `tailorbird job`" in told("metrics", way.arns[f"{SEGMENTS} version"])
    assert told("metrics", way.arns["group"]).startswith("1 ")
    solution = way.arns[f"{PERSONAL} solution"]
    arn = way.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    followed = told("job", arn, "--follow")
    assert re.match(r"0 \d+% ", followed), "a line at once, where no bar can be drawn"
    assert f"{arn}  ACTIVE" in followed
