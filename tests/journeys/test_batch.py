"""Where batch jobs read and write, and what they tell of lines that cannot be answered (spec 6.1)."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from journeys.steps import Journey
from journeys.test_bad_input import tailorbird
from support import ROLE, Server, refused, settled

RANKING = "aws-personalized-ranking"
RECIPES = {"inference": "aws-popularity-count", "segment": "aws-item-affinity"}
MEMBER = {"inference": "userId", "segment": "itemId"}


@pytest.fixture(scope="module")
def way(server: Server) -> Journey:
    journey = Journey(server, "batch")
    journey.data()
    journey.train(*RECIPES.values(), RANKING)
    return journey


def run(way: Journey, kind: str, job: str, bucket: str, path: str) -> dict[str, Any]:
    """A job from a path of the bucket to its root, as it ended."""
    created = getattr(way.personalize, f"create_batch_{kind}_job")(
        solutionVersionArn=way.arns[f"{RECIPES[kind]} version"],
        jobName=job,
        roleArn=ROLE,
        jobInput={"s3DataSource": {"path": f"s3://{bucket}/{path}"}},
        jobOutput={"s3DataDestination": {"path": f"s3://{bucket}/"}},
    )
    member = f"batch{kind.title()}Job"
    arn = {f"{member}Arn": created[f"{member}Arn"]}
    return settled(getattr(way.personalize, f"describe_batch_{kind}_job"), member, **arn)


def put(way: Journey, bucket: str, key: str, *lines: Any) -> None:
    """Lines as an editor on Windows writes them."""
    way.s3.create_bucket(Bucket=bucket)
    body = "\ufeff" + "\r\n".join(json.dumps(line) for line in lines)
    way.s3.put_object(Bucket=bucket, Key=key, Body=body.encode())


def answers(way: Journey, bucket: str, key: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in way.s3.get_object(Bucket=bucket, Key=key)["Body"].read().splitlines()]


@pytest.mark.parametrize("kind", RECIPES)
def test_answers_lie_beside_the_lines_and_are_no_lines_themselves(way: Journey, kind: str) -> None:
    bucket = f"beside-{kind}"
    put(way, bucket, "in.json", {MEMBER[kind]: 12}, {MEMBER[kind]: "13"})
    put(way, bucket, "more/in.json", {MEMBER[kind]: 14})
    for job, path in (("one", "in.json"), ("all", ""), ("all-again", "")):
        ended = run(way, kind, f"{kind}-{job}", bucket, path)
        assert ended["status"] == "ACTIVE", ended
        assert "failureReason" not in ended
    written = {entry["Key"] for entry in way.s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert written == {"_CHECK", "in.json", "in.json.out", "more/in.json", "more/in.json.out"}
    found = answers(way, bucket, "in.json.out")
    # A number is the text that it spells, and is echoed as it was.
    assert [answer["input"][MEMBER[kind]] for answer in found] == [12, "13"]
    assert all(answer["output"] and answer["error"] is None for answer in found)
    way.s3.delete_object(Bucket=bucket, Key="in.json")
    way.s3.delete_object(Bucket=bucket, Key="more/in.json")
    ended = run(way, kind, f"{kind}-nothing-left", bucket, "")
    assert ended["status"] == "CREATE FAILED"
    assert "no file under it but what batch jobs wrote there" in ended["failureReason"]


@pytest.mark.parametrize("kind", RECIPES)
def test_a_job_that_answers_no_line_says_why(way: Journey, kind: str) -> None:
    bucket = f"silent-{kind}"
    put(way, bucket, "in.json", {"user": "1"}, [1], {MEMBER[kind]: 17850.0}, {MEMBER[kind]: "null"}, "text")
    ended = run(way, kind, f"{kind}-silent", bucket, "in.json")
    assert ended["status"] == "ACTIVE"
    assert "Every line failed, 5 in all" in ended["failureReason"]
    assert f"in.json: {MEMBER[kind]} is missing" in ended["failureReason"]
    assert "17850.0" in answers(way, bucket, "in.json.out")[2]["error"]
    told = tailorbird(way.server, "job", ended[f"batch{kind.title()}JobArn"])
    assert told.count(f"{MEMBER[kind]} is missing") == 1
    assert "{" not in told.split("a line looks like")[0], "no raw JSON"
    assert "Every line failed" in told
    put(way, bucket, "empty.json")
    assert "no line" in run(way, kind, f"{kind}-empty", bucket, "empty.json")["failureReason"]


def test_a_job_that_answers_some_lines_tells_of_the_others_in_its_report(way: Journey) -> None:
    put(way, "some", "in.json", {"userId": "1"}, {"user": "2"})
    ended = run(way, "inference", "some", "some", "in.json")
    assert "failureReason" not in ended
    told = tailorbird(way.server, "job", ended["batchInferenceJobArn"])
    assert "2 lines read, 1 failed" in told
    assert "1 of 2 lines failed" in tailorbird(way.server, "jobs")
    assert "in.json: userId is missing" in told


FILES = {
    "gzip": (gzip.compress(b'{"userId": "1"}\n'), "packed with gzip: unpack it"),
    "UTF-16": ('{"userId": "1"}\n'.encode("utf-16"), "UTF-16 or no text: save it as UTF-8"),
    "GBK": ('{"userId": "用户"}\n'.encode("gbk"), "not UTF-8: save the file as UTF-8"),
    "GBK CSV": ("用户,商品\n".encode("gbk"), "not UTF-8"),
    "CSV": (b"userId\n1\n2\n", "no JSON object, as lines of CSV are not"),
    "pretty-printed": (
        json.dumps({"userId": "1"}, indent=1).encode(),
        "JSON of several lines: write each object on one",
    ),
    "an array in lines": (json.dumps([{"userId": "1"}], indent=1).encode(), "JSON of several lines"),
    "an array": (b'[{"userId": "1"}, {"userId": "2"}]', "not a list of them"),
    "cut": (b'{"userId": "1"', "The line is not JSON"),
}


def test_files_of_other_forms_are_named(way: Journey) -> None:
    way.s3.create_bucket(Bucket="forms")
    for name, (body, _) in FILES.items():
        way.s3.put_object(Bucket="forms", Key=f"in/{name}", Body=body)
    run(way, "inference", "forms", "forms", "in/")
    for name, (_, problem) in FILES.items():
        error = answers(way, "forms", f"{name}.out")[0]["error"]
        assert problem in error, name
        assert '{"userId": "..."}' in error, name


def test_a_list_of_items_says_which_member_is_none(way: Journey) -> None:
    lists = ({"itemList": ["1", 2, None]}, {"itemList": ["1", ["2"]]}, {"itemList": []}, {"itemList": "1"}, {})
    slips = ({"itemList": ["1", "null"]}, {"itemList": ["1", "2,3"]})
    way.begin_batch("inference", RANKING, "members", [{"userId": "1", **each} for each in (*lists, *slips)])
    *errors, null, joined = (answer["error"] for answer in way.batch_answers("inference", "members"))
    assert 'itemList[1] is "null", which is no item id' in null
    assert "itemList[1] is '2,3', which is no known item, while '2', '3' are" in joined
    assert "itemList[2] is null, which is no item id" in errors[0]
    assert 'itemList[1] is ["2"], which is no item id' in errors[1]
    assert all("itemList is empty, missing or no list" in error for error in errors[2:])


def test_lists_take_a_version_for_its_solution_and_a_solution_for_its_versions(way: Journey) -> None:
    recipe = RECIPES["inference"]
    way.deploy(recipe)
    solution, version = way.arns[f"{recipe} solution"], way.arns[f"{recipe} version"]
    for arn in (solution, version):
        (found,) = way.personalize.list_campaigns(solutionArn=arn)["campaigns"]
        assert found["campaignArn"] == way.arns[recipe]
    put(way, "listed", "in.json", {"userId": "1"})
    run(way, "inference", "listed", "listed", "in.json")
    for arn in (solution, version):
        jobs = way.personalize.list_batch_inference_jobs(solutionVersionArn=arn)["batchInferenceJobs"]
        assert "listed" in {job["jobName"] for job in jobs}
    refused(
        "ResourceNotFoundException",
        f"{solution} is not the ARN of a solution version. It is a solution: give one of its versions",
        way.personalize.create_campaign,
        name="of-a-solution",
        solutionVersionArn=solution,
    )
