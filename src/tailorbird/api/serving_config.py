"""What campaignConfig, recommenderConfig and batchInferenceJobConfig may hold.

Source: spec control-plane 3.3, recipes-and-runtime 1.3.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

from tailorbird.errors import InvalidInputException
from tailorbird.numbers import to_number
from tailorbird.serving.exploration import Exploration

WEIGHT, AGE = "explorationWeight", "explorationItemAgeCutOff"
"""Members of itemExplorationConfig, which AWS sends as text."""


def exploration(config: dict[str, Any]) -> Exploration:
    """What the checked config says of exploration, AWS's defaults where it says nothing."""
    given = config.get("itemExplorationConfig", {})
    names = {WEIGHT: "weight", AGE: "age"}
    return Exploration(**{name: float(given[member]) for member, name in names.items() if member in given})


NO_INFLUENCE = {
    factor: f"cannot take it into account: it is for aws-semantic-similarity, trained with {needed}; leave it out"
    for factor, needed in (("POPULARITY", "interactions"), ("FRESHNESS", "CREATION_TIMESTAMP in the Items dataset"))
}
"""Why a ranking influence is refused (spec recipes-and-runtime 1.4)."""


def check(where: str, config: dict[str, Any], name: str, explores: bool, influences: Sequence[str] = ()) -> None:
    """Raises InvalidInput naming the member; `where` is the config's own name, `name` the recipe's.

    influences: what rankingInfluence may name, by the model's data.
    """
    given = config.get("itemExplorationConfig", {})
    if given and not explores:
        raise InvalidInputException(f"{where}.itemExplorationConfig: {name} does not explore; leave it out.")
    least_age = (1.0, "of at least 1") if where == "recommenderConfig" else (math.ulp(0.0), "above 0")
    bounds = {WEIGHT: (0.0, 1.0, "from 0 to 1"), AGE: (least_age[0], sys.float_info.max, least_age[1])}
    for member, text in given.items():
        if member not in bounds:
            raise InvalidInputException(
                f"{where}.itemExplorationConfig has no member {member!r}; it has {', '.join(bounds)}."
            )
        low, high, words = bounds[member]
        number = to_number(text)
        if number is None or not low <= number <= high:
            raise InvalidInputException(
                f"{where}.itemExplorationConfig.{member} must be the text of a number {words}; given: {text!r}."
            )
    for factor in config.get("rankingInfluence", {}):
        if factor not in influences:
            raise InvalidInputException(f"{where}.rankingInfluence.{factor}: {name} {NO_INFLUENCE[factor]}.")
