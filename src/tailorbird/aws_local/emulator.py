"""moto as a function from a request to an answer: its WSGI applications, called in this process.

moto makes no network call. It loads in about half a second, so it is imported only here and when needed.
"""

from __future__ import annotations

import io
import logging
import re
import traceback
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any
from urllib.parse import unquote
from xml.parsers.expat import ExpatError

from botocore.model import OperationNotFoundError

from tailorbird.aws_local import statistics
from tailorbird.aws_local.credentials import Principal, UserKey
from tailorbird.aws_local.service_request import ServiceRequest
from tailorbird.errors import ServiceError, ServiceUnavailable, UnknownOperationException
from tailorbird.storage import cloudwatch
from tailorbird.storage.metric_counters import Tally
from tailorbird.workspace import AccessKey

log = logging.getLogger(__name__)

Metrics = Callable[[str], Iterable[Tally]]
"""From a region to the metrics that CloudWatch shows of it."""

Answer = tuple[int, list[tuple[str, str]], bytes]
"""HTTP status, headers, body."""

BACKENDS = {"s3": "s3", "iam": "iam", "sts": "sts", "monitoring": "cloudwatch"}
"""moto's names of the services, by those in credential scopes."""
SERVICES = tuple(BACKENDS)

_MOTO_FAILS = (ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError)
"""What moto raises where a request is not as it expects; it checks little."""

_PAGE = b"<!doctype html>"
"""What moto's server answers, for people to read, where it has nothing at a path."""
_ODD = re.compile(rb"[\x00-\x08\x0b-\x1f]|\xef\xbf[\xbe\xbf]")
"""In UTF-8: control characters but tab and line feed, U+FFFE and U+FFFF."""

