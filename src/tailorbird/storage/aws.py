"""Clients of AWS services beside Personalize, with the installation's own settings and no others.

With `objects` and `cloudwatch` the only modules besides `wire` that know botocore.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.session import Session

ATTEMPTS = 5
"""Times that a request is sent, and that a download which broke off is resumed, before giving up: botocore's own number
where no mode of retries is set."""
_TURN = threading.Lock()
"""Held while a client is made: sessions are not for several threads at once, clients are."""


@cache
def _session() -> Session:
    """Kept, since it has read what botocore knows of a service: the next client takes 6 ms rather than 100."""
    from botocore.session import Session

    # The installation's own settings count, never those of the account that runs the server.
    nothing = (None, None, os.devnull, None)
    return Session({"profile": (None, None, None, None), "config_file": nothing, "credentials_file": nothing})


def client(service: str, endpoint: str, access_key: str, secret_key: str, region: str, **options: Any) -> Any:
    """A botocore client; `options` are botocore's."""
    from botocore.config import Config

    with _TURN:
        return _session().create_client(
            service,
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS}, **options),
        )
