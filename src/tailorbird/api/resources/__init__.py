"""One module a resource type: its definition, its operations, its job."""

from tailorbird.api.lifecycle import Resource
from tailorbird.api.resources import (
    batch_inference_job,
    batch_segment_job,
    campaign,
    data_deletion_job,
    dataset,
    dataset_export_job,
    dataset_group,
    dataset_import_job,
    event_tracker,
    metric_attribution,
    recipe,
    recommender,
    recommender_training,
    schema,
    solution,
    solution_version,
)
from tailorbird.api.resources import (
    filter as filter_,
)

MODULES = (
    schema,
    dataset_group,
    dataset,
    dataset_import_job,
    dataset_export_job,
    data_deletion_job,
    event_tracker,
    filter_,
    solution,
    solution_version,
    campaign,
    recommender,
    recommender_training,
    batch_inference_job,
    batch_segment_job,
    metric_attribution,
)

RESOURCES: dict[str, Resource] = {module.RESOURCE.name: module.RESOURCE for module in MODULES}
"""All resource types by their AWS names."""

OPERATIONS = {name: function for module in (*MODULES, recipe) for name, function in module.OPERATIONS.items()}
"""The operations that the modules write themselves, by function name."""
