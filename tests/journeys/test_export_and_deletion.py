"""Dataset export jobs and data deletion jobs (spec control-plane 5.2 and 5.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from journeys.steps import Journey, as_csv, field, interactions_csv, schema
from support import ROLE, Server, settled, wait_for

RECIPE = "aws-user-personalization"
USERS_SCHEMA = schema("Users", field("USER_ID"), field("AGE", ["null", "int"]))
TEXTS = ['say "hi"', "a, b", "back\\slash", 'both \\" and, "x\\', "two\nlines", "ä名", "plain"]


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Any:
    server = Server(tmp_path_factory.mktemp("server") / "data", compaction_events=30).start()
    journey = Journey(server, "gone")
    journey.data()
    journey.dataset("USERS", USERS_SCHEMA)
    journey.load("USERS", as_csv([("USER_ID", "AGE"), *[(str(user), str(user)) for user in range(80)]]))
    journey.arns["tracker"] = journey.tracker()
    yield journey
    server.stop()


def put(way: Journey, user: str | None, item: int, session: str = "s") -> None:
    who = {"userId": user} if user else {}
    event = {"sentAt": 1_700_000_000 + item, "eventType": "watch", "itemId": str(item)}
    way.events.put_events(trackingId=way.arns["tracker"], sessionId=session, eventList=[event], **who)


def users(rows: list[dict[str, str]]) -> set[str]:
    return {row["USER_ID"] for row in rows}


def test_texts_come_back_through_export_and_import(way: Journey) -> None:
    other = Journey(way.server, "texts")
    other.s3.create_bucket(Bucket=other.bucket)
    other.arns["group"] = other.personalize.create_dataset_group(name="texts")["datasetGroupArn"]
    other.dataset(
        "ITEMS",
        schema(
            "Items",
            field("ITEM_ID"),
            field("kind", ["null", "string"], categorical=True),
            field("PRICE", ["null", "float"]),
            field("SOLD", ["null", "boolean"]),
        ),
    )
    assert other.export("ITEMS") == []
    for number, text in enumerate(TEXTS):
        properties = json.dumps({"kind": text, "price": number / 4, "sold": number % 2 == 0})
        other.events.put_items(
            datasetArn=other.arns["ITEMS"], items=[{"itemId": str(number), "properties": properties}]
        )
    other.export("ITEMS", job="texts")
    body = other.s3.get_object(Bucket=other.bucket, Key="exports/texts.csv")["Body"].read()
    assert body.startswith(b"ITEM_ID,kind,PRICE,SOLD\n")
    other.load("ITEMS", body, "back")
    # The imported rows equal the ones that were put, in every field: written once.
    assert other.export("ITEMS", "BULK") == other.export("ITEMS", "PUT") == other.export("ITEMS")
    assert len(other.export("ITEMS")) == len(TEXTS)
    # The jobs go with the dataset, so that their names are free again.
    other.personalize.delete_dataset(datasetArn=other.arns["ITEMS"])
    client = other.personalize
    wait_for(lambda: not client.list_datasets(datasetGroupArn=other.arns["group"])["datasets"])
    client.create_dataset(
        name="again",
        datasetType="ITEMS",
        datasetGroupArn=other.arns["group"],
        schemaArn=other.arns["ITEMS schema"],
    )
    assert other.export("ITEMS", job="texts") == []


def test_modes_of_an_export(way: Journey) -> None:
    for item in range(3):
        put(way, "exported", item)
        put(way, "exported", item)
    bulk, single, everything = (way.export("INTERACTIONS", mode) for mode in ("BULK", "PUT", "ALL"))
    assert len(bulk) == interactions_csv().count(b"\n") - 1
    assert users(single) == {"exported"}
    assert len(single) == 3
    assert len(everything) == len(bulk) + len(single)
    arn = way.personalize.list_dataset_export_jobs(datasetArn=way.arns["INTERACTIONS"])["datasetExportJobs"][0][
        "datasetExportJobArn"
    ]
    described = way.personalize.describe_dataset_export_job(datasetExportJobArn=arn)["datasetExportJob"]
    assert described["ingestionMode"] == "BULK"


def test_an_export_to_nowhere_fails(way: Journey) -> None:
    arn = way.personalize.create_dataset_export_job(
        jobName="nowhere",
        datasetArn=way.arns["ITEMS"],
        roleArn=ROLE,
        jobOutput={"s3DataDestination": {"path": "s3://no-such-bucket/x"}},
    )["datasetExportJobArn"]
    ended = settled(way.personalize.describe_dataset_export_job, "datasetExportJob", datasetExportJobArn=arn)
    assert ended["status"] == "CREATE FAILED"
    assert ended["ingestionMode"] == "PUT"
    assert ended["failureReason"].startswith("Invalid S3 output path")


def test_users_vanish_from_everywhere(way: Journey) -> None:
    # Of one user, events before and after a compaction, under a session and its name; another stays.
    for item in range(10):
        put(way, None, item, session="anonymous 7")
        put(way, "8", item)
    put(way, "7", 20, session="anonymous 7")
    for item in range(30, 45):
        put(way, "7", item)
    wait_for(lambda: way.server.moved(way.arns["INTERACTIONS"]))
    put(way, "7", 50)
    put(way, None, 50, session="anonymous 7")
    way.events.put_users(datasetArn=way.arns["USERS"], users=[{"userId": "7"}, {"userId": "8"}])
    before = way.export("INTERACTIONS")
    theirs = [row for row in before if row["USER_ID"] in ("7", "9", "anonymous 7")]
    assert len(theirs) > 70
    ended = way.delete_users(b"USER_ID\n7\n9\nnobody\n7\n", "vanish", key="gone/deep/users.csv")
    assert ended["status"] == "COMPLETED", ended
    # Users 7 and 9 were imported, and 7 was put besides.
    assert ended["numDeleted"] == len(theirs) + 3
    after = way.export("INTERACTIONS")
    assert after == [row for row in before if row not in theirs]
    assert users(way.export("USERS")) == {str(user) for user in range(80)} - {"7", "9"}
    again = way.delete_users(b"USER_ID\n7\n", "again")
    assert (again["status"], again["numDeleted"]) == ("COMPLETED", 0)
    watched = way.filter("watched", 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")')
    way.train(RECIPE)
    way.deploy(RECIPE)
    assert way.recommend(userId="7", filterArn=watched) == []
    assert way.recommend(userId="8", filterArn=watched) != []
    assert way.recommend(userId="7") == way.recommend(userId="nobody ever")
    # The user may return.
    put(way, "7", 50)
    assert way.recommend(userId="7", filterArn=watched) == ["50"]


def test_the_newest_deletion_is_listed_first(way: Journey) -> None:
    listed = []
    more: dict[str, Any] = {}
    while True:
        page = way.personalize.list_data_deletion_jobs(datasetGroupArn=way.arns["group"], maxResults=1, **more)
        listed += [job["jobName"] for job in page["dataDeletionJobs"]]
        if "nextToken" not in page:
            break
        more = {"nextToken": page["nextToken"]}
    assert listed == ["again", "vanish"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no rows"),
        (b"ITEM_ID\n7\n", "missing the following columns:[USER_ID]"),
        (b"USER_ID\n8\nnull\n", "line 3"),
    ],
)
def test_a_file_that_cannot_be_meant_deletes_nothing(way: Journey, body: bytes, words: str) -> None:
    before = way.export("INTERACTIONS")
    ended = way.delete_users(body, f"bad-{len(body)}")
    assert ended["status"] == "FAILED"
    assert words in ended["failureReason"]
    assert "numDeleted" not in ended
    assert way.export("INTERACTIONS") == before


def test_imports_trainings_and_deletions_of_a_group_do_not_meet(server: Server) -> None:
    way = Journey(server, "meet")
    way.data()
    busy = way.personalize.exceptions.ResourceInUseException
    rows = [str(user) for user in range(1_000_000, 1_100_000)]
    way.s3.put_object(Bucket=way.bucket, Key="many.csv", Body="\n".join(["USER_ID", *rows]).encode())

    def delete(job: str) -> str:
        return way.personalize.create_data_deletion_job(
            jobName=job,
            datasetGroupArn=way.arns["group"],
            dataSource={"dataLocation": f"s3://{way.bucket}/many.csv"},
            roleArn=ROLE,
        )["dataDeletionJobArn"]

    solution = way.personalize.create_solution(
        name="meet", datasetGroupArn=way.arns["group"], recipeArn="arn:aws:personalize:::recipe/aws-popularity-count"
    )["solutionArn"]
    described = way.personalize.describe_data_deletion_job

    def status(arn: str) -> str:
        return described(dataDeletionJobArn=arn)["dataDeletionJob"]["status"]

    first, second = delete("first"), delete("second")
    for refused in (
        lambda: way.import_job("INTERACTIONS", interactions_csv(), "meet"),
        lambda: way.personalize.create_solution_version(solutionArn=solution),
        lambda: way.personalize.delete_dataset(datasetArn=way.arns["INTERACTIONS"]),
    ):
        with pytest.raises(busy, match="data deletion job"):
            refused()

    def both_ended() -> bool:
        later, earlier = status(second), status(first)
        assert later == "PENDING" or earlier == "COMPLETED", "one after the other"
        return later == "COMPLETED"

    wait_for(both_ended)
    version = way.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    with pytest.raises(busy, match="solution version"):
        delete("third")
    settled(way.personalize.describe_solution_version, "solutionVersion", solutionVersionArn=version)
    way.dataset("USERS", USERS_SCHEMA)
    big = as_csv([("USER_ID", "AGE"), *[(user, "1") for user in rows]])
    way.s3.put_object(Bucket=way.bucket, Key="users.csv", Body=big)
    created = way.personalize.create_dataset_import_job(
        jobName="users",
        datasetArn=way.arns["USERS"],
        dataSource={"dataLocation": f"s3://{way.bucket}/users.csv"},
        roleArn=ROLE,
    )["datasetImportJobArn"]
    with pytest.raises(busy, match="dataset import job"):
        delete("fourth")
    settled(way.personalize.describe_dataset_import_job, "datasetImportJob", datasetImportJobArn=created)
    arn = delete("fifth")
    wait_for(lambda: described(dataDeletionJobArn=arn)["dataDeletionJob"].get("numDeleted") == len(rows))
    assert way.export("USERS") == []
