"""A campaign is resolved once, and still no answer is older than the documents it is made of."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from journeys.steps import ITEMS_SCHEMA, items_csv
from support import clean_environment
from tailorbird.api import deployments, lifecycle, lookup, runtime, updates
from tailorbird.data import compaction
from tailorbird.errors import AwsError, InvalidInputException, ResourceNotFoundException
from tailorbird.serving import questions
from tailorbird.workspace import open_workspace
from world import SIMS, World

POPULARITY = "arn:aws:personalize:::recipe/aws-popularity-count"
PERSONALIZATION = "arn:aws:personalize:::recipe/aws-user-personalization"
RANKING = "arn:aws:personalize:::recipe/aws-personalized-ranking"
GENRE = "INCLUDE ItemID WHERE Items.GENRE IN ({})"

OTHER_PROCESS = """
import json, sys
from pathlib import Path
from tailorbird import config
from tailorbird.api import transitions
from tailorbird.api.operations import OPERATIONS
from tailorbird.workspace import open_workspace

folder, now, steps = sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])
workspace = open_workspace(config.load({}, data_dir=Path(folder)), lambda: now)
for function, request in steps:
    OPERATIONS[function](workspace, request)
now += 60
for _ in range(2):  # IN_PROGRESS, ACTIVE
    transitions.advance(workspace)
workspace.close()
"""


class Shop(World):
    """A group with items, and a campaign that two versions can stand behind."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.prepare()
        self.load("clicks", 0)
        self.items = self.made("Items", ITEMS_SCHEMA)
        self.fill(self.items, "items", items_csv())
        self.tracking = self.call("create_event_tracker", name="t", datasetGroupArn=self.group)["trackingId"]
        self.popular, self.sims, self.personal = map(self.trained, (POPULARITY, SIMS, PERSONALIZATION))

    def trained(self, recipe: str) -> str:
        solution = self.solution(recipe.rpartition("/")[2], recipeArn=recipe)
        version = self.call("create_solution_version", solutionArn=solution)["solutionVersionArn"]
        self.work()
        return str(version)

    def campaign(self, name: str, version: str) -> str:
        return str(self.call("create_campaign", name=name, solutionVersionArn=version)["campaignArn"])

    def filter(self, name: str, expression: str) -> str:
        created = self.call("create_filter", name=name, datasetGroupArn=self.group, filterExpression=expression)
        return str(created["filterArn"])

    def ask(self, campaign: str, **more: Any) -> list[str]:
        answer = self.call("get_recommendations", **{"campaignArn": campaign, "userId": "1", "numResults": 5, **more})
        return [each["itemId"] for each in answer["itemList"]]

    def elsewhere(self, *steps: tuple[str, dict[str, Any]]) -> None:
        """Has another process take these steps, and what follows from them within a minute."""
        given = [str(self.workspace.config.data_dir), str(self.now), json.dumps(steps)]
        environment = clean_environment()
        subprocess.run([sys.executable, "-c", OTHER_PROCESS, *given], check=True, env=environment)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    made = Shop(tmp_path_factory.mktemp("shop"))
    yield made
    made.workspace.close()


@contextmanager
def statements(shop: Shop) -> Iterator[list[str]]:
    """What is asked of the catalogue, the look at its version excepted."""
    asked: list[str] = []

    def note(_: Any, cursor: Any, statement: str, *more: Any) -> None:
        asked.append(statement)

    engine = shop.workspace.catalogue._engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def test_a_known_campaign_and_a_known_filter_cost_no_document(shop: Shop) -> None:
    campaign, genre = shop.campaign("known", shop.personal), shop.filter("known", GENRE.format("$G"))
    asked = {"filterArn": genre, "filterValues": {"G": '"Comedy"'}}
    with statements(shop) as first:
        shop.ask(campaign, **asked)
    with statements(shop) as later:
        for _ in range(3):
            assert shop.ask(campaign, **asked)
        shop.ask(campaign)
    assert any("documents" in statement for statement in first)
    assert later == []
    shop.call("create_dataset_group", name="something-else")
    with statements(shop) as anew:
        shop.ask(campaign, **asked)
    assert anew, "any document may be one that matters"


