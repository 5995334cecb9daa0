"""The walk's part on a server with AWS's quotas, where deletions last: what `test_every_operation` meets there."""

from __future__ import annotations

import json

from journeys.steps import INTERACTIONS_SCHEMA, Journey
from journeys.walking import IN_USE, LIMIT, RECIPE, SCHEMAS, Walk, put_requests
from support import ROLE

SIMS, POPULAR, SEGMENTS = "aws-sims", "aws-popularity-count", "aws-item-affinity"
VIEWS = f"{RECIPE}aws-ecomm-popular-items-by-views"


def quotas(walk: Walk, way: Journey) -> None:
    """AWS's quotas, and resources that are being deleted, which nothing can be built upon."""
    way.data()
    fading = datasets_in_deletion(walk)
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
    walk.call("CreateDataset", name="shop", datasetType="Interactions", datasetGroupArn=shop, schemaArn=schema)
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
        "CreateDatasetExportJob": (
            5,
            {"jobName": "e{}", "datasetArn": way.arns["ITEMS"], "jobOutput": batch["jobOutput"], "roleArn": ROLE},
        ),
        "CreateDataDeletionJob": (
            5,
            {"jobName": "d{}", "datasetGroupArn": fading["group"], "dataSource": source, "roleArn": ROLE},
        ),
        "CreateDatasetGroup": (2, {"name": "g{}", "domain": "ECOMMERCE"}),
        "CreateSchema": (492, {"name": "s{}", "schema": json.dumps(INTERACTIONS_SCHEMA)}),
    }
    for name, (room, request) in full.items():
        numbered = [
            {member: value.format(n) if member in ("name", "jobName") else value for member, value in request.items()}
            for n in range(room + 1)
        ]
        for each in numbered[:-1]:
            walk.call(name, **each)
        walk.fails(LIMIT, name, **numbered[-1])
    dying(walk, way, fading["items"])


def datasets_in_deletion(walk: Walk) -> dict[str, str]:
    """The ARNs of a dataset group and of its datasets, which are being deleted and take no records any more."""
    group = walk.call("CreateDatasetGroup", name="fading")["datasetGroupArn"]
    arns: dict[str, str] = {"group": group}
    for kind, content in SCHEMAS.items():
        schema = walk.call("CreateSchema", name=f"fading-{kind}", schema=json.dumps(content))["schemaArn"]
        request = {"name": "fading", "datasetType": kind, "datasetGroupArn": group, "schemaArn": schema}
        arns[kind] = walk.call("CreateDataset", **request)["datasetArn"]
    requests = put_requests(walk, arns)
    for kind in SCHEMAS:
        walk.call("DeleteDataset", datasetArn=arns[kind])
        walk.fails(IN_USE, "DeleteDataset", datasetArn=arns[kind])
    for name, request in requests.items():
        walk.fails(IN_USE, name, **request)
    return arns


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
        "CreateDatasetExportJob": {
            "jobName": "late",
            "datasetArn": dataset,
            "jobOutput": {"s3DataDestination": {"path": "s3://strict-bucket/"}},
            "roleArn": ROLE,
        },
        "CreateDataDeletionJob": {
            "jobName": "late",
            "datasetGroupArn": group,
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
