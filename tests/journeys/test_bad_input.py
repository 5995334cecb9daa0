"""What users do wrong, and the words with which they are told (spec control-plane 1.3, 2.3, 5.1)."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from journeys.steps import INTERACTIONS_SCHEMA, Journey, as_csv, interactions_csv
from support import ROLE, Server, refused, settled, terminal

HEADER = ("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP")


@pytest.fixture(scope="module")
def way(server: Server) -> Journey:
    journey = Journey(server, "bad")
    journey.data()
    return journey


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("{", "JSON"),
        ('{"type": "array"}', "record"),
        (json.dumps(INTERACTIONS_SCHEMA | {"name": "Books"}), "Interactions"),
        (json.dumps(INTERACTIONS_SCHEMA | {"fields": INTERACTIONS_SCHEMA["fields"][:2]}), "TIMESTAMP"),
        (json.dumps(INTERACTIONS_SCHEMA).replace('"long"', '"string"'), "TIMESTAMP"),
        (json.dumps(INTERACTIONS_SCHEMA).replace('"EVENT_TYPE"', '"USER_ID"'), "USER_ID"),
    ],
)
def test_schemas(way: Journey, schema: str, words: str) -> None:
    refused("InvalidInputException", words, way.personalize.create_schema, name="wrong", schema=schema)


IMPORTS = {
    "empty file": (b"", "no rows"),
    "header only": (as_csv([HEADER]), "no rows"),
    "missing columns": (as_csv([HEADER[:2], ("1", "2")]), "missing the following columns:[EVENT_TYPE, TIMESTAMP]"),
    "not UTF-8": (as_csv([HEADER, ("1", "2", "click", "100")]) + "ä,2,click,3\r\n".encode("latin-1"), "UTF-8"),
    "bad timestamps": (as_csv([HEADER, *[("1", "2", "click", "yesterday")] * 3]), "yesterday"),
    "milliseconds": (as_csv([HEADER, *[("1", "2", "click", "1700000000000")] * 3]), "millisecond"),
    "no valid row": (as_csv([HEADER, ("", "2", "click", "5"), ("1", "", "click", "5")]), "ITEM_ID"),
}


@pytest.mark.parametrize("case", IMPORTS)
def test_imports(way: Journey, case: str) -> None:
    body, words = IMPORTS[case]
    ended = way.import_job("INTERACTIONS", body, "bad-" + case.replace(" ", "-"))
    assert ended["status"] == "CREATE FAILED"
    assert words in ended["failureReason"]


@pytest.mark.parametrize("location", ["s3://bad-bucket/none.csv", "s3://no-such-bucket/x.csv", "file:///etc/passwd"])
def test_import_from_nowhere(way: Journey, location: str) -> None:
    name = location.split("//")[1].replace("/", "-").replace(".", "-").strip("-")
    arn = way.personalize.create_dataset_import_job(
        jobName=f"from-{name}", datasetArn=way.arns["ITEMS"], dataSource={"dataLocation": location}, roleArn=ROLE
    )["datasetImportJobArn"]
    ended = settled(way.personalize.describe_dataset_import_job, "datasetImportJob", datasetImportJobArn=arn)
    assert ended["status"] == "CREATE FAILED"
    assert "location" in ended["failureReason"]
    assert ("TAILORBIRD_FILE_ROOTS" in ended["failureReason"]) == location.startswith("file")
    assert "Amazon S3" not in ended["failureReason"]


def test_a_failed_import_leaves_the_earlier_rows(server: Server, way: Journey) -> None:
    def rows() -> int:
        manifests = [json.loads(path.read_text()) for path in (server.data_dir / "tables").glob("*/manifest.json")]
        return sum(part["rows"] for manifest in manifests for part in manifest["parts"])

    before = rows()
    assert way.import_job("INTERACTIONS", as_csv([HEADER]), "bad-again")["status"] == "CREATE FAILED"
    assert rows() == before > 1000


def test_a_few_bad_rows_are_reported_and_the_rest_is_kept(server: Server, way: Journey) -> None:
    body = interactions_csv() + b"7,,click,1500000000\r\n7,8,click,soon\r\n"
    ended = way.import_job("INTERACTIONS", body, "bad-few")
    assert ended["status"] == "ACTIVE"
    told = tailorbird(server, "job", ended["datasetImportJobArn"])
    lines = body.count(b"\n")
    assert f"{lines - 1:,} rows read, {lines - 3:,} kept, 2 dropped" in told
    assert f'1 x ITEM_ID is empty: every row needs one\n            bad-few.csv, line {lines - 1}: ""\n' in told
    assert f'bad-few.csv, line {lines}: "soon"\n' in told
    (line,) = (line for line in tailorbird(server, "jobs").splitlines() if ended["datasetImportJobArn"] in line)
    assert f"2 of {lines - 1:,} rows dropped" in line


def test_a_failure_is_told_once(server: Server, way: Journey) -> None:
    body = as_csv([HEADER, *[("1", "2", "click", "soon")] * 3])
    told = tailorbird(server, "job", way.import_job("INTERACTIONS", body, "bad-once")["datasetImportJobArn"])
    assert told.count("TIMESTAMP is not a number") == 1
    assert "3 of 3 rows cannot be used" in told


def tailorbird(server: Server, *words: str) -> str:
    """What the command line prints about the server's data folder."""
    ran = terminal(*words, "--data-dir", str(server.data_dir))
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_too_little_data_to_train(server: Server) -> None:
    few = Journey(server, "few")
    few.data(interactions=as_csv([HEADER, *[(str(i % 50), str(i), "click", str(i)) for i in range(999)]]))
    few.personalize.create_solution(
        name="few", datasetGroupArn=few.arns["group"], recipeArn="arn:aws:personalize:::recipe/aws-sims"
    )
    solution = few.personalize.list_solutions(datasetGroupArn=few.arns["group"])["solutions"][0]["solutionArn"]
    few.arns["aws-sims version"] = few.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
    ended = few.version("aws-sims")
    assert ended["status"] == "CREATE FAILED"
    assert "fewer than 1000 interactions" in ended["failureReason"]
    version = few.arns["aws-sims version"]
    refused("InvalidInputException", version, few.personalize.create_campaign, name="few", solutionVersionArn=version)
    refused("ResourceInUseException", "FAILED", few.personalize.get_solution_metrics, solutionVersionArn=version)


