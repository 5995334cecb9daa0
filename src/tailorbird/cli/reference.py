"""docs/reference/operations.md, from the services' models and the operations that are here: `tailorbird reference`."""

from __future__ import annotations

from collections.abc import Iterator

from tailorbird.api import solution_config
from tailorbird.api.operations import OPERATIONS
from tailorbird.evaluation import tuning
from tailorbird.recipes import sims
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

EXPLORATION = "How AWS explores is not published: ours is in `serving/exploration.py`, and a list that explores is not "
EXPLORATION += "sorted by score."
LATEST = "`$LATEST` is replaced by the version that it stands for at that time, which Describe shows."

PROPERTIES = "A property that is no column of the dataset is refused, and an id that is a word for no value, too."
LEFT_OUT = "An event that does not say who or what it is about is left out and logged; words for no value, such as "
LEFT_OUT += "`undefined`, say nothing. Times ahead of the server's clock are kept and logged."
SILENT = "A job that answers no line is ACTIVE, and says why in `failureReason`."
OF_SOLUTION = "The ARN of a version stands for its solution."
OF_VERSIONS = "The ARN of a solution stands for all its versions."

# What differs from AWS and why; an operation that is not in OPERATIONS needs no entry.
DIFFERENCES: dict[str, str] = {
    "CreateBatchInferenceJob": "A theme of THEME_GENERATION is made of key words that the items share, such as "
    '"Animation, adventure", not of the sentences of a language model; `themeGenerationConfig` is refused without '
    f"that mode. {EXPLORATION} {SILENT}",
    "CreateBatchSegmentJob": f"{SILENT} Input files may have any number of lines. Rows of INCREMENTAL imports count "
    "too. A query for attributes goes by the newest metadata of the items that were there at training.",
    "CreateCampaign": f"{EXPLORATION} {LATEST} ACTIVE at once: there are no machines to wait for.",
    "CreateDataDeletionJob": "Several jobs of a dataset group run one after the other. Refused with "
    "ResourceInUseException while an import or a training of the group is under way, as those are while it is. What "
    "was done without a user in a session that names a deleted one goes too, in whichever dataset.",
    "CreateDataset": "ACTIVE at once.",
    "CreateDatasetExportJob": "One file, `<path>/<jobName>.csv`; AWS documents no name. `kmsKeyArn` is kept and shown "
    "only.",
    "CreateDatasetGroup": "ACTIVE at once. `kmsKeyArn` and `roleArn` are kept and shown only: data are not encrypted.",
    "CreateDatasetImportJob": "With `publishAttributionMetricsToS3`, which is for interactions only, a job whose "
    "report cannot be written fails and changes nothing. Fewer than 1000 interactions are a warning, not a failure; "
    "gzip is read too.",
    "CreateEventTracker": "ACTIVE at once.",
    "CreateFilter": "ACTIVE at once. A quote inside a literal is written twice, as in `filterValues`. Those may be "
    "lists as programs print them, such as `['a', 'b']`, or parted by `;` or `|`. Refused are: what is empty or no "
    "list, a value that the column does not have and that shows signs of a list, of quotes or of markup, names of "
    "which none is the filter's, and milliseconds where a column holds seconds. A filter of a dataset that was deleted "
    "is refused at the request, except by id.",
    "CreateMetricAttribution": "Metrics appear in the built-in CloudWatch within seconds; in the one that "
    "`TAILORBIRD_CLOUDWATCH_ENDPOINT` names, when their quarter of an hour is over. Sources over 100 count as "
    "SOURCE_NAME_UNDEFINED. TIMESTAMP in reports is the begin of the quarter of an hour. As with AWS, "
    "CloudWatch shows names of metrics and EventAttributionSource in capitals, ARNs of campaigns among them; "
    "DatasetGroupArn stays as it is.",
    "CreateRecommender": EXPLORATION,
    "CreateSolution": "`eventType` matches in any case; beside `eventsConfig`, it and `eventValueThreshold` are "
    f"refused. An HPO without `hpoResourceConfig` has {tuning.TRIALS} trials; it maximises NDCG@25 on users of the "
    "training part, whatever `hpoObjective` says. AutoML trains "
    f"{', '.join(solution_config.COMPETING)} or those of them in `autoMLConfig.recipeList`. "
    "`optimizationObjective.objectiveSensitivity` must be given; MEDIUM lets relevance and objective vary equally. "
    "Where AWS's aws-sims has the default 0.9 for `max_item_interaction_count_percentile`, ours has "
    f"{sims.Settings().max_item_interaction_count_percentile:g}: 0.9 drops the tenth of the items that most requests "
    "are about.",
    "CreateSolutionVersion": "`trainingMode` AUTOTRAIN, which AWS does not explain, is refused. An automatic version "
    "has trainingMode FULL and trainingType AUTOMATIC. The metrics of an UPDATE are those of the FULL version that it "
    "starts from.",
    "DeleteDataset": "`.../EVENT_INTERACTIONS`, a dataset that AWS no longer makes, can be deleted to no effect, since "
    "clean-up code does. Models serve on without the Interactions dataset, with the histories that they were trained "
    "on; filters on events, use cases that hide what was bought or watched, and segments are refused. So are "
    "GetActionRecommendations without the Actions dataset, whose records say which actions there are to offer, until "
    "when and how often.",
    "DeleteDatasetGroup": "Its filters and its metric attribution go with it.",
    "DescribeAlgorithm": "AWS's bodies are not published: names, defaults and ranges are AWS's, `algorithmImage` and "
    "`defaultResourceConfig` are ours.",
    "DescribeCampaign": LATEST,
    "DescribeFeatureTransformation": "AWS's bodies are not published: names and defaults are AWS's.",
    "DescribeSolutionVersion": "`trainingHours` counts the cores of this machine.",
    "GetActionRecommendations": "The model learns from what users did with items and actions, not from metadata, and "
    "does not explore.",
    "GetPersonalizedRanking": "Unknown items come last, as they are given; refused are words for no value, such as "
    "`undefined`, and known items that stand in quotes, joined or in another spelling.",
    "GetSolutionMetrics": "`average_rewards_at_k` and "
    "`normalized_discounted_cumulative_gain_with_event_weights_at_k` are of lists of 25; how AWS normalises "
    "the former is not published: here it is the share of what could be earned.",
    "GetRecommendations": "Promoted items take "
    "floor(numResults x percent / 100) places; the rounding is not published. aws-user-personalization-v2 answers from "
    "the 1000 best items of the catalogue; how many AWS scores is not published.",
    "ListBatchInferenceJobs": OF_VERSIONS,
    "ListBatchSegmentJobs": OF_VERSIONS,
    "ListCampaigns": OF_SOLUTION,
    "ListSolutionVersions": OF_SOLUTION,
    "ListRecipes": "The aws-hrnn recipes, which AWS has retired, are here; `hide_retired_recipes` leaves them out. "
    "With `domain` there are two pages, as client code expects, whatever the number of recipes.",
    "PutActionInteractions": LEFT_OUT,
    "PutActions": PROPERTIES,
    "PutEvents": "An answer can be named by `recommendationId` for 14 days; AWS publishes no number. Metrics count "
    f"repeated events once. {LEFT_OUT} A call of which nothing is left is refused, unless it was Amplify's Identify "
    "event. A value that its column cannot hold, such as the eventValue `abc`, refuses the whole call, as its sender "
    "can mend it; an import empties the cell, keeps the row and warns. An event whose userId is a word for no value is "
    "its session's, and an export has the session as USER_ID. A property that is no column is not kept, and logged "
    "once.",
    "PutItems": PROPERTIES,
    "PutUsers": PROPERTIES,
    "GetExtendedMetrics": "Metrics with confidence intervals, beside the most popular items, by cohort of users: see "
    "[recipes](recipes.md#metrics).",
    "GetJobProgress": "Of any job: share done, how many others it waits for, epoch and loss where a network is "
    "trained, seconds left.",
    "StopSolutionVersionCreation": "CREATE STOPPED within four seconds: a worker that does not end by itself is ended.",
    "UpdateCampaign": f"{EXPLORATION} {LATEST}",
    "UpdateSolution": "`performIncrementalUpdate` holds from the next solution version on.",
    "UpdateRecommender": f"{EXPLORATION} Another `trainingDataConfig` takes effect with the next training.",
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
