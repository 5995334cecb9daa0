"""The quality bench: who won, and how its tables say so."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from quality import comparison, report
from quality.comparison import Margin, ahead, ahead_of_printed, paired
from quality.peers.linear import train_ease, train_popular
from quality.protocol import ALL, ORDER, TIMES, Contestant, recipe
from quality_protocol import EASE, POPULAR, made_up, measured


@pytest.mark.parametrize(
    ("mean", "error", "are_paired", "verdict"),
    [
        (0.021, 0.01, True, "won"),
        (0.019, 0.01, True, "tied"),
        (-0.019, 0.01, True, "tied"),
        (-0.021, 0.01, True, "lost"),
        (0.019, 0.01, False, "tied"),
        (-0.001, 0.01, False, "tied or lost"),  # too little was kept to call it a tie
        (0.5, np.inf, False, "tied"),  # nothing is known of chance
        (0.0, 0.0, True, "tied"),  # the same model twice
    ],
)
def test_won_tied_and_lost_are_a_rule(mean, error, are_paired, verdict):
    assert Margin(mean, error, are_paired).verdict == verdict


def test_chance_is_of_the_seeds_and_of_the_questions():
    theirs = np.array([0.1, 0.4, 0.3, 0.2])
    gains = [theirs + np.array(more) for more in ((0.3, 0.1, 0.3, 0.1), (0.4, 0.2, 0.4, 0.2))]
    of_seeds = np.std([0.2, 0.3], ddof=1) / np.sqrt(2)
    of_questions = np.std([0.35, 0.15, 0.35, 0.15], ddof=1) / np.sqrt(4)
    fixed, drawn = (paired(gains, [theirs, theirs], drawn) for drawn in (False, True))
    assert fixed.mean == pytest.approx(0.25)
    assert fixed.error == pytest.approx(np.hypot(of_seeds, of_questions))
    assert drawn.error == pytest.approx(np.hypot(of_seeds, of_questions / np.sqrt(2)))
    # Differences that are the same for every question are sure, however much the questions differ.
    assert paired([theirs + 0.01], [theirs], False) == Margin(pytest.approx(0.01), pytest.approx(0, abs=1e-9), True)
    # One list for all questions, once: nothing is known.
    assert paired([np.array(0.3)], [np.array(0.2)], True).verdict == "tied"


def test_without_every_question_a_win_must_exceed_the_largest_error():
    ours, theirs = measured("ours", 0.2, "recipe"), measured("theirs", 0.1)
    margin = ahead(ours, theirs, "NDCG@10", 100, False)
    assert margin.error == pytest.approx(np.sqrt((0.2 * 0.8 + 0.1 * 0.9) / 100))
    assert margin.verdict == "tied"
    assert ahead(ours, theirs, "NDCG@10", 10_000, False).verdict == "won"
    known = dataclasses.replace(ours, errors={"NDCG@10": 0.003}, seeds=5, spreads={"NDCG@10": 0.008})
    printed = ahead_of_printed(known, 0.191, "NDCG@10", 100, False)
    assert printed.error == pytest.approx(np.hypot(0.008 / 2, 0.003))
    assert printed.verdict == "tied"
    one_draw = ahead_of_printed(known, 0.191, "NDCG@10", 100, True)
    ours_drawn = np.hypot(0.008 / 2, 0.003 / np.sqrt(5))
    assert one_draw.error == pytest.approx(ours_drawn * np.sqrt(1 + 5))  # as one of our five draws moves
    kept = dataclasses.replace(theirs, margins={"NDCG@10": {"mean": 0.09, "error": 0.01}})
    assert ahead(ours, kept, "NDCG@10", 100, False) == Margin(0.09, 0.01, True)


def test_all_who_are_ahead_are_told():
    protocol = made_up(
        dataclasses.replace(recipe("aws-sims"), name="ours"), *(Contestant(n, train_popular) for n in "abc")
    )
    found = [measured("ours", 0.2, "recipe"), *map(measured, "abc", (0.1, 0.4, 0.3))]
    said = report.against_peers(protocol, found, "NDCG@10")
    assert said == "**lost** -0.2000: b 0.4000; also higher: c 0.3000"


@pytest.mark.parametrize(
    ("run", "margin", "standing"),
    [
        ({"popular": 0.1, "EASE": 0.1}, 0.1, "won"),
        ({"popular": 0.1, "EASE": 0.1}, 0.0, "tied"),
        ({"popular": 0.1, "EASE": 0.3}, -0.1, "lost"),
        ({"EASE": 0.1}, 0.1, "ahead"),  # popularity might be better still
        ({"EASE": 0.1}, 0.0, "tied or lost"),
        ({"EASE": 0.3}, -0.1, "lost"),
        ({"popular": 0.1}, 0.1, "only popularity was run"),
        ({"popular": 0.1}, 0.0, "tied or lost"),
        ({"popular": 0.3}, -0.1, "lost"),
        ({}, 0.0, None),
    ],
)
def test_nothing_is_won_while_peers_are_left_or_over_popularity_alone(run, margin, standing):
    protocol = made_up(dataclasses.replace(recipe("aws-sims"), name="ours"), EASE, POPULAR)
    margins = {"NDCG@10": {"mean": margin, "error": 0.01}}
    found = [measured("ours", 0.2, "recipe"), *(measured(name, mean, margins=margins) for name, mean in run.items())]
    assert comparison.standing(protocol, found, "NDCG@10") == standing
    won = standing == "won"
    assert ("peer: 1 won" in report.tally([(protocol, found)])) == won
    assert ("**won**" in report.against_peers(protocol, found, "NDCG@10")) == won


def test_to_beat_all_peers_says_nothing_where_all_are_popularity():
    protocol = made_up(dataclasses.replace(recipe("aws-sims"), name="ours"), POPULAR)
    margins = {"NDCG@10": {"mean": 0.1, "error": 0.01}}
    found = [measured("ours", 0.2, "recipe"), measured("popular", 0.1, margins=margins)]
    assert report.against_peers(protocol, found, "NDCG@10") == "only popularity was run: popular 0.1000"


def test_what_a_peer_uses_is_told_where_it_may_use_more():
    ours = dataclasses.replace(recipe("aws-sims"), name="ours")
    ordered = made_up(ours, dataclasses.replace(EASE, uses=ORDER))
    timed = dataclasses.replace(ordered, used=TIMES)
    found = [measured("ours", 0.2, "recipe"), measured("EASE", 0.3)]
    said = [report.against_peers(protocol, found, "NDCG@10") for protocol in (ordered, timed)]
    assert said == ["**lost** -0.1000: EASE 0.3000", "**lost** -0.1000: EASE [order alone] 0.3000"]
    assert report.label(timed, timed.contestants[1], None) == "EASE (uses order alone)"


def test_lines_with_notes_are_marked():
    ours = dataclasses.replace(recipe("aws-sims"), name="ours")
    protocol = dataclasses.replace(made_up(ours, EASE), metric_note="Counted oddly.", printed_note="Asked oddly.")
    done = [(protocol, [measured("ours", 0.2, "recipe", questions=1_000_000)])]
    written = report.overview(done, done)
    assert "| NDCG@10 † | 0.2000 (ours) | none was run | **won** ‡ +0.1000 ±0.0011: somebody 0.1000 |" in written
    assert "figure: 1 won (1 of them ‡).\n" in written
    assert "\n† Counted oddly.\n\n‡ Asked oddly.\n" in written


def test_what_chance_may_do_to_a_figure_is_told_where_it_is_known():
    protocol = made_up(EASE)
    asked = measured("ours", 0.2, questions=100, errors={"HR@10": 0.01})
    asked = dataclasses.replace(asked, means={"NDCG@10": 0.2, "HR@10": 0.3}, spreads={"NDCG@10": 0, "HR@10": 0})
    several = dataclasses.replace(asked, seeds=5, spreads={"NDCG@10": 0.004, "HR@10": 0})
    assert report.figure(protocol, [asked], asked, "HR@10") == "0.3000 ±0.0200"
    assert report.figure(protocol, [asked], asked, "NDCG@10") == "0.2000"  # about all lists together, once
    assert report.figure(protocol, [several], several, "NDCG@10") == "0.2000 ±0.0040"


def test_a_choice_at_the_end_of_what_was_tried_is_called_so():
    grid = tuple(
        {"r": r, "last": last, "both": both} for r in (1e2, 1e3, 1e4) for last in (1, 5, ALL) for both in (0, 1)
    )
    one = Contestant("EASE", train_ease, grid=grid)
    assert one.ends({"r": 1e3, "last": 5, "both": 1}) == []
    assert one.ends({"r": 1e4, "last": ALL, "both": 0}) == ["r"]
    assert one.ends({"r": 1e2, "last": 1, "both": 0}) == ["r"]
    result = dataclasses.replace(measured("EASE", 0.1), settings={"r": 1e4}, ends=one.ends({"r": 1e4}))
    assert report.label(made_up(one), one, result) == "EASE (r 10000.0; at the end of the range tried: r)"
