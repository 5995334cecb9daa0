"""Times after now in the data move no clock, whichever recipe asks, and what came with them still counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from journeys.steps import as_csv, field, schema
from tailorbird.api import deployments, lookup
from tailorbird.cli import report
from tailorbird.data import actions, clocks, compaction, exploration_pool, history, population, training
from tailorbird.data.training import Selection
from tailorbird.numbers import counted
from tailorbird.recipes import hrnn, next_best_action
from tailorbird.recipes.recipe import Query
from tailorbird.recipes.scorers import decayed_popularity
from tailorbird.serving import actions as offers
from tailorbird.serving import exploration, exploration_pools, questions
from world import World

HOUR, DAY = 3600, 86400
FAR = 4_102_444_800
"""The year 2100."""
NEVER = 253_402_214_400
"""9999-12-31, which some databases have for no date."""
USERS, ITEMS, NEW = 40, 20, 5
INTERACTIONS = schema(
    "Interactions", field("USER_ID"), field("ITEM_ID"), field("TIMESTAMP", "long"), field("EVENT_TYPE")
)
ITEMS_SCHEMA = schema(
    "Items", field("ITEM_ID"), field("GENRE", categorical=True), field("CREATION_TIMESTAMP", ["null", "long"])
)
ACTIONS = schema("Actions", field("ACTION_ID"), field("REPEAT_FREQUENCY", "long"))
RESPONSES = schema(
    "Action_interactions", field("USER_ID"), field("ACTION_ID"), field("EVENT_TYPE"), field("TIMESTAMP", "long")
)
OFTEN = [(place, place % USERS) for place in range(100)]
Row = tuple[str, str, int]


class Shop(World):
    """Forty users, an item an hour each; two items that were popular long ago, and two that grew in the last hour that
    has closed; five that are new.
    """

    end: int
    """When the newest interaction was that can be believed."""

    def stock(self, end: float) -> None:
        self.end = int(end)
        self.prepare(INTERACTIONS)
        self.items = self.made("Items", ITEMS_SCHEMA)
        created = [*[self.end - 300 * DAY] * ITEMS, *[self.end - DAY] * NEW]
        made = [("ITEM_ID", "GENRE", "CREATION_TIMESTAMP")]
        made += [(f"i{item}", "drama", str(when)) for item, when in enumerate(created)]
        self.fill(self.items, "items", as_csv(made))
        rows = [
            (f"u{user}", f"i{(user + step) % ITEMS}", self.end - user - step * HOUR)
            for user in range(USERS)
            for step in range(30)
        ]
        growing = [item for item, count in (("i7", 30), ("i8", 20)) for _ in range(count)]
        closed = self.end // HOUR * HOUR - HOUR
        rows += [(f"u{place % USERS}", item, closed + place) for place, item in enumerate(growing)]
        rows += [(f"u{user}", item, self.end - 40 * DAY - place) for item in ("i9", "i10") for place, user in OFTEN]
        self.enter("first", rows)
        self.tracker = self.call("create_event_tracker", name="t", datasetGroupArn=self.group)["trackingId"]

    def enter(self, name: str, rows: list[Row]) -> None:
        text = [("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE"), *[(*row[:2], str(row[2]), "click") for row in rows]]
        self.fill(self.dataset, name, as_csv(text), importMode="FULL" if name == "first" else "INCREMENTAL")

    def put(self, rows: list[Row]) -> None:
        for user, item, when in rows:
            event = {"eventType": "click", "itemId": item, "sentAt": when}
            self.call("put_events", trackingId=self.tracker, sessionId=user, userId=user, eventList=[event])

    def opened(self, kind: str) -> Any:
        return lookup.dataset_of(self.workspace, self.group, kind)

    def snapshot(self) -> training.Interactions:
        selection = Selection(floors=False)
        return training.load(
            self.workspace, self.opened("INTERACTIONS"), self.opened("ITEMS"), None, selection
        ).interactions

    def served(self, recipe: str, **parameters: str) -> tuple[str, str]:
        """A version and its campaign."""
        config = {"featureTransformationParameters": parameters} if parameters else {}
        solution = self.solution(name=recipe, recipeArn=f"arn:aws:personalize:::recipe/{recipe}", solutionConfig=config)
        version = self.call("create_solution_version", solutionArn=solution)["solutionVersionArn"]
        self.work()
        return version, self.call("create_campaign", name=recipe, solutionVersionArn=version)["campaignArn"]

    def asked(self, version: str, user: str) -> tuple[list[str], Query]:
        deployment = deployments.deployment_of(self.workspace, version, deployments.group(self.workspace, self.group))
        query = questions.query(deployment, user, None)
        return deployment.served.model.items[query.items].tolist(), query


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    made.now = 1_700_000_000 // HOUR * HOUR + HOUR / 2
    made.stock(made.now - 60)
    yield made
    made.workspace.close()


WRONG: dict[str, Callable[[Shop], list[Row]]] = {
    "one row of 2100": lambda shop: [("u1", "i3", FAR)],
    "ten rows nine hours ahead": lambda shop: [(f"u{user}", "i3", int(shop.now) + 9 * HOUR) for user in range(10)],
}
DOORS: dict[str, Callable[[Shop, list[Row]], None]] = {
    "import": lambda shop, rows: shop.enter("wrong", rows),
    "events": lambda shop, rows: shop.put(rows),
}


@pytest.fixture(params=[(rows, door) for rows in WRONG for door in DOORS], ids=", by ".join)
def wrong(shop: Shop, request: pytest.FixtureRequest) -> list[Row]:
    """The rows with wrong times that the shop has got."""
    rows, door = request.param
    made = WRONG[rows](shop)
    DOORS[door](shop, made)
    return made


def test_what_trends_trends_on(shop: Shop, wrong: list[Row]) -> None:
    version, campaign = shop.served("aws-trending-now", trend_discovery_frequency="1 hour")
    answer = shop.call("get_recommendations", campaignArn=campaign, numResults=ITEMS + NEW)["itemList"]
    assert [each["itemId"] for each in answer[:2]] == ["i7", "i8"]
    assert len(answer) == ITEMS + NEW
    shop.put([("u2", "i4", FAR)] * 30)
    shop.now += HOUR
    again = shop.call("get_recommendations", campaignArn=campaign)["itemList"]
    assert again[0]["itemId"] != "i4"
    told = shop.workspace.catalogue.get(version)
    assert told is not None
    assert told["_warnings"][0].startswith(
        f"{counted(len(wrong), 'interaction has', 'interactions have')} a TIMESTAMP in the future"
    )


def test_rows_ahead_trend_when_their_time_has_come(shop: Shop) -> None:
    shop.enter("ahead", [(f"u{user}", "i3", int(shop.now) + 9 * HOUR + user) for user in range(USERS)])
    _, campaign = shop.served("aws-trending-now", trend_discovery_frequency="1 hour")
    shop.now += 10 * HOUR
    answer = shop.call("get_recommendations", campaignArn=campaign)["itemList"]
    assert answer[0]["itemId"] == "i3"


def test_new_items_stay_new(shop: Shop, wrong: list[Row]) -> None:
    found = exploration_pool.gather(
        shop.workspace, shop.opened("INTERACTIONS"), shop.opened("ITEMS"), shop.snapshot().items, Selection()
    )
    assert found.newest == shop.end
    folder = shop.files / "model"
    folder.mkdir()
    exploration_pools.save(found, len(found.items), folder)
    arms = exploration._arms(exploration_pools.load(folder), 30.0)
    assert found.items[arms.items].tolist() == sorted(f"i{ITEMS + new}" for new in range(NEW))


def test_trainings_see_no_time_after_now(shop: Shop, wrong: list[Row]) -> None:
    data = shop.snapshot()
    assert data.timestamp.max() == shop.end
    assert len(data.user) == USERS * 30 + 50 + 2 * len(OFTEN) + len(wrong), "the rows stay"
    assert data.stated_times.max() == max(when for _, _, when in wrong), "and what they say"
    assert (np.diff(data.user) > 0).sum() == USERS - 1
    own = data.user == data.users.tolist().index("u1")
    assert (np.diff(data.timestamp[own]) >= 0).all()
    assert (data.items[data.item[own][-1]], data.timestamp[own][-1]) == ("i3", shop.end), "it is the user's last one"
    assert hrnn.cold_items(data, hrnn.ColdstartSettings()).sum() == NEW
    assert decayed_popularity.train(data, HOUR).moments[-1] == shop.end
    everyone = population.gather(shop.workspace, shop.opened("INTERACTIONS"), data.items, ()).interactions
    assert everyone.timestamp.max() == shop.end
    np.testing.assert_array_equal(everyone.item, data.item)


def test_a_question_is_asked_now_and_the_next_event_is_the_last(shop: Shop) -> None:
    version, _ = shop.served("aws-popularity-count")
    shop.put([("u1", "i3", FAR)])
    items, query = shop.asked(version, "u1")
    assert items[-1] == "i3", "it counts at once"
    assert query.timestamps.max() <= query.now <= shop.now
    assert query.now > shop.now - questions.MOMENT, "not long ago"
    shop.now += 60
    shop.put([("u1", "i5", int(shop.now))])
    items, query = shop.asked(version, "u1")
    assert items[-2:] == ["i3", "i5"]
    assert query.timestamps[-1] == shop.now
    shop.now += 60
    data = shop.snapshot()
    assert data.items[data.item[data.user == data.users.tolist().index("u1")]].tolist() == items


def test_old_data_stay_old(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.stock(shop.now - 3000 * DAY)
    shop.enter("wrong", [("u1", "i3", FAR)])
    version, _ = shop.served("aws-popularity-count")
    assert shop.asked(version, "u1")[1].now == shop.end
    assert shop.asked(version, "nobody")[1].now == shop.end
    shop.workspace.close()


def test_data_of_a_clock_ahead_alone_count_as_of_now(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.stock(shop.now + 300 * DAY)
    data = shop.snapshot()
    assert set(data.timestamp.tolist()) == {int(shop.now)}
    own = data.user == 0
    stated = data.stated_times[own]
    assert (np.diff(stated) >= 0).all(), "in the order that they state"
    shop.workspace.close()


def test_creation_dates_to_come_say_as_little_as_none(shop: Shop) -> None:
    shop.fill(
        shop.items,
        "never",
        as_csv([("ITEM_ID", "GENRE", "CREATION_TIMESTAMP"), ("i0", "drama", str(NEVER))]),
        importMode="INCREMENTAL",
    )
    for item in ("i1", "unseen"):
        properties = json.dumps({"genre": "drama", "creationTimestamp": FAR})
        shop.call("put_items", datasetArn=shop.items, items=[{"itemId": item, "properties": properties}])
    data = shop.snapshot()
    created = dict(zip(data.items.tolist(), data.item_columns["CREATION_TIMESTAMP"].values.tolist(), strict=True))
    assert {item for item, when in created.items() if when is None} == {"i0", "i1", "unseen"}
    found = exploration_pool.gather(
        shop.workspace, shop.opened("INTERACTIONS"), shop.opened("ITEMS"), data.items, Selection()
    )
    pooled = dict(zip(found.items.tolist(), found.created.tolist(), strict=True))
    for item in ("i0", "i1"):
        assert pooled[item] == data.timestamp[data.item == data.items.tolist().index(item)].min()
    assert pooled["unseen"] == shop.end
    assert found.created.max() <= shop.end


def test_filters_look_at_the_newest_hundred_though_others_state_later_times(shop: Shop) -> None:
    shop.put([("u1", "i3", FAR + number) for number in range(history.CONSIDERED_BY_FILTERS)])
    shop.put([("u1", "i19", int(shop.now))])
    assert "i19" in history.touched(shop.workspace, shop.opened("INTERACTIONS"), "u1", None)


def test_views_of_a_clock_ahead_take_the_place_of_no_other(shop: Shop) -> None:
    """Whichever came first, and though both came in one file."""
    target, honest = shop.opened("INTERACTIONS"), [f"i{item}" for item in range(ITEMS)]
    ahead = [f"old{number}" for number in range(history.CONSIDERED_BY_FILTERS)]
    shop.put([("first", item, int(shop.now) + DAY + place) for place, item in enumerate(ahead)])
    shop.put([("first", item, int(shop.now) - 100 + place) for place, item in enumerate(honest)])
    shop.put([("late", item, int(shop.now) - 100 + place) for place, item in enumerate(honest)])
    shop.put([("late", item, FAR + place) for place, item in enumerate(ahead)])
    rows = [("filed", item, FAR + place) for place, item in enumerate(ahead)]
    shop.enter("filed", rows + [("filed", item, shop.end - 5000 - place) for place, item in enumerate(honest)])
    for user in ("first", "late", "filed"):
        found = history.touched(shop.workspace, target, user, frozenset({"click"}))
        assert found >= set(honest), user
    assert len(history.touched(shop.workspace, target, "late", None)) == ITEMS + len(ahead), "nor the other way"
    left = history.CONSIDERED_BY_FILTERS - ITEMS
    assert len(history.touched(shop.workspace, target, "first", None)) == ITEMS + left, "and grows old like any other"


def test_what_came_before_all_that_can_be_believed_is_the_oldest(shop: Shop) -> None:
    version, _ = shop.served("aws-popularity-count")
    shop.put([("new", "i3", FAR), ("new", "i4", FAR)])
    shop.put([("new", item, int(shop.now) - 100 + place) for place, item in enumerate(("i5", "i6", "i7"))])
    expected = ["i3", "i4", "i5", "i6", "i7"]
    assert shop.asked(version, "new")[0] == expected
    shop.now += DAY
    assert shop.asked(version, "new")[0] == expected, "as time goes by as well"
    data = shop.snapshot()
    own = data.user == data.users.tolist().index("new")
    assert data.items[data.item[own]].tolist() == expected, "to a training, too"


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("before", [None, 100])
def test_an_action_taken_by_a_clock_ahead_is_waited_for_from_when_it_came(
    shop: Shop, before: int | None, moved: bool
) -> None:
    shop.fill(shop.made("Actions", ACTIONS), "actions", as_csv([("ACTION_ID", "REPEAT_FREQUENCY"), ("join", "3")]))
    target = shop.made("Action_interactions", RESPONSES)
    tracker = shop.call("describe_dataset", datasetArn=target)["dataset"]["trackingId"]
    taken = {"actionId": "join", "userId": "u1", "sessionId": "s", "eventType": "Taken"}
    for when in [FAR] if before is None else [int(shop.now) - before * DAY, FAR]:
        event = taken | {"timestamp": when}
        shop.call("put_action_interactions", trackingId=tracker, actionInteractions=[event])
    opened = shop.opened("ACTION_INTERACTIONS")
    if moved:
        compaction.move(shop.workspace, opened)
    shop.fill(
        target,
        "filed",
        as_csv([("USER_ID", "ACTION_ID", "EVENT_TYPE", "TIMESTAMP"), ("u2", "join", "TAKEN", str(FAR))]),
    )
    offered = offers.offer(shop.workspace, shop.opened("ACTIONS"))

    def is_offered(user: str, days: int) -> bool:
        shop.now += days * DAY
        given = actions.of_user(shop.workspace, opened, user)
        assert given[0].kind == "taken"
        return bool(offers.available(offered, given, shop.now).all())

    assert [is_offered("u1", days) for days in (0, 2, 1, 300)] == [False, False, True, True]
    assert is_offered("u2", 0), "of an imported one nobody knows when it was"


def test_actions_keep_their_propensity_and_are_offered_again(shop: Shop) -> None:
    shop.fill(shop.made("Actions", ACTIONS), "actions", as_csv([("ACTION_ID", "REPEAT_FREQUENCY"), ("join", "1")]))
    rows = [("USER_ID", "ACTION_ID", "EVENT_TYPE", "TIMESTAMP")]
    rows += [
        (f"u{user}", "join", kind, str(shop.end - 3 * DAY - day * HOUR))
        for user in range(USERS)
        for day, kind in enumerate(("TAKEN", "NOT_TAKEN") * 2)
    ]
    target = shop.made("Action_interactions", RESPONSES)
    shop.fill(target, "responses", as_csv(rows))
    shop.fill(target, "wrong", as_csv([rows[0], ("u1", "join", "TAKEN", str(FAR))]), importMode="INCREMENTAL")
    opened = shop.opened("ACTION_INTERACTIONS")
    found = actions.responses(shop.workspace, shop.opened("ACTIONS"), opened, shop.snapshot())
    assert next_best_action.eligible(found).all()
    offered = offers.offer(shop.workspace, shop.opened("ACTIONS"))
    given = actions.of_user(shop.workspace, opened, "u1")
    assert (given[0].timestamp, given[0].kind) == (shop.end - 3 * DAY, "taken")
    assert offers.available(offered, given, shop.now).all()


def test_imports_and_jobs_tell(shop: Shop, wrong: list[Row], capsys: pytest.CaptureFixture[str]) -> None:
    made = [("ITEM_ID", "GENRE", "CREATION_TIMESTAMP"), ("i0", "drama", str(FAR))]
    shop.fill(shop.items, "late", as_csv(made), importMode="INCREMENTAL")
    version, _ = shop.served("aws-popularity-count")
    jobs = shop.call("list_dataset_import_jobs")["datasetImportJobs"]
    (late,) = [each["datasetImportJobArn"] for each in jobs if each["jobName"] == "late"]
    assert report.print_job(shop.workspace.config, late)
    assert report.print_job(shop.workspace.config, version)
    told = capsys.readouterr().out
    assert "1 row has a CREATION_TIMESTAMP in the future" in told
    assert f"{counted(len(wrong), 'interaction has', 'interactions have')} a TIMESTAMP in the future" in told


NOW = 1_700_000_000.0
AHEAD = int(NOW) + clocks.TOLERANCE + 1


@pytest.mark.parametrize(
    ("times", "arrival", "expected"),
    [
        ([], [], []),
        ([5, AHEAD - 1], [1, 2], [5, AHEAD - 1]),
        ([9, AHEAD, 5], [1, 1, 1], [9, 9, 5]),
        ([AHEAD, 9, 5], [1, 1, 1], [9, 9, 5]),
        ([9, 5, FAR, 11, AHEAD], [0, 0, 1, 2, 3], [9, 5, 9, 11, 11]),
        ([AHEAD, 11, 9], [3, 2, 1], [11, 11, 9]),
        ([AHEAD, 9, 5], [0, 1, 2], [5, 9, 5]),
        ([AHEAD, FAR], [1, 2], [int(NOW)] * 2),
    ],
)
def test_a_time_ahead_is_the_newest_that_had_arrived(times: list[int], arrival: list[int], expected: list[int]) -> None:
    given = np.array(times, np.int64)
    assert clocks.settled(given, np.array(arrival, np.int64), NOW).tolist() == expected
    assert given.tolist() == times
    assert clocks.newest(given, NOW) == max((time for time in times if time < AHEAD), default=0)


@pytest.mark.parametrize(
    ("times", "arrival", "user", "expected"),
    [
        ([9, FAR, 7, 5], [0, 1, 2, 3], [0, 1, 1, 1], [9, 5, 7, 5]),
        ([9, FAR, 20], [0, 1, 2], [0, 1, 1], [9, 9, 20]),
        ([9, FAR, 20], [0, 1, 2], [0, 1, 0], [9, 9, 20]),
        ([FAR, 9, 20], [0, 1, 2], [1, 0, 0], [20, 9, 20]),
        ([9, FAR, 7], [0, 1, 1], [0, 1, 1], [9, 9, 7]),
    ],
)
def test_a_time_ahead_is_never_before_what_its_user_did_after(
    times: list[int], arrival: list[int], user: list[int], expected: list[int]
) -> None:
    given = [np.array(each, np.int64) for each in (times, arrival, user)]
    assert clocks.settled(given[0], given[1], NOW, user=given[2]).tolist() == expected
