"""`region-operator crds DIRECTORY...`: the CustomResourceDefinitions of the three kinds, generated from their models.

A directory under a chart's `templates` gets them in Helm's conditions; a chart's own directory gets the schema of
values that are specs of the kinds; every other one gets them as they are.
"""

import argparse
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from region_operator import naming
from region_operator.api.chart_values import values_schema
from region_operator.api.peering import RegionPeering
from region_operator.api.policy import SyncPolicy
from region_operator.api.region import Region
from region_operator.api.schema import Resource
from region_operator.api.structural import structural

_STANDARD = {
    "apiVersion": {"type": "string", "description": f"Version of this schema: {naming.API_VERSION}."},
    "kind": {"type": "string", "description": "Kind of this object."},
    "metadata": {"type": "object"},
}


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; `wide` ones need `-o wide`."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False

    def manifest(self) -> dict[str, Any]:
        column: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return column | {"priority": 1} if self.wide else column


def _status(condition: str) -> str:
    return f'.status.conditions[?(@.type=="{condition}")].status'


_READY = Column("Ready", _status("Ready"))
_REASON = Column("Reason", '.status.conditions[?(@.type=="Ready")].reason')
_AGE = Column("Age", ".metadata.creationTimestamp", "date")


@dataclass(frozen=True)
class Kind:
    """One kind: its model and how kubectl knows it."""

    model: type[Resource]
    plural: str
    short_name: str
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        return self.model.__name__


KINDS = (
    Kind(
        Region,
        "regions",
        "rg",
        (
            Column("Id", ".spec.id", "integer"),
            _READY,
            _REASON,
            Column("Peers", ".status.peers.summary"),
            Column("Database", _status("DatabaseReady"), wide=True),
            Column("Servers", ".status.managementServer.readyReplicas", "integer", wide=True),
            Column("Agent", _status("AgentReady"), wide=True),
            Column("Cluster", ".status.placement.cluster", wide=True),
            Column("Endpoint", ".status.managementServer.endpoint", wide=True),
            _AGE,
        ),
    ),
    Kind(
        RegionPeering,
        "regionpeerings",
        "rgp",
        (
            Column("A", ".spec.regions[0].name"),
            Column("B", ".spec.regions[1].name"),
            _READY,
            _REASON,
            Column("Lag", ".status.lag"),
            Column("Conflicts", ".status.conflicts.open", "integer"),
            Column("Last-Scan", ".status.scan.lastCleanTime", "date"),
            Column("In-Sync", _status("InSync"), wide=True),
            Column("Partitioned", _status("Partitioned"), wide=True),
            Column("Parked", ".status.conflicts.parked", "integer", wide=True),
            Column("Stage", ".status.join.stage", wide=True),
            _AGE,
        ),
    ),
    Kind(
        SyncPolicy,
        "syncpolicies",
        "syncp",
        (
            _READY,
            _REASON,
            Column("Regions", ".status.inForce.regions", "integer"),
            Column("Peerings", ".status.inForce.peerings", "integer"),
            Column("Scans", ".status.scans.running", "integer"),
            _AGE,
        ),
    ),
)


def definition(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind."""
    version = {
        "name": naming.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [column.manifest() for column in kind.columns],
        "schema": {"openAPIV3Schema": schema(kind)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{naming.GROUP}",
            "annotations": {naming.ANNOTATION_SCHEMA_HASH: schema_hash(kind)},
            "labels": {"app.kubernetes.io/name": naming.PART_OF, "app.kubernetes.io/part-of": naming.PART_OF},
        },
        "spec": {
            "group": naming.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short_name],
                "categories": [naming.CATEGORY],
            },
            "versions": [version],
        },
    }


def schema(kind: Kind) -> dict[str, Any]:
    """The structural schema: defaults in spec, none in status, metadata left to the API server."""
    full = kind.model.model_json_schema(by_alias=True)
    parts = {name: full["properties"][name] | {"$defs": full["$defs"]} for name in ("spec", "status")}
    root = {key: value for key, value in full.items() if key in ("description", "type", "x-kubernetes-validations")}
    return root | {
        "required": ["spec"],
        "properties": _STANDARD
        | {name: structural(part | {"title": name}, defaults=name == "spec") for name, part in parts.items()},
    }


@cache
def schema_hash(kind: Kind) -> str:
    """What an operator compares to find that the installed definition is older than itself."""
    canonical = json.dumps(schema(kind), sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


class _Dumper(yaml.SafeDumper):
    """Writes equal parts out instead of referring to them, and keeps a list inside its key."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def plain(kind: Kind) -> str:
    """The definition as a file for kubectl."""
    text = yaml.dump(definition(kind), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    return f"# Generated by `make crds` from operator/region_operator/api; do not edit.\n{text}"


def templated(kind: Kind) -> str:
    """The definition as a template of the chart: installed and kept as the values say."""
    text = plain(kind)
    if "{{" in text:
        raise ValueError(f"the definition of {kind.name} would be taken for a template")
    keep = "  annotations:\n    {{- if .Values.crds.keep }}\n    helm.sh/resource-policy: keep\n    {{- end }}\n"
    return (
        "{{- if and .Values.crds.install (not .Values.remoteAccess.enabled) }}\n"
        + text.replace("  annotations:\n", keep, 1)
        + "{{- end }}\n"
    )


def main(options: argparse.Namespace) -> int:
    """Write one file per kind, or the schema of values, into each directory."""
    for directory in (Path(name) for name in options.directory):
        if (directory / "Chart.yaml").exists():
            specs = {kind.name: schema(kind)["properties"]["spec"] for kind in KINDS}
            text = json.dumps(values_schema(specs), indent=1)
            (directory / "values.schema.json").write_text(f"{text}\n", encoding="utf-8")
            continue
        directory.mkdir(parents=True, exist_ok=True)
        render = templated if "templates" in directory.parts else plain
        for kind in KINDS:
            (directory / f"{kind.plural}.yaml").write_text(render(kind), encoding="utf-8")
    return 0
