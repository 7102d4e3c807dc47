"""What this process wrote last, so that it neither writes the same again nor wakes up at its own writes.

Kept are hashes and versions, never bodies.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from region_operator.kubernetes.kinds import Kind, Manifest, kind_of


@dataclass(frozen=True)
class _Applied:
    manifest: str
    live: str  # the same fields as the API server answered them: normalised, and with defaults inside lists
    uid: str


class Written:
    def __init__(self) -> None:
        self._applied: dict[tuple[Kind, str | None, str], _Applied] = {}
        self._applied_at: dict[tuple[Kind, str | None, str], str] = {}  # the version that was last found to be so
        self._versions: dict[str, str] = {}

    def wrote(self, result: Manifest) -> None:
        """Note the version that a write led to."""
        metadata = result.get("metadata") or {}
        if metadata.get("uid"):
            self._versions[metadata["uid"]] = metadata.get("resourceVersion", "")

    def applied(self, manifest: Manifest, result: Manifest) -> None:
        """Note that ``manifest`` was applied and ``result`` came of it."""
        self._applied[_key(manifest)] = _note(manifest, result)
        self._applied_at[_key(manifest)] = result["metadata"].get("resourceVersion", "")

    def is_applied(self, manifest: Manifest, live: Manifest) -> bool:
        """Whether applying ``manifest`` would change nothing, as far as can be known without asking."""
        same = self._applied.get(_key(manifest)) == _note(manifest, live)
        if same:
            self._applied_at[_key(manifest)] = live["metadata"].get("resourceVersion", "")
        return same

    def is_applied_at(self, manifest: Manifest, resource_version: str) -> bool:
        """The same, of an object that is at ``resource_version``, whatever it looks like."""
        note = self._applied.get(_key(manifest))
        if note is None or not resource_version or self._applied_at.get(_key(manifest)) != resource_version:
            return False
        return note.manifest == _digest(_without_uid(manifest))

    def is_last(self, uid: str, resource_version: str) -> bool:
        return bool(resource_version) and self._versions.get(uid) == resource_version

    def forget(self, kind: Kind, namespace: str | None, name: str) -> None:
        self._applied_at.pop((kind, namespace, name), None)
        note = self._applied.pop((kind, namespace, name), None)
        if note is not None:
            self._versions.pop(note.uid, None)


def _key(manifest: Manifest) -> tuple[Kind, str | None, str]:
    metadata = manifest["metadata"]
    return kind_of(manifest), metadata.get("namespace"), metadata.get("name", "")


def _without_uid(manifest: Manifest) -> Manifest:
    """What is asked for: the uid says only of which object, and is not known when that is made."""
    return {**manifest, "metadata": {key: value for key, value in manifest["metadata"].items() if key != "uid"}}


def _note(manifest: Manifest, live: Manifest) -> _Applied:
    manifest = _without_uid(manifest)
    return _Applied(_digest(manifest), _digest(_owned(manifest, live)), live["metadata"]["uid"])


def _owned(manifest: Any, live: Any) -> Any:
    """The part of ``live`` that ``manifest`` speaks of; what others put beside it is theirs."""
    if isinstance(manifest, dict) and isinstance(live, dict):
        # A Secret's stringData is written to data.
        return {key: _owned(value, live.get("data" if key == "stringData" else key)) for key, value in manifest.items()}
    if isinstance(manifest, list) and isinstance(live, list) and len(manifest) == len(live):
        return [_owned(ours, theirs) for ours, theirs in zip(manifest, live, strict=True)]
    return live


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
