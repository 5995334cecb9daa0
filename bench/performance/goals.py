"""What is to be reached, in one table; benches tell what was, by the same names.

All but the last few are ratios within one run: its figures cannot be compared between machines, its ratios can.
"""

from __future__ import annotations

from dataclasses import dataclass

KNOWN, FILTERED, FIRST, ACTED = (
    "a known user again",
    "the same with a filter",
    "each user for the first time",
    "each user after an event of his own",
)
"""What is asked of a recipe in bench/serving."""
TWO, SECOND = "two serving processes", "memory of a second serving process"
"""What is measured of several processes there."""


@dataclass(frozen=True)
class Goal:
    """One line of the table of goals."""

    bench: str
    """How the keys of the results that it is in begin."""
    measure: str
    """Its name there."""
    form: str
    """How a figure is written, with its unit; `{}` is the figure."""
    wanted: float
    most: bool = False
    """Whether less is better."""

    def reached(self, figure: float) -> bool:
        """Whether the figure is as wanted."""
        return figure <= self.wanted if self.most else figure >= self.wanted


TIMES_PEER, OF_BARE, OF_UNFILTERED = "{:.2f} × the faster implicit peer", "{:.1%} of bare", "{:.0%} of unfiltered"

GOALS = (
    Goal("serving", f"user-personalization, {KNOWN}", TIMES_PEER, 2.0),
    Goal("serving", f"user-personalization, {FIRST}", TIMES_PEER, 1.0),
    Goal("serving", f"user-personalization, {ACTED}", TIMES_PEER, 1.0),
    Goal("serving", f"user-personalization, {FILTERED}", OF_UNFILTERED, 0.8),
    Goal("serving", f"v2, {KNOWN}", OF_BARE, 0.12),
    Goal("serving", f"v2, {FIRST}", OF_BARE, 0.05),
    Goal("serving", f"v2, {ACTED}", OF_BARE, 0.05),
    Goal("serving", f"v2, {FILTERED}", OF_UNFILTERED, 0.8),
    Goal("serving", "personalized-ranking of 100 items", OF_BARE, 0.12),
    Goal("serving", "sims", OF_BARE, 0.25),
    Goal("serving", "p99 at half load", "{:.1f} × p50", 5.0, most=True),
    Goal("serving", "p99 at half load, ms", "{:.1f} ms", 8.0, most=True),
    Goal("serving", TWO, "{:.2f} × one", 1.8),
    Goal("serving", SECOND, "{:.0f} MB", 60.0, most=True),
    Goal("growth", "100,000 items, p50 of a known user", "{:.1f} ms", 3.0, most=True),
    Goal("growth", "1,000,000 items, p50 of a known user", "{:.1f} ms", 8.0, most=True),
    Goal("growth", "5,000,000 items, p50 of a known user", "{:.1f} ms", 30.0, most=True),
    Goal("growth", "recall@25 against the exact blend", "{:.3f}", 0.99),
    Goal("events", "PutEvents of 32 clients, durable", "{:.0%} of raw SQLite", 0.6),
    Goal("importing", "10,000,000 rows", "{:.0%} of polars", 0.5),
    Goal("importing", "10,000,000 rows, memory", "{:.2f} GB", 1.5, most=True),
    Goal("training", "SIMS, 1,000,000 rows", "{:.2f} × as fast as implicit", 1.0),
    Goal("training", "SIMS, 1,000,000 rows, memory", "{:.2f} × implicit's", 1.0, most=True),
    Goal("training", "SIMS, 10,000,000 rows", "{:.2f} × as fast as implicit", 1.0),
    Goal("training", "SIMS, 10,000,000 rows, memory", "{:.2f} × implicit's", 1.0, most=True),
    Goal("training", "SIMS, 1,000,000 items", "{:.0f} s", 120.0, most=True),
    Goal("training", "SIMS, 1,000,000 items, memory", "{:.2f} GB", 2.0, most=True),
    Goal("training", "v2 on ml-1m", "{:.2f} of the CPU time of old", 0.5, most=True),
    Goal("batch", "user-personalization", "{:.1f} × RecTools' SASRec", 5.0),
    Goal("batch", "v2", "{:.1f} × RecTools' SASRec", 2.0),
    Goal("process", "ready", "{:.2f} s", 1.5, most=True),
    Goal("process", "memory, idle", "{:.0f} MB", 150.0, most=True),
    Goal("process", "memory, with models", "{:.0f} MB", 300.0, most=True),
    Goal("process", "modules of torch", "{:.0f} loaded", 0.0, most=True),
    Goal("process", "modules of moto", "{:.0f} loaded", 0.0, most=True),
    Goal("process", "p99 while a training runs", "{:.1f} × idle", 2.0, most=True),
    Goal("process", "make demo", "{:.1f} s of CPU", 24.5, most=True),
)
