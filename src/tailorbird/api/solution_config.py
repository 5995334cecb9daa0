"""What solutionConfig may hold, member by member, and what each one means to a training.

Source: spec recipes-and-runtime 1.3 and 2.1, control-plane 3.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tailorbird.api import lookup
from tailorbird.api.training_columns import Columns
from tailorbird.data.event_rules import EventRule
from tailorbird.data.schema import NUMERIC, Schema
from tailorbird.data.values import written
from tailorbird.errors import InvalidInputException
from tailorbird.evaluation import tuning
from tailorbird.numbers import to_number, whole_value
from tailorbird.recipes import objective, recipe_names, settings_of
from tailorbird.recipes.recipe import Recipe
from tailorbird.recipes.settings import Domain, among, between, renamed, tunable
from tailorbird.workspace import Workspace

DEFAULT_RATE = "rate(7 days)"
MOST_DAYS = 30
"""Both of automatic training (spec recipes-and-runtime 2.1, 2.2)."""

COMPETING = ("aws-hrnn", "aws-hrnn-metadata", "aws-hrnn-coldstart")
"""The recipes among which AutoML chooses."""
AUTO_ML_METRIC = "precision_at_25"
AUTO_ML_METRICS = (
    "coverage",
    "mean_reciprocal_rank_at_25",
    *(f"normalized_discounted_cumulative_gain_at_{cutoff}" for cutoff in (5, 10, 25)),
    *(f"precision_at_{cutoff}" for cutoff in (5, 10, 25)),
)
"""What those recipes are measured by (spec recipes-and-runtime 3.2), and by default the one of AWS's example (2.1)."""

RANGES: dict[str, tuple[type, ...]] = {
    "integerHyperParameterRanges": (int,),
    "continuousHyperParameterRanges": (float,),
    "categoricalHyperParameterRanges": (bool, str),
}
"""The lists of algorithmHyperParameterRanges, and the types of the hyperparameters that belong into each."""
PREFIXES = {"recency_mask": "data."}
DEFAULT_PREFIX = "training."
"""DescribeSolution shows names of ranges with a prefix (spec recipes-and-runtime 8, number 4)."""


def check(recipe: Recipe, request: dict[str, Any]) -> None:
    """Checks everything that the recipe alone decides, so that a training does not fail for it later."""
    config = request.get("solutionConfig", {})
    if config.get("autoMLConfig"):
        raise InvalidInputException("solutionConfig.autoMLConfig needs performAutoML true and no recipeArn.")
    settings_of(recipe, config.get("algorithmHyperParameters", {}), config.get("featureTransformationParameters", {}))
    search_of(recipe, request.get("performHPO", False), config)
    rules_of(request.get("eventType"), config)
    check_events(recipe, config)
    training_days(config)


def rules_of(event_type: str | None, config: dict[str, Any]) -> tuple[EventRule, ...]:
    """Which interactions are learned from, by eventType and eventValueThreshold or by eventsConfig.

    Raises InvalidInput for both at once, and for what is wrong with either.
    """
    least = _threshold(config)
    parameters = config.get("eventsConfig", {}).get("eventParametersList", [])
    if not parameters:
        return () if event_type is None and least is None else (EventRule(event_type, least),)
    if event_type is not None or least is not None:
        raise InvalidInputException(
            "solutionConfig.eventsConfig says which events count: leave eventType and eventValueThreshold out."
        )
    where = "eventsConfig.eventParametersList"
    types = [each.get("eventType", "").lower() for each in parameters]
    if "" in types or len(set(types)) < len(types):
        raise InvalidInputException(f"{where}: every entry needs an eventType of its own, whatever its case.")
    rules = tuple(
        EventRule(each["eventType"], each.get("eventValueThreshold"), each.get("weight", 1.0)) for each in parameters
    )
    if not any(rule.weight for rule in rules):
        raise InvalidInputException(f"{where}: every weight is 0; give at least one type a greater one.")
    return rules


