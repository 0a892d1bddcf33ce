"""What a silo's pods may be placed on: resources, node selectors, tolerations, images. All of it is the cluster's."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator
from pydantic_core import PydanticCustomError

from ringfence.spec.resource import Frozen

_QUANTITY = r"^([0-9]{1,9}(\.[0-9]{1,3})?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
_PART = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_RESOURCE = rf"^(cpu|memory|ephemeral-storage|[a-z0-9]([-a-z0-9.]{{0,100}}[a-z0-9])?/{_PART})$"
_LABEL = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
_IMAGE = r"^[a-z0-9]([-a-zA-Z0-9._:/]{0,400}[a-zA-Z0-9])?(@sha256:[0-9a-f]{64})?$"

Quantity = Annotated[str, Strict(), Field(pattern=_QUANTITY, max_length=20)]
"""An amount of a resource as Kubernetes writes it: `4`, `500m`, `16Gi`."""
_ResourceName = Annotated[str, Strict(), Field(pattern=_RESOURCE, max_length=166)]
Amounts = Annotated[dict[_ResourceName, Quantity], Field(max_length=16)]
"""Amounts by resource name: cpu, memory, ephemeral-storage, or one of a vendor such as nvidia.com/gpu."""
_LabelName = Annotated[str, Strict(), Field(pattern=_LABEL, max_length=317)]
_LabelValue = Annotated[str, Strict(), Field(pattern=_VALUE, max_length=63)]
NodeSelector = Annotated[dict[_LabelName, _LabelValue], Field(max_length=16)]
Image = Annotated[str, Strict(), Field(pattern=_IMAGE, max_length=500)]
"""A container image, by digest in production."""

_FACTORS = {"": 1000, "m": 1, "k": 10**6, "M": 10**9, "G": 10**12, "T": 10**15}
_FACTORS |= {"Ki": 1000 * 2**10, "Mi": 1000 * 2**20, "Gi": 1000 * 2**30, "Ti": 1000 * 2**40}


def thousandths(quantity: str) -> int:
    """A quantity in thousandths of its unit, exactly: `1500m` is 1500, `1Ki` is 1024000, `0.5m` rounds up to 1."""
    digits = quantity.rstrip("mkMGTi")
    whole, _, fraction = digits.partition(".")
    scaled: int = int(whole + fraction) * _FACTORS[quantity[len(digits) :]]
    return -(-scaled // int(10 ** len(fraction)))


class Resources(Frozen):
    """What each node of a silo gets; requests equal limits, so that a pod is never the first to be evicted."""

    limits: Amounts = Field(
        default_factory=dict,
        description='Greatest amounts of each node of a silo, such as cpu: "4", memory: 16Gi, nvidia.com/gpu: "1"; at '
        "most the owner's runtime.maxResources. Default: none.",
    )


class Toleration(Frozen):
    """A taint of nodes that the silo's pods tolerate, as in a pod."""

    key: _LabelName | None = Field(default=None, description="Key of the taint. Default: every key.")
    operator: Literal["Exists", "Equal"] = Field(
        default="Equal", description="Exists: whatever the taint's value; Equal: only this value. Default: Equal."
    )
    value: _LabelValue | None = Field(default=None, description="Value of the taint, with operator Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. Default: every effect."
    )
    toleration_seconds: Annotated[int, Strict()] | None = Field(
        default=None, ge=0, le=31_536_000, description="Seconds before a NoExecute taint evicts. Default: never."
    )

    @model_validator(mode="after")
    def _as_kubernetes_has_it(self) -> Self:
        if self.operator == "Exists" and self.value:
            raise PydanticCustomError("toleration", "names a value beside operator Exists; leave the value out")
        if self.operator == "Equal" and self.key is None:
            raise PydanticCustomError("toleration", "needs a key with operator Equal, or operator Exists")
        return self
