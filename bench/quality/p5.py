"""P5: what an anonymous visitor of a shop clicks next; every prefix of a session is a question.

Diginetica (CIKM Cup 2016) in the preparation of Wu et al., Session-based recommendation with graph neural networks,
AAAI 2019: the sessions of the last seven days test. The data have no times: sessions are spread evenly, in
their order, over the five months of the cup, a second a click.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from quality.metrics import ranking
from quality.peers.linear import ITEM_KNN, POPULAR
from quality.peers.sessions import SESSION_KNN
from quality.protocol import Protocol, Published, Values, recipe
from tailorbird.evaluation.ranking import Ranker, RankingSplit
from tailorbird.recipes.matrices import keep_users, user_bounds
from tailorbird.recipes.recipe import Interactions, Query

METRICS = ("HR@20", "MRR@20")
SESSIONS = "order of the clicks and of the sessions"
SESSION = 70
"""Seconds from one session's begin to the next: 186,670 sessions in 151 days."""
VALIDATION = 2000
"""Newest sessions that settings of peers are chosen on."""


@cache
def load(folder: Path) -> RankingSplit:
    """Reads the training sessions and the 60,858 test questions."""
    sessions = pl.read_parquet(folder / "diginetica-sessions" / "train_sessions.parquet").sort("session_id")
    tests = pl.read_parquet(folder / "diginetica-sessions" / "test_prefixes.parquet")
    rows = sessions.with_row_index("user").explode("items")
    items, item = np.unique(rows["items"].to_numpy(), return_inverse=True)
    user = rows["user"].to_numpy().astype(np.int32)
    place = np.arange(len(user)) - np.searchsorted(user, user)
    data = Interactions(
        users=np.char.zfill(np.arange(len(sessions)).astype(str), 6),
        items=items.astype(str),
        user=user,
        item=item.astype(np.int32),
        timestamp=user.astype(np.int64) * SESSION + place,
        event_type=np.zeros(len(user), np.int16),
    )
    prefixes = [np.searchsorted(items, prefix).astype(np.int32) for prefix in tests["prefix"].to_list()]
    targets = np.searchsorted(items, tests["target"].to_numpy()).astype(np.int32)
    queries = tuple(question(prefix, len(sessions)) for prefix in prefixes)
    return RankingSplit(data, queries, tuple(targets[:, None]))


def question(prefix: NDArray[np.int32], session: int) -> Query:
    """Returns what is asked after a prefix of the session with that number."""
    return Query(prefix, session * SESSION + np.arange(len(prefix), dtype=np.int64))


def newest_out(split: RankingSplit, seed: int) -> RankingSplit:
    """Returns a split that tests on all prefixes of the newest training sessions; nothing is drawn."""
    data = split.train
    cut = len(data.users) - VALIDATION
    bounds = user_bounds(data)
    queries, truths = [], []
    for user in range(cut, len(data.users)):
        session = data.item[bounds[user] : bounds[user + 1]]
        for place in range(1, len(session)):
            queries.append(question(session[:place], user))
            truths.append(session[place : place + 1])
    return RankingSplit(keep_users(data, np.arange(len(data.users)) < cut), tuple(queries), tuple(truths))


def measure(model: Ranker, split: RankingSplit) -> Values:
    """Returns the metrics; nothing is removed from the lists."""
    return ranking(model, split.queries, split.truths, METRICS)


PROTOCOLS = (
    Protocol(
        "P5",
        "next click of an anonymous visitor, Diginetica",
        "Diginetica sessions; the last seven days test, every prefix of a session is a question; nothing removed; "
        "HR@20 is what the literature of sessions calls P@20",
        SESSIONS,
        METRICS,
        lambda folder, seed: load(folder),
        measure,
        (recipe("aws-user-personalization-v2"), recipe("aws-user-personalization"), SESSION_KNN, ITEM_KNN, POPULAR),
        judged_by=METRICS,
        validation=newest_out,
        published=(
            Published("GCE-GNN (SIGIR 2020)", SESSIONS, {"HR@20": 0.542, "MRR@20": 0.190}),
            Published("GRU4Rec, official implementation", SESSIONS, {"HR@20": 0.50, "MRR@20": 0.154}),
        ),
    ),
)
