"""The calls of the six POC notebooks, in their order, with their data (spec journey), where the data are.

The clicks are those of a fifth of the users, under TAILORBIRD_LONG=1 of all.
"""

from __future__ import annotations

import io
import json
import os
import random
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from botocore.exceptions import ClientError

from journeys.steps import INTERACTIONS_SCHEMA, ITEMS_SCHEMA, Journey
from support import Server, settled, wait_for

LONG = bool(os.environ.get("TAILORBIRD_LONG"))
SOLUTIONS = ("aws-user-personalization", "aws-sims", "aws-personalized-ranking")
GENRES = ("Comedy", "Drama", "Sci-Fi", "Film-Noir", "Children", "Horror", "Western")
POLICIES = (
    "arn:aws:iam::aws:policy/service-role/AmazonPersonalizeFullAccess",
    "arn:aws:iam::aws:policy/AmazonS3FullAccess",
)


def as_csv(frame: pl.DataFrame) -> bytes:
    text = io.BytesIO()
    frame.write_csv(text)
    return text.getvalue()


@pytest.fixture(scope="module")
def films(data_folder: Path) -> pl.DataFrame:
    """ITEM_ID, GENRE and YEAR as the notebook cuts them out of the titles: 12 blanks and one range."""
    raw = pl.read_parquet(data_folder / "ml-latest-small" / "items.parquet")
    return raw.select(
        ITEM_ID=pl.col("item_id").cast(pl.String),
        GENRE=pl.col("genres"),
        YEAR=pl.col("title").str.extract(r"\(([^()]*)\)\s*$").fill_null(""),
    )


def test_the_six_notebooks(server: Server, data_folder: Path, films: pl.DataFrame) -> None:
    raw = pl.read_parquet(data_folder / "ml-latest-small" / "personalize_poc_interactions.parquet")
    clicks = raw.select(
        USER_ID=pl.col("user_id"),
        ITEM_ID=pl.col("item_id"),
        TIMESTAMP=pl.col("timestamp"),
        EVENT_TYPE=pl.col("event_type"),
    )
    if not LONG:
        clicks = clicks.filter((pl.col("USER_ID") % 5 == 0) | pl.col("USER_ID").is_in([1, 2]))  # among them all asked
    way = Journey(server, "personalize-poc")
    role = prepare_account(server, way)

    # 01 and 02: schemas, group, datasets, imports
    way.arns["group"] = way.personalize.create_dataset_group(name="personalize-poc-lastfm")["datasetGroupArn"]
    settled(way.personalize.describe_dataset_group, "datasetGroup", datasetGroupArn=way.arns["group"])
    for kind, schema, body in (
        ("INTERACTIONS", INTERACTIONS_SCHEMA, as_csv(clicks)),
        ("ITEMS", ITEMS_SCHEMA, as_csv(films)),
    ):
        way.dataset(kind, schema)
        json.dumps(way.import_job(kind, body, f"poc-{kind.lower()}", tags=[]), default=str)
        assert way.personalize.list_dataset_import_jobs(datasetArn=way.arns[kind])["datasetImportJobs"]

    # 03: three solutions at once
    assert {f"arn:aws:personalize:::recipe/{name}" for name in SOLUTIONS} <= {
        recipe["recipeArn"] for recipe in way.personalize.list_recipes()["recipes"]
    }
    way.train(*SOLUTIONS)
    for recipe in SOLUTIONS:
        arn = way.arns[f"{recipe} version"]
        metrics = way.personalize.get_solution_metrics(solutionVersionArn=arn)["metrics"]
        assert len(metrics) == 8
        assert min(metrics.values()) > 0

    # 04: campaigns and ten filters
    way.deploy(*SOLUTIONS)
    for genre in GENRES:
        way.filter(genre, f'INCLUDE ItemID WHERE Items.GENRE IN ("{genre}")')
    way.filter("watched", 'INCLUDE ItemID WHERE Interactions.event_type IN ("watch")')
    way.filter("unwatched", 'EXCLUDE ItemID WHERE Interactions.event_type IN ("watch")')
    way.filter("1970s", "INCLUDE ItemID WHERE Items.YEAR >= 1970 AND Items.YEAR < 1980")

    interact(way, clicks, films, role)
    clean_up(server, way, role)


def prepare_account(server: Server, way: Journey) -> str:
    """Bucket, bucket policy, role; returns the role's ARN."""
    account = server.client("sts").get_caller_identity()["Account"]
    way.s3.create_bucket(Bucket=way.bucket)
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "personalize.amazonaws.com"},
                "Action": ["s3:*Object", "s3:ListBucket"],
                "Resource": [f"arn:aws:s3:::{way.bucket}", f"arn:aws:s3:::{way.bucket}/*"],
            }
        ],
    }
    way.s3.put_bucket_policy(Bucket=way.bucket, Policy=json.dumps(policy))
    iam = server.client("iam")
    role = iam.create_role(RoleName="PersonalizeRolePOC", AssumeRolePolicyDocument=json.dumps(policy))["Role"]["Arn"]
    for arn in POLICIES:
        iam.attach_role_policy(RoleName="PersonalizeRolePOC", PolicyArn=arn)
    assert role.split(":")[4] == account
    return str(role)


