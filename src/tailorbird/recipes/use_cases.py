"""The ten use cases of the two domains: a recipe, what it learns from, and what it keeps from the user.

Source: spec recipes-and-runtime 1.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ECOMMERCE = "ECOMMERCE"
VIDEO_ON_DEMAND = "VIDEO_ON_DEMAND"


@dataclass(frozen=True)
class UseCase:
    """One domain recipe."""

    name: str
    """AWS's recipe name, such as aws-vod-top-picks."""
    domain: str
    description: str
    recipe: str
    """Name of the recipe whose model answers."""
    recipe_type: str
    needs: tuple[str, ...] = ()
    """Members that GetRecommendations cannot do without."""
    event_type: str | None = None
    """The only event type that it learns from; of these it needs 1000."""
    hides: str | None = None
    """Items with which the user has events of this type are left out (the automatic filter)."""
    needs_items: bool = False
    """Whether the group must have an Items dataset."""
    explores: bool = False
    """Whether recommenderConfig may hold itemExplorationConfig."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """What differs from the recipe's defaults."""
    promotes: bool = True
    """Whether requests may hold promotions."""

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
            "aws-user-personalization",
            "USER_PERSONALIZATION",
            needs=("userId",),
            hides="Watch",
            needs_items=True,
            explores=True,
        ),
        UseCase(
            "aws-vod-because-you-watched-x",
            VIDEO_ON_DEMAND,
            "Because you watched X: what those who watched the item watched too.",
            "aws-sims",
            "RELATED_ITEMS",
            needs=("userId", "itemId"),
            event_type="Watch",
            hides="Watch",
        ),
        UseCase(
            "aws-vod-more-like-x",
            VIDEO_ON_DEMAND,
            "More like X: items that are alike, and that happen together.",
            "aws-similar-items",
            "RELATED_ITEMS",
            needs=("userId", "itemId"),
            hides="Watch",
            needs_items=True,
        ),
        UseCase(
            "aws-vod-most-popular",
            VIDEO_ON_DEMAND,
            "Most popular: items by how many users watched them.",
            "aws-popularity-count",
            "POPULAR_ITEMS",
            event_type="Watch",
        ),
        UseCase(
            "aws-vod-trending-now",
            VIDEO_ON_DEMAND,
            "Trending now: items whose interactions grow fastest.",
            "aws-trending-now",
            "POPULAR_ITEMS",
            settings={"trend_discovery_frequency": "2 hours"},
            promotes=False,
        ),
        UseCase(
            "aws-ecomm-recommended-for-you",
            ECOMMERCE,
            "Recommended for you: what the user will view or buy next.",
            "aws-user-personalization",
            "USER_PERSONALIZATION",
            needs=("userId",),
            hides="Purchase",
            explores=True,
        ),
        UseCase(
            "aws-ecomm-customers-who-viewed-x-also-viewed",
            ECOMMERCE,
            "Customers who viewed X also viewed: items that the same users viewed.",
            "aws-sims",
            "RELATED_ITEMS",
            needs=("userId", "itemId"),
            event_type="View",
            hides="Purchase",
        ),
        UseCase(
            "aws-ecomm-frequently-bought-together",
            ECOMMERCE,
            "Frequently bought together: items that the same users bought.",
            "aws-sims",
            "RELATED_ITEMS",
            needs=("itemId",),
            event_type="Purchase",
        ),
        UseCase(
            "aws-ecomm-popular-items-by-views",
            ECOMMERCE,
            "Most viewed: items by how many users viewed them.",
            "aws-popularity-count",
            "POPULAR_ITEMS",
            event_type="View",
        ),
        UseCase(
            "aws-ecomm-popular-items-by-purchases",
            ECOMMERCE,
            "Best sellers: items by how many users bought them.",
            "aws-popularity-count",
            "POPULAR_ITEMS",
            event_type="Purchase",
        ),
    )
}
