"""People of one region: they write what a cloud lets them write, decided by the draws of an event."""

import contextlib
import itertools

from memory_region import Cloud
from region_operator.replication.catalog.identities import ROOT_DOMAIN, SYSTEM_ACCOUNT
from region_operator.replication.feed import RowKey
from region_operator.replication.model import Scalar
from simulation.plans import pick

STATES = ["enabled", "disabled", "locked"]


class People:
    """Give every value but states and a few contested names only once, so that a lost one is missed."""

    def __init__(self, region_id: int, cloud: Cloud) -> None:
        self._id, self._cloud = region_id, cloud
        self._numbers = itertools.count(1)

    def write(self, kind: str, draws: tuple[float, ...]) -> None:
        """Write once; what the cloud would refuse is not written."""
        with contextlib.suppress(ValueError):
            getattr(self, f"_{kind}")(draws)

    def populate(self, number: int) -> None:
        """Make the rows that most of the history is about."""
        for each in range(1, number + 1):
            self._cloud.add_domain(f"d{each}", parent=f"d{each - 1}" if each > 1 else None)
            self._cloud.add_account(f"a{each}", domain=f"d{each}")
            self._cloud.add_user(f"u{each}", account=f"a{each}", api_key=f"key-{each}")

    def _contest(self, draws: tuple[float, ...]) -> None:
        """Make a row of a name that is wanted everywhere."""
        self._create((draws[0], 0.0, draws[2], draws[3]))

    def _create(self, draws: tuple[float, ...]) -> None:
        number = next(self._numbers)
        domains, accounts = self._live("domain"), self._live("account")
        # Some names are wanted everywhere.
        name = "acme" if draws[1] < 0.1 else None
        match pick(draws[0], ["domain", "account", "account", "user", "user"]):
            case "domain":
                self._cloud.add_domain(f"d{self._id}-{number}", parent=pick(draws[2], [None, *domains]), name=name)
            case "account":
                self._cloud.add_account(f"a{self._id}-{number}", domain=pick(draws[2], [None, *domains]), name=name)
            case _ if accounts:
                key = f"u{self._id}-{number}"
                api_key = f"key-{key}" if draws[3] < 0.5 else None
                self._cloud.add_user(key, account=pick(draws[2], accounts), name=name, api_key=api_key)

    def _change(self, draws: tuple[float, ...]) -> None:
        value = f"v{self._id}-{next(self._numbers)}"
        match pick(draws[0], ["user", "user", "account", "domain"]):
            case "user":
                columns: dict[str, Scalar] = {pick(draws[2], ["email", "firstname", "password"]): value}
                if draws[2] > 0.9:
                    columns = {"api_key": f"key-{value}", "secret_key": f"secret-{value}"}
                self._update("user", pick(draws[1], self._live("user")), **columns)
            case "account":
                field = pick(draws[2], ["network_domain", "account_name"])
                self._update("account", pick(draws[1], self._live("account")), **{field: value})
            case _:
                field = pick(draws[2], ["network_domain", "name"])
                self._update("domain", pick(draws[1], self._live("domain")), **{field: value})

    def _state(self, draws: tuple[float, ...]) -> None:
        entity = pick(draws[0], ["account", "user"])
        self._update(entity, pick(draws[1], self._live(entity)), state=pick(draws[2], STATES))

    def _remove(self, draws: tuple[float, ...]) -> None:
        entity = pick(draws[0], ["account", "user", "user", "domain"])
        key = pick(draws[1], self._live(entity))
        if key is not None:
            self._cloud.remove(entity, key)

    def _revive(self, draws: tuple[float, ...]) -> None:
        entity = pick(draws[0], ["account", "user"])
        key = pick(draws[1], self._live(entity, removed=True))
        self._update(entity, key, removed=None, state="enabled")

    def _erase(self, draws: tuple[float, ...]) -> None:
        rows = self._cloud.server.read().business
        named = {columns["user_id"] for row, columns in rows.items() if row.entity == "event"}
        key = pick(draws[0], [key for key in self._live("user") if key not in named])
        if key is not None:
            self._cloud.erase("user", key)

    def _event(self, draws: tuple[float, ...]) -> None:
        """Something happened; it may be the end of what began with another event."""
        user, start = pick(draws[0], self._live("user")), pick(draws[1], [None, *self._live("event")])
        if user is not None:
            account = str(self._cloud.value("user", user, "account_id"))
            self._cloud.add_event(f"e{self._id}-{next(self._numbers)}", account=account, user=user, start=start)

    def _purge(self, draws: tuple[float, ...]) -> None:
        key = pick(draws[0], self._live("event"))
        if key is not None:
            self._cloud.erase("event", key)

    def _move(self, draws: tuple[float, ...]) -> None:
        key, parent = pick(draws[0], self._live("domain")), pick(draws[1], [ROOT_DOMAIN, *self._live("domain")])
        if key is not None and key not in self._above(parent):
            self._update("domain", key, parent=parent)

    def _swap_names(self, draws: tuple[float, ...]) -> None:
        """Two accounts exchange their names, by way of a third."""
        first, second = pick(draws[0], self._live("account")), pick(draws[1], self._live("account"))
        if first == second:
            return
        names = [self._cloud.value("account", key, "account_name") for key in (first, second)]
        self._update("account", first, account_name=f"swap-{self._id}-{next(self._numbers)}")
        self._update("account", second, account_name=names[0])
        self._update("account", first, account_name=names[1])

    def _swap_keys(self, draws: tuple[float, ...]) -> None:
        """A key for the API goes from one user to another."""
        first, second = pick(draws[0], self._live("user")), pick(draws[1], self._live("user"))
        if first is None or first == second:
            return
        api_key = self._cloud.value("user", first, "api_key")
        self._update("user", first, api_key=None, secret_key=None)
        self._update("user", second, api_key=api_key, secret_key=f"secret-{next(self._numbers)}")

    def _own(self, draws: tuple[float, ...]) -> None:
        owner = pick(draws[1], [SYSTEM_ACCOUNT, *self._live("account")])
        self._update("domain", pick(draws[0], self._live("domain")), owner=owner)

    def _update(self, entity: str, key: str | None, **columns: Scalar) -> None:
        if key is not None:
            self._cloud.update(entity, key, **columns)

    def _live(self, entity: str, *, removed: bool = False) -> list[str]:
        """Rows that people made and see, or see as removed."""
        rows = self._cloud.server.read().business
        return sorted(
            row.key
            for row, columns in rows.items()
            if row.entity == entity
            and not row.key.startswith("well-known")
            and (columns.get("removed") is not None) == removed
        )

    def _above(self, key: str) -> set[str]:
        found = {key}
        while parent := self._cloud.server.read().business[RowKey("domain", key)]["parent"]:
            if parent in found:
                break
            key = str(parent)
            found.add(key)
        return found
