"""How long one answer takes of a shop in service, and whether it is the exact one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

import installation
from growth.made_up import GENRES, LENGTHS, Shop, Size
from serving.cases import ANSWERS, PATH, check
from serving.load import ask, one_by_one
from serving.servers import Server, free_port, tailorbird
from serving.shop import signed
from tailorbird.api import batch
from tailorbird.cli.variables import environment
from tailorbird.config import load
from tailorbird.serving import questions

USERS, ROUNDS, MASKS = 40, 5, 15
"""Who are asked about; how often each asks again; filters that nobody asked with before."""
COMPARED = 25
"""Users whose answers are compared with the exact ones."""


@dataclass(frozen=True)
class Costs:
    """Milliseconds, each the median, and megabytes."""

    again: float
    """A user who asked before and did nothing since."""
    first: float
    """Each user for the first time."""
    mask: float
    """A known user, with values of a filter that nobody asked with."""
    memory: float
    """Of the server, its share of mapped files included."""


@dataclass(frozen=True)
class Asker:
    """A server on a shop, and who asks it."""

    server: Server
    shop: Shop
    values: Mapping[str, str]

    def milliseconds(self, bodies: Sequence[Mapping[str, Any]]) -> float:
        """The median of the questions, one by one."""
        return float(np.median(one_by_one(self.server, signed(self.values, PATH, bodies), check)))

    def body(self, user: str, **more: Any) -> dict[str, Any]:
        """A question for a user."""
        return {"campaignArn": self.shop.campaign, "userId": user, "numResults": ANSWERS, **more}

    def filtered(self, user: str, values: Iterable[int]) -> dict[str, Any]:
        """A question with the filter of these genres."""
        genres = ",".join(f'"g{number}"' for number in values)
        return self.body(user, filterArn=self.shop.filter, filterValues={"GENRES": genres})

    def items(self, user: str) -> list[str]:
        """What a user gets."""
        request = signed(self.values, PATH, [self.body(user)])[0]
        answer = json.loads(ask(self.server.port, request).partition(b"\r\n\r\n")[2])
        return [each["itemId"] for each in answer["itemList"]]


@contextmanager
def serving(shop: Shop) -> Iterator[Asker]:
    """A server on the shop, that has opened its model."""
    with tailorbird(shop.place / "data", free_port(), {}) as server:
        asker = Asker(server, shop, environment(load({}, data_dir=shop.place / "data")))
        asker.milliseconds([asker.body("nobody")])
        yield asker


def users_of(size: Size, count: int) -> list[str]:
    """Some of all users."""
    return [str(number) for number in np.linspace(0, size.users - 1, count).astype(int)]


def costs(asker: Asker, size: Size) -> Costs:
    """Asks a server that nobody has asked before."""
    users = users_of(size, USERS)
    first = asker.milliseconds([asker.body(user) for user in users])
    again = asker.milliseconds([asker.body(user) for user in users] * ROUNDS)
    asker.milliseconds([asker.filtered(users[0], [GENRES - 1])])
    mask = asker.milliseconds([asker.filtered(users[0], [number]) for number in range(MASKS)])
    return Costs(again, first, mask, asker.server.mapped_memory() / 1e6)


def by_length(asker: Asker, size: Size) -> list[tuple[float, float]]:
    """Milliseconds of a first answer, by the length of the history."""
    return [
        (float(length), asker.milliseconds([asker.body(f"h{length}-{at}") for at in range(size.of_length)]))
        for length in LENGTHS
    ]


def by_values(asker: Asker, user: str, counts: Sequence[int]) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds by the number of values of a filter: the first time with these, and again."""
    found: dict[str, list[tuple[float, float]]] = {"mask": [], "again": []}
    rng = np.random.default_rng(0)
    asker.milliseconds([asker.filtered(user, [GENRES - 1])])
    for count in counts:
        bodies = [asker.filtered(user, rng.permutation(GENRES - 1)[:count].tolist()) for _ in range(MASKS)]
        found["mask"].append((float(count), asker.milliseconds(bodies)))
        found["again"].append((float(count), asker.milliseconds(bodies[:1] * USERS)))
    return found


def by_filters(asker: Asker, user: str, counts: Sequence[int]) -> list[tuple[float, float]]:
    """Milliseconds of a known user, by how many filters without parameters are asked with in turn."""
    found = []
    for count in counts:
        bodies = [asker.body(user, filterArn=arn) for arn in asker.shop.filters[:count]]
        asker.milliseconds(bodies)
        found.append((float(count), asker.milliseconds(bodies * max(2, USERS // count))))
    return found


def recall(asker: Asker, size: Size) -> float:
    """The share of the exact blend's first 25 that answers have: the model itself is asked for every item's score."""
    users = users_of(size, COMPARED)
    answers = {user: asker.items(user) for user in users}
    workspace = installation.installed(asker.shop.place)
    deployment = batch.target_of(workspace, {"solutionVersionArn": asker.shop.version}).deployment
    model = deployment.served.model
    hits = 0
    for user, answer in answers.items():
        scores = model.score([questions.query(deployment, user, None)])[0]
        exact = model.items[np.argpartition(-scores, ANSWERS)[:ANSWERS]]
        hits += len(set(exact.tolist()) & set(answer))
    workspace.close()
    return hits / (ANSWERS * len(users))
