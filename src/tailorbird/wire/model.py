"""botocore's service models: which operation a request names, and the shapes of what goes in and out.

Three services, 79 operations: 71 of AWS JSON 1.1, named by the header X-Amz-Target, and 8 of rest-json on
fixed paths (spec control-plane 1.1). Nothing is restated here; botocore's data is read at run time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

SERVICES = ("personalize", "personalize-events", "personalize-runtime")


@dataclass(frozen=True)
class Operation:
    """One operation of the models."""

    name: str
    """As AWS spells it: CreateDatasetGroup."""
    function: str
    """As Python spells it: create_dataset_group."""
    service: str
    protocol: str
    """json or rest-json."""
    path: str
    input: StructureShape
    output: Shape | None
    errors: frozenset[str]
    """Codes of the exceptions that the model lists."""


@cache
def operations() -> Mapping[str, Operation]:
    """All operations by AWS's name."""
    found: dict[str, Operation] = {}
    loader = Loader()
    for service in SERVICES:
        model = ServiceModel(loader.load_service_model(service, "service-2"), service)
        for name in model.operation_names:
            operation = model.operation_model(name)
            found[name] = Operation(
                name=name,
                function=xform_name(name),
                service=service,
                protocol=str(model.metadata["protocol"]),
                path=operation.http["requestUri"],
                input=_input(operation),
                output=operation.output_shape,
                errors=frozenset(shape.name for shape in operation.error_shapes),
            )
    return found


def _input(operation: OperationModel) -> StructureShape:
    assert operation.input_shape is not None, f"{operation.name} takes no input, which no operation did before"
    return operation.input_shape


@cache
def _paths() -> Mapping[str, Operation]:
    return {op.path: op for op in operations().values() if op.protocol == "rest-json"}


def find(target: str | None, path: str) -> Operation | None:
    """The operation that a POST with this X-Amz-Target, or else this path, names; None if there is none."""
    if target is None:
        return _paths().get(path)
    prefix, _, name = target.partition(".")
    operation = operations().get(name)
    return operation if prefix == "AmazonPersonalize" and operation and operation.protocol == "json" else None
