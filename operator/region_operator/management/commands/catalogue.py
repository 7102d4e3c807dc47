"""All commands by name, as the map that requests are looked up in."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from region_operator.management.commands import accounts, domains, jobs, keys, meta, regions, sign_in, users
from region_operator.management.commands.declaration import Command

COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {
        command.name: command
        for noun in (sign_in, meta, jobs, regions, domains, accounts, users, keys)
        for command in noun.COMMANDS
    }
)
