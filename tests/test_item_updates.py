"""What counts between trainings: new items, and exposures. The clock is the test's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journeys.steps import INTERACTIONS_SCHEMA, NO_EXPLORATION, field, genre_of, interactions_csv, schema
from support import ROLE
from tailorbird.api.resources import batch_inference_job
from tailorbird.errors import InvalidInputException
from tailorbird.serving import exploration_pools, models
from world import SIMS, World

PERSONAL = "arn:aws:personalize:::recipe/aws-user-personalization"
HOUR, DAY = 3600.0, 86400.0
MOST = {"itemExplorationConfig": {"explorationWeight": "1"}}
ITEMS = 300
OLD = 1_400_000_000
ITEMS_SCHEMA = schema(
    "Items",
    field("ITEM_ID"),
    field("CATEGORY_L1", categorical=True),
    field("CREATION_TIMESTAMP", "long"),
    field("PRICE", "float"),
)


class Shop(World):
    """A world whose items all are old, with a campaign."""

    def stock(self, **group: str) -> None:
        self.group = self.call("create_dataset_group", name="g", **group)["datasetGroupArn"]
        shown = [*INTERACTIONS_SCHEMA["fields"], field("IMPRESSION")]
        self.items = self.make("ITEMS", ITEMS_SCHEMA, **group)
        rows = "".join(f"{item},{genre_of(item)},{OLD},1\n" for item in range(ITEMS))
        self.fill(self.items, "items", ("ITEM_ID,CATEGORY_L1,CREATION_TIMESTAMP,PRICE\n" + rows).encode())
        self.dataset = self.make("INTERACTIONS", INTERACTIONS_SCHEMA | {"fields": shown}, **group)
        text = interactions_csv().decode().replace("\r\n", ",\n").replace("TIMESTAMP,", "TIMESTAMP,IMPRESSION", 1)
        self.fill(self.dataset, "first", text.encode())
        self.tracker = self.call("create_event_tracker", name="t", datasetGroupArn=self.group)["trackingId"]

    def make(self, kind: str, fields: dict[str, Any], **group: str) -> str:
        made = self.call("create_schema", name=kind, schema=json.dumps(fields), **group)["schemaArn"]
        request = {"datasetType": kind, "datasetGroupArn": self.group, "schemaArn": made}
        return str(self.call("create_dataset", name=kind, **request)["datasetArn"])

    def put(self, item: str, genre: str) -> None:
        properties = json.dumps({"categoryL1": genre, "creationTimestamp": int(self.now), "price": 1})
        self.call("put_items", datasetArn=self.items, items=[{"itemId": item, "properties": properties}])

    def version(self, recipe: str = PERSONAL, **request: Any) -> str:
        if "solutionArn" not in request:
            request["solutionArn"] = self.call(
                "create_solution", name="s", datasetGroupArn=self.group, recipeArn=recipe, performAutoTraining=False
            )["solutionArn"]
        made = self.call("create_solution_version", **request)["solutionVersionArn"]
        self.work()
        return str(made)

    def campaign(self, version: str, config: dict[str, Any] = MOST, name: str = "c") -> str:
        return str(
            self.call("create_campaign", name=name, solutionVersionArn=version, campaignConfig=config)["campaignArn"]
        )

    def ask(self, campaign: str, **request: Any) -> list[str]:
        answer = self.call("get_recommendations", **{"campaignArn": campaign, "userId": "3", **request})
        return [item["itemId"] for item in answer["itemList"]]

    def share(self, campaign: str, item: str) -> float:
        """Of 100 answers."""
        return sum(item in self.ask(campaign) for _ in range(100)) / 100

    def pools(self, version: str) -> str:
        return models.open_model(self.workspace, version).pools.newest()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    made.stock()
    yield made
    made.workspace.close()


def test_a_new_item_comes_with_the_two_hour_update_and_weight_0_explores_nothing(shop: Shop) -> None:
    version = shop.version()
    campaign, still = shop.campaign(version), shop.campaign(version, NO_EXPLORATION, "still")
    drama = shop.call(
        "create_filter",
        name="drama",
        datasetGroupArn=shop.group,
        filterExpression='INCLUDE ItemID WHERE Items.CATEGORY_L1 IN ("Opera")',
    )["filterArn"]
    metrics = shop.call("get_solution_metrics", solutionVersionArn=version)
    before = shop.ask(still)
    assert shop.ask(campaign) == before, "nothing is new"
    shop.put("new", "Opera")
    shop.later(1.9 * HOUR)
    assert shop.share(campaign, "new") == 0
    assert shop.ask(campaign, filterArn=drama) == []
    shop.later(0.2 * HOUR)
    assert shop.share(campaign, "new") > 0.9
    assert shop.ask(campaign, filterArn=drama) == shop.ask(still, filterArn=drama) == ["new"]
    assert {tuple(shop.ask(still)) for _ in range(20)} == {tuple(before)}
    assert shop.call("get_solution_metrics", solutionVersionArn=version) == metrics
    assert len(shop.versions(version.rpartition("/")[0])) == 1
    for user in ("3", "nobody"):  # who interacts with an item that the model does not know still gets an answer
        event = {"eventType": "click", "itemId": "new", "sentAt": shop.now}
        shop.call("put_events", trackingId=shop.tracker, sessionId=user, userId=user, eventList=[event])
        assert len(shop.ask(campaign, userId=user)) == 25


def test_updates_wait_for_news_and_for_a_campaign(shop: Shop) -> None:
    version = shop.version()
    first = shop.pools(version)
    shop.put("new", "Drama")
    shop.later(3 * HOUR)
    assert shop.pools(version) == first, "not deployed"
    shop.campaign(version)
    shop.later(1)
    second = shop.pools(version)
    assert second > first
    shop.later(3 * HOUR)
    assert shop.pools(version) == second, "nothing new"
    shop.put("newer", "Drama")
    shop.later(1)
    assert shop.pools(version) == second, "two hours since the last look have not passed"
    shop.later(2 * HOUR)
    assert shop.pools(version) > second
    newer = shop.version(solutionArn=version.rpartition("/")[0])
    third = shop.pools(version)
    shop.put("newest", "Drama")
    shop.later(3 * HOUR)
    assert shop.pools(version) == third, "there is a newer version"
    assert shop.pools(newer)


def test_ignored_impressions_lower_a_new_items_share(shop: Shop) -> None:
    campaign = shop.campaign(shop.version(), {})
    shop.put("new", "Drama")
    shop.later(2.1 * HOUR)
    before = shop.share(campaign, "new")
    for number in range(100):
        event = {"eventType": "click", "itemId": "5", "sentAt": OLD + number, "impression": ["5", "new"]}
        shop.call("put_events", trackingId=shop.tracker, sessionId=str(number), userId="u", eventList=[event])
    assert before > 0.75
    shop.later(2.1 * HOUR)
    assert 0 < shop.share(campaign, "new") < before - 0.15


def test_items_older_than_the_cut_off_are_not_explored(shop: Shop) -> None:
    version = shop.version()
    shop.put("new", "Drama")
    shop.campaign(version)
    shop.now += 5 * DAY
    event = {"eventType": "click", "itemId": "5", "sentAt": shop.now}
    shop.call("put_events", trackingId=shop.tracker, sessionId="s", userId="u", eventList=[event])
    shop.later(2.1 * HOUR)
    found = {}
    for days in ("4", "6"):
        config = {"itemExplorationConfig": {"explorationWeight": "1", "explorationItemAgeCutOff": days}}
        found[days] = shop.share(shop.campaign(version, config, f"c{days}"), "new")
    assert found["4"] == 0
    assert found["6"] > 0.9


def test_a_campaigns_exploration_changes_with_its_update(shop: Shop) -> None:
    campaign = shop.campaign(shop.version(), NO_EXPLORATION)
    shop.put("new", "Drama")
    shop.later(2.1 * HOUR)
    assert shop.share(campaign, "new") == 0
    shop.call("update_campaign", campaignArn=campaign, campaignConfig=MOST)
    shop.later(5)
    shop.later(5)
    assert shop.share(campaign, "new") > 0.9


def test_training_mode_update(shop: Shop) -> None:
    solution = shop.call(
        "create_solution", name="s", datasetGroupArn=shop.group, recipeArn=PERSONAL, performAutoTraining=False
    )["solutionArn"]
    with pytest.raises(InvalidInputException, match="ACTIVE version of trainingMode FULL"):
        shop.version(solutionArn=solution, trainingMode="UPDATE")
    with pytest.raises(InvalidInputException, match="AUTOTRAIN is for automatic training"):
        shop.version(solutionArn=solution, trainingMode="AUTOTRAIN")
    full = shop.version(solutionArn=solution)
    shop.put("new", "Drama")
    update = shop.version(solutionArn=solution, trainingMode="UPDATE")
    described = shop.call("describe_solution_version", solutionVersionArn=update)["solutionVersion"]
    assert (described["status"], described["trainingMode"]) == ("ACTIVE", "UPDATE")
    metrics = [shop.call("get_solution_metrics", solutionVersionArn=arn)["metrics"] for arn in (full, update)]
    assert metrics[0] == metrics[1]
    old, new = shop.campaign(full, name="old"), shop.campaign(update, name="new")
    assert shop.share(old, "new") == 0
    assert shop.share(new, "new") > 0.9
    shop.put("newer", "Drama")
    found = [shop.pools(arn) for arn in (full, update)]
    shop.later(3 * HOUR)
    assert [shop.pools(arn) for arn in (full, update)] == found, "no updates until the next full training"
    again = shop.version(solutionArn=solution)
    assert shop.share(shop.campaign(again, name="again"), "newer") > 0.9
    other = shop.call("create_solution", name="sims", datasetGroupArn=shop.group, recipeArn=SIMS)["solutionArn"]
    with pytest.raises(InvalidInputException, match="aws-hrnn-coldstart, aws-user-personalization, not for aws-sims"):
        shop.version(solutionArn=other, trainingMode="UPDATE")


def test_a_training_is_due_by_the_full_versions_alone(shop: Shop) -> None:
    request = {"datasetGroupArn": shop.group, "recipeArn": PERSONAL}
    solution = shop.call("create_solution", name="auto", **request)["solutionArn"]
    shop.later(1 * HOUR)
    shop.later(6 * DAY)
    event = {"eventType": "click", "itemId": "5", "sentAt": OLD}
    shop.call("put_events", trackingId=shop.tracker, sessionId="s", userId="u", eventList=[event])
    shop.version(solutionArn=solution, trainingMode="UPDATE")
    shop.later(1 * DAY)
    assert [each["trainingMode"] for each in shop.versions(solution)] == ["FULL", "UPDATE", "FULL"]


def test_a_batch_job_brings_the_newest_full_version_up_to_date(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    version = shop.version()
    shop.put("new", "Drama")
    (shop.files / "in.json").write_text("".join(json.dumps({"userId": str(user)}) + "\n" for user in range(100)))

    def answers(name: str, config: dict[str, Any]) -> list[list[str]]:
        shop.call(
            "create_batch_inference_job",
            jobName=name,
            solutionVersionArn=version,
            roleArn=ROLE,
            jobInput={"s3DataSource": {"path": f"file://{shop.files}/in.json"}},
            jobOutput={"s3DataDestination": {"path": f"file://{shop.files}/{name}/"}},
            batchInferenceJobConfig=config,
        )
        shop.work()
        text = (shop.files / name / "in.json.out").read_text()
        return [json.loads(line)["output"]["recommendedItems"] for line in text.splitlines()]

    assert sum("new" in each for each in answers("explored", MOST)) > 90
    still = answers("still", NO_EXPLORATION)
    assert still == answers("again", NO_EXPLORATION)
    assert sum("new" in each for each in still) < 90
    monkeypatch.setattr(batch_inference_job, "SCORES_AT_ONCE", 7 * ITEMS)
    assert answers("few_lines_at_a_time", NO_EXPLORATION) == still, "as of a catalogue too large for all lines at once"


def test_recommenders_explore_and_are_updated(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.stock(domain="ECOMMERCE")
    made = shop.call(
        "create_recommender",
        name="r",
        datasetGroupArn=shop.group,
        recipeArn="arn:aws:personalize:::recipe/aws-ecomm-recommended-for-you",
        recommenderConfig=MOST,
    )
    arn = made["recommenderArn"]
    shop.work()

    def share() -> float:
        answers = [shop.call("get_recommendations", recommenderArn=arn, userId="3")["itemList"] for _ in range(50)]
        return sum("new" in [item["itemId"] for item in answer] for answer in answers) / 50

    shop.put("new", "Drama")
    shop.later(1.9 * HOUR)
    assert share() == 0
    shop.later(0.2 * HOUR)
    assert share() > 0.9
    shop.workspace.close()


def test_a_slip_in_an_item_id_is_not_explored_until_a_record_or_other_users_confirm_it(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    def click(item: str, *users: str) -> None:
        for user in users:
            event = {"eventType": "click", "itemId": item, "sentAt": shop.now}
            shop.call("put_events", trackingId=shop.tracker, sessionId=user, userId=user, eventList=[event])

    def shown() -> list[str]:
        pools = models.open_model(shop.workspace, version).pools
        with pools.open(pools.newest()) as folder:
            pool = exploration_pools.load(folder)
        young = pool.items[pool.created >= pool.newest - 1e9 * DAY].tolist()
        assert young == [item for item in pool.items.tolist() if item != "typed before"]
        return [item for item in pool.items[ITEMS:].tolist() if not item.isdigit()]

    click("typed before", "9")
    version = shop.version()
    shop.campaign(version)
    assert shown() == ["typed before"], "the model knows it"
    shop.now += 1
    click("slip", "8", "8", "8", "7")
    click("true", "8", "7", "6")
    shop.later(2.1 * HOUR)
    assert shown() == ["typed before", "true"]
    told = vars(caplog.records[-1])
    assert (told["items"], told["unexplored"], told["newest"]) == (3, 2, "slip")
    shop.put("slip", "Drama")
    shop.later(2.1 * HOUR)
    assert sorted(shown()) == ["slip", "true", "typed before"]
