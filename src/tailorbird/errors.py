"""The errors that clients see, under AWS's own codes.

    AwsError                                  control   events and runtime
    ├── InvalidInputException                 400       400
    ├── ResourceNotFoundException             400       404
    ├── ResourceInUseException                400       409
    ├── ResourceAlreadyExistsException        400       409
    ├── LimitExceededException                400       429
    ├── ThrottlingException                   400       400
    ├── InvalidNextTokenException             400       400
    ├── TooManyTagsException                  400       400
    ├── TooManyTagKeysException               400       400
    ├── UnknownOperationException             400       404
    ├── RequestTooLargeException              413       413
    ├── RequestHeaderSectionTooLarge          431       431
    ├── IncompleteSignatureException          400       400
    ├── RequestExpired                        400       400
    ├── MissingAuthenticationTokenException   403       403
    ├── UnrecognizedClientException           403       403
    ├── InvalidSignatureException             403       403
    ├── AccessDeniedException                 400       403
    ├── ExpiredTokenException                 400       403
    ├── ServiceError                          its own, a neighbour's
    ├── InternalFailure                       500       500
    │   ├── DamagedFile
    │   └── NewerFormat
    └── ServiceUnavailable                    503       503
        ├── NoSpace
        └── DatabaseUnavailable

The class name is the code on the wire (spec control-plane 1.3); the last of each branch, which AWS has not, go by the
code of their parent. A message says what is wrong and what to do.
"""

from __future__ import annotations

from pathlib import Path


class AwsError(Exception):
    """An error answered to the client; never raised itself, only through a subclass."""

    control_status = 400
    rest_status = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def code(self) -> str:
        """AWS's error code."""
        return type(self).__name__


class InvalidInputException(AwsError):
    """A value, schema or expression that is wrong."""


class ResourceNotFoundException(AwsError):
    """No resource has this ARN."""

    rest_status = 404


class ResourceInUseException(AwsError):
    """Something depends on the resource, or it is in a transitional state."""

    rest_status = 409


class ResourceAlreadyExistsException(AwsError):
    """The name is taken, or the resource that a group may have once exists."""

    rest_status = 409


class LimitExceededException(AwsError):
    """A quota is used up."""

    rest_status = 429


class ThrottlingException(AwsError):
    """More requests a second than there may be."""


class InvalidNextTokenException(AwsError):
    """A page token that this server did not issue."""


class TooManyTagsException(AwsError):
    """More than 50 tags on one resource."""


class TooManyTagKeysException(AwsError):
    """Too many keys in one UntagResource."""


class UnknownOperationException(AwsError):
    """No such operation, or one this version does not have."""

    rest_status = 404


class RequestTooLargeException(AwsError):
    """A body over the configured limit."""

    control_status = rest_status = 413


class RequestHeaderSectionTooLarge(AwsError):
    """More headers than a request may have."""

    control_status = rest_status = 431


class IncompleteSignatureException(AwsError):
    """An Authorization header that cannot be read."""


class RequestExpired(AwsError):
    """A signature whose date is too far from the server's clock."""


class MissingAuthenticationTokenException(AwsError):
    """An unsigned request."""

    control_status = rest_status = 403


class UnrecognizedClientException(AwsError):
    """An access key this installation does not have."""

    control_status = rest_status = 403


class InvalidSignatureException(AwsError):
    """A signature that does not match the request and the secret key."""

    control_status = rest_status = 403


class AccessDeniedException(AwsError):
    """What this caller may not do."""

    rest_status = 403


class ExpiredTokenException(AwsError):
    """A session token whose time is over."""

    rest_status = 403


class ServiceError(AwsError):
    """An error of a service beside Personalize, under that service's own code and status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.control_status = self.rest_status = status
        self._code = code

    @property
    def code(self) -> str:
        """The service's code."""
        return self._code

    def __reduce__(self) -> tuple[type[ServiceError], tuple[int, str, str]]:
        """So that it comes back from another process as it was."""
        return ServiceError, (self.control_status, self._code, self.message)


class InternalFailure(AwsError):
    """A defect of the server; the details are in its log, under the request id."""

    control_status = rest_status = 500


class ServiceUnavailable(AwsError):
    """The server cannot answer now; try again."""

    control_status = rest_status = 503


class DamagedFile(InternalFailure):
    """A file of the installation that is not as it was written, or is gone.

    `message` is for clients, whom no path concerns; str() is for logs and the terminal.
    """

    def __init__(self, path: Path, reason: str, remedy: str, touched: str) -> None:
        super().__init__(
            f"The stored data of {touched} are damaged. The server's log, and `tailorbird check` on its machine, name "
            "the file and the remedy."
        )
        self.path = path
        self.reason = reason
        """What is wrong, as it follows the path in a sentence."""
        self.remedy = remedy
        """Whole sentences."""
        self.touched = touched
        """Whose data are in the file: an ARN, or words such as "all resources"."""

    @property
    def code(self) -> str:
        """Its parent's."""
        return InternalFailure.__name__

    def __str__(self) -> str:
        """Path, reason, what it touches, remedy."""
        return f"{self.path} {self.reason}. It holds data of {self.touched}. {self.remedy}"

    def __reduce__(self) -> tuple[type[DamagedFile], tuple[Path, str, str, str]]:
        """So that it comes back from a worker process as it was."""
        return DamagedFile, (self.path, self.reason, self.remedy, self.touched)


class NoSpace(ServiceUnavailable):
    """A disk of the server is full; what was to be written is not there, not even in part."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"There is no space left in {folder}. Make room there and try again.")
        self.folder = folder

    @property
    def code(self) -> str:
        """Its parent's."""
        return ServiceUnavailable.__name__

    def __reduce__(self) -> tuple[type[NoSpace], tuple[Path]]:
        """So that it comes back from a worker process as it was."""
        return NoSpace, (self.folder,)


class DatabaseUnavailable(ServiceUnavailable):
    """The database does not answer, or not in time; whether what was asked of it is done is unknown.

    `message` is for clients, whom no host concerns; str() is for logs and the terminal.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("The database cannot be reached now, or has too much to do. Try again in a moment.")
        self.reason = reason
        """The driver's words, without a password."""

    @property
    def code(self) -> str:
        """Its parent's."""
        return ServiceUnavailable.__name__

    def __str__(self) -> str:
        """The reason as well."""
        return f"{self.message} ({self.reason})"

    def __reduce__(self) -> tuple[type[DatabaseUnavailable], tuple[str]]:
        """So that it comes back from a worker process as it was."""
        return DatabaseUnavailable, (self.reason,)


class NewerFormat(InternalFailure):
    """What a newer version of the program wrote, which this one must not touch."""

    def __init__(self, what: str, found: int, known: int) -> None:
        super().__init__(
            f"{what} has format {found}, and this version of Tailorbird knows formats up to {known}: a newer version "
            "has written it. Use that version, or a backup from before."
        )
        self._parts = (what, found, known)

    @property
    def code(self) -> str:
        """Its parent's."""
        return InternalFailure.__name__

    def __reduce__(self) -> tuple[type[NewerFormat], tuple[str, int, int]]:
        """So that it comes back from a worker process as it was."""
        return NewerFormat, self._parts
