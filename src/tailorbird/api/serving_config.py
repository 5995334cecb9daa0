"""What campaignConfig, recommenderConfig and batchInferenceJobConfig may hold.

Source: spec control-plane 3.3, recipes-and-runtime 1.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tailorbird.errors import InvalidInputException

EXPLORATION = {"explorationWeight": (0.0, 1.0), "explorationItemAgeCutOff": (1.0, math.inf)}
"""Members of itemExplorationConfig, which AWS sends as text, with their least and greatest values."""

NO_INFLUENCE = {
    factor: f"cannot take it into account: it is for aws-semantic-similarity, trained with {needed}; leave it out"
    for factor, needed in (("POPULARITY", "interactions"), ("FRESHNESS", "CREATION_TIMESTAMP in the Items dataset"))
}
"""Why a ranking influence is refused (spec recipes-and-runtime 1.4)."""


def check(where: str, config: dict[str, Any], name: str, explores: bool, influences: Sequence[str] = ()) -> None:
    """Raises InvalidInput naming the member; `where` is the config's own name, `name` the recipe's.

    influences: what rankingInfluence may name, by the model's data.
    The exploration settings are checked and kept; exploration itself comes with a later version.
    """
    exploration = config.get("itemExplorationConfig", {})
    if exploration and not explores:
        raise InvalidInputException(f"{where}.itemExplorationConfig: {name} does not explore; leave it out.")
    for member, text in exploration.items():
        if member not in EXPLORATION:
            raise InvalidInputException(
                f"{where}.itemExplorationConfig has no member {member!r}; it has {', '.join(EXPLORATION)}."
            )
        low, high = EXPLORATION[member]
        if not low <= _number(text) <= high or math.isinf(_number(text)):
            bounds = f"from {low:g} to {high:g}" if high < math.inf else f"of at least {low:g}"
            raise InvalidInputException(
                f"{where}.itemExplorationConfig.{member} must be the text of a number {bounds}; given: {text!r}."
            )
    for factor in config.get("rankingInfluence", {}):
        if factor not in influences:
            raise InvalidInputException(f"{where}.rankingInfluence.{factor}: {name} {NO_INFLUENCE[factor]}.")
    if config.get("trainingDataConfig"):
        raise InvalidInputException(f"{where}.trainingDataConfig is not available yet: leave it out.")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