_NOT_ANSWERED = frozenset(
    {
        "connection",
        "date",
        "keep-alive",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class Emulator:
    """S3, IAM, STS and CloudWatch of moto, empty at first; its state is global to the process: have one at a time."""

    def __init__(self, account_id: str, metrics: Metrics) -> None:
        """`metrics` is asked whenever CloudWatch is.

        Raises:
            ServiceUnavailable: moto is not installed.
        """
        try:
            from moto.backends import get_backend
            from moto.core.config import default_user_config
            from moto.moto_server import werkzeug_app as server
        except ImportError as error:
            raise ServiceUnavailable(
                "S3, IAM, STS and CloudWatch are emulated by moto, which is not installed: run "
                "pip install 'tailorbird[aws-local]', or point the client at real services with "
                f"AWS_ENDPOINT_URL_S3 and the like ({error})."
            ) from error
        self.account_id = account_id
        # Roles are given policies such as service-role/AmazonPersonalizeFullAccess, which nobody creates.
        default_user_config["iam"]["load_aws_managed_policies"] = True
        # Browsers of any origin would be invited to read the answers.
        vars(server)["DISABLE_GLOBAL_CORS"] = True
        self._applications: dict[str, Any] = {}
        for service in SERVICES:
            backends: Any = get_backend(BACKENDS[service])  # type: ignore[call-overload]
            if service == "iam":  # each of its backends reads AWS's 1500 policies: a tenth of a second of a core
                backends.pop(account_id, None)
            else:
                for account in list(backends.values()):
                    account.reset()
            application: Any = server.create_backend_app(BACKENDS[service])  # type: ignore[arg-type]
            application.request_class = _request_class()
            self._applications[service] = application
        # IAM is made before any call is replayed: it draws lots, which would make the ids of that call others.
        self.user_keys()
        self._bucket_owners().clear()
        _metrics_provider().metrics = metrics
        statistics.mend()

    def call(self, call: ServiceRequest) -> Answer:
        """Answers a request; the content-length is left to the server, except after HEAD.

        Raises ServiceError for a body that should be XML and is not, and where moto fails.
        """
        from werkzeug.test import run_wsgi_app

        try:
            body, status, headers = run_wsgi_app(self._applications[call.service], self._environ(call), buffered=True)
        except ExpatError as error:
            raise ServiceError(400, "MalformedXML", f"The body is not well-formed XML: {error}.") from error
        except OperationNotFoundError as error:
            raise UnknownOperationException(f"The service {call.service!r} has no such operation: {error}.") from error
        except _MOTO_FAILS as error:
            raise _beyond_moto(call, error) from error
        code = int(status.split(maxsplit=1)[0])
        answer = b"".join(body)
        if code >= 400 and answer[:15].lower() == _PAGE:
            raise ServiceError(404, "InvalidURI", f"The emulated {call.service} has nothing at {call.path!r}.")
        silent = call.method == "HEAD" or code in (204, 304)
        dropped = _NOT_ANSWERED if call.method == "HEAD" else _NOT_ANSWERED | {"content-length"}
        kept = [(name, value) for name, value in headers if name.lower() not in dropped]
        return code, kept, b"" if silent else _references(headers, answer) if call.service == "s3" else answer

    def s3(self, bucket_name: str) -> Any:
        """The S3 backend of moto that holds a bucket; None where no such bucket exists."""
        from moto.s3.models import s3_backends

        owner = self._bucket_owners().get(bucket_name)
        return None if owner is None else s3_backends[owner[1]][owner[0]]

    def bucket(self, bucket_name: str) -> Any:
        """A moto bucket, or None."""
        backend = self.s3(bucket_name)
        return None if backend is None else backend.buckets[bucket_name]

    def buckets(self) -> list[dict[str, Any]]:
        """The tables of buckets by their names: the owners of all, and those of each partition of AWS."""
        from moto.s3.models import s3_backends

        partitions: Any = s3_backends[self.account_id]
        return [self._bucket_owners(), *(backend.buckets for backend in partitions.values())]

    def cloudwatch(self, region: str) -> Any:
        """The CloudWatch backend of moto for a region."""
        from moto.cloudwatch.models import cloudwatch_backends

        return cloudwatch_backends[self.account_id][region]

    @property
    def iam(self) -> Any:
        """The IAM backend of moto."""
        from moto.iam.models import iam_backends

        return iam_backends[self.account_id]["aws"]

    def user_keys(self) -> dict[str, UserKey]:
        """The access keys of IAM's users by id."""
        users = self.iam.users.values()
        return {
            key.access_key_id: UserKey(
                AccessKey(key.access_key_id, key.secret_access_key),
                Principal(user.arn, user.id),
                key.status == "Active",
            )
            for user in users
            for key in user.access_keys
        }

    def forget_instances(self) -> None:
        """Empties moto's list of every S3 object there ever was, which only grows."""
        from moto.s3 import models

        for kind in (models.FakeKey, models.FakeMultipart):
            vars(kind)["instances_tracked"].clear()

    def _bucket_owners(self) -> dict[str, tuple[str, str]]:
        from moto.s3.models import s3_backends

        return s3_backends.bucket_accounts

    def _environ(self, call: ServiceRequest) -> dict[str, Any]:
        from moto.core.request import (
            PRESERVED_HEADER_NAMES_ENVIRON_KEY,
            environ_key_for_header,
            should_preserve_original_header_name,
        )

        named = {name: value for name, value in call.headers.items() if name != "x-amz-target" or call.speaks_json}
        headers = named | {
            # moto takes from it the region, the service and who asks; the signature was verified before.
            "authorization": f"AWS4-HMAC-SHA256 Credential={call.caller or 'AKIAIOSFODNN7EXAMPLE'}/20250101/"
            f"{call.region}/{call.service}/aws4_request, SignedHeaders=host, Signature=verified",
            "x-moto-account-id": self.account_id,
        }
        return {environ_key_for_header(name): value for name, value in headers.items()} | {
            "REQUEST_METHOD": call.method,
            "SCRIPT_NAME": "",
            # It finds the function; the key is read from RAW_URI. No pattern matches a line feed.
            "PATH_INFO": unquote(call.path, "latin-1").replace("\n", " "),
            "RAW_URI": call.path,
            "QUERY_STRING": call.query,
            "CONTENT_LENGTH": str(len(call.body)),
            # A host without a dot is how moto knows that buckets are in the path.
            "HTTP_HOST": "localhost",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(call.body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            # Metadata keys may hold underscores, which WSGI does not tell from dashes.
            PRESERVED_HEADER_NAMES_ENVIRON_KEY: {
                environ_key_for_header(name): name
                for name in call.headers
                if should_preserve_original_header_name(name)
            },
        }


def _beyond_moto(call: ServiceRequest, error: Exception) -> ServiceError:
    """The answer to a request that moto cannot read or has no code for; it checks little of what it is sent."""
    told = f"{type(error).__name__}: {error}"[:200]
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.warning(
        "moto fails at %s %s %s: %s (%s)", call.service, call.method, call.path, told, f"{place.name}:{place.lineno}"
    )
    if isinstance(error, NotImplementedError):
        status, code = 501, "NotImplemented"
    else:
        status, code = 400, "InvalidRequest" if call.service == "s3" else "ValidationError"
    return ServiceError(
        status,
        code,
        f"The emulated {call.service} cannot answer this request ({told}): something in it is missing, malformed or "
        "beyond the emulation.",
    )


def _references(headers: Iterable[tuple[str, str]], answer: bytes) -> bytes:
    """An answer of S3 in XML with references for characters that a reader of XML would refuse, or take for others.

    Keys may hold them. As the answers of AWS, readers need `encoding-type=url` for those that XML 1.0 has not at all
    (https://www.w3.org/TR/xml/#charsets). An object, which has an ETag, is answered as it is.
    """
    named = {name.lower(): value for name, value in headers}
    if "etag" in named or "xml" not in named.get("content-type", ""):
        return answer
    return _ODD.sub(lambda found: b"&#x%X;" % ord(found[0].decode()), answer)


@cache
def _metrics_provider() -> Any:
    """What CloudWatch asks for the metrics of a service; moto finds the class by itself."""
    from moto.cloudwatch.models import MetricDatum
    from moto.core.common_models import CloudWatchMetricProvider

    class Personalize(CloudWatchMetricProvider):
        metrics: Metrics

        @staticmethod
        def get_cloudwatch_metrics(account_id: str, region: str) -> Any:
            return [
                MetricDatum(
                    namespace=cloudwatch.NAMESPACE,
                    name=datum["MetricName"],
                    value=datum["Value"],
                    dimensions=datum["Dimensions"],
                    timestamp=datum["Timestamp"].replace(tzinfo=None),
                )
                for datum in map(cloudwatch.datum, Personalize.metrics(region))
            ]

    return Personalize


def _request_class() -> type:
    from moto.moto_server.werkzeug_app import BackendRequest

    class FormsOnlyByPost(BackendRequest):
        """Does not take an object that is uploaded as application/x-www-form-urlencoded for a form."""

        @property
        def want_form_data_parsed(self) -> bool:
            return self.method == "POST"

    return FormsOnlyByPost
