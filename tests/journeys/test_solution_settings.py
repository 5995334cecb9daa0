"""What solutionConfig says and what comes of it, through boto3 (spec recipes-and-runtime 1.3 and 2.1)."""

from __future__ import annotations

from typing import Any

import pytest

from journeys.steps import INTERACTIONS_SCHEMA, ITEMS_SCHEMA, Journey, as_csv, field, genre_of, interactions_csv
from journeys.steps import ITEMS as MADE_ITEMS
from support import Server, refused, settled, wait_for

RECIPE = "arn:aws:personalize:::recipe/"
SIMS, PERSONAL, POPULAR = "aws-sims", "aws-user-personalization", "aws-popularity-count"
INVALID = "InvalidInputException"


ITEMS = ITEMS_SCHEMA | {
    "fields": [*ITEMS_SCHEMA["fields"], field("PRICE", "float"), field("RATING", ["null", "float"])]
}


def price_of(item: str) -> float:
    """Dear and cheap items are spread evenly over all that people do."""
    return 1.0 + int(item) * 37 % 101


def items_csv() -> bytes:
    rows = [(str(n), genre_of(n), str(1950 + n % 60), str(price_of(str(n))), "") for n in range(MADE_ITEMS)]
    return as_csv([("ITEM_ID", "GENRE", "YEAR", "PRICE", "RATING"), *rows])


@pytest.fixture(scope="module")
def way(server: Server) -> Journey:
    journey = Journey(server, "settings")
    journey.s3.create_bucket(Bucket=journey.bucket)
    journey.arns["group"] = journey.personalize.create_dataset_group(name="settings")["datasetGroupArn"]
    journey.dataset("INTERACTIONS", INTERACTIONS_SCHEMA)
    journey.load("INTERACTIONS", interactions_csv())
    journey.dataset("ITEMS", ITEMS)
    journey.load("ITEMS", items_csv())
    return journey


def create(way: Journey, name: str, recipe: str | None = SIMS, **request: Any) -> str:
    arn = {"recipeArn": RECIPE + recipe} if recipe else {}
    group = way.arns["group"]
    return way.personalize.create_solution(name=name, datasetGroupArn=group, **arn, **request)["solutionArn"]


def begin(way: Journey, solution: str) -> str:
    return way.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]


def ended(way: Journey, version: str, seconds: float = 120) -> dict[str, Any]:
    return settled(way.personalize.describe_solution_version, "solutionVersion", seconds, solutionVersionArn=version)


def metrics(way: Journey, version: str) -> dict[str, float]:
    return way.personalize.get_solution_metrics(solutionVersionArn=version)["metrics"]


def ranges(**lists: Any) -> dict[str, Any]:
    return {"performHPO": True, "solutionConfig": {"hpoConfig": {"algorithmHyperParameterRanges": lists}}}


def config(**members: Any) -> dict[str, Any]:
    return {"solutionConfig": members}


def integers(name: str, low: int, high: int) -> dict[str, Any]:
    return ranges(integerHyperParameterRanges=[{"name": name, "minValue": low, "maxValue": high}])


def resources(**members: str) -> dict[str, Any]:
    return {"performHPO": True, "solutionConfig": {"hpoConfig": {"hpoResourceConfig": members}}}


def columns(**maps: Any) -> dict[str, Any]:
    return config(trainingDataConfig=maps)


def objective(attribute: str, sensitivity: str = "LOW") -> dict[str, Any]:
    return config(optimizationObjective={"itemAttribute": attribute, "objectiveSensitivity": sensitivity})


def events(*entries: dict[str, Any]) -> dict[str, Any]:
    return config(eventsConfig={"eventParametersList": list(entries)})


DISCOUNT = {"name": "popularity_discount_factor", "minValue": 0.1, "maxValue": 0.9}
COUNT = "min_cointeraction_count"

