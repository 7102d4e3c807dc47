"""From settings and mounted credentials to the address of a region's database."""

from pathlib import Path

from region_operator.errors import InvalidInput
from region_operator.replication.store.region_store import Address
from region_operator.settings import DatabaseSettings


def address_of(settings: DatabaseSettings) -> Address:
    """Read the credentials as they are mounted now; raises InvalidInput if they are not."""
    username, password = credentials(settings.credentials_directory)
    return Address(
        host=settings.host,
        port=settings.port,
        user=username,
        password=password,
        business_schema=settings.name,
        sync_schema=settings.sync_schema,
        tls_mode=settings.tls_mode,
        ca_file=settings.ca_file,
    )


def credentials(directory: Path, *, names: tuple[str, str] = ("username", "password")) -> tuple[str, str]:
    """Return the values of a mounted Secret under ``names``."""
    found = []
    for name in names:
        try:
            found.append((directory / name).read_text().strip("\n"))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(
                field=str(directory / name),
                problem=f"cannot be read ({error})",
                remedy=f"mount a Secret with the keys {names[0]} and {names[1]}",
                reason="CredentialsMissing",
            ) from error
    return found[0], found[1]
