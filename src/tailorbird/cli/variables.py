"""Where the server of an installation is, and the variables that point AWS's clients and `tailorbird` at it.

Apart from `server`, whose imports take seconds: a shell asks for these variables at its start.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from tailorbird.config import Config
from tailorbird.wire import model
from tailorbird.workspace import access_key

ENDPOINT_FILE = "endpoint"
"""In the data folder: the URL at which the server was last reachable, for `tailorbird env`."""
SCHEMES = {"http": 80, "https": 443}
"""Ports of URLs that name none."""
ANSWER_SECONDS = 2
"""How long a server, mostly on this machine, may take to accept a connection; not tuned."""


def local_url(config: Config, port: int) -> str:
    """The URL at which processes of this machine reach the server."""
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(config.host, config.host)  # noqa: S104 - read, not set
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def answers(url: str) -> bool:
    """Whether anything listens at a URL."""
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname, place.port or SCHEMES[place.scheme]), ANSWER_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def environment(config: Config) -> dict[str, str]:
    """The variables that point an AWS client at the server on this data folder, and let it know our own service.

    The URL is that of the setting, or where the server last was, or where it would be. The folder is absolute, so that
    `tailorbird jobs` and the like find it from every other one.
    """
    key = access_key(config)
    file = config.data_dir / ENDPOINT_FILE
    last = file.read_text() if file.exists() else local_url(config, config.port)
    return {
        "AWS_ENDPOINT_URL": config.public_url or last,
        "AWS_DEFAULT_REGION": config.region,
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        "AWS_DATA_PATH": str(model.FOLDER),
        "TAILORBIRD_DATA_DIR": str(config.data_dir),
    }
