"""What a request says, apart from how it came: parameters, session, and who therefore calls."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl

from region_operator.api.signature import EXPIRES_FORMAT, SIGNATURE, is_signed
from region_operator.errors import InvalidInput
from region_operator.management.commands.call import Caller, can_sign_in
from region_operator.management.commands.errors import Unauthorized, WrongRequest
from region_operator.management.store import sessions, users
from region_operator.management.store.connection import Transaction
from region_operator.management.store.encryption import SecretKeyCipher

log = logging.getLogger(__name__)

_MAX_PARAMETERS: Final = 1000
_WRONG_SIGNATURE: Final = "unable to verify user credentials and/or request signature"
_WRONG_SESSION: Final = "unable to verify user credentials"


class SessionInvalid(Unauthorized):
    """The session is over, is not the caller's, or its user may no longer sign in."""


@dataclass(frozen=True)
class Request:
    """A request of either method.

    Attributes:
        sent: the parameters by name as sent, which is what was signed.
        session_id: cookie JSESSIONID.
        session_key: cookie sessionkey.
    """

    method: str
    sent: Mapping[str, str] = field(repr=False)
    session_id: str | None = field(default=None, repr=False)
    session_key: str | None = field(default=None, repr=False)

    @property
    def parameters(self) -> Mapping[str, str]:
        """By name in lower case."""
        folded: dict[str, str] = {}
        for name, value in self.sent.items():
            folded.setdefault(name.lower(), value)
        return folded


def read_parameters(query: str, form: bytes) -> dict[str, str]:
    """Those of the query string before those of the form; of a repeated one the first counts.

    Raises:
        WrongRequest: there are too many.
    """
    try:
        pairs = [
            pair
            for text in (query, form.decode("utf-8", "replace"))
            for pair in parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MAX_PARAMETERS)
        ]
    except ValueError:
        raise WrongRequest(f"A request may have at most {_MAX_PARAMETERS} parameters") from None
    parameters: dict[str, str] = {}
    for name, value in pairs:
        parameters.setdefault(name, value)
    return parameters


def identify(transaction: Transaction, request: Request, *, cipher: SecretKeyCipher, now: datetime) -> Caller:
    """Who calls, by signature or else by session.

    Raises:
        Unauthorized: nobody that we know.
    """
    parameters = request.parameters
    if "apikey" in parameters or SIGNATURE in parameters:
        return _by_signature(transaction, request, cipher=cipher, now=now)
    if request.session_id is not None:
        return _by_session(transaction, request.session_id, parameters.get("sessionkey") or request.session_key)
    raise Unauthorized(_WRONG_SIGNATURE)


def _by_signature(transaction: Transaction, request: Request, *, cipher: SecretKeyCipher, now: datetime) -> Caller:
    parameters = request.parameters
    user = users.by_api_key(transaction, parameters.get("apikey", ""))
    secret_key = _secret_key(user.secret_key, cipher) if user else None
    if user is None or secret_key is None or not is_signed(request.sent, secret_key, parameters.get(SIGNATURE, "")):
        raise Unauthorized(_WRONG_SIGNATURE)
    if parameters.get("signatureversion") == "3" and _expired(parameters.get("expires"), now):
        raise Unauthorized(_WRONG_SIGNATURE)
    if not can_sign_in(user) or user.api_key_access in (False, 0):
        raise Unauthorized(_WRONG_SIGNATURE)
    return Caller.of(user)


def _secret_key(stored: str | None, cipher: SecretKeyCipher) -> str | None:
    try:
        return cipher.decrypt(stored) if stored else None
    except InvalidInput as problem:
        log.warning("a stored secret key cannot be used: %s", problem)
        return None


def _expired(text: str | None, now: datetime) -> bool:
    try:
        return text is None or datetime.strptime(text, EXPIRES_FORMAT) < now  # noqa: DTZ007 - it has %z
    except ValueError:
        return True


def _by_session(transaction: Transaction, session_id: str, session_key: str | None) -> Caller:
    user_id = sessions.user_of(transaction, session_id=session_id, session_key=session_key or "")
    user = users.by_id(transaction, user_id) if user_id is not None else None
    if user is None or not can_sign_in(user):
        raise SessionInvalid(_WRONG_SESSION)
    return Caller.of(user)
