"""What GitOps tools make of a status: ports of kstatus (cli-utils, Flux) and of our Argo CD health check."""

from typing import Any, Literal

KStatus = Literal["Terminating", "InProgress", "Failed", "Current"]
Health = Literal["Progressing", "Degraded", "Suspended", "Healthy"]


def kstatus(metadata: dict[str, Any], status: dict[str, Any]) -> KStatus:
    """The rules of kstatus for a custom resource, in their order."""
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    observed = status.get("observedGeneration")
    if observed is not None and observed != metadata["generation"]:
        return "InProgress"
    conditions = status.get("conditions", [])
    for condition in conditions:  # the first that matches in the order of the list
        if condition["type"] == "Reconciling" and condition["status"] == "True":
            return "InProgress"
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return "Failed"
    ready = next((c for c in conditions if c["type"] == "Ready"), None)
    return "Current" if ready is None or ready["status"] == "True" else "InProgress"


def argo_health(metadata: dict[str, Any], status: dict[str, Any]) -> Health:
    """The health check of docs: an old status is no status; a stalled object fails a sync, a paused one rests."""
    if metadata.get("deletionTimestamp") or status.get("observedGeneration") != metadata["generation"]:
        return "Progressing"
    held = {c["type"]: c["status"] == "True" for c in status.get("conditions", [])}
    if held.get("Stalled"):
        return "Degraded"
    if held.get("Paused") or status.get("mode") == "Suspended":
        return "Suspended"
    return "Healthy" if held.get("Ready") else "Progressing"
