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
    ├── InternalFailure                       500       500
    └── ServiceUnavailable                    503       503

The class name is the code on the wire (spec control-plane 1.3). A message says what is wrong and what to do.
"""

from __future__ import annotations


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


class InternalFailure(AwsError):
    """A defect of the server; the details are in its log, under the request id."""

    control_status = rest_status = 500


class ServiceUnavailable(AwsError):
    """The server cannot answer now; try again."""

    control_status = rest_status = 503
