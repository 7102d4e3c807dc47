"""Writes what ``certificates`` makes into Secrets: the fleet's authority in the hub, leaves where they are used.

The authority's key is read for one signature at a time and kept nowhere; its Secret never leaves the hub.
"""

import base64
import secrets
import uuid
from collections.abc import Mapping
from datetime import datetime

from region_operator.controller import certificates
from region_operator.controller.certificates import KeyPair
from region_operator.controller.plan.steps import CreateFleetSecret, IssueCertificate, IssueNextAuthority
from region_operator.errors import Conflict, InvalidInput
from region_operator.kubernetes import kinds
from region_operator.kubernetes.cluster import Cluster


async def create_fleet(hub: Cluster, step: CreateFleetSecret, *, now: datetime) -> int:
    """Make the fleet's authority, unless it is there by now; returns 1 when it was made."""
    data = certificates.fleet_secret_data(
        fleet_uid=str(uuid.uuid4()),
        digest_key=secrets.token_bytes(32),
        authority=_new_authority(step.secret["metadata"]["namespace"], now=now),
    )
    try:
        await hub.create({**step.secret, "data": _encoded(data)})
    except Conflict:
        return 0  # another pass made it: the next look finds it
    return 1


async def issue_next_authority(hub: Cluster, step: IssueNextAuthority, *, now: datetime) -> None:
    """Put a coming authority beside the present one."""
    made = _new_authority(step.ref.namespace, now=now)
    body = {
        "metadata": {"annotations": dict(step.annotations)},
        "data": _encoded({"next-ca.crt": made.certificate, "next-ca.key": made.key}),
    }
    await hub.merge_patch(
        kinds.SECRET, step.ref.namespace, step.ref.name, body, uid=step.uid, resource_version=step.resource_version
    )


async def issue(hub: Cluster, where: Cluster, step: IssueCertificate, *, now: datetime) -> None:
    """Make a key and a leaf, and write them into the Secret that the step names.

    Raises:
        InvalidInput: the authority is gone or cannot be read.
        Conflict: the leaf's Secret appeared or vanished meanwhile.
    """
    leaf = certificates.issue_leaf(
        step.request,
        authority=await _authority(hub, step),
        key=certificates.new_key(),
        serial=certificates.new_serial(),
        now=now,
    )
    data = _encoded(certificates.leaf_secret_data(leaf, step.trust))
    if step.uid:
        await where.merge_patch(kinds.SECRET, step.ref.namespace, step.ref.name, {"data": data}, uid=step.uid)
    else:
        await where.create({**step.secret, "data": data})


async def _authority(hub: Cluster, step: IssueCertificate) -> KeyPair:
    ref = step.ca_secret
    body = await hub.get(kinds.SECRET, ref.namespace, ref.name)
    data = (body or {}).get("data") or {}
    if not {"ca.crt", "ca.key"} <= data.keys():
        raise InvalidInput(
            field=f"Secret {ref.namespace}/{ref.name}",
            problem="the fleet's authority is not there",
            remedy="restore it from a backup",
            reason="NotIssued",
        )
    return KeyPair(base64.b64decode(data["ca.crt"]), base64.b64decode(data["ca.key"]))


def _new_authority(namespace: str, *, now: datetime) -> KeyPair:
    return certificates.make_authority(
        f"region-operator {namespace}",
        key=certificates.new_key(),
        serial=certificates.new_serial(),
        now=now,
    )


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(value).decode() for name, value in data.items()}
