import pytest

from region_operator.management.commands.catalogue import COMMANDS
from region_operator.management.commands.declaration import ADMINS, EVERYONE, ROOT_ONLY, Command, Kind, Role

EACH = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())


@EACH
def test_a_command_is_wholly_declared(command: Command) -> None:
    names = [parameter.name.lower() for parameter in command.all_parameters]
    assert len(names) == len(set(names))
    assert command.description
    assert all(parameter.description for parameter in command.all_parameters)
    assert all(field.description for field in command.answer.fields)
    assert command.response_key == f"{command.name.lower()}response"


@EACH
def test_a_uuid_says_what_it_names(command: Command) -> None:
    for parameter in command.parameters:
        assert (parameter.kind is Kind.UUID) == (parameter.entity is not None), parameter.name


def test_job_classes_tell_commands_apart() -> None:
    classes = [command.asynchronous.job_class for command in COMMANDS.values() if command.asynchronous]
    assert len(classes) == len(set(classes)) == 4


@pytest.mark.parametrize(
    ("names", "roles"),
    [
        ("addRegion updateRegion removeRegion getUser createDomain updateDomain deleteDomain", ROOT_ONLY),
        ("listDomains createAccount updateAccount enableAccount disableAccount deleteAccount createUser", ADMINS),
        (
            "listRegions listAccounts updateUser registerUserKeys listApis listCapabilities queryAsyncJobResult",
            EVERYONE,
        ),
    ],
)
def test_roles_are_cloudstacks(names: str, roles: Role) -> None:
    for name in names.split():
        assert COMMANDS[name].roles == roles, name


def test_nobody_but_login_and_logout_is_served_without_a_caller() -> None:
    assert {name for name, command in COMMANDS.items() if not command.roles} == {"login", "logout"}
