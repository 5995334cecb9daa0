"""The six steps of the journey as a backend engineer writes them with boto3, over data made here."""

from __future__ import annotations

import csv
import io
import json
import uuid
from typing import Any

import numpy as np

from support import ROLE, Server, settled, wait_for

GENRES = ("Comedy", "Drama", "Horror", "Romance", "Sci-Fi")
USERS, ITEMS = 100, 300

INTERACTIONS_SCHEMA = {
    "type": "record",
    "name": "Interactions",
    "namespace": "com.amazonaws.personalize.schema",
    "fields": [
        {"name": "USER_ID", "type": "string"},
        {"name": "ITEM_ID", "type": "string"},
        {"name": "EVENT_TYPE", "type": "string"},
        {"name": "TIMESTAMP", "type": "long"},
    ],
    "version": "1.0",
}
ITEMS_SCHEMA = {
    "type": "record",
    "name": "Items",
    "namespace": "com.amazonaws.personalize.schema",
    "fields": [
        {"name": "ITEM_ID", "type": "string"},
        {"name": "GENRE", "type": "string", "categorical": True},
        {"name": "YEAR", "type": "int"},
    ],
    "version": "1.0",
}

NO_EXPLORATION = {"itemExplorationConfig": {"explorationWeight": "0"}}
"""So that equal questions have equal answers."""


def genre_of(item: int) -> str:
    return GENRES[item % len(GENRES)]


