"""Turns the strings of a request into the values that a command's declaration asks for, or says what is wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from region_operator.management.commands.declaration import Command, Kind, Listing, Parameter
from region_operator.management.commands.errors import InvalidParameter, WrongRequest
from region_operator.management.store.identities import Entity
from region_operator.management.store.query import Page

MAX_PAGE_SIZE: Final = 500
_UNLIMITED: Final = -1
_RANGES: Final = {
    Kind.SHORT: 2**15,
    Kind.INTEGER: 2**31,
    Kind.LONG: 2**63,
}

FindId = Callable[[Entity, str], int | None]
Value = TypeVar("Value")


@dataclass(frozen=True)
class Arguments:
    """The checked values of a request by parameter name; asking for an undeclared name is a defect (KeyError)."""

    _values: Mapping[str, Any] = field(repr=False)
    page: Page = field(default_factory=Page)

    def text(self, name: str) -> str:
        value: str = self._values[name]
        return value

    def optional_text(self, name: str) -> str | None:
        value: str | None = self._values[name]
        return value

    def number(self, name: str) -> int:
        value: int = self._values[name]
        return value

    def optional_number(self, name: str) -> int | None:
        """A number, or the local id of the row that a uuid names."""
        value: int | None = self._values[name]
        return value

    def get(self, name: str) -> Any:
        """The value, or None if it was not given, or if the command has no such parameter."""
        return self._values.get(name)

    def flag(self, name: str) -> bool:
        return bool(self._values[name])

    def optional_flag(self, name: str) -> bool | None:
        value: bool | None = self._values[name]
        return value


def parse(command: Command, given: Mapping[str, str], find_id: FindId) -> Arguments:
    """The arguments in ``given`` (names in lower case); undeclared parameters are ignored, as CloudStack does.

    Raises:
        WrongRequest: missing, or of the wrong type.
        InvalidParameter: too long, or a page that cannot be.
    """
    values = {p.name: _value(command, p, given.get(p.name.lower()), find_id) for p in command.all_parameters}
    page = Page()
    if isinstance(command.answer, Listing) and command.answer.paged:
        page = _page(command, values["page"], values["pagesize"])
    return Arguments(values, page)


def _value(command: Command, parameter: Parameter, text: str | None, find_id: FindId) -> Any:
    # An empty text is a value: it clears a field, or the handler names what may not be empty.
    if text is None or (text == "" and parameter.kind is not Kind.STRING):
        if parameter.required:
            raise WrongRequest(
                f"Unable to execute API command {command.label} due to missing parameter {parameter.name}"
            )
        return None
    if parameter.unsupported:
        raise InvalidParameter(f"Parameter {parameter.name} is not supported by this server; leave it out")
    if len(text) > parameter.length:
        raise InvalidParameter(f"Value greater than max allowed length {parameter.length} for param: {parameter.name}")
    match parameter.kind:
        case Kind.UUID:
            return _local_id(command, parameter, text, find_id)
        case Kind.BOOLEAN:
            return _known(command, parameter, text, {"true": True, "false": False}.get(text.strip().lower()))
        case Kind.SHORT | Kind.INTEGER | Kind.LONG:
            return _known(command, parameter, text, _integer(text, _RANGES[parameter.kind]))
        case _:
            return text


def _local_id(command: Command, parameter: Parameter, text: str, find_id: FindId) -> int:
    assert parameter.entity is not None, f"{command.name}.{parameter.name} names no entity"
    found = find_id(parameter.entity, text)
    if found is None:
        raise WrongRequest(
            f"Unable to execute API command {command.label} due to invalid value. Invalid parameter {parameter.name} "
            f"value={text} due to incorrect long value format, or entity does not exist or due to incorrect parameter "
            "annotation for the field in api cmd class."
        )
    return found


def _known(command: Command, parameter: Parameter, text: str, value: Value | None) -> Value:
    if value is None:
        raise WrongRequest(
            f"Unable to execute API command {command.label} due to invalid value {text} for parameter {parameter.name}"
        )
    return value


def _integer(text: str, bound: int) -> int | None:
    digits = text.strip()
    if not (digits.removeprefix("-").isascii() and digits.removeprefix("-").isdigit()):
        return None
    number = int(digits)
    return number if -bound <= number < bound else None


def _page(command: Command, page: int | None, page_size: int | None) -> Page:
    if page_size == _UNLIMITED:
        if page is not None:
            raise InvalidParameter("Can't specify page parameter when pagesize is -1 (Unlimited)")
        return Page(limit=None)
    if page is None and page_size is None:
        return Page(limit=MAX_PAGE_SIZE)
    if page_size is None:
        raise WrongRequest('"pagesize" parameter is required when "page" is specified')
    if page is None:
        raise WrongRequest('"page" parameter is required when "pagesize" is specified')
    if page_size > MAX_PAGE_SIZE:
        raise InvalidParameter(f"Page size can't exceed max allowed page size value: {MAX_PAGE_SIZE}")
    for name, number in (("page", page), ("pagesize", page_size)):
        if number < 1:
            raise WrongRequest(
                f"Unable to execute API command {command.label} due to invalid value {number} for parameter {name}"
            )
    return Page(offset=(page - 1) * page_size, limit=page_size)
