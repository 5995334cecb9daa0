"""START HERE: an open workspace → the ASGI application, the only file that joins `wire` and `api`.

The socket, the HTTP server and the dispatcher's thread are in `cli/server.py`, which runs it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tailorbird import errors
from tailorbird.api import runtime
from tailorbird.api.operations import OPERATIONS
from tailorbird.api.rates import Rates
from tailorbird.aws_local.remote import AwsServices
from tailorbird.jobs.health import Health
from tailorbird.wire.endpoint import Endpoint, Service
from tailorbird.wire.response import Response
from tailorbird.wire.signature import Request
from tailorbird.workspace import Workspace


def make_endpoint(workspace: Workspace, aws_local: AwsServices | None, health: Health) -> Endpoint:
    """The ASGI application over an open workspace; `aws_local`: where the services beside us are, if they are here."""
    config, rates = workspace.config, Rates()

    def call(function: str, region: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        if function not in OPERATIONS:
            raise errors.UnknownOperationException(f"{function} is not available yet in this version of Tailorbird.")
        if config.aws_quotas:
            rates.take(function, parameters)
        try:
            # Of GetRecommendations and its like, those of `api/runtime.py`.
            return OPERATIONS[function](workspace.at(region), parameters)
        except errors.DamagedFile as error:
            workspace.faults.met(error)
            raise

    def at_hand(function: str, region: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        if config.aws_quotas:
            return None  # `call` counts
        try:
            return runtime.at_hand(function, workspace.at(region), parameters)
        except errors.DamagedFile:
            return None  # `call` meets it as well

    def secret_of(access_key_id: str, token: str) -> str | None:
        if aws_local is not None:
            return aws_local.secret_of(access_key_id, token)
        key = workspace.access_key
        return key.secret_access_key if access_key_id == key.access_key_id else None

    return Endpoint(
        Service(
            call=call,
            at_hand=at_hand,
            quick=frozenset(runtime.QUICK),
            other=partial(_ask, aws_local) if aws_local else None,
            preflight=partial(_preflight, aws_local) if aws_local else None,
            secret_of=secret_of,
            default_region=config.region,
            own_key=workspace.access_key.access_key_id,
            alive=health.alive,
            ready=health.ready,
            damages=health.damages,
            folder=config.data_dir,
            verify_signatures=config.verify_signatures,
            body_limit=config.body_limit,
            other_body_limit=config.s3_body_limit,
            bodies_limit=config.bodies_limit,
            cors_origins=frozenset(config.cors_origins),
        )
    )


def _ask(aws_local: AwsServices, service: str, request: Request) -> Response:
    answer = aws_local.answer(service, request.method, request.path, request.query, request.headers, request.body)
    return Response(*answer)


def _preflight(aws_local: AwsServices, request: Request) -> Response:
    return Response(*aws_local.preflight(request.path, request.headers))
