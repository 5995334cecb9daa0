"""What a recipe is given to learn from: columns, event types with thresholds and weights, floors and ceilings.

A recipe that remembers its data takes the place of a real one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journeys.steps import as_csv, interactions_csv, schema
from journeys.steps import field as column
from tailorbird.api import deployments
from tailorbird.data.training import LEAST_INTERACTIONS
from tailorbird.errors import InvalidInputException
from tailorbird.evaluation.ranking import WEIGHTED_NDCG
from tailorbird.jobs import schedule
from tailorbird.recipes import RECIPES
from tailorbird.recipes.recipe import Interactions, Recipe
from tailorbird.recipes.use_cases import USE_CASES
from tailorbird.serving import questions
from world import World

NAME = "aws-user-personalization"
ARN = f"arn:aws:personalize:::recipe/{NAME}"
USERS = 40
TYPES = ("view", "Buy", "rate")
INTERACTIONS = schema(
    "Interactions",
    column("USER_ID"),
    column("ITEM_ID"),
    column("TIMESTAMP", "long"),
    column("EVENT_TYPE"),
    column("EVENT_VALUE", ["null", "float"]),
    column("DEVICE", categorical=True),
    column("PLACE", categorical=True),
)
HEAD = tuple(each["name"] for each in INTERACTIONS["fields"])
ITEM_FIELDS = (column("ITEM_ID"), column("GENRE", categorical=True), column("PRICE", "float"))


def rows(users: int = USERS, each: int = 60) -> bytes:
    """Every user's events go through the types in turn; ratings go from 1 to 5."""
    made = [HEAD]
    for user in range(users):
        for step in range(each):
            kind = TYPES[step % 3]
            value = str(1 + step // 3 % 5) if kind == "rate" else ""
            when = str(1_690_000_000 + user * 97 + step * 60)
            made.append((f"u{user}", f"i{(user * 7 + step * 3) % 50}", when, kind, value, "phone", "home"))
    return as_csv(made)


@dataclass
class Spy:
    """A recipe that remembers what it was trained on last: everyone."""

    recipe: Recipe
    seen: list[Interactions] = field(default_factory=list)

    def train(self, data: Interactions, settings: Any, progress: Any) -> Any:
        self.seen.append(data)
        return RECIPES["aws-popularity-count"].train(data, None, progress)

    @property
    def data(self) -> Interactions:
        return self.seen[-1]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    spied = Spy(RECIPES[NAME])
    popular = RECIPES["aws-popularity-count"]
    changed = replace(spied.recipe, train=spied.train, model=popular.model, features=True, weighs_events=True)
    monkeypatch.setitem(RECIPES, NAME, changed)
    for name, case in USE_CASES.items():
        if case.recipe is spied.recipe:
            monkeypatch.setitem(USE_CASES, name, replace(case, recipe=changed))
    return spied


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.prepare(INTERACTIONS)
    made.fill(made.dataset, "rows", rows())
    yield made
    made.workspace.close()


def items(world: World) -> str:
    arn = world.made("Items", schema("Items", *ITEM_FIELDS))
    table = [("ITEM_ID", "GENRE", "PRICE"), *[(f"i{n}", "drama", str(n)) for n in range(50)]]
    world.fill(arn, "items", as_csv(table))
    return arn


def trained(world: World, solution: str) -> dict[str, Any]:
    arn = world.call("create_solution_version", solutionArn=solution)["solutionVersionArn"]
    world.work()
    return dict(world.call("describe_solution_version", solutionVersionArn=arn)["solutionVersion"])


def updated(world: World) -> None:
    """Lets an update go through both of its stages."""
    world.later(1)
    world.later(1)


def events(*parameters: tuple[str, float | None, float | None]) -> dict[str, Any]:
    members = ("eventType", "eventValueThreshold", "weight")
    listed = [
        {member: value for member, value in zip(members, each, strict=True) if value is not None} for each in parameters
    ]
    return {"eventsConfig": {"eventParametersList": listed}}


def test_listed_events_are_the_training_set_and_weigh_by_their_ratios(world: World, spy: Spy) -> None:
    config = events(("VIEW", None, 0.1), ("buy", None, 0.3))
    version = trained(world, world.solution(recipeArn=ARN, solutionConfig=config))
    assert version["status"] == "ACTIVE", version
    data = spy.data
    assert data.weight is not None
    types = np.array(data.event_types)[data.event_type]
    assert set(types) == {"view", "Buy"}
    np.testing.assert_allclose(data.weight, np.where(types == "Buy", 1.5, 0.5))
    metrics = world.call("get_solution_metrics", solutionVersionArn=version["solutionVersionArn"])["metrics"]
    assert 0 < metrics[WEIGHTED_NDCG] <= 1


def test_a_threshold_holds_for_its_type_at_training_and_at_serving(world: World, spy: Spy) -> None:
    config = events(("view", None, None), ("rate", 4, None))
    version = trained(world, world.solution(recipeArn=ARN, solutionConfig=config))
    types = np.array(spy.data.event_types)[spy.data.event_type]
    assert spy.data.event_value is not None
    assert (spy.data.event_value[types == "rate"] >= 4).all()
    assert (types == "rate").sum() == USERS * 8
    tracker = world.call("create_event_tracker", name="t", datasetGroupArn=world.group)["trackingId"]
    deployment = deployments.deployment_of(
        world.workspace, version["solutionVersionArn"], deployments.group(world.workspace, world.group)
    )

    def history() -> int:
        return len(questions.query(deployment, "u1", None).items)

    before = history()
    assert before == np.count_nonzero(spy.data.users[spy.data.user] == "u1")
    for number, (kind, value) in enumerate((("rate", 3.9), ("rate", 4.0), ("buy", 5.0), ("View", None)), 1):
        event = {"eventType": kind, "itemId": "i1", "sentAt": world.now, "properties": '{"device":"a","place":"b"}'}
        event |= {} if value is None else {"eventValue": value}
        world.call("put_events", trackingId=tracker, userId="u1", sessionId="s", eventList=[event])
        assert history() == before + (0, 0, 1, 1, 2)[number]


def test_an_update_replaces_the_events_for_the_next_version(world: World, spy: Spy) -> None:
    solution = world.solution(recipeArn=ARN, solutionConfig=events(("view", None, 1), ("buy", None, 1)))
    trained(world, solution)
    rate = {"schedulingExpression": "rate(3 days)"}
    update = {"autoTrainingConfig": rate, **events(("rate", None, 1), ("buy", None, 0.5))}
    world.call("update_solution", solutionArn=solution, solutionUpdateConfig=update)
    updated(world)
    shown = world.call("describe_solution", solutionArn=solution)["solution"]
    assert shown["solutionConfig"] == update
    assert shown["latestSolutionUpdate"]["solutionUpdateConfig"] == update
    trained(world, solution)
    assert set(spy.data.event_types) == {"Buy", "rate"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (events(("view", None, 1), ("View", None, 1)), "eventType of its own"),
        (events(("view", None, 0)), "every weight is 0"),
        ({"eventsConfig": {"eventParametersList": [{"weight": 1.0}]}}, "eventType of its own"),
        (events(("view", None, 1)) | {"eventValueThreshold": "3"}, "eventValueThreshold"),
        ({"eventValueThreshold": "3,5"}, r"eventValueThreshold: '3,5' has a decimal comma: write a point"),
    ],
)
def test_events_that_say_nothing_are_refused(world: World, spy: Spy, config: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputException, match=words):
        world.solution(recipeArn=ARN, solutionConfig=config)


