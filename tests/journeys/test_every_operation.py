"""Every operation of the three models through boto3: a success, and every modelled error that can be provoked.

What no request can bring about is listed in walking.NEVER, and nowhere else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journeys.steps import INTERACTIONS_SCHEMA, ITEMS_SCHEMA, Journey, interactions_csv
from journeys.strictness import quotas
from journeys.walking import (
    EXISTS,
    IN_USE,
    INVALID,
    KEYS,
    MISSING,
    NEVER,
    OPERATIONS,
    RECIPE,
    SCHEMAS,
    Walk,
    put_requests,
)
from support import ROLE, Server, settled, wait_for
from tailorbird.api.operations import OPERATIONS as HERE

SIMS, POPULAR, RANKING = "aws-sims", "aws-popularity-count", "aws-personalized-ranking"
SEGMENTS, ACTIONS = "aws-item-affinity", "aws-next-best-action"


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Server]:
    """A server with AWS's quotas, one worker, and deletions that last, so that they can be met."""
    running = Server(tmp_path / "strict", aws_quotas="true", workers=1, deletion_seconds=600, update_seconds=600)
    yield running.start()
    running.stop()


def test_every_operation(server: Server, strict: Server) -> None:
    assert all(operation.function in HERE for operation in OPERATIONS.values())
    seen: set[tuple[str, str]] = set()
    walk = Walk(server, seen)
    way = Journey(server, "walk")
    arns = data(walk, way)
    records(walk, arns)
    exports_and_erasures(walk, arns)
    trainings(walk, arns)
    offers(walk, way, arns)
    domain(walk)
    questions(walk, arns)
    tags(walk, arns)
    updates(walk, arns)
    lists(walk, arns)
    deletions(walk, arns)
    quotas(Walk(strict, seen), Journey(strict, "strict"))
    for name, operation in OPERATIONS.items():
        assert (name, "success") in seen, name
        expected = {error for error in operation.errors if (name, error) not in NEVER}
        missing = expected - {code for of, code in seen if of == name}
        assert not missing, f"{name} was never seen to raise {missing}"
    for name, error in NEVER:
        assert (name, error) not in seen, f"{name} does raise {error}: take it off the list"


def data(walk: Walk, way: Journey) -> dict[str, str]:
    """Schemas, group, datasets, imports, a tracker with events, a filter, a metric attribution."""
    way.s3.create_bucket(Bucket=way.bucket)
    way.s3.put_object(Bucket=way.bucket, Key="clicks.csv", Body=interactions_csv())
    way.s3.put_object(Bucket=way.bucket, Key="in/lines.json", Body=b'{"userId": "3"}\n')
    arns = {"bucket": f"s3://{way.bucket}"}
    way.s3.put_object(Bucket=way.bucket, Key="gone.csv", Body=b"USER_ID\n7\n")
    for kind, schema in SCHEMAS.items():
        arns[f"{kind} schema"] = walk.does("CreateSchema", name=f"walk-{kind}", schema=json.dumps(schema))["schemaArn"]
    group = arns["group"] = walk.does("CreateDatasetGroup", name="walk")["datasetGroupArn"]
    for kind in SCHEMAS:
        request = {"name": f"walk-{kind}", "datasetType": kind, "schemaArn": arns[f"{kind} schema"]}
        arns[kind] = walk.does("CreateDataset", datasetGroupArn=group, **request)["datasetArn"]
    arns["import"] = walk.does(
        "CreateDatasetImportJob",
        datasetArn=arns["interactions"],
        jobName="walk",
        roleArn=ROLE,
        dataSource={"dataLocation": f"{arns['bucket']}/clicks.csv"},
    )["datasetImportJobArn"]
    done(walk, "DatasetImportJob", arns["import"])
    created = walk.does("CreateEventTracker", name="walk", datasetGroupArn=group)
    arns["tracker"] = created["eventTrackerArn"]
    event = {"eventType": "click", "itemId": "3", "sentAt": int(time.time())}
    walk.does("PutEvents", trackingId=created["trackingId"], sessionId="s", userId="u", eventList=[event])
    expression = 'INCLUDE ItemID WHERE Items.GENRE IN ("Drama")'
    arns["filter"] = walk.does("CreateFilter", name="walk", datasetGroupArn=group, filterExpression=expression)[
        "filterArn"
    ]
    metric = {"eventType": "click", "metricName": "m", "expression": "SAMPLECOUNT()"}
    attribution = arns["attribution"] = walk.does(
        "CreateMetricAttribution",
        name="walk",
        datasetGroupArn=group,
        metrics=[metric],
        metricsOutputConfig={"roleArn": ROLE},
    )["metricAttributionArn"]
    walk.does("UpdateMetricAttribution", metricAttributionArn=attribution, addMetrics=[metric | {"metricName": "n"}])
    walk.fails(EXISTS, "UpdateMetricAttribution", metricAttributionArn=attribution, addMetrics=[metric])
    return arns


