"""Which interactions a model learns from: eventType, eventValueThreshold and eventsConfig in one form.

A tuple of rules admits what any of them admits; an empty one admits everything (spec recipes-and-runtime 2.1).
Training, a user's history at serving and segments ask the same rules, so that a model is asked about what it learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl

TYPES_NAMED = 10
"""Event types that a message names, of those that there are: most data have fewer; not tuned."""
NAME_SHOWN = 40
"""Characters of each: enough to know it; not tuned."""


@dataclass(frozen=True)
class EventRule:
    """Interactions of one type, or of any, with a least value."""

    event_type: str | None = None
    """In any case, as filters have it; None: of any type."""
    threshold: float | None = None
    """Least EVENT_VALUE; an interaction without a value is below it. None: with or without a value."""
    weight: float | None = None
    """How much such an interaction counts beside those of other rules; None where all count alike."""


def written(rules: Sequence[EventRule]) -> tuple[dict[str, Any], ...]:
    """The rules as JSON, for a model's manifest."""
    return tuple(msgspec.to_builtins(rule) for rule in rules)


def read(rules: Sequence[dict[str, Any]]) -> tuple[EventRule, ...]:
    """What `written` gave; raises ValueError."""
    return msgspec.convert(rules, type=tuple[EventRule, ...])


def admits(rules: Sequence[EventRule], event_type: str, value: float | None) -> bool:
    """Whether one interaction is among those that the model learns from."""
    return not rules or any(
        (rule.event_type is None or rule.event_type.lower() == event_type.lower())
        and (rule.threshold is None or (value is not None and value >= rule.threshold))
        for rule in rules
    )


def admitted(rules: Sequence[EventRule]) -> pl.Expr:
    """As `admits`, for rows with the upper-case columns of the Interactions dataset."""
    return pl.any_horizontal(*map(_matches, rules)).fill_null(False) if rules else pl.lit(True)


def weights(rules: Sequence[EventRule]) -> pl.Expr:
    """What each admitted row counts, relative to the mean over the rules: 0.3 and 0.1 become 1.5 and 0.5.

    Source: spec recipes-and-runtime 3.2, the event-weight metric.
    """
    given = [1.0 if rule.weight is None else rule.weight for rule in rules]
    mean = sum(given) / len(given)
    cases = (pl.when(_matches(rule)).then(weight / mean) for rule, weight in zip(rules, given, strict=True))
    return pl.coalesce(*cases)


def listed(counts: Mapping[str, int]) -> str:
    """Event types with their numbers of interactions, in words; commonest first."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    named = [f"{_short(name)} ({count:,})" for name, count in ordered[:TYPES_NAMED]]
    rest = len(counts) - len(named)
    return ", ".join(named) + (f" and {rest:,} more" if rest else "")


def _short(text: str) -> str:
    return text if len(text) <= NAME_SHOWN else text[:NAME_SHOWN] + "…"


def _matches(rule: EventRule) -> pl.Expr:
    matches = pl.lit(True)
    if rule.event_type is not None:
        matches &= pl.col("EVENT_TYPE").str.to_lowercase() == rule.event_type.lower()
    if rule.threshold is not None:
        matches &= pl.col("EVENT_VALUE") >= rule.threshold
    return matches
