"""Runs the application: socket, HTTP server, dispatcher, in one process or several; an orderly end on SIGTERM."""

from __future__ import annotations

import dataclasses
import gc
import importlib
import logging
import math
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn

from tailorbird import app, logs
from tailorbird.api import attributions
from tailorbird.aws_local import AwsLocal
from tailorbird.aws_local.remote import RemoteAwsLocal
from tailorbird.cache import Remarks
from tailorbird.cli import opening, processes
from tailorbird.cli.opening import StartRefused
from tailorbird.cli.sharing import Counts, SharedServer
from tailorbird.cli.variables import ENDPOINT_FILE, local_url
from tailorbird.config import Config
from tailorbird.jobs.dispatcher import Dispatcher
from tailorbird.jobs.health import Health
from tailorbird.jobs.leader import Function, Leader, answering
from tailorbird.storage.folder import LOCK_FILE, MASK, FolderInUse, Lock, make_private
from tailorbird.wire.connection import Connection, Limits
from tailorbird.wire.endpoint import Endpoint
from tailorbird.workspace import Workspace, open_workspace

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


Make = Callable[[uvicorn.Config], uvicorn.Server]


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
    tell = partial(_tell_ready, url, ready)
    if config.processes == 1:
        _lead(workspace, listening, local, tell)
    else:
        workspace.close()  # before the fork: no process may use another's connections
        _serve_together(config, listening, local, tell)
    log.info("stopped")


def _serve_together(config: Config, listening: socket.socket, local: str, tell: Callable[[], None]) -> None:
    """Serves in several processes, the first of which leads (`jobs/leader.py`); raises StartRefused."""
    # Models load it (numba, 41 MB) when they are first opened: each process by itself, unless it is there already.
    importlib.import_module("tailorbird.recipes.scorers.kernels")
    remarks, counts = Remarks(), Counts(config.processes)

    def work(number: int, ready: Callable[[], object]) -> None:
        workspace = open_workspace(config)
        workspace.cache.remarks, workspace.recommendation_log.shared = remarks, True
        make = partial(SharedServer, listening=listening, counts=counts, number=number)
        if number == 0:
            _lead(workspace, listening, local, ready, make)
        else:
            _follow(workspace, listening, local, ready, make)

    try:
        processes.Supervisor(config.processes, work, counts.gone).run(tell)
    except processes.NoStart as error:
        raise StartRefused(str(error)) from error


def _lead(
    workspace: Workspace,
    listening: socket.socket,
    local: str,
    ready: Callable[[], object],
    make: Make | None = None,
) -> None:
    """Serves, runs the dispatcher and has the AWS services beside us; make: the server that shares with others."""
    config, aws_local = workspace.config, None
    if config.s3_endpoint == local:
        metrics = partial(attributions.metrics, workspace)
        aws_local = AwsLocal(config.data_dir / "neighbours", config.account_id, workspace.access_key, metrics)
        threading.Thread(target=aws_local.warm, daemon=True, name="warm").start()
    dispatcher = Dispatcher(workspace)
    health = Health(workspace, dispatcher, aws_local)
    functions: dict[str, Function] = {"hindrances": health.hindrances, "damages": list}
    if aws_local is not None:
        functions |= {name: getattr(aws_local, name) for name in ("answer", "preflight", "secret_of", "damages")}
    endpoint = app.make_endpoint(workspace, aws_local, health)
    with answering(config.data_dir, functions) if make is not None else nullcontext():
        _answer(workspace, listening, ready, endpoint, make or uvicorn.Server, dispatcher)


def _follow(
    workspace: Workspace, listening: socket.socket, local: str, ready: Callable[[], object], make: Make
) -> None:
    """Serves, and asks the leader for what that alone does."""
    config, leader = workspace.config, Leader(workspace.config.data_dir)
    aws_local = RemoteAwsLocal(leader.ask, workspace.access_key) if config.s3_endpoint == local else None
    endpoint = app.make_endpoint(workspace, aws_local, Health(workspace, None, leader))
    _answer(workspace, listening, ready, endpoint, make)


def _answer(
    workspace: Workspace,
    listening: socket.socket,
    ready: Callable[[], object],
    endpoint: Endpoint,
    make: Make,
    dispatcher: Dispatcher | None = None,
) -> None:
    """Answers requests until SIGTERM or SIGINT, then closes the workspace; `ready` is called once they are answered."""
    server = make(_http_config(workspace.config, endpoint))

    def end(*_: object) -> None:
        server.should_exit = True

    # uvicorn ends on these two by itself and then raises them once more, which must not cut the clean-up short. One
    # that comes before uvicorn listens to them, or after, counts as well.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if dispatcher is not None:
        dispatcher.start()
    threading.Thread(target=_announce, args=(server, ready), daemon=True, name="announce").start()
    try:
        server.run(sockets=[listening])
    finally:
        if dispatcher is not None:
            dispatcher.stop()
        workspace.close()


def leave() -> None:
    """Sees to it that the process ends within `LEAVE_SECONDS` after `serve` has.

    All that is to be kept is on disk by then. Python waits for threads: of a slow request, or of the slow end of a
    worker that was killed, which on a busy machine takes minutes to give back its memory.
    """
    end = threading.Timer(LEAVE_SECONDS, os._exit, (0,))
    end.daemon = True
    end.start()


def _http_config(config: Config, endpoint: Endpoint) -> uvicorn.Config:
    limits = Limits(min(config.connections, _descriptors() // 2), config.silence_seconds)
    return uvicorn.Config(
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


def _lock(config: Config) -> Lock:
    latest = time.monotonic() + LEAVE_SECONDS
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                return Lock(config.data_dir)
            except FolderInUse as error:
                if _is_held(config.data_dir) or time.monotonic() > latest:
                    raise StartRefused(str(error)) from error
                time.sleep(0.05)  # serving processes whose parent was killed are on their way out
    except OSError as error:
        file = next((path for path in [config.data_dir, *config.data_dir.parents] if path.is_file()), None)
        reason = f"{file} is a file" if file else error.strerror
        raise StartRefused(
            f"The data folder {config.data_dir} cannot be used: {reason}. Name another one with --data-dir."
        ) from error


def _is_held(folder: Path) -> bool:
    """Whether the process that the lock names is there."""
    try:
        os.kill(int((folder / LOCK_FILE).read_text().partition("\n")[0]), 0)
    except (ValueError, ProcessLookupError):
        return False
    except OSError:  # another user's
        return True
    return True


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


def _announce(server: uvicorn.Server, ready: Callable[[], object]) -> None:
    while not server.started:
        threading.Event().wait(0.02)
    gc.freeze()  # to look through what stays anyway, all modules, takes 150 ms in which nobody is answered
    ready()


def _tell_ready(url: str, ready: Callable[[str], None]) -> None:
    log.info("ready", extra={"url": url})
    try:
        ready(url)
    except OSError as error:  # nobody can read it, but clients may know the URL
        log.warning("the URL could not be printed", extra={"reason": error.strerror})