def records(walk: Walk, arns: dict[str, str]) -> None:
    """What is put by itself: items, users, actions, and what users did with actions."""
    for name, request in put_requests(walk, arns).items():
        walk.does(name, **request)


def exports_and_erasures(walk: Walk, arns: dict[str, str]) -> None:
    """The jobs that write a dataset's rows, and that delete a user's."""
    output = {"s3DataDestination": {"path": f"{arns['bucket']}/exports"}}
    request = {"jobName": "walk", "datasetArn": arns["items"], "roleArn": ROLE, "jobOutput": output}
    arns["export"] = walk.does("CreateDatasetExportJob", **request)["datasetExportJobArn"]
    done(walk, "DatasetExportJob", arns["export"])
    source = {"dataLocation": f"{arns['bucket']}/gone.csv"}
    request = {"jobName": "walk", "datasetGroupArn": arns["group"], "roleArn": ROLE, "dataSource": source}
    arns["deletion"] = walk.does("CreateDataDeletionJob", **request)["dataDeletionJobArn"]
    done(walk, "DataDeletionJob", arns["deletion"])


def done(walk: Walk, kind: str, arn: str) -> dict[str, Any]:
    """Waits for the end of a job; it must have gone well."""
    member = kind[0].lower() + kind[1:]
    ended = settled(lambda **request: walk.call(f"Describe{kind}", **request), member, **{f"{member}Arn": arn})
    assert ended["status"] in ("ACTIVE", "COMPLETED"), ended
    return ended


