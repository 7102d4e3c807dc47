"""What the API answers when it does not do as asked: CloudStack's error codes, which are also the HTTP status.

Clients match on codes and texts; both are CloudStack's wherever it has them.
"""

from typing import Final

from region_operator.errors import RegionOperatorError


class ApiError(RegionOperatorError):
    """An answer that is an error.

    Attributes:
        code: errorcode and HTTP status.
        cs_code: cserrorcode, after the exception's class in CloudStack; None = the answer has none.
    """

    code: int = 530
    cs_code: int | None = 9999

    @property
    def text(self) -> str:
        return str(self)


class BadRequest(ApiError):
    """A session call that names no command."""

    code, cs_code = 400, None


class Unauthorized(ApiError):
    """Nobody we know, or nobody who may call this command."""

    code, cs_code = 401, None


class MethodNotAllowed(ApiError):
    code = 405


class WrongRequest(ApiError):
    """The request does not fit the command's declaration."""

    code = 431


class InvalidParameter(ApiError):
    """A value fits the declaration but not the state of the cloud."""

    code, cs_code = 431, 4350


class ServiceUnavailable(ApiError):
    """No database, too busy, or shutting down; ask again later or another replica."""

    code = 503


class InternalError(ApiError):
    """The command could not be done."""

    code, cs_code = 530, 4250


class PermissionDenied(ApiError):
    code, cs_code = 531, 4365


class AuthenticationFailed(ApiError):
    """A sign-in with a wrong name, password or domain."""

    code, cs_code = 531, None


HIDDEN_TEXT: Final = "Internal error executing command, please contact your system administrator"
"""What others than root admins are told of an internal error."""
