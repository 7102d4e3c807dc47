"""How a command is declared; checking requests, error texts, roles and listApis all follow from the declaration.

ENABLE_USER = Command(
    name="enableUser",
    description="Enables a user account",
    roles=ADMINS,
    parameters=(Parameter("id", Kind.UUID, "Enables user by user ID.", required=True, entity=Entity.USER),),
    answer=Single("user", USER_FIELDS),
    handler=enable_user,
)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, Flag
from typing import TYPE_CHECKING, Any, Final

from region_operator.management.store.identities import Entity

if TYPE_CHECKING:
    from region_operator.management.commands.call import Call

Body = Mapping[str, Any]


class Role(Flag):
    """Who may call a command; CloudStack's bits."""

    ROOT_ADMIN = 1
    RESOURCE_ADMIN = 2
    DOMAIN_ADMIN = 4
    USER = 8


ROOT_ONLY: Final = Role.ROOT_ADMIN
ADMINS: Final = Role.ROOT_ADMIN | Role.RESOURCE_ADMIN | Role.DOMAIN_ADMIN
EVERYONE: Final = ADMINS | Role.USER
ANYBODY: Final = Role(0)
"""Callable without being signed in."""


class Kind(Enum):
    """Types of parameters, as listApis names them."""

    STRING = "string"
    UUID = "uuid"
    INTEGER = "integer"
    LONG = "long"
    SHORT = "short"
    BOOLEAN = "boolean"
    LIST = "list"
    MAP = "map"


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        length: most characters of a value.
        entity: what the uuid names; the handler gets the local id.
        unsupported: part of CloudStack's command, but refused here rather than ignored.
    """

    name: str
    kind: Kind
    description: str
    required: bool = False
    length: int = 255
    entity: Entity | None = None
    unsupported: bool = False


@dataclass(frozen=True)
class Field:
    """One field of an answer."""

    name: str
    type: str
    description: str
    fields: tuple["Field", ...] = ()


@dataclass(frozen=True)
class Single:
    """The answer holds one object under ``key``."""

    key: str
    fields: tuple[Field, ...]

    def render(self, result: Body) -> Body:
        return {self.key: result}


@dataclass(frozen=True)
class Listing:
    """The answer holds a page of objects under ``key`` and the number on all pages; an empty page is ``{}``."""

    key: str
    fields: tuple[Field, ...]
    paged: bool = True

    def render(self, result: Body) -> Body:
        return {"count": result["total"], self.key: result["items"]} if result["items"] else {}


@dataclass(frozen=True)
class Success:
    """The answer says that it was done."""

    fields: tuple[Field, ...] = (
        Field("success", "boolean", "true if operation is executed successfully"),
        Field("displaytext", "string", "any text associated with the success or failure"),
    )

    def render(self, result: Body) -> Body:
        return {"success": True, **result}


@dataclass(frozen=True)
class Flat:
    """The fields stand directly in the answer."""

    fields: tuple[Field, ...]

    def render(self, result: Body) -> Body:
        return result


Answer = Single | Listing | Success | Flat

PAGING: Final = (
    Parameter("keyword", Kind.STRING, "List by keyword"),
    Parameter("page", Kind.INTEGER, "the page to list, from 1; together with pagesize"),
    Parameter("pagesize", Kind.INTEGER, "the number of entries per page, at most 500; -1 = all"),
)


@dataclass(frozen=True)
class Target:
    """The resource that an asynchronous command works on."""

    instance_type: str
    instance_id: int


@dataclass(frozen=True)
class Asynchronous:
    """Makes a command a job.

    Attributes:
        job_class: how queryAsyncJobResult names the command: CloudStack's class.
        target: finds the resource and refuses what can be refused at once.
    """

    job_class: str
    target: Callable[["Call"], Target]


@dataclass(frozen=True)
class SessionOpened:
    """The answer of a handler that signed somebody in."""

    body: Body
    session_id: str
    session_key: str


@dataclass(frozen=True)
class SessionEnded:
    """The answer of a handler that signed somebody out."""

    body: Body


Outcome = Body | SessionOpened | SessionEnded


@dataclass(frozen=True)
class Command:
    """A command of the API.

    Attributes:
        handler: does it, and returns what ``answer`` renders.
        post_only: refused by GET, whose parameters end up in logs and histories.
    """

    name: str
    description: str
    roles: Role
    parameters: tuple[Parameter, ...]
    answer: Answer
    handler: Callable[["Call"], Outcome]
    asynchronous: Asynchronous | None = None
    post_only: bool = False
    since: str = ""

    @property
    def label(self) -> str:
        """The name as error texts have it."""
        return self.name.lower()

    @property
    def response_key(self) -> str:
        return f"{self.label}response"

    @property
    def all_parameters(self) -> tuple[Parameter, ...]:
        paged = isinstance(self.answer, Listing) and self.answer.paged
        return self.parameters + PAGING if paged else self.parameters
