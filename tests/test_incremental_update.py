"""Incremental updates of semantic-similarity, with a clock of the test's own: nothing here waits for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from journeys.test_similar import TEXT_SCHEMA, catalogue
from support import ROLE
from tailorbird.serving.models import UPDATE_SECONDS
from world import World

HOUR, DAY = 3600.0, 86400.0

RECIPE = "arn:aws:personalize:::recipe/aws-semantic-similarity"


class Shop(World):
    """A world with items and without interactions."""

    def prepare(self) -> None:
        self.now = self.now // HOUR * HOUR
        self.group = self.call("create_dataset_group", name="g")["datasetGroupArn"]
        schema = self.call("create_schema", name="s", schema=json.dumps(TEXT_SCHEMA))["schemaArn"]
        self.dataset = self.call(
            "create_dataset", name="d", datasetType="Items", datasetGroupArn=self.group, schemaArn=schema
        )["datasetArn"]
        (self.files / "items.csv").write_bytes(catalogue(50))
        self.call(
            "create_dataset_import_job",
            jobName="items",
            datasetArn=self.dataset,
            dataSource={"dataLocation": f"file://{self.files}/items.csv"},
            roleArn=ROLE,
        )
        self.work()

    def campaign(self, incremental: bool) -> str:
        name = f"incremental-{incremental}".lower()
        solution = self.call(
            "create_solution",
            name=name,
            datasetGroupArn=self.group,
            recipeArn=RECIPE,
            performIncrementalUpdate=incremental,
        )["solutionArn"]
        version = self.call("create_solution_version", solutionArn=solution)["solutionVersionArn"]
        self.work()
        return str(self.call("create_campaign", name=name, solutionVersionArn=version)["campaignArn"])

    def put(self, item: str, plot: str, created: int = 1_400_000_000) -> None:
        properties = json.dumps({"title": f"Film {item}", "genre": "Drama", "plot": plot, "creationTimestamp": created})
        self.call("put_items", datasetArn=self.dataset, items=[{"itemId": item, "properties": properties}])

    def related(self, campaign: str, item: str, **more: object) -> list[str]:
        answer = self.call("get_recommendations", campaignArn=campaign, itemId=item, numResults=50, **more)
        return [each["itemId"] for each in answer["itemList"]]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    made.prepare()
    yield made
    made.workspace.close()


def test_new_and_changed_items_show_within_the_half_hour(shop: Shop) -> None:
    following, fixed = shop.campaign(True), shop.campaign(False)
    before = shop.related(following, "7")
    assert before == shop.related(fixed, "7")
    shop.put("new", "There are ghosts and screams.")
    shop.put("6", "There are ghosts and screams.")
    shop.now += UPDATE_SECONDS - 1
    assert shop.related(following, "7") == before
    shop.now += 1
    after = shop.related(following, "7")
    assert after.index("6") < before.index("6")
    assert "new" in after[:12]
    assert shop.related(following, "new")[0] in {"2", "6", "7", "12"}
    assert shop.related(fixed, "7") == before
    drama = shop.call(
        "create_filter",
        name="f",
        datasetGroupArn=shop.group,
        filterExpression='INCLUDE ItemID WHERE Items.GENRE IN ("Drama")',
    )["filterArn"]
    assert "new" in shop.related(following, "7", filterArn=drama)


def test_items_are_news_to_automatic_training(shop: Shop) -> None:
    solution = shop.call("create_solution", name="auto", datasetGroupArn=shop.group, recipeArn=RECIPE)["solutionArn"]
    shop.later(HOUR)
    assert len(shop.versions(solution)) == 1
    shop.later(8 * DAY)
    assert len(shop.versions(solution)) == 1, "nothing new to learn"
    shop.put("new", "There are rockets.")
    shop.later(HOUR)
    assert [version["status"] for version in shop.versions(solution)] == ["ACTIVE"] * 2
