"""The service models: which operation a request names, and the shapes of what goes in and out.

AWS's three services have 79 operations: 71 of AWS JSON 1.1, named by the header X-Amz-Target, and 8 of rest-json
on fixed paths (spec control-plane 1.1). Nothing of them is restated here; botocore's data is read at run time. The
fourth service is our own, described in the same format under `FOLDER`; AWS's clients find it there when
AWS_DATA_PATH names that folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

EXTENSIONS = "tailorbird"
SERVICES = ("personalize", "personalize-events", "personalize-runtime", EXTENSIONS)
FOLDER = Path(__file__).parent / "models"


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
    target: str
    """X-Amz-Target, such as AmazonPersonalize.CreateDatasetGroup; empty for rest-json."""
    path: str
    input: StructureShape
    output: Shape | None
    errors: frozenset[str]
    """Codes of the exceptions that the model lists."""


@cache
def load(service: str) -> ServiceModel:
    """The model of one of the `SERVICES`."""
    return ServiceModel(Loader([str(FOLDER)]).load_service_model(service, "service-2"), service)


@cache
def operations() -> Mapping[str, Operation]:
    """All operations by name; no two services share one."""
    found: dict[str, Operation] = {}
    for service in SERVICES:
        model = load(service)
        prefix = model.metadata.get("targetPrefix")
        for name in model.operation_names:
            operation = model.operation_model(name)
            assert name not in found, f"{service} and {found[name].service} both have an operation {name}"
            found[name] = Operation(
                name=name,
                function=xform_name(name),
                service=service,
                protocol=str(model.metadata["protocol"]),
                target=f"{prefix}.{name}" if prefix else "",
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


@cache
def _targets() -> Mapping[str, Operation]:
    return {op.target: op for op in operations().values() if op.target}


def find(target: str | None, path: str) -> Operation | None:
    """The operation that a POST with this X-Amz-Target, or else this path, names; None if there is none."""
    return _paths().get(path) if target is None else _targets().get(target)


@cache
def _prefixes() -> frozenset[str]:
    return frozenset(target.partition(".")[0] for target in _targets())


def is_ours(headers: Mapping[str, str], path: str) -> bool:
    """Whether a request is written for one of the `SERVICES`, whatever its signature says."""
    target = headers.get("x-amz-target")
    if target is not None:
        return target.partition(".")[0] in _prefixes()
    return path in _paths() and headers.get("content-type", "").startswith("application/json")