def trainings(walk: Walk, arns: dict[str, str]) -> None:
    """Solutions, versions, campaigns, batch jobs."""
    for recipe in (POPULAR, RANKING, SEGMENTS):
        request = {"name": recipe, "datasetGroupArn": arns["group"], "recipeArn": RECIPE + recipe}
        solution = arns[f"{recipe} solution"] = walk.does("CreateSolution", **request)["solutionArn"]
        arns[recipe] = walk.does("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    stopped = walk.call("CreateSolutionVersion", solutionArn=arns[f"{RANKING} solution"])["solutionVersionArn"]
    walk.fails(IN_USE, "GetSolutionMetrics", solutionVersionArn=stopped)
    walk.fails(IN_USE, "GetExtendedMetrics", resourceArn=stopped)
    walk.fails(IN_USE, "CreateCampaign", name="early", solutionVersionArn=stopped)
    batch = {
        "jobName": "walk",
        "roleArn": ROLE,
        "jobInput": {"s3DataSource": {"path": f"{arns['bucket']}/in/"}},
        "jobOutput": {"s3DataDestination": {"path": f"{arns['bucket']}/out/"}},
    }
    for kind in ("Inference", "Segment"):
        walk.fails(IN_USE, f"CreateBatch{kind}Job", solutionVersionArn=stopped, **batch)
    walk.does("StopSolutionVersionCreation", solutionVersionArn=stopped)
    walk.fails(IN_USE, "StopSolutionVersionCreation", solutionVersionArn=stopped)
    for recipe in (POPULAR, RANKING):
        done(walk, "SolutionVersion", arns[recipe])
        request = {"name": recipe, "solutionVersionArn": arns[recipe]}
        arns[f"{recipe} campaign"] = walk.does("CreateCampaign", **request)["campaignArn"]
    walk.does("GetSolutionMetrics", solutionVersionArn=arns[POPULAR])
    walk.does("GetExtendedMetrics", resourceArn=arns[POPULAR])
    walk.does("GetJobProgress", jobArn=arns[POPULAR])
    arns["batch"] = walk.does("CreateBatchInferenceJob", solutionVersionArn=arns[POPULAR], **batch)[
        "batchInferenceJobArn"
    ]
    done(walk, "BatchInferenceJob", arns["batch"])
    done(walk, "SolutionVersion", arns[SEGMENTS])
    arns["segments"] = walk.does("CreateBatchSegmentJob", solutionVersionArn=arns[SEGMENTS], **batch)[
        "batchSegmentJobArn"
    ]
    done(walk, "BatchSegmentJob", arns["segments"])
    walk.fails(INVALID, "CreateBatchSegmentJob", solutionVersionArn=arns[POPULAR], **batch)


def offers(walk: Walk, way: Journey, arns: dict[str, str]) -> None:
    """The next best action; what it took goes again."""
    way.arns["group"] = arns["group"]
    way.train(ACTIONS)
    way.deploy(ACTIONS)
    assert walk.does("GetActionRecommendations", campaignArn=way.arns[ACTIONS], userId="3")["actionList"]
    walk.call("DeleteCampaign", campaignArn=way.arns[ACTIONS])
    walk.call("DeleteSolution", solutionArn=way.arns[f"{ACTIONS} solution"])


def domain(walk: Walk) -> None:
    """A recommender's whole life; without data it fails, which is enough here."""
    group = walk.call("CreateDatasetGroup", name="shop", domain="ECOMMERCE")["datasetGroupArn"]
    schema = walk.call("CreateSchema", name="shop", domain="ECOMMERCE", schema=json.dumps(INTERACTIONS_SCHEMA))[
        "schemaArn"
    ]
    target = walk.call(
        "CreateDataset", name="shop", datasetType="Interactions", datasetGroupArn=group, schemaArn=schema
    )["datasetArn"]
    job = walk.call(
        "CreateDatasetImportJob",
        datasetArn=target,
        jobName="shop",
        roleArn=ROLE,
        dataSource={"dataLocation": "s3://walk-bucket/clicks.csv"},
    )["datasetImportJobArn"]
    done(walk, "DatasetImportJob", job)
    request = {"name": "walk", "datasetGroupArn": group, "recipeArn": f"{RECIPE}aws-ecomm-recommended-for-you"}
    arn = walk.does("CreateRecommender", **request)["recommenderArn"]
    done(walk, "Recommender", arn)
    walk.before("DescribeRecommender", {"recommenderArn": arn})
    config = {"enableMetadataWithRecommendations": True}
    walk.does("UpdateRecommender", recommenderArn=arn, recommenderConfig=config)
    walk.fails(
        IN_USE, "UpdateRecommender", recommenderArn=arn, recommenderConfig={"minRecommendationRequestsPerSecond": 2}
    )

    def becomes(status: str) -> None:
        def look() -> bool:
            found = walk.call("DescribeRecommender", recommenderArn=arn)["recommender"]
            updated = found["latestRecommenderUpdate"]["status"] == "ACTIVE"
            return bool(updated and found["status"] == status)

        wait_for(look)

    becomes("ACTIVE")
    walk.fails(IN_USE, "StartRecommender", recommenderArn=arn)
    walk.does("StopRecommender", recommenderArn=arn)
    walk.fails(IN_USE, "DeleteRecommender", recommenderArn=arn)
    becomes("INACTIVE")
    walk.fails(IN_USE, "StopRecommender", recommenderArn=arn)
    walk.does("StartRecommender", recommenderArn=arn)
    becomes("ACTIVE")
    walk.does("ListRecommenders", datasetGroupArn=group)
    walk.does("DeleteRecommender", recommenderArn=arn)


def questions(walk: Walk, arns: dict[str, str]) -> None:
    walk.does("GetRecommendations", campaignArn=arns[f"{POPULAR} campaign"], userId="3", filterArn=arns["filter"])
    walk.does("GetPersonalizedRanking", campaignArn=arns[f"{RANKING} campaign"], userId="3", inputList=["1", "2"])


def tags(walk: Walk, arns: dict[str, str]) -> None:
    walk.does("TagResource", resourceArn=arns["group"], tags=[{"tagKey": "a", "tagValue": "b"}])
    walk.does("ListTagsForResource", resourceArn=arns["group"])
    walk.fails(KEYS, "UntagResource", resourceArn=arns["group"], tagKeys=[str(number) for number in range(51)])
    walk.does("UntagResource", resourceArn=arns["group"], tagKeys=["a"])


def updates(walk: Walk, arns: dict[str, str]) -> None:
    """Each is refused while the one before it is under way."""
    fields = [*ITEMS_SCHEMA["fields"], {"name": "MOOD", "type": ["null", "string"]}]
    wider = walk.call("CreateSchema", name="wider", schema=json.dumps(ITEMS_SCHEMA | {"fields": fields}))["schemaArn"]
    for name, request in {
        "UpdateCampaign": {"campaignArn": arns[f"{POPULAR} campaign"], "minProvisionedTPS": 2},
        "UpdateSolution": {"solutionArn": arns[f"{POPULAR} solution"], "performAutoTraining": False},
        "UpdateDataset": {"datasetArn": arns["items"], "schemaArn": wider},
    }.items():
        walk.does(name, **request)
        walk.fails(IN_USE, name, **request)
    time.sleep(1)


def lists(walk: Walk, arns: dict[str, str]) -> None:
    """Describe and List of everything."""
    described = {
        "Algorithm": f"arn:aws:personalize:::algorithm/{SIMS}",
        "FeatureTransformation": "arn:aws:personalize:::feature-transformation/sims",
        "Recipe": RECIPE + SIMS,
        "Schema": arns["items schema"],
        "DatasetGroup": arns["group"],
        "Dataset": arns["items"],
        "DatasetImportJob": arns["import"],
        "DatasetExportJob": arns["export"],
        "DataDeletionJob": arns["deletion"],
        "EventTracker": arns["tracker"],
        "Filter": arns["filter"],
        "Solution": arns[f"{POPULAR} solution"],
        "SolutionVersion": arns[POPULAR],
        "Campaign": arns[f"{POPULAR} campaign"],
        "BatchInferenceJob": arns["batch"],
        "BatchSegmentJob": arns["segments"],
        "MetricAttribution": arns["attribution"],
    }
    for kind, arn in described.items():
        walk.does(f"Describe{kind}", **{f"{kind[0].lower()}{kind[1:]}Arn": arn})
    of_group = {"datasetGroupArn": arns["group"]}
    filters: dict[str, dict[str, str]] = {
        "SolutionVersions": {"solutionArn": arns[f"{POPULAR} solution"]},
        "MetricAttributionMetrics": {"metricAttributionArn": arns["attribution"]},
        "DatasetExportJobs": {"datasetArn": arns["items"]},
        **dict.fromkeys(
            ("DataDeletionJobs", "Datasets", "EventTrackers", "Filters", "Solutions", "MetricAttributions"), of_group
        ),
    }
    for name in OPERATIONS:
        if name.startswith("List") and name not in {"ListTagsForResource", "ListRecommenders"}:
            found = walk.does(name, **filters.get(name.removeprefix("List"), {}))
            (rows,) = [value for value in found.values() if isinstance(value, list)]
            assert rows, name


def deletions(walk: Walk, arns: dict[str, str]) -> None:
    """Each deletion is refused while something needs the resource, or when it has begun already."""
    walk.fails(IN_USE, "DeleteSolution", solutionArn=arns[f"{POPULAR} solution"])
    walk.fails(IN_USE, "DeleteSchema", schemaArn=arns["interactions schema"])
    walk.fails(IN_USE, "DeleteDatasetGroup", datasetGroupArn=arns["group"])
    request = {"jobName": "late", "dataSource": {"dataLocation": f"{arns['bucket']}/clicks.csv"}, "roleArn": ROLE}
    late = walk.call("CreateDatasetImportJob", datasetArn=arns["interactions"], **request)["datasetImportJobArn"]
    walk.fails(IN_USE, "DeleteDataset", datasetArn=arns["interactions"])
    done(walk, "DatasetImportJob", late)
    walk.does("DeleteMetricAttribution", metricAttributionArn=arns["attribution"])
    walk.does("DeleteFilter", filterArn=arns["filter"])
    walk.does("DeleteEventTracker", eventTrackerArn=arns["tracker"])
    walk.fails(MISSING, "DeleteSchema", schemaArn=arns["items schema"] + "0")
    for recipe in (POPULAR, RANKING):
        walk.does("DeleteCampaign", campaignArn=arns[f"{recipe} campaign"])
        walk.does("DeleteSolution", solutionArn=arns[f"{recipe} solution"])
    walk.call("DeleteSolution", solutionArn=arns[f"{SEGMENTS} solution"])
    for kind in SCHEMAS:
        walk.does("DeleteDataset", datasetArn=arns[kind])
        walk.does("DeleteSchema", schemaArn=arns[f"{kind} schema"])
    walk.does("DeleteDatasetGroup", datasetGroupArn=arns["group"])