# What is refused: the recipe, the request, and words of the message, which names the member.
REFUSALS: dict[str, tuple[str | None, dict[str, Any], str]] = {
    "no recipe": (None, {}, "exactly one of recipeArn"),
    "recipe and AutoML": (SIMS, {"performAutoML": True}, "exactly one of recipeArn"),
    "AutoML settings without AutoML": (SIMS, config(autoMLConfig={"metricName": "coverage"}), "autoMLConfig needs"),
    "AutoML by no metric": (
        None,
        {"performAutoML": True, **config(autoMLConfig={"metricName": "auc"})},
        "autoMLConfig.metricName 'auc'",
    ),
    "AutoML of SIMS": (
        None,
        {"performAutoML": True, **config(autoMLConfig={"recipeList": [RECIPE + SIMS]})},
        "autoMLConfig.recipeList: aws-sims",
    ),
    "incremental": (SIMS, {"performIncrementalUpdate": True}, "performIncrementalUpdate"),
    "nothing to tune": (POPULAR, {"performHPO": True}, "performHPO"),
    "all settled": (
        SIMS,
        {
            "performHPO": True,
            **config(algorithmHyperParameters={COUNT: "2", "popularity_discount_factor": "0.5"}),
        },
        "algorithmHyperParameters",
    ),
    "unknown range": (SIMS, integers("bptt", 2, 3), "integerHyperParameterRanges: aws-sims cannot tune 'bptt'"),
    "not tunable": (
        SIMS,
        ranges(continuousHyperParameterRanges=[DISCOUNT | {"name": "min_user_history_length_percentile"}]),
        "continuousHyperParameterRanges",
    ),
    "in the wrong list": (
        SIMS,
        ranges(continuousHyperParameterRanges=[{"name": COUNT, "minValue": 0, "maxValue": 5}]),
        "continuousHyperParameterRanges",
    ),
    "range too wide": (SIMS, integers(COUNT, 0, 11), "integerHyperParameterRanges.min_cointeraction_count"),
    "range upside down": (SIMS, integers(COUNT, 5, 4), "integerHyperParameterRanges.min_cointeraction_count"),
    "twice": (SIMS, ranges(continuousHyperParameterRanges=[DISCOUNT, DISCOUNT]), "twice"),
    "no such value": (
        PERSONAL,
        ranges(categoricalHyperParameterRanges=[{"name": "recency_mask", "values": ["maybe"]}]),
        "categoricalHyperParameterRanges.recency_mask",
    ),
    "no values": (
        PERSONAL,
        ranges(categoricalHyperParameterRanges=[{"name": "recency_mask", "values": []}]),
        "categoricalHyperParameterRanges.recency_mask: values is empty",
    ),
    "one parameter by two names": (
        PERSONAL,
        config(algorithmHyperParameters={"training.hidden_dimension": "55", "hidden_dimension": "66"}),
        "algorithmHyperParameters: hidden_dimension is there twice, as 55 and as 66",
    ),
    "a fraction of a whole number": (SIMS, config(algorithmHyperParameters={COUNT: "2.5"}), COUNT),
    "too many jobs": (SIMS, resources(maxNumberOfTrainingJobs="41"), "hpoResourceConfig.maxNumberOfTrainingJobs"),
    "no jobs": (SIMS, resources(maxParallelTrainingJobs="0"), "hpoResourceConfig.maxParallelTrainingJobs"),
    "jobs as words": (SIMS, resources(maxParallelTrainingJobs="two"), "hpoResourceConfig.maxParallelTrainingJobs"),
    "wrong even without HPO": (SIMS, integers(COUNT, 0, 11) | {"performHPO": False}, COUNT),
    "objective of SIMS": (SIMS, objective("PRICE"), "optimizationObjective"),
    "objective of words": (PERSONAL, objective("GENRE"), "optimizationObjective.itemAttribute: GENRE"),
    "objective that may be null": (PERSONAL, objective("RATING"), "must not allow null"),
    "objective that is not there": (PERSONAL, objective("MARGIN"), "no column MARGIN"),
    "objective without a name": (
        PERSONAL,
        config(optimizationObjective={"objectiveSensitivity": "LOW"}),
        "optimizationObjective.itemAttribute is missing",
    ),
    "objective without sensitivity": (
        PERSONAL,
        config(optimizationObjective={"itemAttribute": "PRICE"}),
        "optimizationObjective.objectiveSensitivity is missing",
    ),
    "objective that is excluded": (
        PERSONAL,
        config(
            optimizationObjective={"itemAttribute": "PRICE", "objectiveSensitivity": "LOW"},
            trainingDataConfig={"excludedDatasetColumns": {"ITEMS": ["PRICE"]}},
        ),
        "trainingDataConfig leaves PRICE out",
    ),
    "weights": (SIMS, events({"eventType": "click", "weight": 0.5}), "eventsConfig"),
    "columns both ways": (
        SIMS,
        columns(excludedDatasetColumns={"ITEMS": ["YEAR"]}, includedDatasetColumns={"ITEMS": ["GENRE"]}),
        "not both",
    ),
    "columns of no dataset type": (SIMS, columns(excludedDatasetColumns={"BOOKS": ["YEAR"]}), "Columns.BOOKS"),
    "columns of a missing dataset": (SIMS, columns(excludedDatasetColumns={"USERS": ["AGE"]}), "Columns.USERS"),
    "unknown column": (SIMS, columns(includedDatasetColumns={"Items": ["COLOUR"]}), "no column COLOUR"),
    "event type excluded": (
        SIMS,
        columns(excludedDatasetColumns={"interactions": ["event_type"]}),
        "excludedDatasetColumns.interactions: EVENT_TYPE",
    ),
    "key excluded": (SIMS, columns(excludedDatasetColumns={"ITEMS": ["ITEM_ID"]}), "ITEM_ID cannot be excluded"),
    **{
        f"threshold {text}": (SIMS, config(eventValueThreshold=text), "eventValueThreshold")
        for text in ("high", "nan", "inf", "1e999", "1_0")
    },
    "percentiles upside down": (
        PERSONAL,
        config(featureTransformationParameters={"min_user_history_length_percentile": "0.995"}),
        "min_user_history_length_percentile 0.995 is above max_user_history_length_percentile 0.99",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_wrong_is_refused_by_name(way: Journey, case: str) -> None:
    recipe, request, words = REFUSALS[case]
    refused(INVALID, words, create, way=way, name="wrong", recipe=recipe, **request)


def test_hpo_searches_the_ranges_and_says_what_it_found(way: Journey) -> None:
    discount = {"name": "training.popularity_discount_factor", "minValue": 0.2, "maxValue": 0.4}
    hpo = {
        "hpoObjective": {"type": "max", "metricName": "ignored", "metricRegex": ".*"},
        "hpoResourceConfig": {"maxNumberOfTrainingJobs": "4", "maxParallelTrainingJobs": "2"},
        "algorithmHyperParameterRanges": {
            "integerHyperParameterRanges": [{"name": COUNT, "minValue": 1, "maxValue": 2}],
            "continuousHyperParameterRanges": [discount],
            "categoricalHyperParameterRanges": [],
        },
    }
    solution = create(way, "searched", performHPO=True, solutionConfig={"hpoConfig": hpo})
    shown = way.personalize.describe_solution(solutionArn=solution)["solution"]["solutionConfig"]["hpoConfig"]
    lists = shown["algorithmHyperParameterRanges"]
    assert lists["integerHyperParameterRanges"] == [{"name": f"training.{COUNT}", "minValue": 1, "maxValue": 2}]
    assert lists["continuousHyperParameterRanges"] == [discount]
    assert shown["hpoResourceConfig"] == hpo["hpoResourceConfig"]
    version = ended(way, begin(way, solution))
    assert version["status"] == "ACTIVE", version
    assert version["performHPO"] is True
    found = version["tunedHPOParams"]["algorithmHyperParameters"]
    assert 0.2 <= float(found["popularity_discount_factor"]) <= 0.4
    assert found[COUNT] in ("1", "2")
    assert len(metrics(way, version["solutionVersionArn"])) == 8


def test_hpo_alone_tunes_everything_that_can_be_tuned(way: Journey) -> None:
    """As published client code has it: performHPO without ranges; here with fewer trials."""
    wanted = resources(maxNumberOfTrainingJobs="3")
    wanted["solutionConfig"]["algorithmHyperParameters"] = {"bptt": "20"}
    version = ended(way, begin(way, create(way, "tuned", PERSONAL, **wanted)))
    assert version["status"] == "ACTIVE", version
    found = version["tunedHPOParams"]["algorithmHyperParameters"]
    assert found.keys() == {"hidden_dimension", "recency_mask"}, "what the solution settles is not tuned"
    assert found["recency_mask"] in ("true", "false")
    plain = ended(way, begin(way, create(way, "plain", POPULAR)))
    assert "tunedHPOParams" not in plain


def test_a_training_to_which_percentiles_leave_too_little_says_so(way: Journey) -> None:
    percentiles = (f"{end}_user_history_length_percentile" for end in ("min", "max"))
    longest = config(featureTransformationParameters=dict.fromkeys(percentiles, "1"))
    for recipe in (PERSONAL, SIMS):
        version = ended(way, begin(way, create(way, f"longest-{recipe}", recipe, **longest)))
        assert version["status"] == "CREATE FAILED"
        assert "max_user_history_length_percentile" in version["failureReason"]


def test_an_hpo_can_be_stopped(way: Journey) -> None:
    version = begin(way, create(way, "long", PERSONAL, performHPO=True))

    def status() -> str:
        found = way.personalize.describe_solution_version(solutionVersionArn=version)["solutionVersion"]
        return str(found["status"])

    wait_for(lambda: status() == "CREATE IN_PROGRESS")
    way.personalize.stop_solution_version_creation(solutionVersionArn=version)
    wait_for(lambda: status() == "CREATE STOPPED")


UNEXPLORED = {"explorationWeight": "0", "explorationItemAgeCutOff": "30"}


def test_an_objective_makes_lists_dearer_and_shows_in_the_metrics(way: Journey) -> None:
    versions = {
        sensitivity: begin(way, create(way, f"worth-{sensitivity}", PERSONAL, **objective("price", sensitivity)))
        for sensitivity in ("OFF", "HIGH")
    }
    prices = {}
    for sensitivity, version in versions.items():
        assert ended(way, version)["status"] == "ACTIVE"
        found = metrics(way, version)
        assert 0 < found["average_rewards_at_k"] <= 1
        assert len(found) == 9
        campaign = way.personalize.create_campaign(
            name=sensitivity, solutionVersionArn=version, campaignConfig={"itemExplorationConfig": UNEXPLORED}
        )["campaignArn"]
        shown = []
        for user in map(str, range(1, 11)):
            answer = way.runtime.get_recommendations(campaignArn=campaign, userId=user, numResults=10)["itemList"]
            shown += [price_of(item["itemId"]) for item in answer]
            assert sum(item["score"] for item in answer) <= 1
        prices[sensitivity] = sum(shown) / len(shown)
    assert prices["HIGH"] > prices["OFF"] + 20, prices


def test_automl_trains_the_recipe_that_wins(way: Journey) -> None:
    auto = {"metricName": "normalized_discounted_cumulative_gain_at_25", "recipeList": [RECIPE + "aws-hrnn"]}
    ignored = {"algorithmHyperParameterRanges": {"integerHyperParameterRanges": [{"minValue": 2}]}}
    solution = create(way, "auto", None, performAutoML=True, **config(autoMLConfig=auto, hpoConfig=ignored))
    before = way.personalize.describe_solution(solutionArn=solution)["solution"]
    assert before["solutionConfig"]["hpoConfig"] == ignored
    assert before["performAutoML"] is True
    assert {"recipeArn", "autoMLResult"}.isdisjoint(before)
    # Three trainings of a network: seconds, but many of them where others use the cores.
    version = ended(way, begin(way, solution), seconds=600)
    assert version["status"] == "ACTIVE", version
    assert version["recipeArn"] == RECIPE + "aws-hrnn"
    after = way.personalize.describe_solution(solutionArn=solution)["solution"]
    assert after["autoMLResult"] == {"bestRecipeArn": RECIPE + "aws-hrnn"}
    campaign = way.personalize.create_campaign(name="auto", solutionVersionArn=version["solutionVersionArn"])
    assert way.runtime.get_recommendations(campaignArn=campaign["campaignArn"], userId="1")["itemList"]


def test_columns_that_are_left_out_are_not_trained_on(way: Journey) -> None:
    left = columns(excludedDatasetColumns={"Items": ["genre", "YEAR", "PRICE", "RATING"]})
    version = ended(way, begin(way, create(way, "blind", "aws-item-attribute-affinity", **left)))
    assert version["status"] == "CREATE FAILED"
    assert "numeric or categorical column" in version["failureReason"]
    kept = columns(includedDatasetColumns={"ITEMS": ["GENRE"]})
    solution = create(way, "sighted", "aws-item-attribute-affinity", **kept)
    shown = way.personalize.describe_solution(solutionArn=solution)["solution"]["solutionConfig"]
    assert shown == kept["solutionConfig"]
    assert ended(way, begin(way, solution))["status"] == "ACTIVE"


def test_an_update_is_checked_as_a_creation_is(way: Journey) -> None:
    arn = create(way, "updated")
    weights = events({"eventType": "click", "weight": 0.5})["solutionConfig"]
    update = way.personalize.update_solution
    refused(INVALID, "eventsConfig", update, solutionArn=arn, solutionUpdateConfig=weights)
    refused(INVALID, "performIncrementalUpdate", update, solutionArn=arn, performIncrementalUpdate=True)
