"""Runs the application: socket, HTTP server, dispatcher, and an orderly end on SIGTERM."""

from __future__ import annotations

import dataclasses
import gc
import logging
import math
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import uvicorn

from tailorbird import app
from tailorbird.api import attributions
from tailorbird.aws_local import AwsLocal
from tailorbird.cli import opening
from tailorbird.cli.opening import StartRefused
from tailorbird.cli.variables import ENDPOINT_FILE, local_url
from tailorbird.config import Config
from tailorbird.jobs import logs
from tailorbird.jobs.dispatcher import Dispatcher
from tailorbird.jobs.health import Health
from tailorbird.storage.folder import LOCK_FILE, MASK, FolderInUse, Lock, make_private
from tailorbird.wire.connection import Connection, Limits
from tailorbird.wire.endpoint import Endpoint

log = logging.getLogger(__name__)

DESCRIPTORS = 1 << 16
"""Open files that are enough where the system has no bound: half are for connections, of which 1000 are the default."""
COLLECTED = (20_000, 20, 100)
"""When Python looks for cycles among objects: at its own 700, 10 and 10 a sixth of an answer's time went into that."""
LEAVE_SECONDS = 10
"""Which requests under way have to end when the server does, and then its threads: uvicorn by itself sets no bound, and
systemd kills after 90."""
BACKLOG = 2048
"""Connections that wait to be accepted: uvicorn's own default, of which Linux takes what its somaxconn allows."""


def serve(config: Config, ready: Callable[[str], None] = lambda url: None, *, renew: bool = False) -> None:
    """Serves until SIGTERM or SIGINT; `ready` is called with the URL for clients once requests are answered.

    renew: whether what the folder has lost is made anew.

    Raises:
        StartRefused: the folder or the port cannot be had, or the folder's resources are all another account's.
    """
    os.umask(MASK)  # of this process and of its workers, which begin with it
    gc.set_threshold(*COLLECTED)
    logs.start(config)
    if not (config.data_dir / LOCK_FILE).exists():
        _listen(config).close()  # a server that cannot start makes no folder
    lock = _lock(config)
    try:
        with _listen(config) as listening:
            _serve(config, lock, listening, ready, renew)
    finally:
        lock.release()


def _serve(config: Config, lock: Lock, listening: socket.socket, ready: Callable[[str], None], renew: bool) -> None:
    local = local_url(config, listening.getsockname()[1])
    url = config.public_url or local
    config = dataclasses.replace(config, s3_endpoint=config.s3_endpoint or local)
    make_private(config.data_dir)
    workspace = opening.server_workspace(config, renew=renew)
    (config.data_dir / ENDPOINT_FILE).write_text(url)
    lock.tell(url)
    aws_local = None
    if config.s3_endpoint == local:
        metrics = partial(attributions.metrics, workspace)
        aws_local = AwsLocal(config.data_dir / "neighbours", config.account_id, workspace.access_key, metrics)
        threading.Thread(target=aws_local.warm, daemon=True, name="warm").start()
    dispatcher = Dispatcher(workspace)
    server = _http_server(config, app.make_endpoint(workspace, aws_local, Health(workspace, dispatcher)))

    def end(*_: object) -> None:
        server.should_exit = True

    # uvicorn ends on these two by itself and then raises them once more, which must not cut the clean-up short. One
    # that comes before uvicorn listens to them, or after, counts as well.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    dispatcher.start()
    threading.Thread(target=_announce, args=(server, url, ready), daemon=True, name="announce").start()
    try:
        server.run(sockets=[listening])
    finally:
        dispatcher.stop()
        workspace.close()
        log.info("stopped")


def leave() -> None:
    """Sees to it that the process ends within `LEAVE_SECONDS` after `serve` has.

    All that is to be kept is on disk by then. Python waits for threads: of a slow request, or of the slow end of a
    worker that was killed, which on a busy machine takes minutes to give back its memory.
    """
    end = threading.Timer(LEAVE_SECONDS, os._exit, (0,))
    end.daemon = True
    end.start()


def _http_server(config: Config, endpoint: Endpoint) -> uvicorn.Server:
    limits = Limits(min(config.connections, _descriptors() // 2), config.silence_seconds)
    return uvicorn.Server(
        uvicorn.Config(
            endpoint,
            http=cast(Any, partial(Connection, limits, endpoint.at_once)),
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="error",  # what clients send wrong is answered, and no news for an operator
            server_header=False,
            proxy_headers=False,  # nothing here asks who the client is
            timeout_keep_alive=math.ceil(config.silence_seconds),
            timeout_graceful_shutdown=LEAVE_SECONDS,
        )
    )


def _lock(config: Config) -> Lock:
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
        return Lock(config.data_dir)
    except FolderInUse as error:
        raise StartRefused(str(error)) from error
    except OSError as error:
        file = next((path for path in [config.data_dir, *config.data_dir.parents] if path.is_file()), None)
        reason = f"{file} is a file" if file else error.strerror
        raise StartRefused(
            f"The data folder {config.data_dir} cannot be used: {reason}. Name another one with --data-dir."
        ) from error


def _listen(config: Config) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StartRefused(
            f"Nothing can listen on {config.host} port {config.port}: {reason.partition(' (')[0]}. Name another "
            "address with --host or another port with --port; port 0 takes a free one."
        ) from error


def _descriptors() -> int:
    """How many files may be open: as many as the system lets this process have, workers included."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def _announce(server: uvicorn.Server, url: str, ready: Callable[[str], None]) -> None:
    while not server.started:
        threading.Event().wait(0.02)
    gc.freeze()  # to look through what stays anyway, all modules, takes 150 ms in which nobody is answered
    log.info("ready", extra={"url": url})
    try:
        ready(url)
    except OSError as error:  # nobody can read it, but clients may know the URL
        log.warning("the URL could not be printed", extra={"reason": error.strerror})
