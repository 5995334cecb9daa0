"""What campaignConfig, recommenderConfig and batchInferenceJobConfig may hold.

Source: spec control-plane 3.3, recipes-and-runtime 1.3.
"""

from __future__ import annotations

import math
from typing import Any

from tailorbird.errors import InvalidInputException

EXPLORATION = {"explorationWeight": (0.0, 1.0), "explorationItemAgeCutOff": (1.0, math.inf)}
"""Members of itemExplorationConfig, which AWS sends as text, with their least and greatest values."""


def check(where: str, config: dict[str, Any], name: str, explores: bool) -> None:
    """Raises InvalidInput naming the member; `where` is the config's own name, `name` the recipe's.

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
    if config.get("rankingInfluence"):
        raise InvalidInputException(
            f"{where}.rankingInfluence is for aws-semantic-similarity, not for {name}: leave it out."
        )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
