"""How many requests a second there may be, where AWS's quotas hold (spec control-plane 2.4, recipes-and-runtime 4.3).

A token bucket for each operation and each campaign, tracker or dataset; it holds one second's worth. Every serving
process counts for itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tailorbird.errors import ThrottlingException

RUNTIME = 2500.0
"""Answers a second, of all campaigns together."""
MOST_BUCKETS = 10_000
"""Buckets in memory before those are dropped that are full again anyway: a client may make up names; not tuned."""


@dataclass(frozen=True)
class Rate:
    """At most so many requests a second with the same value of a member."""

    members: tuple[str, ...]
    """The first that a request has."""
    most: float
    shared: float = 0.0
    """Of all operations with this number together; 0 for none."""


# Spec control-plane 2.4: runtime, and individual import.
_ANSWER = Rate(("campaignArn", "recommenderArn"), 500, RUNTIME)
_EVENTS = Rate(("trackingId",), 1000)
_RECORDS = Rate(("datasetArn",), 10)

RATES = {
    "get_recommendations": _ANSWER,
    "get_personalized_ranking": _ANSWER,
    "get_action_recommendations": _ANSWER,
    "put_events": _EVENTS,
    "put_action_interactions": _EVENTS,
    "put_items": _RECORDS,
    "put_users": _RECORDS,
    "put_actions": _RECORDS,
}
"""By function; AWS publishes no number for the others."""


class Rates:
    """Counts the requests of this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}
        """(tokens, when they were counted)."""

    def take(self, function: str, request: dict[str, Any]) -> None:
        """Raises ThrottlingException for a request that is one too many."""
        rate = RATES.get(function)
        if rate is None:
            return
        now = self._clock()
        with self._lock:
            left = [(key, most, self._tokens(key, most, now)) for key, most in _buckets(function, rate, request)]
            for key, most, tokens in left:
                if tokens < 1:
                    raise ThrottlingException(
                        f"Rate exceeded: more than {most:.0f} requests a second for {' '.join(key).strip()}. "
                        f"Wait and try again."
                    )
            for key, _, tokens in left:
                self._buckets[key] = (tokens - 1, now)
            if len(self._buckets) > MOST_BUCKETS:
                self._buckets = {key: each for key, each in self._buckets.items() if each[1] > now - 1}

    def _tokens(self, key: tuple[str, str], most: float, now: float) -> float:
        tokens, at = self._buckets.get(key, (most, now))
        return min(most, tokens + (now - at) * most)


def _buckets(function: str, rate: Rate, request: dict[str, Any]) -> Iterator[tuple[tuple[str, str], float]]:
    """The buckets that a request takes from, and what they hold."""
    of = next((str(request[member]) for member in rate.members if member in request), "")
    yield (function, of), rate.most
    if rate.shared:
        yield ("all answers", ""), rate.shared
