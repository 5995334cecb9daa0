"""Why goals are missed: what the time goes into, and what was tried. Told of a goal by the name of its measure."""

from __future__ import annotations

from performance.goals import ACTED, FILTERED, FIRST, KNOWN, SECOND

FIRST_ANSWERS = (
    "Seven scorers and the exploration are asked where the peer has one matrix. One compiled loop adds them all up, "
    "over tables of 16-bit numbers, for 0.4 of what they cost one by one (score 2.2 -> 0.9 ms, the whole answer 3.8 -> "
    "2.1 in the process on a busy machine). What is left are mostly cold caches: the rows of a user who was not asked "
    "about before are in none, so that the same steps take two to three times as long as in a loop over a few. Tried: "
    "EASE's weights pruned to 400 of 9,742 items changed 8% of the lists; neighbours as bits were slower than their "
    "sparse rows; a question handed to a thread cost 1.5 ms more; items looked at one by one cost more than all in one "
    "pass up to 100,000 items."
)
FILTER = "The filter's values are read, and the mask that is kept for them is looked up and applied."
WHY = {
    f"user-personalization, {KNOWN}": "HTTP takes 30 µs of an answer, signature and parsing 20, the log of answers 15; "
    "the peers have HTTP alone. Whether anything was committed is read in memory now (0.2 µs, three system calls "
    "before). No step is above a sixth any more: more comes from more processes.",
    f"user-personalization, {FIRST}": FIRST_ANSWERS,
    f"user-personalization, {ACTED}": "As for the first time, and the transformer runs through the user's newest "
    "events again: of 50 events, 149 wide, some 27 million multiplications, which take BLAS longer than a peer's whole "
    "answer. To keep the states of all events, so that one more is a step, would want 200 MB of disk for MovieLens 1M, "
    "and is exact only until the window is full.",
    f"user-personalization, {FILTERED}": FILTER,
    f"v2, {FIRST}": "As of user-personalization.",
    f"v2, {ACTED}": "As of user-personalization.",
    f"v2, {FILTERED}": FILTER,
    "personalized-ranking of 100 items": "A hundred ids are read, looked up and written, where bare reads nothing.",
    "sims": "What is left is what any answer costs: HTTP, signature, parsing, the log of answers.",
    "p99 at half load": "Scores that are made anew and full collections of garbage hold up whoever comes behind them; "
    "of late ticks of the loop, seven in ten fell into neither, nor into writes of the log of answers. Modules are "
    "left out of collections now, and sixteen answers share a row of the log, neither of which shows here. Python asks "
    "from the other core.",
    "p99 at half load, ms": "The same.",
    "PutEvents of 32 clients, durable": "On a quick disk SQLite writes more rows a second than an empty application "
    "answers calls (*bare*), so that this measures HTTP, signatures and checks of events more than what is durable.",
    "10,000,000 rows": "Every row is checked and reported, and the table is durable. Not tried: one dictionary of ids "
    "for a whole import.",
    "SIMS, 1,000,000 rows": "A training trains twice, to be measured and on everyone, and by CPU time they are even.",
    "SIMS, 1,000,000 rows, memory": "The worker holds the rows beside the matrix.",
    "SIMS, 10,000,000 rows": "A training trains twice, to be measured and on everyone: of three million rows the loops "
    "that count pairs take 6 of 11 s, reading 2, the exam's questions 1. Not tried: to count for both in one pass.",
    "SIMS, 10,000,000 rows, memory": "The worker holds the rows beside the matrix.",
    "v2 on ml-1m": "Fewer epochs would cost quality; narrower numbers were not tried.",
    "user-personalization": "A line takes 0.9 ms of one core, scorers three fifths of it, exploration and order the "
    "rest; helpers on all other cores start only when a job has seconds to go, and take one or two to start.",
    "v2": "As of user-personalization.",
    SECOND: "Python counts references in the objects themselves, which copies pages that processes have in common; the "
    "tables of 16-bit numbers and the kept scores are each process's own.",
    "ready": "All of it is the loading of modules; the version before took 1.2 s on a quicker host, and as long as "
    "this one beside it.",
    "memory, with models": "With the mapped files of four models, which the system takes back where memory is short.",
    "make demo": "Half of it are trainings, each of which trains twice, to be measured and on everyone; a fifth are "
    "modules that five processes load.",
}
"""By `Goal.measure`."""