def check_events(recipe: Recipe | None, config: dict[str, Any]) -> None:
    """Raises InvalidInput for weights of events where the recipe takes none; it is None where AutoML chooses it."""
    if config.get("eventsConfig") and (recipe is None or not recipe.weighs_events):
        takers = recipe_names(lambda each: each.weighs_events)
        raise InvalidInputException(f"eventsConfig is for recipes that weigh events ({takers}): leave it out.")


def _threshold(config: dict[str, Any]) -> float | None:
    """EventValueThreshold as a number; AWS sends it as text."""
    text = config.get("eventValueThreshold", "")
    number = to_number(text)
    if text and number is None:
        cause = written(repr(text), text) or f"{text!r} is not a number"
        raise InvalidInputException(f"solutionConfig.eventValueThreshold: {cause}.")
    return number


def training_days(config: dict[str, Any]) -> int:
    """Days from the start of one automatic training to the next, 1 to 30; raises InvalidInput."""
    rate = config.get("autoTrainingConfig", {}).get("schedulingExpression", DEFAULT_RATE)
    days = int(rate.removeprefix("rate(").split()[0])
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInputException(f"autoTrainingConfig.schedulingExpression {rate!r}: choose 1 to {MOST_DAYS} days.")
    return days


def check_objective(
    workspace: Workspace, recipe: Recipe, group_arn: str, config: dict[str, Any], columns: Columns
) -> None:
    """Raises InvalidInput for a recipe without objectives, and for an attribute that cannot be one.

    Where the group has no Items dataset yet, its training looks at the attribute.
    """
    given = config.get("optimizationObjective")
    if not given:
        return
    where = "solutionConfig.optimizationObjective"
    if not recipe.optimizes:
        takers = recipe_names(lambda each: each.optimizes)
        raise InvalidInputException(f"{where} is for {takers}, not for {recipe.name}: leave it out.")
    for member in ("itemAttribute", "objectiveSensitivity"):
        if member not in given:
            choice = (
                f"one of {', '.join(objective.STRENGTHS)}" if member == "objectiveSensitivity" else "an Items column"
            )
            raise InvalidInputException(f"{where}.{member} is missing: give {choice}.")
    items = lookup.dataset_of(workspace, group_arn, "ITEMS")
    if items is None:
        return
    attribute = given["itemAttribute"]
    if problem := unfit(items.schema, attribute):
        raise InvalidInputException(f"{where}.itemAttribute: {problem}")
    if attribute.upper() not in columns["ITEMS"]:
        raise InvalidInputException(f"{where}.itemAttribute: trainingDataConfig leaves {attribute} out; include it.")


def unfit(items: Schema, attribute: str) -> str:
    """Why a column of the Items dataset cannot be an objective; empty where it can."""
    field = items.field(attribute)
    if field is None:
        return f"the Items dataset has no column {attribute}."
    if field.type not in NUMERIC or field.nullable:
        return f"{attribute} must be numeric and must not allow null; its type is {field.type}" + (
            " or null." if field.nullable else "."
        )
    return ""


def search_of(recipe: Recipe, perform: bool, config: dict[str, Any]) -> tuning.Search | None:
    """The HPO that a request asks for; None where it asks for none. Raises InvalidInput.

    Without ranges every tunable parameter is searched in its whole range, but those that
    algorithmHyperParameters settles. An hpoConfig without performHPO is checked and kept (spec 2.1).
    """
    hpo = config.get("hpoConfig", {})
    possible = tunable(recipe.settings)
    given = dict(_ranges(recipe, hpo.get("algorithmHyperParameterRanges", {}), possible))
    resources = hpo.get("hpoResourceConfig", {})
    trials = _count(resources, "maxNumberOfTrainingJobs", tuning.TRIALS, tuning.MOST_TRIALS)
    parallel = _count(resources, "maxParallelTrainingJobs", tuning.PARALLEL, tuning.MOST_PARALLEL)
    if not perform:
        return None
    if not possible:
        raise InvalidInputException(f"performHPO: {recipe.name} has no hyperparameter to tune; leave it out.")
    settled = {without_prefix(name) for name in config.get("algorithmHyperParameters", {})}
    domains = given or {name: domain for name, domain in possible.items() if name not in settled}
    if not domains:
        raise InvalidInputException("performHPO: algorithmHyperParameters settles every parameter that can be tuned.")
    return tuning.Search(domains, trials, parallel)


