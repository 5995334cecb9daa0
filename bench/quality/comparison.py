"""Who won: the difference of two figures against how far chance alone could move it.

Chance has two parts: the seeds (of the training, and of the split where it is drawn), and the questions, of which
others might have been asked. Both are standard errors of the mean difference. Where the results of every question are
there for both sides, the differences are paired. Where they are not, a win must exceed the largest error that the
figures allow, and doubt counts against the recipe: a lower figure is called tied or lost, not tied, and lost where
nothing is known of chance. Nor is a recipe said to have won, or to tie, where peers are left that were not run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from quality.protocol import Protocol

Verdict = Literal["won", "tied", "tied or lost", "lost"]
"""tied or lost: lower, by no more than chance may explain, but too little was kept of the runs to call it a tie."""
POPULARITY: Final = "only popularity was run"
Standing = Verdict | Literal["ahead", "only popularity was run"]
"""ahead: would have won if nobody were left to run."""
SURE = 2.0
"""Standard errors that a difference has to exceed: 95 times of 100 chance stays within."""


@dataclass(frozen=True)
class Result:
    """What one contestant reached: a row of the table."""

    name: str
    kind: str
    """recipe or peer."""
    means: Mapping[str, float]
    spreads: Mapping[str, float]
    """Standard deviations over the seeds."""
    seeds: int
    settings: Mapping[str, Any]
    """Chosen on validation data."""
    seconds: float
    """Wall time of one training, mean over the seeds."""
    gigabytes: float
    """Peak memory of the process during a training, data and libraries included, highest of the seeds."""
    questions: int = 0
    """Of one seed; 0 where it was not kept."""
    errors: Mapping[str, float] = field(default_factory=dict)
    """Standard errors over the questions of one seed, where a metric is a mean over questions."""
    ends: Sequence[str] = ()
    """Of the settings, those at an end of the range that was tried."""
    margins: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Of a peer: `mean` and `error` of the paired differences, by how much the judged recipe is ahead; empty where
    the results of every question are not there for both."""


@dataclass(frozen=True)
class Margin:
    """By how much ours is ahead of theirs."""

    mean: float
    error: float
    """Standard error; infinite where nothing is known."""
    paired: bool

    @property
    def verdict(self) -> Verdict:
        """Won or lost where chance does not explain the difference."""
        if abs(self.mean) > SURE * self.error:
            return "won" if self.mean > 0 else "lost"
        if self.paired or self.mean >= 0:
            return "tied"
        return "tied or lost" if np.isfinite(self.error) else "lost"


def paired(ours: Sequence[NDArray[Any]], theirs: Sequence[NDArray[Any]], drawn: bool) -> Margin:
    """Compares the values of every question, seed by seed; `drawn` says that seeds ask different ones.

    A value without dimension is about all questions at once: then only the seeds tell of chance.
    """
    differences = [np.atleast_1d(our.astype(float) - their) for our, their in zip(ours, theirs, strict=True)]
    count = len(differences)
    means = np.array([difference.mean() for difference in differences])
    of_seeds = means.std(ddof=1) / np.sqrt(count) if count > 1 else 0.0
    if drawn:
        of_questions = np.sqrt(np.mean([_error(each) ** 2 for each in differences]) / count)
    else:
        of_questions = _error(np.mean(differences, axis=0))
    known = count > 1 or len(differences[0]) > 1
    return Margin(float(means.mean()), float(np.hypot(of_seeds, of_questions)) if known else np.inf, True)


