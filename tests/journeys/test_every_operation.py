"""Every operation of the three models through boto3: a success, and every modelled error that can be provoked.

What is not here is listed below, what no request can bring about in walking.NEVER, and nowhere else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journeys.steps import INTERACTIONS_SCHEMA, ITEMS_SCHEMA, Journey, interactions_csv
from journeys.walking import EXISTS, IN_USE, INVALID, KEYS, LIMIT, MISSING, NEVER, OPERATIONS, Walk
from support import ROLE, Server, settled, wait_for
from tailorbird.api.operations import OPERATIONS as HERE

RECIPE = "arn:aws:personalize:::recipe/"
SIMS, POPULAR, RANKING = "aws-sims", "aws-popularity-count", "aws-personalized-ranking"
SEGMENTS, ACTIONS = "aws-item-affinity", "aws-next-best-action"

VIEWS = f"{RECIPE}aws-ecomm-popular-items-by-views"

NOT_HERE = {
    "CreateDataDeletionJob",
    "DescribeDataDeletionJob",
    "ListDataDeletionJobs",
    "CreateDatasetExportJob",
    "DescribeDatasetExportJob",
    "ListDatasetExportJobs",
    "PutItems",
    "PutUsers",
    "PutActions",
    "PutActionInteractions",
}
"""Operations that this version does not have."""


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Server]:
    """A server with AWS's quotas, one worker, and deletions that last, so that they can be met."""
    running = Server(tmp_path / "strict", aws_quotas="true", workers=1, deletion_seconds=600, update_seconds=600)
    yield running.start()
    running.stop()


def test_every_operation(server: Server, strict: Server) -> None:
    assert {name for name, operation in OPERATIONS.items() if operation.function not in HERE} == NOT_HERE
    seen: set[tuple[str, str]] = set()
    walk = Walk(server, seen)
    arns = data(walk, way := Journey(server, "walk"))
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
        if name in NOT_HERE:
            continue
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
    for kind, schema in (("interactions", INTERACTIONS_SCHEMA), ("items", ITEMS_SCHEMA)):
        arns[f"{kind} schema"] = walk.does("CreateSchema", name=f"walk-{kind}", schema=json.dumps(schema))["schemaArn"]
    group = arns["group"] = walk.does("CreateDatasetGroup", name="walk")["datasetGroupArn"]
    for kind in ("interactions", "items"):
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


def done(walk: Walk, kind: str, arn: str) -> dict[str, Any]:
    """Waits for the end of a job; it must have gone well."""
    member = kind[0].lower() + kind[1:]
    ended = settled(lambda **request: walk.call(f"Describe{kind}", **request), member, **{f"{member}Arn": arn})
    assert ended["status"] == "ACTIVE", ended
    return ended


def trainings(walk: Walk, arns: dict[str, str]) -> None:
    """Solutions, versions, campaigns, batch jobs."""
    for recipe in (POPULAR, RANKING, SEGMENTS):
        request = {"name": recipe, "datasetGroupArn": arns["group"], "recipeArn": RECIPE + recipe}
        solution = arns[f"{recipe} solution"] = walk.does("CreateSolution", **request)["solutionArn"]
        arns[recipe] = walk.does("CreateSolutionVersion", solutionArn=solution)["solutionVersionArn"]
    stopped = walk.call("CreateSolutionVersion", solutionArn=arns[f"{RANKING} solution"])["solutionVersionArn"]
    walk.fails(IN_USE, "GetSolutionMetrics", solutionVersionArn=stopped)
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
    arns["batch"] = walk.does("CreateBatchInferenceJob", solutionVersionArn=arns[POPULAR], **batch)[
        "batchInferenceJobArn"
    ]
    done(walk, "BatchInferenceJob", arns["batch"])
    done(walk, "SolutionVersion", arns[SEGMENTS])
    made = walk.does("CreateBatchSegmentJob", solutionVersionArn=arns[SEGMENTS], **batch)
    arns["segments"] = made["batchSegmentJobArn"]
    done(walk, "BatchSegmentJob", arns["segments"])
    walk.fails(INVALID, "CreateBatchSegmentJob", solutionVersionArn=arns[POPULAR], **batch)


def offers(walk: Walk, way: Journey, arns: dict[str, str]) -> None:
    """The next best action; what it took goes again."""
    way.arns["group"] = arns["group"]
    fields = [{"name": "ACTION_ID", "type": "string"}, {"name": "VALUE", "type": "long"}]
    way.dataset("ACTIONS", INTERACTIONS_SCHEMA | {"name": "Actions", "fields": fields})
    way.load("ACTIONS", b"ACTION_ID,VALUE\ncall,3\nnewsletter,1\n")
    way.train(ACTIONS)
    way.deploy(ACTIONS)
    found = walk.does("GetActionRecommendations", campaignArn=way.arns[ACTIONS], userId="3")["actionList"]
    assert [action["actionId"] for action in found] == ["call", "newsletter"]
    walk.call("DeleteCampaign", campaignArn=way.arns[ACTIONS])
    walk.call("DeleteSolution", solutionArn=way.arns[f"{ACTIONS} solution"])
    walk.call("DeleteDataset", datasetArn=way.arns["ACTIONS"])


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

        wait_for(look, 5)

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
        **dict.fromkeys(("Datasets", "EventTrackers", "Filters", "Solutions", "MetricAttributions"), of_group),
    }
    for name in OPERATIONS:
        if name.startswith("List") and name not in NOT_HERE | {"ListTagsForResource", "ListRecommenders"}:
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
    for kind in ("interactions", "items"):
        walk.does("DeleteDataset", datasetArn=arns[kind])
        walk.does("DeleteSchema", schemaArn=arns[f"{kind} schema"])
    walk.does("DeleteDatasetGroup", datasetGroupArn=arns["group"])


