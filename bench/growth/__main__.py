"""What one answer of aws-user-personalization-v2 costs, by the size of the shop.

    PYTHONPATH=src:bench python -m growth --items 1000 10000 100000 1000000

Each shop is made up, imported, trained briefly (see `installation.brief`) and served over loopback.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from growth import answers
from growth.answers import Asker, Costs
from growth.made_up import STATIC, Size, shop
from performance import results
from performance.results import Curve, Result, Table

ROWS, ROWS_OF_ITEM, ROWS_OF_USER = 300_000, 2, 20
"""Rows of a shop, at least; and for each item or user where there are more of them."""
HISTORY = 50
"""Rows of a user, on average, where users do not grow."""
ITEMS = 10_000
"""Where users, histories and filters grow."""
COLUMNS = {"again, ms": ".2f", "first, ms": ".2f", "mask, ms": ".2f", "MB": ",.0f"}
MILLISECONDS = "milliseconds, p50"
VALUES, FILTERS = (1, 5, 20, 60), (1, 8, STATIC)


def by_items(counts: Sequence[int], rows: int) -> Iterator[Result]:
    """Costs by the number of items, and whether the answers are the exact ones; a result after each number."""
    found: dict[int, Costs] = {}
    recalls: list[float] = []
    for items in counts:
        size = _size(items, max(rows, ROWS_OF_ITEM * items))
        with _served(size) as asker:
            found[items] = answers.costs(asker, size)
            recalls.append(answers.recall(asker, size))
        measures = {f"{each:,} items, p50 of a known user": cost.again for each, cost in found.items()}
        measures["recall@25 against the exact blend"] = min(recalls)
        if len(found) > 1:
            more = found[items].memory - found[counts[0]].memory
            measures["MB for a million items"] = more / (items - counts[0]) * 1e6
        note = f"Of the 25 best by the scores of all items, the exact blend, answers have {min(recalls):.1%} at least"
        note += "; there is no stage of candidates that could lose one." if min(recalls) == 1 else "."
        yield results.result([_table("items", found, note)], measures, [_curve("items", found)])


def _size(items: int, rows: int) -> Size:
    return Size(items, max(rows // HISTORY, 100), rows)


def by_users(counts: Sequence[int], rows: int) -> Iterator[Result]:
    """Costs by the number of users; a result after each number."""
    found: dict[int, Costs] = {}
    for users in counts:
        size = Size(ITEMS, users, max(rows, ROWS_OF_USER * users))
        with _served(size) as asker:
            found[users] = answers.costs(asker, size)
        yield results.result([_table("users", found)], {}, [_curve("users", found)])


def by_questions(rows: int) -> Result:
    """Costs by the length of histories, the values of a filter and the number of filters, in one shop."""
    size = _size(ITEMS, rows)
    (user,) = answers.users_of(size, 1)
    with _served(size, STATIC) as asker:
        lengths = {"first": answers.by_length(asker, size)}
        values = answers.by_values(asker, user, VALUES)
        filters = {"again": answers.by_filters(asker, user, FILTERS)}
    curves = [
        Curve("growth-histories", "One answer, by the user's history", "interactions", MILLISECONDS, lengths),
        Curve("growth-values", "One answer with a filter, by its values", "values", MILLISECONDS, values),
        Curve("growth-filters", "One answer, by filters asked with in turn", "filters", MILLISECONDS, filters),
    ]
    return results.result([_of_lines(curve) for curve in curves], {}, curves)


@contextmanager
def _served(size: Size, filters: int = 0) -> Iterator[Asker]:
    """A new shop, in service."""
    with (
        tempfile.TemporaryDirectory(prefix="tailorbird-growth-") as place,
        answers.serving(shop(Path(place), size, filters)) as asker,
    ):
        yield asker


def _table(thing: str, found: dict[int, Costs], note: str = "") -> Table:
    rows: dict[str, list[float | None]] = {f"{count:,}": list(asdict(cost).values()) for count, cost in found.items()}
    return Table(thing, COLUMNS, rows, note)


def _of_lines(curve: Curve) -> Table:
    """The points of a curve as a table, whose lines have the same places on the axis."""
    columns = {f"{name}, ms": ".2f" for name in curve.lines}
    rows: dict[str, list[float | None]] = {}
    for points in curve.lines.values():
        for place, figure in points:
            rows.setdefault(f"{place:,.0f}", []).append(figure)
    return Table(curve.x, columns, rows)


def _curve(thing: str, found: dict[int, Costs]) -> Curve:
    lines = {
        name: [(float(count), float(getattr(cost, name))) for count, cost in found.items()]
        for name in ("again", "first", "mask")
    }
    return Curve(f"growth-{thing}", f"One answer, by {thing}", thing, MILLISECONDS, lines)


def main(words: Sequence[str] | None = None) -> None:
    """Reads the command line and prints the tables."""
    parser = argparse.ArgumentParser(prog="growth", description=__doc__)
    parser.add_argument("--items", type=int, nargs="*", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--users", type=int, nargs="*", default=[1000, 10_000, 100_000])
    parser.add_argument("--rows", type=int, default=ROWS, help=f"of a shop, at least (default {ROWS:,})")
    parser.add_argument(
        "--questions", action=argparse.BooleanOptionalAction, default=True, help="histories and filters"
    )
    parser.add_argument("--write", type=Path, metavar="ROOT", help="the checkout that is to keep the result")
    arguments = parser.parse_args(words)
    if arguments.questions:
        results.finish(arguments.write, "growth", by_questions(arguments.rows), joined=True)
    for found in by_users(sorted(arguments.users), arguments.rows):
        results.finish(arguments.write, "growth", found, joined=True)
    for found in by_items(sorted(arguments.items), arguments.rows):
        results.finish(arguments.write, "growth", found, joined=True)


if __name__ == "__main__":
    main()
