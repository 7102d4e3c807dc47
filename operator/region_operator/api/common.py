"""What the three kinds share: checked types, references, and the small typed parts of Pods and Services."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from region_operator.api.schema import Cel, Manifest, listed

INT32_MAX = 2**31 - 1


Int32 = Annotated[int, Field(ge=0, le=INT32_MAX, json_schema_extra={"format": "int32"})]
Int64 = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]
RegionId = Annotated[int, Field(ge=1, le=INT32_MAX, json_schema_extra={"format": "int32"})]
Port = Annotated[int, Field(ge=1, le=65535, json_schema_extra={"format": "int32"})]
Percent = Annotated[int, Field(ge=0, le=100, json_schema_extra={"format": "int32"})]

Text = Annotated[str, Field(max_length=1024)]
ShortText = Annotated[str, Field(max_length=256)]
LongText = Annotated[str, Field(max_length=32768)]
Timestamp = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
Image = Annotated[str, Field(max_length=512, pattern=r"^[A-Za-z0-9][-A-Za-z0-9._/:@]*$|^$")]
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
NamespaceName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
RegionName = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")]
DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._A-Za-z0-9]+$")]
Host = Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z0-9:]([-A-Za-z0-9.:]*[A-Za-z0-9])?$")]
HttpUrl = Annotated[str, Field(max_length=2048, pattern=r"^https?://[A-Za-z0-9\[][-A-Za-z0-9.:\]]*(/[^\s@?#]*)?$")]
HttpsUrl = Annotated[str, Field(max_length=2048, pattern=r"^https://[A-Za-z0-9\[][-A-Za-z0-9.:\]]*(/[^\s@?#]*)?$")]
EntityName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z][a-z0-9_]*$")]

_QUANTITY = r"^[0-9]{1,15}(\.[0-9]{1,9})?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
SizeQuantity = Annotated[str, Field(max_length=32, pattern=r"^[1-9][0-9]{0,14}(k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$")]
Quantity = Annotated[
    str,
    BeforeValidator(lambda given: str(given) if type(given) is int else given),
    Field(max_length=32, pattern=_QUANTITY),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": _QUANTITY,
            "maxLength": 32,
        }
    ),
]
StringMap = Annotated[
    dict[str, Annotated[str, Field(max_length=1024)]],
    Field(max_length=32),
]
Labels = Annotated[
    dict[str, Annotated[str, Field(max_length=63)]],
    Field(max_length=32),
]


# --- references ---------------------------------------------------------------------------------------------------


class LocalRef(Manifest):
    """An object of the same namespace."""

    name: ObjectName = Field(description="Name of the object, in the namespace of this one.")


class RegionRef(Manifest):
    """A Region of the same namespace."""

    name: RegionName = Field(description="Name of the Region, in the namespace of this object.")


class SecretKeyRef(Manifest):
    """One key of a Secret of the same namespace."""

    name: ObjectName = Field(description="Name of the Secret, in the namespace of this object.")
    key: DataKey = Field(description="Key in the Secret.")


class CaSecretRef(SecretKeyRef):
    key: DataKey = Field(default="ca.crt", description="Key in the Secret that holds the PEM of the authorities.")


class KubeconfigSecretRef(SecretKeyRef):
    key: DataKey = Field(default="kubeconfig", description="Key in the Secret that holds the kubeconfig.")


# --- small typed parts of Pods ------------------------------------------------------------------------------------


class ResourceRequirements(Manifest):
    """CPU and memory of a container."""

    requests: Annotated[dict[str, Quantity], Field(max_length=8)] | None = Field(
        default=None, description="What is reserved on the node, such as cpu and memory."
    )
    limits: Annotated[dict[str, Quantity], Field(max_length=8)] | None = Field(
        default=None, description="What is never exceeded, such as cpu and memory."
    )


class Toleration(Manifest):
    """A taint that the Pods accept."""

    key: ShortText | None = Field(default=None, description="Key of the taint; absent matches every key.")
    operator: Literal["Exists", "Equal"] | None = Field(default=None, description="How value is compared.")
    value: ShortText | None = Field(default=None, description="Value of the taint, with operator Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint; absent matches every effect."
    )
    toleration_seconds: Int64 | None = Field(default=None, description="How long NoExecute is tolerated.")


class TopologySpreadConstraint(Manifest):
    """How the Pods spread over nodes or zones; the label selector is the operator's."""

    max_skew: Annotated[int, Field(ge=1, le=1000, json_schema_extra={"format": "int32"})] = Field(
        description="Largest allowed difference of Pods between two domains."
    )
    topology_key: ShortText = Field(description="Label of nodes that names the domain.")
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="What happens to a Pod that would break the constraint."
    )


class Scheduling(Manifest):
    """Where the Pods may run."""

    node_selector: Labels | None = Field(default=None, description="Labels that a node must carry.")
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=16)] | None = Field(
        default=None, description="Taints that are accepted.", json_schema_extra=listed("atomic")
    )
    topology_spread_constraints: Annotated[tuple[TopologySpreadConstraint, ...], Field(max_length=8)] | None = Field(
        default=None, description="How Pods spread over domains.", json_schema_extra=listed("atomic")
    )
    priority_class_name: Annotated[str, Field(max_length=253)] = Field(
        default="", description="PriorityClass of the Pods."
    )


class Expose(Manifest):
    """How a Service is reached from outside its cluster."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "Hostname"] = Field(
        default="ClusterIP",
        description="How it is reached; NodePort and Hostname need host, since the operator may not read nodes.",
    )
    host: Host | None = Field(default=None, description="Name or address that others dial instead of the Service's.")
    port: Port | None = Field(default=None, description="Port that others dial; default the Service's or node's port.")
    node_port: Port | None = Field(
        default=None, description="Port on the nodes with type NodePort; default any free one."
    )
    load_balancer_class: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="Class of the load balancer with type LoadBalancer."
    )
    annotations: StringMap | None = Field(default=None, description="Annotations of the Service.")

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "!(self.type in ['NodePort', 'Hostname']) || (has(self.host) && size(self.host) > 0)",
            "host is required with type NodePort or Hostname: name what others dial",
            lambda expose: expose.type not in ("NodePort", "Hostname") or bool(expose.host),
        ),
    )