def test_filters(way: Journey) -> None:
    for expression, words in {
        'INCLUDE ItemID WHERE Items.COLOUR IN ("red")': "COLOUR",
        'INCLUDE ItemID WHERE Items.GENRE IN ("red"': "^",
        "INCLUDE ItemID WHERE Items.GENRE NOT IN ($G)": "Placeholders are not allowed with NOT_IN operator",
        'EXCLUDE ItemID WHERE Users.AGE IN ("3")': "Users",
    }.items():
        refused(
            "InvalidInputException",
            words,
            way.personalize.create_filter,
            name="wrong",
            datasetGroupArn=way.arns["group"],
            filterExpression=expression,
        )


def test_solutions(way: Journey) -> None:
    def create(**request: Any) -> Any:
        return way.personalize.create_solution(name="wrong", datasetGroupArn=way.arns["group"], **request)

    sims = "arn:aws:personalize:::recipe/aws-sims"
    refused("InvalidInputException", "recipeArn", create)
    refused("ResourceNotFoundException", "aws-sims", create, recipeArn="arn:aws:personalize:::recipe/aws-magic")
    for parameters in ({"no_such": "1"}, {"popularity_discount_factor": "7"}, {"popularity_discount_factor": "x"}):
        name = next(iter(parameters))
        refused(
            "InvalidInputException",
            name,
            create,
            recipeArn=sims,
            solutionConfig={"algorithmHyperParameters": parameters},
        )


def test_a_name_that_is_taken_and_an_arn_that_nothing_has(way: Journey) -> None:
    refused("ResourceAlreadyExistsException", "dataset-group/bad", way.personalize.create_dataset_group, name="bad")
    arn = way.arns["group"].replace("/bad", "/none")
    words = f"The given dataset group does not exist: {arn}"
    refused("ResourceNotFoundException", words, way.personalize.delete_dataset_group, datasetGroupArn=arn)
    refused("InvalidInputException", "campaign", way.personalize.describe_campaign, campaignArn=way.arns["group"])
    refused("InvalidNextTokenException", "nextToken", way.personalize.list_schemas, nextToken="made-up")


def test_a_dataset_in_use_is_not_deleted(way: Journey) -> None:
    way.s3.put_object(Bucket=way.bucket, Key="use.csv", Body=interactions_csv())
    job = way.personalize.create_dataset_import_job(
        jobName="use",
        datasetArn=way.arns["INTERACTIONS"],
        dataSource={"dataLocation": f"s3://{way.bucket}/use.csv"},
        roleArn=ROLE,
    )["datasetImportJobArn"]
    refused("ResourceInUseException", "use", way.personalize.delete_dataset, datasetArn=way.arns["INTERACTIONS"])
    settled(way.personalize.describe_dataset_import_job, "datasetImportJob", datasetImportJobArn=job)


def test_events(way: Journey) -> None:
    tracker = way.personalize.create_event_tracker(name="bad", datasetGroupArn=way.arns["group"])
    put = way.events.put_events
    event = {"sentAt": 1_700_000_000, "eventType": "click", "itemId": "1"}
    common = {"trackingId": tracker["trackingId"], "userId": "1", "sessionId": "1"}
    refused("InvalidInputException", "trackingId", put, trackingId="none", sessionId="1", eventList=[event])
    for properties in ("[1]", "{", '"text"'):
        wrong = event | {"properties": properties}
        refused("InvalidInputException", "Error parsing properties json", put, **common, eventList=[event, wrong])
    nameless = {"sentAt": 1_700_000_000, "eventType": "click"}
    refused("InvalidInputException", "eventList[0].itemId", put, **common, eventList=[nameless])
    put(**common, eventList=[event])


def test_runtime(way: Journey) -> None:
    ask = way.runtime.get_recommendations
    nowhere = way.arns["group"].replace("dataset-group/bad", "campaign/none")
    refused("ResourceNotFoundException", nowhere, ask, campaignArn=nowhere, userId="1")
    refused("InvalidInputException", "campaignArn", ask, userId="1")


def test_signatures(server: Server) -> None:
    wrong = server.client("personalize", aws_secret_access_key="not the secret")
    refused("InvalidSignatureException", "", wrong.list_schemas)
    stranger = server.client("personalize-runtime", aws_access_key_id="AKIASTRANGER00000000")
    refused("UnrecognizedClientException", "", stranger.get_recommendations, userId="1")
    unsigned = urllib.request.Request(f"{server.url}/recommendations", data=b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(unsigned)
    assert error.value.code == 403
    assert error.value.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
    error.value.close()
