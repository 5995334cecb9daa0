"""P3: the data of P2, divided by time.

All rows up to the 0.9 quantile of all times train. Users with a later row are asked for their last item by all the
others (Gusak et al., Time to Split, RecSys 2025).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from quality.next_item import METRICS, QUICK, measure, order_only, questions, validation
from quality.p2 import EVERYTHING, NETWORKS, OURS, load
from quality.peers.linear import RECENT
from quality.protocol import ORDER, Protocol, Published
from tailorbird.evaluation.ranking import RankingSplit
from tailorbird.recipes.matrices import user_bounds
from tailorbird.recipes.recipe import Interactions

TRAINED = 0.9


def split(data: Interactions, shown: Callable[[Interactions], Interactions] = lambda data: data) -> RankingSplit:
    """Returns the rows up to the quantile, and a question for each user with a later one, as models are shown them.

    Users without an earlier row are no question, since nothing comes before their truth.
    """
    moment = np.quantile(data.timestamp, TRAINED)
    bounds = user_bounds(data)
    asked = np.flatnonzero(np.diff(bounds) > 1)
    asked = asked[data.timestamp[bounds[asked + 1] - 1] > moment]
    seen = shown(data)
    return RankingSplit(seen.rows(data.timestamp <= moment), *questions(seen, asked))


def _protocols(name: str, question: str, data: str, published: float) -> tuple[Protocol, ...]:
    """Returns the protocols of one data set, by what the models may use."""
    everything = Protocol(
        f"P3 {name}",
        f"{question}, divided by time",
        f"Amazon {name}, S3-Rec's five-core; trained up to the 0.9 quantile of times; the last item of each user with "
        "a later one is the truth; seen items removed",
        EVERYTHING,
        METRICS,
        lambda folder, _: split(load(folder, data)),
        measure,
        (OURS, *QUICK, RECENT),
        validation=lambda outer, _: split(outer.train),
        published=(Published("best of Time to Split", ORDER, {"NDCG@10": published}),),
    )
    ordered = replace(
        everything,
        name=f"P3 {name} order",
        used=ORDER,
        split=lambda folder, _: split(load(folder, data), shown=order_only),
        contestants=(OURS, *NETWORKS, *QUICK),
        validation=validation,
    )
    return ordered, everything


PROTOCOLS = (
    *_protocols("Beauty", "next purchase, Amazon Beauty", "amazon-beauty-s3", 0.0240),
    *_protocols("Sports", "next purchase, Amazon Sports", "amazon-sports-s3", 0.0218),
)