def interactions_csv(seed: int = 0) -> bytes:
    """Each user keeps to one genre for nine clicks of ten and moves through it in order of the items' numbers."""
    rng = np.random.default_rng(seed)
    rows = [("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP")]
    for user in range(USERS):
        favourite, place = user % len(GENRES), int(rng.integers(ITEMS // len(GENRES)))
        for step in range(int(rng.integers(20, 40))):
            place = (place + 1) % (ITEMS // len(GENRES))
            item = place * len(GENRES) + favourite if rng.random() < 0.9 else int(rng.integers(ITEMS))
            when = 1_500_000_000 + user * 97 + step * 3600
            rows.append((str(user), str(item), "click", str(when)))
            if rng.random() < 0.5:
                rows.append((str(user), str(item), "watch", str(when)))
    return as_csv(rows)


def items_csv() -> bytes:
    """Genre and year; a few years are missing or not a number, as in the real file."""
    rows = [("ITEM_ID", "GENRE", "YEAR")]
    for item in range(ITEMS):
        year = "" if item % 50 == 7 else "2006–2007" if item == 11 else str(1950 + item % 60)
        rows.append((str(item), genre_of(item) + ("|Classic" if item % 3 == 0 else ""), year))
    return as_csv(rows)


def as_csv(rows: list[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def schema(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), "version": "1.0"}


def field(name: str, kind: Any = "string", **attributes: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **attributes}


class Journey:
    """One user's way through a server; each step leaves the ARNs for the next in `arns`."""

    def __init__(self, server: Server, name: str, **client_options: Any) -> None:
        self.name = name
        self.server = server
        self.bucket = f"{name}-bucket"
        self.arns: dict[str, str] = {}
        self.connect(**client_options)

    def connect(self, **client_options: Any) -> None:
        """Clients of the server where it is now, which after a restart is another port."""
        self.personalize = self.server.client("personalize", **client_options)
        self.runtime = self.server.client("personalize-runtime", **client_options)
        self.events = self.server.client("personalize-events", **client_options)
        self.s3 = self.server.client("s3", **client_options)

    def data(
        self,
        interactions: bytes | None = None,
        items: bytes | None = None,
        interactions_schema: dict[str, Any] = INTERACTIONS_SCHEMA,
        items_schema: dict[str, Any] = ITEMS_SCHEMA,
    ) -> None:
        """Schemas, group, datasets and imports."""
        self.s3.create_bucket(Bucket=self.bucket)
        self.arns["group"] = self.personalize.create_dataset_group(name=self.name)["datasetGroupArn"]
        settled(self.personalize.describe_dataset_group, "datasetGroup", datasetGroupArn=self.arns["group"])
        self.dataset("INTERACTIONS", interactions_schema)
        self.dataset("ITEMS", items_schema)
        self.load("INTERACTIONS", interactions_csv() if interactions is None else interactions)
        self.load("ITEMS", items_csv() if items is None else items)

    def dataset(self, kind: str, schema: dict[str, Any], **domain: str) -> None:
        name = f"{self.name}-{kind.lower()}"
        created = self.personalize.create_schema(name=name, schema=json.dumps(schema), **domain)
        self.arns[f"{kind} schema"] = created["schemaArn"]
        self.arns[kind] = self.personalize.create_dataset(
            name=f"{self.name}-{kind.lower()}",
            datasetType=kind,
            datasetGroupArn=self.arns["group"],
            schemaArn=created["schemaArn"],
        )["datasetArn"]

    def load(self, kind: str, body: bytes, job: str = "") -> None:
        """Uploads a CSV file and imports it; fails unless the job becomes ACTIVE."""
        ended = self.import_job(kind, body, job or f"{self.name}-{kind.lower()}")
        assert ended["status"] == "ACTIVE", ended

    def import_job(self, kind: str, body: bytes, job: str, **more: Any) -> dict[str, Any]:
        self.s3.put_object(Bucket=self.bucket, Key=f"{job}.csv", Body=body)
        created = self.personalize.create_dataset_import_job(
            jobName=job,
            datasetArn=self.arns[kind],
            dataSource={"dataLocation": f"s3://{self.bucket}/{job}.csv"},
            roleArn=ROLE,
            **more,
        )
        arn = created["datasetImportJobArn"]
        return settled(self.personalize.describe_dataset_import_job, "datasetImportJob", datasetImportJobArn=arn)

    def export(self, kind: str, mode: str = "ALL", job: str = "") -> list[dict[str, str]]:
        """The rows of a dataset as its export job writes them."""
        job = job or f"{self.name}-{uuid.uuid4().hex}"
        arn = self.personalize.create_dataset_export_job(
            jobName=job,
            datasetArn=self.arns[kind],
            ingestionMode=mode,
            roleArn=ROLE,
            jobOutput={"s3DataDestination": {"path": f"s3://{self.bucket}/exports"}},
        )["datasetExportJobArn"]
        ended = settled(self.personalize.describe_dataset_export_job, "datasetExportJob", datasetExportJobArn=arn)
        assert ended["status"] == "ACTIVE", ended
        body = self.s3.get_object(Bucket=self.bucket, Key=f"exports/{job}.csv")["Body"].read()
        return list(csv.DictReader(io.StringIO(body.decode())))

    def delete_users(self, body: bytes, job: str, key: str = "") -> dict[str, Any]:
        """A data deletion job over one uploaded file, ended."""
        self.s3.put_object(Bucket=self.bucket, Key=key or f"{job}.csv", Body=body)
        location = f"s3://{self.bucket}/{key.partition('/')[0] + '/' if key else job + '.csv'}"
        arn = self.personalize.create_data_deletion_job(
            jobName=job,
            datasetGroupArn=self.arns["group"],
            dataSource={"dataLocation": location},
            roleArn=ROLE,
        )["dataDeletionJobArn"]

        def look() -> Any:
            found = self.personalize.describe_data_deletion_job(dataDeletionJobArn=arn)["dataDeletionJob"]
            assert found["status"] in ("PENDING", "IN_PROGRESS", "COMPLETED", "FAILED")
            return found if found["status"] in ("COMPLETED", "FAILED") else None

        return wait_for(look)

    def tracker(self) -> str:
        """The tracking id of the group's event tracker, which is made here."""
        return self.personalize.create_event_tracker(name=f"{self.name}-t", datasetGroupArn=self.arns["group"])[
            "trackingId"
        ]

    def train(self, *recipes: str, **solution: Any) -> None:
        """A solution and a version for each recipe, all at once; fails unless each becomes ACTIVE."""
        for recipe in recipes:
            created = self.personalize.create_solution(
                name=f"{self.name}-{recipe}",
                datasetGroupArn=self.arns["group"],
                recipeArn=f"arn:aws:personalize:::recipe/{recipe}",
                **solution,
            )
            self.arns[f"{recipe} solution"] = created["solutionArn"]
            version = self.personalize.create_solution_version(solutionArn=created["solutionArn"])
            self.arns[f"{recipe} version"] = version["solutionVersionArn"]
        for recipe in recipes:
            ended = self.version(recipe)
            assert ended["status"] == "ACTIVE", ended

    def version(self, recipe: str) -> dict[str, Any]:
        arn = self.arns[f"{recipe} version"]
        return settled(self.personalize.describe_solution_version, "solutionVersion", solutionVersionArn=arn)

    def deploy(self, *recipes: str) -> None:
        for recipe in recipes:
            arn = self.personalize.create_campaign(
                name=f"{self.name}-{recipe}",
                solutionVersionArn=self.arns[f"{recipe} version"],
                minProvisionedTPS=1,
                campaignConfig=NO_EXPLORATION if recipe == "aws-user-personalization" else {},
            )["campaignArn"]
            self.arns[recipe] = arn
            assert settled(self.personalize.describe_campaign, "campaign", campaignArn=arn)["status"] == "ACTIVE"

    def batch_request(self, recipe: str, job: str, **more: Any) -> dict[str, Any]:
        """What starts a batch job of either kind over the lines that `begin_batch` uploads."""
        return {
            "jobName": job,
            "solutionVersionArn": self.arns[f"{recipe} version"],
            "roleArn": ROLE,
            "jobInput": {"s3DataSource": {"path": f"s3://{self.bucket}/{job}/in.json"}},
            "jobOutput": {"s3DataDestination": {"path": f"s3://{self.bucket}/{job}/out/"}},
            **more,
        }

    def begin_batch(self, kind: str, recipe: str, job: str, lines: list[Any], **more: Any) -> None:
        """Starts an `inference` or `segment` job over lines, given as objects or as they are."""
        body = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        self.s3.put_object(Bucket=self.bucket, Key=f"{job}/in.json", Body=body)
        create = getattr(self.personalize, f"create_batch_{kind}_job")
        self.arns[job] = create(**self.batch_request(recipe, job, **more))[f"batch{kind.title()}JobArn"]

    def batch_job(self, kind: str, job: str) -> dict[str, Any]:
        """How a job stands."""
        member = f"batch{kind.title()}Job"
        found: dict[str, Any] = getattr(self.personalize, f"describe_batch_{kind}_job")(
            **{f"{member}Arn": self.arns[job]}
        )[member]
        return found

    def batch_output(self, job: str) -> bytes | None:
        """The file of answers; None while there is none."""
        key = f"{job}/out/in.json.out"
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=key).get("Contents", [])
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() if listed else None

    def batch_answers(self, kind: str, job: str) -> list[dict[str, Any]]:
        """The answers of a job once it has ended, in the order of the lines; fails unless it becomes ACTIVE."""
        ended = settled(lambda: {"job": self.batch_job(kind, job)}, "job")
        assert ended["status"] == "ACTIVE", ended
        body = self.batch_output(job)
        assert body is not None
        return [json.loads(line) for line in body.splitlines()]

    def filter(self, name: str, expression: str) -> str:
        created = self.personalize.create_filter(
            name=f"{self.name}-{name}", datasetGroupArn=self.arns["group"], filterExpression=expression
        )
        self.arns[name] = created["filterArn"]
        return self.arns[name]

    def recommend(self, recipe: str = "aws-user-personalization", **request: Any) -> list[str]:
        answer = self.runtime.get_recommendations(campaignArn=self.arns[recipe], **request)
        return [item["itemId"] for item in answer["itemList"]]
