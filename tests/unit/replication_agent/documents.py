"""Configuration documents as an operator would send them."""

import json
from typing import Any

from region_operator.api.agent import (
    Claim,
    ConfigurationDocument,
    Link,
    Peer,
    RegionIdentity,
    Rules,
    Source,
    document_etag,
)


def link(uid: str, *, peer: int = 2, state: str = "Active", **values: Any) -> Link:
    address = Peer(
        id=peer,
        name=f"region-{peer}",
        url=f"https://agent-{peer}.test:8443",
        server_name=f"agent-{peer}.test",
        management_endpoint=f"http://cloud-{peer}.test/client/",
    )
    return Link(peering_uid=uid, peer=address, state=state, **values)


def document(*links: Link, epoch: int = 1, hub: str = "hub-1", generation: int = 1, **values: Any) -> dict[str, Any]:
    claim = Claim(hub=hub, region="clouds/one", epoch=epoch, take_over_from=values.pop("take_over_from", ""))
    region = Source(kind="Region", namespace="clouds", name="one", uid="uid-one", generation=generation)
    region = region.model_copy(update={"accept_rewind": values.pop("accept_rewind", 0)})
    model = ConfigurationDocument(
        claim=claim,
        sources=[region],
        region=RegionIdentity(id=1, name="one", management_endpoint="http://cloud-1.test/client/"),
        rules=Rules(hash="sha256:rules"),
        links=list(links),
    )
    return {**model.model_dump(mode="json", by_alias=True), **values}


def body(wire: dict[str, Any]) -> bytes:
    return json.dumps(wire).encode()


__all__ = ["body", "document", "document_etag", "link"]
