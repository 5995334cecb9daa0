"""An installation with MovieLens in it: what is asked while the server's speed is measured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import polars as pl
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ROLE = "arn:aws:iam::123456789012:role/any"
DATASETS = {
    "INTERACTIONS": ("USER_ID", "ITEM_ID", "TIMESTAMP"),
    "ITEMS": ("ITEM_ID", "GENRES", "YEAR"),
}
TYPES: dict[str, Any] = {"TIMESTAMP": "long", "YEAR": ["null", "long"], "GENRES": ["null", "string"]}
FILTER = "EXCLUDE ItemID WHERE Items.GENRES IN ($GENRES)"


@dataclass(frozen=True)
class Films:
    """A data set, its ids as text."""

    interactions: pl.DataFrame
    """USER_ID, ITEM_ID, TIMESTAMP."""
    items: pl.DataFrame
    """ITEM_ID, GENRES, YEAR."""

    @property
    def users(self) -> list[str]:
        """All users, in the order of their ids."""
        return self.interactions["USER_ID"].unique().sort().to_list()


def read(folder: Path, name: str) -> Films:
    """Reads ml-1m or ml-latest-small."""
    rows = pl.read_parquet(folder / name / "interactions.parquet")
    items = pl.read_parquet(folder / name / "items.parquet")
    return Films(
        rows.select(
            pl.col("user_id").cast(pl.String).alias("USER_ID"),
            pl.col("item_id").cast(pl.String).alias("ITEM_ID"),
            pl.col("timestamp").alias("TIMESTAMP"),
        ).drop_nulls(),
        items.select(
            pl.col("item_id").cast(pl.String).alias("ITEM_ID"),
            pl.col("genres").alias("GENRES"),
            pl.col("year").alias("YEAR"),
        ),
    )


def cut(films: Films, users: int) -> Films:
    """The first users only."""
    kept = films.users[:users]
    return Films(films.interactions.filter(pl.col("USER_ID").is_in(kept)), films.items)


class Shop:
    """A client of a server."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """`values` are the variables that `tailorbird env` prints."""
        self._values = values
        self._key = Credentials(values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"])
        self.client = self._made()

    def _made(self) -> Any:
        return boto3.client(
            "personalize",
            endpoint_url=self._values["AWS_ENDPOINT_URL"],
            region_name=self._values["AWS_DEFAULT_REGION"],
            aws_access_key_id=self._key.access_key,
            aws_secret_access_key=self._key.secret_key,
        )

    def group(self, name: str, films: Films, folder: Path) -> str:
        """Imports a data set and returns the dataset group's ARN."""
        group: str = self.client.create_dataset_group(name=name)["datasetGroupArn"]
        for kind, rows in {"INTERACTIONS": films.interactions, "ITEMS": films.items}.items():
            file = folder / f"{name}-{kind}.csv"
            rows.write_csv(file)
            fields: list[dict[str, Any]] = [
                {"name": column, "type": TYPES.get(column, "string")}
                | ({"categorical": True} if column == "GENRES" else {})
                for column in rows.columns
            ]
            record = {"type": "record", "name": kind.title(), "fields": fields, "version": "1.0"}
            schema = self.client.create_schema(name=f"{name}-{kind}", schema=json.dumps(record))["schemaArn"]
            dataset = self.client.create_dataset(
                name=f"{name}-{kind}", datasetType=kind, datasetGroupArn=group, schemaArn=schema
            )["datasetArn"]
            job = self.client.create_dataset_import_job(
                jobName=f"{name}-{kind}", datasetArn=dataset, roleArn=ROLE, dataSource={"dataLocation": file.as_uri()}
            )["datasetImportJobArn"]
            self.await_job("dataset_import_job", job)
        return group

    def campaign(self, group: str, recipe: str, settings: Mapping[str, str] | None = None) -> str:
        """Trains a recipe and returns the campaign's ARN."""
        given = {"solutionConfig": {"algorithmHyperParameters": dict(settings)}} if settings else {}
        solution = self.client.create_solution(
            name=recipe, datasetGroupArn=group, recipeArn=f"arn:aws:personalize:::recipe/{recipe}", **given
        )["solutionArn"]
        version = self.client.create_solution_version(solutionArn=solution)["solutionVersionArn"]
        self.await_job("solution_version", version)
        campaign: str = self.client.create_campaign(name=recipe, solutionVersionArn=version)["campaignArn"]
        self.await_job("campaign", campaign)
        return campaign

    def filter(self, group: str) -> str:
        """Creates the filter with a parameter."""
        arn: str = self.client.create_filter(name="genres", datasetGroupArn=group, filterExpression=FILTER)["filterArn"]
        self.await_job("filter", arn)
        return arn

    def tracker(self, group: str) -> str:
        """Creates an event tracker and returns its tracking id."""
        tracking: str = self.client.create_event_tracker(name="events", datasetGroupArn=group)["trackingId"]
        return tracking

    def await_job(self, kind: str, arn: str) -> None:
        """Waits until a resource is ACTIVE; raises RuntimeError where it fails."""
        member = kind.split("_")[0] + "".join(word.title() for word in kind.split("_")[1:])
        describe: Callable[..., Any] = getattr(self.client, f"describe_{kind}")
        while (found := describe(**{f"{member}Arn": arn})[member])["status"] != "ACTIVE":
            if "FAILED" in found["status"]:
                raise RuntimeError(found["failureReason"])
            time.sleep(0.2)

    def signed(self, path: str, bodies: Sequence[Mapping[str, Any]]) -> list[bytes]:
        """Requests as they go over the wire; their signatures hold for 15 minutes."""
        return list(self._signed(path, bodies))

    def _signed(self, path: str, bodies: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
        host = self._values["AWS_ENDPOINT_URL"].removeprefix("http://")
        for body in bodies:
            content = json.dumps(body).encode()
            request = AWSRequest(
                "POST", f"http://{host}{path}", {"Content-Type": "application/json", "User-Agent": "Boto3"}, content
            )
            SigV4Auth(self._key, "personalize", self._values["AWS_DEFAULT_REGION"]).add_auth(request)
            heads = {"Host": host, **dict(request.headers.items()), "Content-Length": str(len(content))}
            lines = "".join(f"{name}: {value}\r\n" for name, value in heads.items())
            yield f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + content