def quotas(walk: Walk, way: Journey) -> None:
    """AWS's quotas, and resources that are being deleted, which nothing can be built upon."""
    way.data()
    way.train(POPULAR, SEGMENTS)
    group, version = way.arns["group"], way.arns[f"{POPULAR} version"]
    batch = {
        "roleArn": ROLE,
        "jobInput": {"s3DataSource": {"path": "s3://strict-bucket/in/"}},
        "jobOutput": {"s3DataDestination": {"path": "s3://strict-bucket/out/"}},
    }
    source = {"dataLocation": "s3://strict-bucket/in/"}
    shop = walk.call("CreateDatasetGroup", name="shop", domain="ECOMMERCE")["datasetGroupArn"]
    schema = walk.call("CreateSchema", name="shop", domain="ECOMMERCE", schema=json.dumps(INTERACTIONS_SCHEMA))[
        "schemaArn"
    ]
    dataset = walk.call(
        "CreateDataset", name="shop", datasetType="Interactions", datasetGroupArn=shop, schemaArn=schema
    )["datasetArn"]
    some_filter = 'INCLUDE ItemID WHERE Items.GENRE IN ("Drama")'
    personal = f"{RECIPE}aws-user-personalization"
    slow = walk.call("CreateSolution", name="slow", datasetGroupArn=group, recipeArn=personal)["solutionArn"]
    full = {
        "CreateCampaign": (5, {"name": "c{}", "solutionVersionArn": version}),
        "CreateFilter": (30, {"name": "f{}", "datasetGroupArn": group, "filterExpression": some_filter}),
        "CreateSolution": (7, {"name": "s{}", "datasetGroupArn": group, "recipeArn": RECIPE + SIMS}),
        "CreateSolutionVersion": (20, {"solutionArn": slow}),
        "CreateRecommender": (5, {"name": "r{}", "datasetGroupArn": shop, "recipeArn": VIEWS}),
        "CreateBatchInferenceJob": (5, {"jobName": "b{}", "solutionVersionArn": version, **batch}),
        "CreateBatchSegmentJob": (
            5,
            {"jobName": "b{}", "solutionVersionArn": way.arns[f"{SEGMENTS} version"], **batch},
        ),
        "CreateDatasetImportJob": (
            5,
            {"jobName": "i{}", "datasetArn": way.arns["ITEMS"], "dataSource": source, "roleArn": ROLE},
        ),
        "CreateDatasetGroup": (3, {"name": "g{}", "domain": "ECOMMERCE"}),
        "CreateSchema": (497, {"name": "s{}", "schema": json.dumps(INTERACTIONS_SCHEMA)}),
    }
    for name, (room, request) in full.items():
        numbered = [
            {member: value.format(n) if member in ("name", "jobName") else value for member, value in request.items()}
            for n in range(room + 1)
        ]
        for each in numbered[:-1]:
            walk.call(name, **each)
        walk.fails(LIMIT, name, **numbered[-1])
    dying(walk, way, dataset)


def dying(walk: Walk, way: Journey, dataset: str) -> None:
    """What is being deleted cannot be used; here a deletion lasts ten minutes."""
    group = walk.clients["personalize"].list_dataset_groups()["datasetGroups"][-1]["datasetGroupArn"]
    campaign = walk.clients["personalize"].list_campaigns()["campaigns"][0]["campaignArn"]
    some = walk.clients["personalize"].list_filters()["Filters"][0]["filterArn"]
    attribution = walk.call(
        "CreateMetricAttribution",
        name="m",
        datasetGroupArn=way.arns["group"],
        metrics=[{"eventType": "click", "metricName": "m", "expression": "SAMPLECOUNT()"}],
        metricsOutputConfig={"roleArn": ROLE},
    )["metricAttributionArn"]
    spare = walk.clients["personalize"].list_solutions()["solutions"][-1]["solutionArn"]
    for name, request in {
        "DeleteDatasetGroup": {"datasetGroupArn": group},
        "DeleteCampaign": {"campaignArn": campaign},
        "DeleteFilter": {"filterArn": some},
        "DeleteMetricAttribution": {"metricAttributionArn": attribution},
        "DeleteSolution": {"solutionArn": spare},
        "DeleteDataset": {"datasetArn": dataset},
    }.items():
        walk.call(name, **request)
        walk.fails(IN_USE, name, **request)
    on_group = {"name": "late", "datasetGroupArn": group}
    schema = way.arns["ITEMS schema"]
    metric = {"eventType": "click", "metricName": "m", "expression": "SAMPLECOUNT()"}
    for name, request in {
        "CreateDataset": {**on_group, "datasetType": "Items", "schemaArn": schema},
        "CreateEventTracker": on_group,
        "CreateFilter": {**on_group, "filterExpression": 'INCLUDE ItemID WHERE Items.GENRE IN ("Drama")'},
        "CreateSolution": {**on_group, "recipeArn": RECIPE + SIMS},
        "CreateMetricAttribution": {**on_group, "metrics": [metric], "metricsOutputConfig": {"roleArn": ROLE}},
        "CreateRecommender": {**on_group, "recipeArn": VIEWS},
        "CreateDatasetImportJob": {
            "jobName": "late",
            "datasetArn": dataset,
            "dataSource": {"dataLocation": "s3://strict-bucket/"},
            "roleArn": ROLE,
        },
        "CreateSolutionVersion": {"solutionArn": spare},
        "UpdateSolution": {"solutionArn": spare, "performAutoTraining": False},
        "UpdateCampaign": {"campaignArn": campaign},
        "TagResource": {"resourceArn": group, "tags": []},
        "UntagResource": {"resourceArn": group, "tagKeys": []},
    }.items():
        walk.fails(IN_USE, name, **request)
