"""The ten use cases of the two domains: a recipe, what it learns from, and what it keeps from the user.

Source: spec recipes-and-runtime 1.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tailorbird.recipes import RECIPES
from tailorbird.recipes.recipe import Recipe
from tailorbird.recipes.recipe_types import POPULAR_ITEMS, RELATED_ITEMS, USER_PERSONALIZATION, RecipeType

ECOMMERCE = "ECOMMERCE"
VIDEO_ON_DEMAND = "VIDEO_ON_DEMAND"


@dataclass(frozen=True)
class UseCase:
    """One domain recipe."""

    name: str
    """AWS's recipe name, such as aws-vod-top-picks."""
    domain: str
    description: str
    recipe: Recipe
    """The one whose model answers."""
    recipe_type: RecipeType
    """That of the recipe, but for popularity, whose use cases AWS counts among POPULAR_ITEMS."""
    event_type: str | None = None
    """The only event type that it learns from; of these it needs 1000."""
    hides: str | None = None
    """Items with which the user has events of this type are left out (the automatic filter)."""
    needs_items: bool = False
    """Whether the group must have an Items dataset."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """What differs from the recipe's defaults."""
    promotes: bool = True
    """Whether requests may hold promotions."""

    @property
    def required(self) -> tuple[str, ...]:
        """Members that GetRecommendations cannot do without: those of the type, and whose items are hidden."""
        return tuple(dict.fromkeys(("userId", *self.recipe_type.required) if self.hides else self.recipe_type.required))

    @property
    def filter_expression(self) -> str | None:
        """The automatic filter."""
        return f'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("{self.hides}")' if self.hides else None


USE_CASES: dict[str, UseCase] = {
    case.name: case
    for case in (
        UseCase(
            "aws-vod-top-picks",
            VIDEO_ON_DEMAND,
            "Top picks for you: what the user will watch or click next.",
            RECIPES["aws-user-personalization"],
            USER_PERSONALIZATION,
            hides="Watch",
            needs_items=True,
        ),
        UseCase(
            "aws-vod-because-you-watched-x",
            VIDEO_ON_DEMAND,
            "Because you watched X: what those who watched the item watched too.",
            RECIPES["aws-sims"],
            RELATED_ITEMS,
            event_type="Watch",
            hides="Watch",
        ),
        UseCase(
            "aws-vod-more-like-x",
            VIDEO_ON_DEMAND,
            "More like X: items that are alike, and that happen together.",
            RECIPES["aws-similar-items"],
            RELATED_ITEMS,
            hides="Watch",
            needs_items=True,
        ),
        UseCase(
            "aws-vod-most-popular",
            VIDEO_ON_DEMAND,
            "Most popular: items by how many users watched them.",
            RECIPES["aws-popularity-count"],
            POPULAR_ITEMS,
            event_type="Watch",
        ),
        UseCase(
            "aws-vod-trending-now",
            VIDEO_ON_DEMAND,
            "Trending now: items whose interactions grow fastest.",
            RECIPES["aws-trending-now"],
            POPULAR_ITEMS,
            settings={"trend_discovery_frequency": "2 hours"},
            promotes=False,
        ),
        UseCase(
            "aws-ecomm-recommended-for-you",
            ECOMMERCE,
            "Recommended for you: what the user will view or buy next.",
            RECIPES["aws-user-personalization"],
            USER_PERSONALIZATION,
            hides="Purchase",
        ),
        UseCase(
            "aws-ecomm-customers-who-viewed-x-also-viewed",
            ECOMMERCE,
            "Customers who viewed X also viewed: items that the same users viewed.",
            RECIPES["aws-sims"],
            RELATED_ITEMS,
            event_type="View",
            hides="Purchase",
        ),
        UseCase(
            "aws-ecomm-frequently-bought-together",
            ECOMMERCE,
            "Frequently bought together: items that the same users bought.",
            RECIPES["aws-sims"],
            RELATED_ITEMS,
            event_type="Purchase",
        ),
        UseCase(
            "aws-ecomm-popular-items-by-views",
            ECOMMERCE,
            "Most viewed: items by how many users viewed them.",
            RECIPES["aws-popularity-count"],
            POPULAR_ITEMS,
            event_type="View",
        ),
        UseCase(
            "aws-ecomm-popular-items-by-purchases",
            ECOMMERCE,
            "Best sellers: items by how many users bought them.",
            RECIPES["aws-popularity-count"],
            POPULAR_ITEMS,
            event_type="Purchase",
        ),
    )
}


def event_types(domain: str | None) -> dict[str, list[str]]:
    """The event types that a domain's use cases learn from or hide, each with their names; none without a domain."""
    found: dict[str, list[str]] = {}
    for case in USE_CASES.values():
        for name in dict.fromkeys((case.event_type, case.hides)):
            if name and case.domain == domain:
                found.setdefault(name, []).append(case.name)
    return found
