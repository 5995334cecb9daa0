"""docs/reference/operations.md, from the services' models and the operations that are here: `tailorbird reference`."""

from __future__ import annotations

from collections.abc import Iterator

from tailorbird.api.operations import OPERATIONS
from tailorbird.wire import model
from tailorbird.wire.model import Operation

HEAD = """# Operations

Made by `make reference` from the services' models and the table of operations; do not edit. Where nothing is said
the operation does what Amazon Personalize documents: same members, same answers, same errors.
"""

OURS = """Not Amazon's: a service `tailorbird` in the same format, which boto3 and the AWS CLI find where the variable
AWS_DATA_PATH says, as `tailorbird env` prints it: `boto3.client("tailorbird").get_job_progress(jobArn=arn)`.
"""

SERVICES = {
    "personalize": "Control plane",
    "personalize-events": "Events",
    "personalize-runtime": "Runtime",
    model.EXTENSIONS: "Extensions",
}

EXPLORATION = "`itemExplorationConfig` is checked, kept and shown; answers do not explore yet."
LATEST = "`$LATEST` is replaced by the version that it stands for at that time, which Describe shows."

PROPERTIES = "A property that is no column of the dataset is refused."

# What differs from AWS and why; an operation that is not in OPERATIONS needs no entry.
DIFFERENCES: dict[str, str] = {
    "CreateBatchInferenceJob": "`batchInferenceJobMode` THEME_GENERATION is refused: there is no text model yet. "
    + EXPLORATION,
    "CreateBatchSegmentJob": "Input files may have any number of lines. Rows of INCREMENTAL imports count too. A query "
    "for attributes goes by the newest metadata of the items that were there at training.",
    "CreateCampaign": f"{EXPLORATION} {LATEST} ACTIVE at once: there are no machines to wait for.",
    "CreateDataDeletionJob": "Several jobs of a dataset group run one after the other. Refused with "
    "ResourceInUseException while an import or a training of the group is under way, as those are while it is.",
    "CreateDataset": "ACTIVE at once.",
    "CreateDatasetExportJob": "One file, `<path>/<jobName>.csv`; AWS documents no name. `kmsKeyArn` is kept and shown "
    "only.",
    "CreateDatasetGroup": "ACTIVE at once. `kmsKeyArn` and `roleArn` are kept and shown only: data are not encrypted.",
    "CreateDatasetImportJob": "`publishAttributionMetricsToS3` is refused: nothing is published yet. Fewer than 1000 "
    "interactions are a warning, not a failure; gzip is read too.",
    "CreateEventTracker": "ACTIVE at once.",
    "CreateFilter": "ACTIVE at once.",
    "CreateMetricAttribution": "Definitions are checked, kept and shown; nothing is counted or published yet.",
    "CreateRecommender": f"{EXPLORATION} `trainingDataConfig` is refused: not there yet.",
    "CreateSolution": "`performHPO`, `performAutoML`, `performIncrementalUpdate` and in `solutionConfig` `hpoConfig`, "
    "`autoMLConfig`, `optimizationObjective`, `eventsConfig`, `trainingDataConfig` are refused: not there yet. "
    "`eventType` matches in any case.",
    "CreateSolutionVersion": "`trainingMode` UPDATE is refused until models explore; AUTOTRAIN, which AWS does not "
    "explain, too. An automatic version has trainingMode FULL and trainingType AUTOMATIC.",
    "DeleteDataset": "`.../EVENT_INTERACTIONS`, a dataset that AWS no longer makes, can be deleted to no effect, since "
    "clean-up code does.",
    "DeleteDatasetGroup": "Its filters and its metric attribution go with it.",
    "DescribeAlgorithm": "AWS's bodies are not published: names, defaults and ranges are AWS's, `algorithmImage` and "
    "`defaultResourceConfig` are ours.",
    "DescribeCampaign": LATEST,
    "DescribeFeatureTransformation": "AWS's bodies are not published: names and defaults are AWS's.",
    "DescribeSolutionVersion": "`trainingHours` counts the cores of this machine.",
    "GetActionRecommendations": "The model learns from what users did with items and actions, not from metadata, and "
    "does not explore.",
    "GetRecommendations": "`context` is accepted and not used yet. Promoted items take "
    "floor(numResults x percent / 100) places; the rounding is not published.",
    "GetPersonalizedRanking": "`context` is accepted and not used yet.",
    "ListRecipes": "With `domain` there are two pages, as client code expects, whatever the number of recipes.",
    "PutActions": PROPERTIES,
    "PutEvents": "`recommendationId` is recorded and brings no implicit impressions: served lists are not stored yet.",
    "PutItems": PROPERTIES,
    "PutUsers": PROPERTIES,
    "GetExtendedMetrics": "Metrics with confidence intervals, beside the most popular items, by cohort of users: see "
    "[recipes](recipes.md#metrics).",
    "GetJobProgress": "Of any job: share done, epoch and loss where a network is trained, seconds left.",
    "StopSolutionVersionCreation": "CREATE STOPPED within four seconds: a worker that does not end by itself is ended.",
    "UpdateCampaign": f"{EXPLORATION} {LATEST}",
    "UpdateMetricAttribution": "Nothing is counted or published yet.",
    "UpdateRecommender": f"{EXPLORATION} `trainingDataConfig` is refused: not there yet.",
    "UpdateSolution": "`performIncrementalUpdate` and `eventsConfig` are refused: not there yet.",
}


def operations() -> str:
    """The page, as Markdown."""
    return "\n".join([HEAD, *_lines()]) + "\n"


def _lines() -> Iterator[str]:
    found = model.operations().values()
    aws = [operation for operation in found if operation.service != model.EXTENSIONS]
    here = sum(operation.function in OPERATIONS for operation in aws)
    yield f"{here} of Amazon Personalize's {len(aws)} operations are here.\n"
    for service, title in SERVICES.items():
        yield f"## {title} (`{service}`)\n"
        if service == model.EXTENSIONS:
            yield OURS
        yield f"| operation | status | errors | {'says' if service == model.EXTENSIONS else 'differences from AWS'} |"
        yield "|---|---|---|---|"
        for operation in sorted(found, key=lambda each: each.name):
            if operation.service == service:
                yield _row(operation)
        yield ""


def _row(operation: Operation) -> str:
    here = operation.function in OPERATIONS
    errors = ", ".join(sorted(code.removesuffix("Exception") for code in operation.errors))
    difference = DIFFERENCES.get(operation.name, "") if here else "Answers UnknownOperationException, which says so."
    return f"| {operation.name} | {'here' if here else 'not yet'} | {errors} | {difference} |"