def _ranges(recipe: Recipe, lists: dict[str, Any], possible: dict[str, Domain]) -> Iterator[tuple[str, Domain]]:
    """The hyperparameters to search, with the values that may be tried."""
    named = set()
    for member, types in RANGES.items():
        where = f"hpoConfig.algorithmHyperParameterRanges.{member}"
        for entry in lists.get(member, []):
            name = renamed(possible, without_prefix(entry.get("name", "")))
            allowed = {each: domain for each, domain in possible.items() if domain.type in types}
            if name not in allowed:
                choice = ", ".join(sorted(allowed)) or "none of this kind"
                raise InvalidInputException(
                    f"{where}: {recipe.name} cannot tune {entry.get('name')!r} there. It can tune: {choice}."
                )
            if name in named:
                raise InvalidInputException(f"{where}: {name} is there twice; name it once.")
            named.add(name)
            domain, place = allowed[name], f"{where}.{name}"
            if domain.type in (bool, str):
                yield name, among(place, domain, entry["values"]) if "values" in entry else domain
            else:
                low, high = entry.get("minValue", domain.low), entry.get("maxValue", domain.high)
                yield name, between(place, domain, low, high)


def _count(resources: dict[str, Any], member: str, default: int, most: int) -> int:
    """A number that AWS sends as text."""
    text = resources.get(member, str(default))
    count = whole_value(text)
    if count is None or not 1 <= count <= most:
        raise InvalidInputException(
            f'hpoConfig.hpoResourceConfig.{member} must be a whole number from "1" to "{most}"; given: {text!r}.'
        )
    return count


def without_prefix(name: str) -> str:
    """The name of a hyperparameter without DescribeSolution's prefix."""
    return name.rpartition(".")[2]


def described_config(config: dict[str, Any]) -> dict[str, Any]:
    """A solutionConfig as DescribeSolution shows it: the names of HPO ranges with their prefixes.

    Beside AutoML, which ignores them, ranges may lack a name (spec 2.1).
    """
    lists = config.get("hpoConfig", {}).get("algorithmHyperParameterRanges")
    if not lists:
        return config
    shown = {
        member: [_prefixed(entry) if "name" in entry else entry for entry in entries]
        for member, entries in lists.items()
    }
    return config | {"hpoConfig": config["hpoConfig"] | {"algorithmHyperParameterRanges": shown}}


def _prefixed(entry: dict[str, Any]) -> dict[str, Any]:
    name = without_prefix(entry["name"])
    return entry | {"name": PREFIXES.get(name, DEFAULT_PREFIX) + name}


def contest_of(config: dict[str, Any]) -> tuple[list[Recipe], str]:
    """The recipes that compete in AutoML, and the metric that decides; raises InvalidInput."""
    auto = config.get("autoMLConfig", {})
    metric = auto.get("metricName", AUTO_ML_METRIC)
    if metric not in AUTO_ML_METRICS:
        raise InvalidInputException(
            f"autoMLConfig.metricName {metric!r} is unknown; choose one of {', '.join(AUTO_ML_METRICS)}."
        )
    rivals = [lookup.recipe(arn) for arn in auto.get("recipeList") or [lookup.RECIPE + name for name in COMPETING]]
    for recipe in rivals:
        if recipe.name not in COMPETING:
            raise InvalidInputException(
                f"autoMLConfig.recipeList: {recipe.name} does not compete; choose among {', '.join(COMPETING)}."
            )
    return rivals, metric
