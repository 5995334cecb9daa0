"""The types of recipes: what each is asked, what it answers, and what its batch jobs hold.

A type's protocol, by which its recipes are measured, stands beside it in `evaluation/protocols.py`: nothing else asks
which type a recipe is of. Two types may share AWS's word for them and still be asked differently.

Source: spec recipes-and-runtime 1.1, 1.2 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class RecipeType:
    """What recipes of one type have in common."""

    name: str
    """AWS's word for it, recipeType."""
    operation: str | None = "GetRecommendations"
    """What campaigns answer; None: it has none."""
    required: tuple[str, ...] = ()
    """Members that a request to that operation cannot do without."""
    scores: bool = False
    """Whether answers carry scores: then its models score items by log-probabilities, and actions by probabilities."""
    batch_job: str | None = "BatchInferenceJob"
    """The resource of its batch jobs; None: it has none."""
    line: tuple[str, ...] = ()
    """Members of each line of a batch job's input: of userId, itemId, itemList and itemAttributes."""
    responses: bool = False
    """Whether training takes what users did with actions, `Interactions.responses`; models are `PropensityModel`."""


USER_PERSONALIZATION = RecipeType("USER_PERSONALIZATION", required=("userId",), scores=True, line=("userId",))
POPULARITY = replace(USER_PERSONALIZATION, required=(), scores=False)
"""Asked about nobody; AWS publishes USER_PERSONALIZATION for aws-popularity-count all the same (spec 1.1)."""
PERSONALIZED_RANKING = RecipeType(
    "PERSONALIZED_RANKING",
    operation="GetPersonalizedRanking",
    required=("userId",),
    scores=True,
    line=("userId", "itemList"),
)
RELATED_ITEMS = RecipeType("RELATED_ITEMS", required=("itemId",), line=("itemId",))
POPULAR_ITEMS = RecipeType("POPULAR_ITEMS", batch_job=None)
"""What trends: settings of these recipes have `interval`, over which interactions are counted together."""
PERSONALIZED_ACTIONS = RecipeType(
    "PERSONALIZED_ACTIONS",
    operation="GetActionRecommendations",
    required=("userId",),
    scores=True,
    batch_job=None,
    responses=True,
)
ITEM_SEGMENTS = RecipeType("USER_SEGMENTATION", operation=None, batch_job="BatchSegmentJob", line=("itemId",))
ATTRIBUTE_SEGMENTS = replace(ITEM_SEGMENTS, line=("itemAttributes",))