def interact(way: Journey, clicks: pl.DataFrame, films: pl.DataFrame, role: str) -> None:
    """Notebook 05."""
    chance = random.Random(0)
    rare = films.join(clicks.select(pl.col("ITEM_ID").cast(pl.String)), on="ITEM_ID", how="anti")["ITEM_ID"].to_list()
    for film in ["1", *chance.sample(films["ITEM_ID"].to_list(), 5), rare[0]]:
        assert len(way.recommend("aws-sims", itemId=film)) == 25
    genres = dict(zip(films["ITEM_ID"], films["GENRE"], strict=True))
    for user in ("1", "115", "600"):
        assert len(way.recommend(userId=user)) == 25
        for genre in GENRES:
            assert arn_name(way.arns[genre]) == f"{way.name}-{genre}"
            shelf = way.recommend(userId=user, filterArn=way.arns[genre])
            assert len(shelf) == min(25, sum(genre in each.split("|") for each in genres.values()))
            assert all(genre in genres[film].split("|") for film in shelf)
    tracker = way.personalize.create_event_tracker(name="poc", datasetGroupArn=way.arns["group"])
    way.arns["tracker"] = tracker["eventTrackerArn"]
    for film in chance.sample(films["ITEM_ID"].to_list(), 6):
        before = way.recommend(userId="115")
        for kind in ("click", "watch"):
            event = {"sentAt": int(time.time()), "eventType": kind, "properties": json.dumps({"itemId": film})}
            way.events.put_events(trackingId=tracker["trackingId"], userId="115", sessionId="s-1", eventList=[event])
        assert way.recommend(userId="115") != before
        assert film in way.recommend(userId="115", filterArn=way.arns["watched"], numResults=500)
        assert film not in way.recommend(userId="115", filterArn=way.arns["unwatched"], numResults=500)
    assert len(way.recommend(userId="115", numResults=4)) == 4
    given = [*chance.sample(films["ITEM_ID"].to_list(), 20), *rare[:5]]
    answer = way.runtime.get_personalized_ranking(
        campaignArn=way.arns["aws-personalized-ranking"], userId="115", inputList=given
    )
    assert sorted(item["itemId"] for item in answer["personalizedRanking"]) == sorted(set(given))
    answer_in_batch(way, role)


def answer_in_batch(way: Journey, role: str) -> None:
    """The notebook keeps its lines at the root of the bucket, and has the answers written there too."""
    users = ("115", "2", "600")
    body = "".join(json.dumps({"userId": user}) + "\n" for user in users)
    way.s3.put_object(Bucket=way.bucket, Key="json_input.json", Body=body.encode())
    root = {"path": f"s3://{way.bucket}/"}
    arn = way.personalize.create_batch_inference_job(
        solutionVersionArn=way.arns["aws-user-personalization version"],
        jobName="POC-User-Personalization",
        roleArn=role,
        jobInput={"s3DataSource": {"path": root["path"] + "json_input.json"}},
        jobOutput={"s3DataDestination": root},
    )["batchInferenceJobArn"]
    ended = settled(way.personalize.describe_batch_inference_job, "batchInferenceJob", batchInferenceJobArn=arn)
    assert ended["status"] == "ACTIVE", ended
    written = way.s3.get_object(Bucket=way.bucket, Key="json_input.json.out")["Body"].read()
    answers = [json.loads(line) for line in written.splitlines()]
    assert [line["input"]["userId"] for line in answers] == list(users)
    for line in answers:
        assert set(line) == {"input", "output", "error"}
        assert len(line["output"]["recommendedItems"]) == len(line["output"]["scores"]) == 25


def arn_name(arn: str) -> str:
    return arn.split("/")[1]


def clean_up(server: Server, way: Journey, role: str) -> None:
    """Notebook 06: no waiting between the calls."""
    client: Any = way.personalize
    for recipe in SOLUTIONS:
        client.delete_campaign(campaignArn=way.arns[recipe])
    client.delete_event_tracker(eventTrackerArn=way.arns["tracker"])
    for name in (*GENRES, "watched", "unwatched", "1970s"):
        client.delete_filter(filterArn=way.arns[name])
    for recipe in SOLUTIONS:
        client.delete_solution(solutionArn=way.arns[f"{recipe} solution"])
    for kind in ("INTERACTIONS", "ITEMS"):
        client.delete_dataset(datasetArn=way.arns[kind])
    for kind in ("INTERACTIONS", "ITEMS"):
        client.delete_schema(schemaArn=way.arns[f"{kind} schema"])
    client.delete_dataset_group(datasetGroupArn=way.arns["group"])
    iam = server.client("iam")
    name = role.split("/")[1]
    for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName=name)

    def gone() -> bool:
        try:
            client.describe_dataset_group(datasetGroupArn=way.arns["group"])
        except ClientError as error:
            return error.response["Error"]["Code"] == "ResourceNotFoundException"
        return False

    wait_for(gone)
