"""A resource as the YAML that a person would have written."""

from __future__ import annotations

from typing import Any

import yaml

from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.job import FederatedJob
from ringfence.spec.scalars import plain_scalar


class _Dumper(yaml.SafeDumper):
    """Quotes every text that kubectl would read as a number, a boolean or null, or lose; never writes an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(plain_scalar(text), str) and text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(resource: FederatedJob | PrivacyBudget) -> str:
    """YAML that parses to an equal resource: the fields that were given, in the model's order, defaults left out."""
    given = resource.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    document = {"apiVersion": resource.api_version, "kind": resource.kind, **given}
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
