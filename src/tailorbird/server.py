"""Runs the application: socket, HTTP server, dispatcher, and an orderly end on SIGTERM."""

from __future__ import annotations

import dataclasses
import logging
import signal
import socket
import threading
from collections.abc import Callable
from functools import partial

import uvicorn

from tailorbird import app, logs
from tailorbird.api import attributions
from tailorbird.api.jobs import Dispatcher
from tailorbird.config import Config
from tailorbird.neighbours import Neighbours
from tailorbird.wire import model
from tailorbird.workspace import access_key, open_workspace

log = logging.getLogger(__name__)

ENDPOINT_FILE = "endpoint"
"""In the data folder: the URL at which the server was last reachable, for `tailorbird env`."""


def serve(config: Config, ready: Callable[[str], None] = lambda url: None) -> None:
    """Serves until SIGTERM or SIGINT; `ready` is called with the URL once requests are answered."""
    listening = socket.create_server((config.host, config.port), backlog=2048)
    url = f"http://{config.host}:{listening.getsockname()[1]}"
    config = dataclasses.replace(config, s3_endpoint=config.s3_endpoint or url)
    logs.start(config)
    workspace = open_workspace(config)
    (config.data_dir / ENDPOINT_FILE).write_text(url)
    neighbours = None
    if config.s3_endpoint == url:
        metrics = partial(attributions.metrics, workspace)
        neighbours = Neighbours(config.data_dir / "neighbours", config.account_id, workspace.access_key, metrics)
        threading.Thread(target=neighbours.warm, daemon=True, name="warm").start()
    dispatcher = Dispatcher(workspace)
    server = uvicorn.Server(
        uvicorn.Config(
            app.make_endpoint(workspace, neighbours),
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=10,
        )
    )
    # uvicorn ends on these two by itself and then raises them once more, which must not cut the clean-up short.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    dispatcher.start()
    threading.Thread(target=_announce, args=(server, url, ready), daemon=True, name="announce").start()
    try:
        server.run(sockets=[listening])
    finally:
        dispatcher.stop()
        workspace.close()
        log.info("stopped")


def _announce(server: uvicorn.Server, url: str, ready: Callable[[str], None]) -> None:
    while not server.started:
        threading.Event().wait(0.02)
    log.info("ready", extra={"url": url})
    ready(url)


def environment(config: Config) -> dict[str, str]:
    """The variables that point an AWS client at the server on this data folder, and let it know our own service.

    The URL is where the server last was, or where it would be.
    """
    config.data_dir.mkdir(parents=True, exist_ok=True)
    key = access_key(config.data_dir)
    file = config.data_dir / ENDPOINT_FILE
    return {
        "AWS_ENDPOINT_URL": file.read_text() if file.exists() else f"http://{config.host}:{config.port}",
        "AWS_DEFAULT_REGION": config.region,
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        "AWS_DATA_PATH": str(model.FOLDER),
    }
