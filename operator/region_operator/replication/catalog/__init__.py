"""The entities as data: tables, keys, references, fields, exclusions, derived columns; pure.

`CATALOG` is what the engine replicates, parents first. Whoever adds a kind of row writes an `Entity` and nothing else.
"""

from collections.abc import Iterable
from typing import Final

from region_operator.replication.catalog.entity import (
    Cascade,
    Entity,
    RowFilter,
    Tree,
    Unique,
    WellKnown,
)
from region_operator.replication.catalog.events import EVENT
from region_operator.replication.catalog.fields import Column, Field, Kind
from region_operator.replication.catalog.identities import (
    ACCOUNT,
    ACCOUNT_DETAIL,
    ADMIN_ACCOUNT,
    ADMIN_USER,
    DOMAIN,
    ROOT_DOMAIN,
    SYSTEM_ACCOUNT,
    SYSTEM_USER,
    USER,
)
from region_operator.replication.catalog.policy import rule_set, rule_sets
from region_operator.replication.catalog.projects import PROJECT, PROJECT_MEMBER
from region_operator.replication.catalog.roles import ROLE, ROLE_PERMISSION
from region_operator.replication.catalog.templates import TEMPLATE, TEMPLATE_DETAIL
from region_operator.replication.model.topology import parents_first


def catalog(entities: Iterable[Entity]) -> dict[str, Entity]:
    """Return entities by name, each after those it refers to.

    Raises:
        ValueError: a reference leads to no entity, or references run in a circle and none is deferred.
    """
    by_name = {entity.name: entity for entity in entities}
    for entity in by_name.values():
        for field, target in (entity.references | entity.deferred_references).items():
            if target not in by_name:
                raise ValueError(f"entity {entity.name}: {field} refers to {target}, which is not there")
    order = parents_first({name: list(entity.references.values()) for name, entity in by_name.items()})
    return {name: by_name[name] for name in order}


CATALOG: Final = catalog(
    (
        ROLE,
        ROLE_PERMISSION,
        DOMAIN,
        ACCOUNT,
        ACCOUNT_DETAIL,
        USER,
        PROJECT,
        PROJECT_MEMBER,
        TEMPLATE,
        TEMPLATE_DETAIL,
        EVENT,
    )
)

__all__ = [
    "ACCOUNT",
    "ACCOUNT_DETAIL",
    "ADMIN_ACCOUNT",
    "ADMIN_USER",
    "CATALOG",
    "DOMAIN",
    "EVENT",
    "PROJECT",
    "PROJECT_MEMBER",
    "ROLE",
    "ROLE_PERMISSION",
    "ROOT_DOMAIN",
    "SYSTEM_ACCOUNT",
    "SYSTEM_USER",
    "TEMPLATE",
    "TEMPLATE_DETAIL",
    "USER",
    "Cascade",
    "Column",
    "Entity",
    "Field",
    "Kind",
    "RowFilter",
    "Tree",
    "Unique",
    "WellKnown",
    "catalog",
    "rule_set",
    "rule_sets",
]
