"""Batch segment jobs: users who will like an item (spec recipes-and-runtime 6.3).

They need a solution version of a USER_SEGMENTATION recipe. There is none yet, so creating one is refused.
"""

from __future__ import annotations

from typing import Any

from tailorbird.api.lifecycle import Resource
from tailorbird.api.resources import solution_version
from tailorbird.errors import InvalidInputException
from tailorbird.workspace import Workspace

RESOURCE = Resource("BatchSegmentJob", arn="batch-segment-job/{jobName}", parents=("solutionVersionArn",))


def create_batch_segment_job(workspace: Workspace, request: dict[str, Any]) -> dict[str, Any]:
    """Refused until there is a recipe whose model ranks users."""
    version = solution_version.trained(workspace, request["solutionVersionArn"])
    recipe = version["recipeArn"].rpartition("/")[2]
    raise InvalidInputException(
        f"{recipe} cannot make segments; that needs aws-item-affinity or aws-item-attribute-affinity, "
        "which this version of Tailorbird does not have yet."
    )


OPERATIONS = {"create_batch_segment_job": create_batch_segment_job}