def _error(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def ahead(ours: Result, theirs: Result, metric: str, questions: int, drawn: bool) -> Margin:
    """Compares two results of the same protocol; `questions` is how many a seed asks."""
    if metric in theirs.margins:
        return Margin(theirs.margins[metric]["mean"], theirs.margins[metric]["error"], True)
    error = np.hypot(alone(ours, metric, questions, drawn), alone(theirs, metric, questions, drawn))
    return Margin(ours.means[metric] - theirs.means[metric], float(error), False)


def ahead_of_printed(ours: Result, figure: float, metric: str, questions: int, drawn: bool) -> Margin:
    """Compares a result with a published figure, which comes without an error.

    Where questions are drawn, it is of one draw, of others than ours: chance moves it as it moves one of ours.
    """
    error = alone(ours, metric, questions, drawn)
    theirs = error * np.sqrt(ours.seeds) if drawn else 0.0
    return Margin(ours.means[metric] - figure, float(np.hypot(error, theirs)), False)


def alone(result: Result, metric: str, questions: int, drawn: bool) -> float:
    """Returns the standard error of one result's mean, seeds and questions together.

    Values of 0 to 1 with the mean m vary by m(1 - m) at most, which stands in for an error that was not kept; of
    seeds that ask different questions the spread is the questions' as well.
    """
    mean = result.means[metric]
    of_seeds = result.spreads[metric] / np.sqrt(result.seeds - 1) if result.seeds > 1 else 0.0
    if metric in result.errors:
        of_questions = result.errors[metric]
    elif (drawn or result.errors) and result.seeds > 1:
        of_questions = 0.0
    elif result.errors:  # a metric about all lists together
        of_questions = np.inf
    else:
        of_questions = np.sqrt(max(mean * (1 - mean), 0) / questions) if questions else np.inf
    return float(np.hypot(of_seeds, of_questions / np.sqrt(result.seeds if drawn else 1)))


@dataclass(frozen=True)
class Opponent:
    """Whom the judged recipe is compared with, and what came of it."""

    name: str
    figure: float
    margin: Margin
    uses: str = ""
    """Of a peer: what it makes use of, where that is less than it may."""


def judged(protocol: Protocol, results: Sequence[Result]) -> Result | None:
    """Returns the result of the recipe that was named beforehand; None where it was not run."""
    return next((one for one in results if one.name == protocol.judged.name), None)


def peers(protocol: Protocol, results: Sequence[Result], metric: str) -> list[Opponent]:
    """Returns the peers that were run, the best first; none where the recipe was not run."""
    ours = judged(protocol, results)
    count = _questions(results)
    uses = {one.name: protocol.less(one) for one in protocol.peers}
    found = [
        Opponent(one.name, one.means[metric], ahead(ours, one, metric, count, protocol.drawn), uses[one.name])
        for one in results
        if ours and one.kind == "peer"
    ]
    return sorted(found, key=lambda one: -one.figure)


def printed(protocol: Protocol, results: Sequence[Result], metric: str) -> list[Opponent]:
    """Returns the published figures of models that used the same information, the best first."""
    ours = judged(protocol, results)
    found = [
        Opponent(one.source, figure, ahead_of_printed(ours, figure, metric, _questions(results), protocol.drawn))
        for one in protocol.anchors
        if ours and (figure := one.figures.get(metric))
    ]
    return sorted(found, key=lambda one: -one.figure)


def not_run(protocol: Protocol, results: Sequence[Result]) -> int:
    """Returns how many of the peers were not run, so that a better one may be among them."""
    return len({one.name for one in protocol.peers} - {one.name for one in results})


def standing(protocol: Protocol, results: Sequence[Result], metric: str) -> Standing | None:
    """Returns the verdict against the best of all peers; None where there is no comparison.

    To beat popularity alone decides nothing. With peers left, the best of all is at least as good as the best that
    was run: a tie may be a loss, and a win is only being ahead.
    """
    found = peers(protocol, results, metric)
    if not found:
        return None
    verdict = found[0].margin.verdict
    popularity = {one.name for one in protocol.peers if one.popularity}
    if verdict == "won" and popularity.issuperset(one.name for one in found):
        return POPULARITY
    if not_run(protocol, results):
        return {"won": "ahead", "tied": "tied or lost"}.get(verdict, verdict)  # type: ignore[return-value]
    return verdict


def chance(protocol: Protocol, results: Sequence[Result], one: Result, metric: str) -> float:
    """Returns how far chance may move a figure, 95 times of 100; infinite where nothing is known."""
    return SURE * alone(one, metric, _questions(results), protocol.drawn)


def _questions(results: Sequence[Result]) -> int:
    return max((one.questions for one in results), default=0)
