"""The services beside us behind a real endpoint and a socket, in the test's own process, and boto3 beside them."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from functools import partial

import boto3
import pytest
import uvicorn
from botocore.config import Config

from aws_local.talk import ACCOUNT, KEYS
from tailorbird.aws_local import AwsLocal
from tailorbird.wire.connection import Connection, Limits
from tailorbird.wire.endpoint import Endpoint, Service
from tailorbird.wire.response import Response
from tailorbird.workspace import AccessKey

pytest.importorskip("moto", reason="the extra aws-local is not installed")


class Running:
    """A server whose services can be started anew."""

    def __init__(self, folder):
        self.folder = folder
        self.restart()
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        service = Service(
            call=lambda function, region, parameters: {"schemas": []},
            other=lambda service, request: Response(
                *self.aws_local.answer(
                    service, request.method, request.path, request.query, request.headers, request.body
                )
            ),
            preflight=lambda request: Response(*self.aws_local.preflight(request.path, request.headers)),
            secret_of=lambda key, token: self.aws_local.secret_of(key, token),
            default_region="us-east-1",
            ready=lambda: self.aws_local.hindrances(),
            damages=lambda: self.aws_local.damages(),
        )
        endpoint = Endpoint(service)
        http = partial(Connection, Limits(100, 60.0), endpoint.at_once)
        settings = uvicorn.Config(endpoint, http=http, lifespan="off", access_log=False, log_level="warning")
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]})
        self._thread.start()
        self._listening = listening

    def restart(self):
        """Empties the emulation, as the end of a process does, and serves the same folder anew."""
        self.aws_local = AwsLocal(self.folder, ACCOUNT, AccessKey(*KEYS))
        self.aws_local.load()

    def stop(self):
        self._server.should_exit = True
        self._thread.join()
        self._listening.close()


@contextmanager
def clients(running):
    """Makes clients of a running server, which are closed in the end."""
    made = []

    def make(service, region="us-east-1", kind=boto3.client, keys=KEYS, **config):
        made.append(
            kind(
                service,
                region_name=region,
                endpoint_url=running.url,
                aws_access_key_id=keys[0],
                aws_secret_access_key=keys[1],
                aws_session_token=keys[2] if len(keys) > 2 else None,
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, **config),
            )
        )
        return made[-1]

    yield make
    for each in made:
        getattr(each, "meta", each).client.close() if hasattr(each.meta, "client") else each.close()


@pytest.fixture
def server(tmp_path):
    running = Running(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def restart(server):
    return server.restart


@pytest.fixture
def client(server):
    with clients(server) as make:
        yield make


@pytest.fixture
def s3(client):
    made = client("s3")
    made.create_bucket(Bucket="data")
    return made


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A server of the test module's own. moto has one state a process: use these fixtures or the others, not both."""
    running = Running(tmp_path_factory.mktemp("house"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def guest(house):
    """Makes clients of the house."""
    with clients(house) as make:
        yield make


@pytest.fixture(scope="module")
def store(guest):
    """A client of S3 in the house, where there is a bucket `data`."""
    made = guest("s3")
    made.create_bucket(Bucket="data")
    return made
