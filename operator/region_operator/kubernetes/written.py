"""What this process wrote last, so that it neither writes the same again nor wakes up at its own writes.

Kept are hashes and versions, never bodies.
"""

import hashlib
import json
from dataclasses import dataclass

from region_operator.kubernetes.kinds import Kind, Manifest, kind_of

_DERIVED = frozenset({"managedFields", "resourceVersion", "generation", "creationTimestamp"})


@dataclass(frozen=True)
class _Applied:
    manifest: str
    live: str  # as the API server answered: our fields, defaults, and what others own
    uid: str


class Written:
    def __init__(self) -> None:
        self._applied: dict[tuple[Kind, str | None, str], _Applied] = {}
        self._versions: dict[str, str] = {}

    def wrote(self, result: Manifest) -> None:
        """Note the version that a write led to."""
        metadata = result.get("metadata") or {}
        if metadata.get("uid"):
            self._versions[metadata["uid"]] = metadata.get("resourceVersion", "")

    def applied(self, manifest: Manifest, result: Manifest) -> None:
        """Note that ``manifest`` was applied and ``result`` came of it."""
        note = _Applied(_digest(manifest), _fingerprint(result), result["metadata"]["uid"])
        self._applied[_key(manifest)] = note

    def is_applied(self, manifest: Manifest, live: Manifest) -> bool:
        """Whether applying ``manifest`` would change nothing, as far as can be known without asking.

        The status is not looked at: it belongs to others and changes all the time.
        """
        note = self._applied.get(_key(manifest))
        return note is not None and note == _Applied(_digest(manifest), _fingerprint(live), live["metadata"]["uid"])

    def is_last(self, uid: str, resource_version: str) -> bool:
        return bool(resource_version) and self._versions.get(uid) == resource_version

    def forget(self, kind: Kind, namespace: str | None, name: str) -> None:
        note = self._applied.pop((kind, namespace, name), None)
        if note is not None:
            self._versions.pop(note.uid, None)


def _key(manifest: Manifest) -> tuple[Kind, str | None, str]:
    metadata = manifest["metadata"]
    return kind_of(manifest), metadata.get("namespace"), metadata.get("name", "")


def _fingerprint(live: Manifest) -> str:
    metadata = {key: value for key, value in live["metadata"].items() if key not in _DERIVED}
    return _digest({**{key: value for key, value in live.items() if key != "status"}, "metadata": metadata})


def _digest(content: Manifest) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