def test_a_training_says_that_rows_are_the_same(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.prepare()
    header, *lines = interactions_csv().decode().splitlines()
    world.fill(world.dataset, "twice", "\n".join([header, *lines[:700], *lines[:700]]).encode())
    version = trained(world, world.solution(recipeArn="arn:aws:personalize:::recipe/aws-popularity-count"))
    assert "it has 700, and 700 rows repeat another in every column and count once." in version["failureReason"]
    world.workspace.close()


def test_too_few_of_the_listed_events_are_named(world: World, spy: Spy) -> None:
    version = trained(world, world.solution(recipeArn=ARN, solutionConfig=events(("rate", 5, 1))))
    reason = f"fewer than {LEAST_INTERACTIONS} interactions after filtering by event type: rate: it has {USERS * 4}"
    assert reason in version["failureReason"]
    version = trained(world, world.solution("typed", recipeArn=ARN, eventType="refund"))
    reason = version["failureReason"]
    assert "event type: refund: it has 0. Its event types are Buy (800), rate (800), view (800). Import more " in reason
    assert reason.endswith("interactions of the type or record more events, then create another solution version.")


def test_event_types_that_a_domain_needs_and_nobody_has_are_told_of(tmp_path: Path) -> None:
    """At the import, and by the recommender, which has no solution versions."""
    world = World(tmp_path)
    world.group = world.call("create_dataset_group", name="shop", domain="ECOMMERCE")["datasetGroupArn"]
    text = json.dumps(schema("Interactions", *(column(name) for name in HEAD[:2]), *INTERACTIONS["fields"][2:4]))
    arn = world.call("create_schema", name="shop", domain="ECOMMERCE", schema=text)["schemaArn"]
    dataset = world.call(
        "create_dataset", name="shop", datasetType="Interactions", datasetGroupArn=world.group, schemaArn=arn
    )["datasetArn"]
    kinds = ("Ansicht", "Ansicht", "view", "Kauf")
    body = [("USER_ID", "ITEM_ID", "EVENT_TYPE", "TIMESTAMP")]
    body += [(f"u{n % 40}", f"i{n % 30}", kinds[n % 4], str(1_690_000_000 + n)) for n in range(1200)]
    world.fill(dataset, "own", as_csv(body))
    told = [text for text in warned(world, "own") if "No row has the EVENT_TYPE" in text]
    assert told == [
        "No row has the EVENT_TYPE Purchase, which aws-ecomm-recommended-for-you, "
        "aws-ecomm-customers-who-viewed-x-also-viewed, aws-ecomm-frequently-bought-together, "
        "aws-ecomm-popular-items-by-purchases ask for. The event types are Ansicht (600), Kauf (300), view (300): give "
        "those that mean the same the domain's names before recommenders are created."
    ]
    world.fill(dataset, "more", as_csv(body), importMode="INCREMENTAL")
    assert not any("EVENT_TYPE" in text for text in warned(world, "more"))
    created = world.call(
        "create_recommender", name="bought", datasetGroupArn=world.group,
        recipeArn="arn:aws:personalize:::recipe/aws-ecomm-frequently-bought-together",
    )  # fmt: skip
    world.work()
    reason = world.call("describe_recommender", **created)["recommender"]["failureReason"]
    assert "by event type: Purchase: it has 0" in reason
    assert "Its event types are Ansicht (600), Kauf (300), view (300)." in reason
    assert reason.endswith("record more events, then delete the recommender and create it again.")
    world.workspace.close()


def warned(world: World, job: str) -> list[str]:
    """What an import's report warns of."""
    ((_, document),) = world.workspace.catalogue.select("DatasetImportJob", {"jobName": job})
    found: list[str] = document["_report"]["warnings"]
    return found


def test_what_may_be_seen_is_settled_when_a_solution_is_made(world: World, spy: Spy) -> None:
    arn = items(world)
    everything = world.solution("everything", recipeArn=ARN)
    config = {"excludedDatasetColumns": {"items": ["price"], "Interactions": ["PLACE", "event_value"]}}
    fewer = world.solution("fewer", recipeArn=ARN, solutionConfig={"trainingDataConfig": config})
    only = {"includedDatasetColumns": {"INTERACTIONS": ["PLACE"]}}
    listed = world.solution("listed", recipeArn=ARN, solutionConfig={"trainingDataConfig": only})
    wider = schema("Items", *ITEM_FIELDS, column("STUDIO", ["null", "string"], categorical=True))
    text = world.call("create_schema", name="wider", schema=json.dumps(wider))["schemaArn"]
    world.call("update_dataset", datasetArn=arn, schemaArn=text)
    updated(world)
    later = world.solution("later", recipeArn=ARN)

    def seen(solution: str) -> tuple[set[str], set[str], bool]:
        assert trained(world, solution)["status"] == "ACTIVE"
        return set(spy.data.item_columns), set(spy.data.context), spy.data.event_value is not None

    assert seen(everything) == ({"GENRE", "PRICE"}, {"DEVICE", "PLACE"}, True)
    assert seen(fewer) == ({"GENRE"}, {"DEVICE"}, False)
    assert seen(listed) == ({"GENRE", "PRICE"}, {"PLACE"}, False)
    assert seen(later) == ({"GENRE", "PRICE", "STUDIO"}, {"DEVICE", "PLACE"}, True)


def test_a_recommender_learns_from_its_columns_and_from_others_after_an_update(world: World, spy: Spy) -> None:
    world.group = world.call("create_dataset_group", name="shop", domain="ECOMMERCE")["datasetGroupArn"]
    text = json.dumps(INTERACTIONS)
    arn = world.call("create_schema", name="shop", domain="ECOMMERCE", schema=text)["schemaArn"]
    request = {"datasetGroupArn": world.group, "schemaArn": arn}
    dataset = world.call("create_dataset", name="shop", datasetType="Interactions", **request)["datasetArn"]
    world.fill(dataset, "shop", rows())
    case = "arn:aws:personalize:::recipe/aws-ecomm-recommended-for-you"

    def config(*names: str) -> dict[str, Any]:
        return {"trainingDataConfig": {"excludedDatasetColumns": {"INTERACTIONS": list(names)}}}

    def made(name: str, *excluded: str) -> str:
        wanted = {"recipeArn": case, "recommenderConfig": config(*excluded)}
        return str(world.call("create_recommender", name=name, datasetGroupArn=world.group, **wanted)["recommenderArn"])

    with pytest.raises(InvalidInputException, match=r"recommenderConfig\.trainingDataConfig.*EVENT_TYPE"):
        made("wrong", "EVENT_TYPE")
    recommender = made("r", "DEVICE")
    world.work()
    assert set(spy.data.context) == {"PLACE"}
    world.call("update_recommender", recommenderArn=recommender, recommenderConfig=config("PLACE"))
    updated(world)
    world.fill(dataset, "news", rows(USERS + 1))
    world.later(8 * schedule.DAY)
    assert set(spy.data.context) == {"DEVICE"}


def test_of_too_many_items_the_most_interacted_stay(world: World, spy: Spy, monkeypatch: pytest.MonkeyPatch) -> None:
    items(world)
    wanted = [f"i{n}" for n in range(0, 50, 3)]
    more = [("u1", item, str(1_690_100_000 + n), "view", "", "phone", "home") for n in range(90) for item in wanted]
    world.fill(world.dataset, "more", as_csv([HEAD, *more]), importMode="INCREMENTAL")
    monkeypatch.setitem(RECIPES, NAME, replace(RECIPES[NAME], most_items=len(wanted)))
    assert trained(world, world.solution(recipeArn=ARN))["status"] == "ACTIVE"
    counts = np.bincount(spy.data.item, minlength=len(spy.data.items))
    assert spy.data.items.tolist() == sorted(wanted)
    assert counts.all()
    assert len(spy.data.item_columns["PRICE"].values) == len(wanted)


def test_one_user_of_a_hundred_must_have_two_interactions(world: World, spy: Spy) -> None:
    once = [(f"once{n}", "i1", str(1_690_100_000 + n), "view", "", "phone", "home") for n in range(4000)]
    twice = [(f"twice{n}", f"i{m}", str(1_690_200_000 + n), "view", "", "a", "b") for n in range(30) for m in (1, 2)]
    world.fill(world.dataset, "sparse", as_csv([HEAD, *once, *twice]))
    version = trained(world, world.solution(recipeArn=ARN))
    assert version["status"] == "CREATE FAILED"
    assert "fewer than 41 users with at least 2 interactions each" in version["failureReason"]
    assert "1% of its 4030 users: it has 30" in version["failureReason"]
