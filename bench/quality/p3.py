"""P3: the data of P2, divided by time.

All rows up to the 0.9 quantile of all times train. Users with a later row are asked for their last item by all the
others (Gusak et al., Time to Split, RecSys 2025).
"""

from __future__ import annotations

import numpy as np

from quality.next_item import METRICS, measure, questions
from quality.p2 import OURS, USED, load
from quality.peers.linear import POPULAR
from quality.protocol import Protocol
from tailorbird.evaluation import Split
from tailorbird.recipes.matrices import user_bounds
from tailorbird.recipes.recipe import Interactions

TRAINED = 0.9


def split(data: Interactions) -> Split:
    """Returns the rows up to the quantile, and a question for each user with a later one."""
    moment = np.quantile(data.timestamp, TRAINED)
    last = user_bounds(data)[1:] - 1
    return Split(data.rows(data.timestamp <= moment), *questions(data, np.flatnonzero(data.timestamp[last] > moment)))


def _protocol(name: str, data: str, published: float, goal: float) -> Protocol:
    return Protocol(
        f"P3 {name}",
        f"Amazon {name}, S3-Rec's five-core; trained up to the 0.9 quantile of times; the last item of each user with "
        "a later one is the truth; seen items removed",
        USED,
        METRICS,
        lambda folder, _: split(load(folder, data)),
        measure,
        (OURS, POPULAR),
        published={"best of Time to Split, order only": {"NDCG@10": published}},
        goals={"NDCG@10": goal},
    )


PROTOCOLS = (
    _protocol("Beauty", "amazon-beauty-s3", 0.0240, 0.025),
    _protocol("Sports", "amazon-sports-s3", 0.0218, 0.023),
)