def test_only_an_answer_that_is_in_memory_is_at_hand(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop gives those, and nobody else must wait for it."""
    monkeypatch.setattr(questions, "QUICK_ITEMS", 0)  # a slow model
    campaign = shop.campaign("at hand", shop.personal)
    genre = shop.filter("genre", GENRE.format('"Drama"'))
    seen = shop.filter("seen", 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")')

    def at_hand(function: str = "get_recommendations", **more: Any) -> bool:
        request = {"campaignArn": campaign, "userId": "1", **more}
        return runtime.at_hand(function, shop.workspace, request) is not None

    assert not at_hand(), "nobody asked yet"
    shop.ask(campaign)
    assert at_hand()
    assert not at_hand(userId="2"), "nobody asked for this user"
    shop.call(
        "put_items", datasetArn=shop.items, items=[{"itemId": "new", "properties": '{"GENRE": "Drama", "YEAR": 2000}'}]
    )
    assert not at_hand(filterArn=genre), "an item came, so that the metadata are read anew"
    shop.ask(campaign, filterArn=genre)
    assert at_hand(filterArn=genre)
    assert not at_hand(filterArn=seen), "a filter of events reads the user's rows"
    with pytest.raises(InvalidInputException, match="answers GetRecommendations only"):
        at_hand("get_personalized_ranking", inputList=["1"])
    with statements(shop) as read:
        assert not at_hand(filterArn=shop.group.replace("dataset-group", "filter")), "nobody asked for it"
    assert read == []
    with pytest.raises(InvalidInputException, match="one of the two"):
        at_hand(recommenderArn=campaign)
    with pytest.raises(InvalidInputException, match="recommender"):
        shop.call("get_recommendations", recommenderArn=campaign, userId="1")
    assert runtime.at_hand("get_recommendations", shop.workspace, {"recommenderArn": campaign, "userId": "1"}) is None
    assert not at_hand("get_action_recommendations")
    assert not at_hand("put_events")
    assert not at_hand(promotions=[{}])
    event = {"eventType": "click", "itemId": "2", "sentAt": shop.now}
    shop.call("put_events", trackingId=shop.tracking, sessionId="s", userId="1", eventList=[event])
    assert not at_hand(), "the user acted"
    shop.ask(campaign)
    assert at_hand()
    shop.now += questions.MOMENT
    assert not at_hand(), "another moment"


def test_what_a_quick_model_says_is_at_hand_unless_tables_must_be_read(shop: Shop) -> None:
    campaign = shop.campaign("quick", shop.personal)

    def at_hand(user: str) -> bool:
        request = {"campaignArn": campaign, "userId": user}
        return runtime.at_hand("get_recommendations", shop.workspace, request) is not None

    def click(user: str) -> None:
        event = {"eventType": "click", "itemId": "2", "sentAt": shop.now}
        shop.call("put_events", trackingId=shop.tracking, sessionId=f"s{user}", userId=user, eventList=[event])

    shop.ask(campaign)
    assert at_hand("2")
    assert at_hand("nobody")
    click("2")
    assert at_hand("2"), "the event is in the live store"
    click("3")
    compaction.move(shop.workspace, lookup.dataset(shop.workspace, shop.workspace.catalogue.get(shop.dataset)))
    assert not at_hand("3"), "the event is in a table"
    shop.ask(campaign, userId="3")
    assert at_hand("3")


def test_what_a_filter_forbids_a_user_is_at_hand_until_he_acts_or_rows_come(shop: Shop) -> None:
    """The commonest filter: what one has clicked is shown no more, at once."""
    campaign = shop.campaign("unseen", shop.popular)
    unseen = shop.filter("unseen", 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")')
    request = {"campaignArn": campaign, "userId": "filtered", "filterArn": unseen, "numResults": 5}

    def listed() -> list[str]:
        found = runtime.at_hand("get_recommendations", shop.workspace, request)
        assert found is not None, "nobody did anything"
        return [each["itemId"] for each in msgspec.json.decode(msgspec.json.encode(found["itemList"]))]

    def ask() -> list[str]:
        assert runtime.at_hand("get_recommendations", shop.workspace, request) is None, "something came"
        return shop.ask(campaign, userId="filtered", filterArn=unseen)

    shown = ask()
    assert listed() == shown
    event = {"eventType": "click", "itemId": shown[0], "sentAt": shop.now}
    shop.call("put_events", trackingId=shop.tracking, sessionId="s", userId="filtered", eventList=[event])
    again = ask()
    assert shown[0] not in again
    assert listed() == again
    rows = f"USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\nfiltered,{shown[1]},{int(shop.now)},click\n"
    shop.fill(shop.dataset, "unseen", rows.encode(), importMode="INCREMENTAL")
    last = ask()
    assert not {shown[0], shown[1]} & set(last)
    assert listed() == last


def test_a_filtered_list_is_at_hand_while_the_model_knows_its_items(shop: Shop, order: str) -> None:
    drama = shop.filter("drama", GENRE.format('"Drama"'))

    def asked(*items: str) -> dict[str, Any]:
        return {"campaignArn": order, "userId": "1", "filterArn": drama, "inputList": list(items)}

    known = asked("1", "2", "3")
    answer = shop.call("get_personalized_ranking", **known)
    found = runtime.at_hand("get_personalized_ranking", shop.workspace, known)
    assert found is not None
    assert msgspec.json.decode(msgspec.json.encode(found["personalizedRanking"])) == answer["personalizedRanking"]
    assert runtime.at_hand("get_personalized_ranking", shop.workspace, asked("1", "nowhere")) is None


@pytest.fixture(scope="module")
def order(shop: Shop) -> str:
    """A campaign that ranks."""
    return shop.campaign("order", shop.trained(RANKING))


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        *((word, "a word for no value") for word in ("null", "undefined", " ", "", "\u200b", "#REF!")),
        ('"1"', "while '1' is"), ("['1']", "while '1' is"), (" 1", "while '1' is"), ("1\u200b", "while '1' is"),
        ("1.0", "while '1' is"), ("itemId=1", "while '1' is"), ("１", "while '1' is"),
        ("1,2,3", "while '1', '2', '3' are"), ('["1", "2"]', "while '1', '2' are"), ("1|2", "while '1', '2' are"),
        ("1, 2, zzz", "while '1', '2' are"), ("1\n2", "while '1', '2' are"),
    ],
)  # fmt: skip
def test_a_slip_in_a_list_to_be_ranked_is_refused(shop: Shop, order: str, slip: str, words: str) -> None:
    request = {"campaignArn": order, "userId": "1", "inputList": ["1", slip]}
    with pytest.raises(InvalidInputException, match=re.escape(words)) as refusal:
        shop.call("get_personalized_ranking", **request)
    assert f"inputList[1] is {slip!r}" in refusal.value.message
    assert runtime.at_hand("get_personalized_ranking", shop.workspace, request) is None


def test_ids_that_the_model_does_not_know_stay_as_they_are(
    shop: Shop, order: str, caplog: pytest.LogCaptureFixture
) -> None:
    given = ["nowhere", "new item", "a,b", "x[1]", '"quoted"', "O'Hara", "12-34", "👩‍💻", "0001.50", "NA", "nil-1"]
    for _ in range(2):
        answer = shop.call("get_personalized_ranking", campaignArn=order, userId="1", inputList=given)
        assert [each["itemId"] for each in answer["personalizedRanking"]] == given
    assert [each.message for each in caplog.records if "keeps its order" in each.message] == [
        "the model knows no item of an inputList: such a list keeps its order"
    ]
    shop.call("put_items", datasetArn=shop.items, items=[{"itemId": "1,2", "properties": '{"GENRE": "A", "YEAR": 1}'}])
    answer = shop.call("get_personalized_ranking", campaignArn=order, userId="1", inputList=["1,2", "1"])
    assert [each["itemId"] for each in answer["personalizedRanking"]] == ["1", "1,2"], "an item that came later"


def test_an_update_by_another_process_answers_at_once(shop: Shop) -> None:
    campaign = shop.campaign("moved", shop.popular)
    assert shop.ask(campaign)
    shop.elsewhere(("update_campaign", {"campaignArn": campaign, "solutionVersionArn": shop.sims}))
    with pytest.raises(InvalidInputException, match="itemId is required for aws-sims"):
        shop.ask(campaign)
    assert shop.ask(campaign, itemId="5")


def test_a_deletion_by_another_process_is_refused_at_once(shop: Shop) -> None:
    campaign, genre = shop.campaign("gone", shop.popular), shop.filter("gone", GENRE.format('"Comedy"'))
    assert shop.ask(campaign, filterArn=genre)
    shop.elsewhere(("delete_filter", {"filterArn": genre}))
    with pytest.raises(InvalidInputException, match="status DELETE PENDING"):
        shop.ask(campaign, filterArn=genre)
    shop.elsewhere(("delete_campaign", {"campaignArn": campaign}))
    with pytest.raises(InvalidInputException, match="status DELETE PENDING"):
        shop.ask(campaign)


def test_what_takes_the_place_of_a_filter_counts_at_once(shop: Shop) -> None:
    campaign, genre = shop.campaign("again", shop.popular), shop.filter("again", GENRE.format('"Comedy"'))
    comedies = shop.ask(campaign, filterArn=genre)
    shop.workspace.catalogue.delete(genre)
    with pytest.raises(ResourceNotFoundException):
        shop.ask(campaign, filterArn=genre)
    shop.filter("again", GENRE.format('"Drama"'))
    dramas = shop.ask(campaign, filterArn=genre)
    assert comedies
    assert dramas
    assert not set(comedies) & set(dramas)


def test_another_region_does_not_get_what_one_knows(shop: Shop) -> None:
    campaign = shop.campaign("here", shop.popular)
    assert shop.ask(campaign)
    with pytest.raises(InvalidInputException, match="it should begin"):
        deployments.target(shop.workspace.at("eu-west-1"), {"campaignArn": campaign.replace("campaign/", "x/")})
    with pytest.raises(ResourceNotFoundException):
        deployments.target(shop.workspace.at("eu-west-1"), {"campaignArn": campaign})


def test_a_new_pool_counts_from_the_next_answer_on(shop: Shop) -> None:
    campaign = shop.campaign("pool", shop.personal)
    shop.ask(campaign)
    target = deployments.target(shop.workspace, {"campaignArn": campaign})
    before = deployments.deployment_of(shop.workspace, target.artifact, target.group).served.pool
    with_new = items_csv() + b"brand-new,Comedy,1999\n"
    shop.fill(shop.items, "items-2", with_new)
    updates.update(shop.workspace, shop.workspace.catalogue.get(shop.personal))
    # The target of before, as a request has it that is under way.
    after = deployments.deployment_of(shop.workspace, target.artifact, target.group).served
    assert before is not None
    assert after.pool is not None
    assert "brand-new" not in before.items
    assert "brand-new" in after.pool.items
    assert "brand-new" in after.model.items


def test_models_serve_on_without_the_interactions_that_they_learned_from(shop: Shop, tmp_path: Path) -> None:
    shutil.copytree(shop.workspace.config.data_dir, tmp_path / "data")
    alone = World(tmp_path)
    alone.now = shop.now
    related, segments = (
        alone.call(
            "create_solution",
            name=name,
            datasetGroupArn=shop.group,
            recipeArn=f"arn:aws:personalize:::recipe/aws-{name}",
        )["solutionArn"]
        for name in ("similar-items", "item-affinity")
    )
    versions = [shop.popular, shop.sims, shop.personal]
    for solution in (related, segments):
        versions.append(alone.call("create_solution_version", solutionArn=solution)["solutionVersionArn"])
        alone.work()
    segment = versions.pop()
    asked = []
    for number, version in enumerate(versions):
        campaign = alone.call("create_campaign", name=f"alone-{number}", solutionVersionArn=version)["campaignArn"]
        asked.append({"campaignArn": campaign, "userId": "1", "itemId": "5", "numResults": 5})
    seen = alone.call(
        "create_filter",
        name="alone-seen",
        datasetGroupArn=shop.group,
        filterExpression='EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")',
    )["filterArn"]
    before = [alone.call("get_recommendations", **each)["itemList"] for each in asked]
    assert alone.call("get_recommendations", filterArn=seen, **asked[0])["itemList"]
    alone.call("delete_dataset", datasetArn=shop.dataset)
    alone.later(60)
    for _ in range(2):  # the second from memory
        for each, items in zip(asked, before, strict=True):
            after = alone.call("get_recommendations", **each)["itemList"]
            assert len(after) == len(items) > 0
    assert alone.call("get_recommendations", **asked[0])["itemList"] == before[0]
    with pytest.raises(InvalidInputException, match=r"Interactions\.EVENT_TYPE, which .* does not have any more"):
        alone.call("get_recommendations", filterArn=seen, **asked[0])
    target = deployments.group(alone.workspace, shop.group)
    with pytest.raises(
        InvalidInputException, match="no Interactions dataset any more, whose users segments are made of"
    ):
        deployments.deployment_of(alone.workspace, segment, target)
    alone.later(3 * 3600)  # what takes up new items between trainings does not fail
    assert shop.personal not in updates.due(alone.workspace)
    alone.workspace.close()


def test_values_without_a_filter_are_told_once_at_every_door(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    popular, ranked = shop.campaign("unfiltered", shop.popular), shop.campaign("unfiltered-2", shop.personal)
    genre = shop.filter("unfiltered", GENRE.format("$G"))
    values = {"filterValues": {"G": '"Comedy"'}}
    for _ in range(3):  # the later ones from memory
        for campaign in (popular, ranked):
            assert len(shop.ask(campaign, **values)) == 5
            assert shop.ask(campaign, filterArn=genre, **values)
    path = f"file://{shop.files}/lines.json"
    (shop.files / "lines.json").write_text(json.dumps({"userId": "1", **values}) + "\n" * 3)
    for number in range(2):
        shop.call(
            "create_batch_inference_job",
            jobName=f"lines-{number}",
            solutionVersionArn=shop.personal,
            jobInput={"s3DataSource": {"path": path}},
            jobOutput={"s3DataDestination": {"path": f"file://{shop.files}/out-{number}/"}},
        )
    shop.work()
    told = [(each.of, each.message) for each in caplog.records if "nothing is filtered" in each.message]
    assert sorted(told) == sorted(
        [
            (popular, "requests have filterValues and no filterArn: nothing is filtered"),
            (ranked, "requests have filterValues and no filterArn: nothing is filtered"),
            (shop.personal, "lines of batch jobs have filterValues, the jobs no filterArn: nothing is filtered"),
        ]
    )


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ({"syncWithLatestSolutionVersion": True}, {}),
        ({"itemExplorationConfig": {"explorationWeight": "0.5"}}, {}),
        (
            {"syncWithLatestSolutionVersion": True, "enableMetadataWithRecommendations": True},
            {"enableMetadataWithRecommendations": True},
        ),
    ],
)
def test_an_update_that_the_campaigns_own_config_hinders_says_which_one_to_send(
    shop: Shop, own: dict[str, Any], kept: dict[str, Any]
) -> None:
    latest = shop.workspace.catalogue.get(shop.personal)["solutionArn"] + "/$LATEST"
    name = "-".join(["own", *own])[:60]
    campaign = shop.call("create_campaign", name=name, solutionVersionArn=latest, campaignConfig=own)["campaignArn"]
    with pytest.raises(InvalidInputException, match="gives no campaignConfig") as refusal:
        shop.call("update_campaign", campaignArn=campaign, solutionVersionArn=shop.popular)
    advised = json.loads(refusal.value.message.partition("such as ")[2].removesuffix("."))
    assert advised == kept
    shop.call("update_campaign", campaignArn=campaign, solutionVersionArn=shop.popular, campaignConfig=advised)
    shop.later(60)
    shop.later(60)
    now = shop.call("describe_campaign", campaignArn=campaign)["campaign"]
    assert (now["solutionVersionArn"], now["campaignConfig"]) == (shop.popular, kept)


def test_a_deleted_dataset_is_refused_at_once(shop: Shop) -> None:
    campaign, genre = shop.campaign("last", shop.popular), shop.filter("last", GENRE.format('"Comedy"'))
    assert shop.ask(campaign, filterArn=genre)
    # By another server of the same folder.
    other = open_workspace(shop.workspace.config, lambda: shop.now)
    lifecycle.mark_deleted(other, shop.items)
    other.close()
    with pytest.raises(InvalidInputException, match=r"ITEMS\.GENRE|Items\.GENRE"):
        shop.ask(campaign, filterArn=genre)
    assert shop.ask(campaign), "the campaign itself does without items"


def test_an_error_is_not_remembered(shop: Shop) -> None:
    arn = f"{shop.workspace.arn_prefix}campaign/late"
    for _ in range(2):
        with pytest.raises(AwsError):
            shop.ask(arn)
    shop.campaign("late", shop.popular)
    assert shop.ask(arn)
