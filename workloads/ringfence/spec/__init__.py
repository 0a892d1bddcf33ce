"""The two resources, FederatedJob and PrivacyBudget: their fields, their files and their CRDs.

`job`, `budget` and `status` say what the fields are; `load` reads manifests and says in one line what is wrong with
them; `crds` writes the same fields as Kubernetes custom resource definitions.
"""

from ringfence.spec.budget import PrivacyBudget
from ringfence.spec.job import FederatedJob
from ringfence.spec.load import Manifests, dump, load_manifests, parse_document

__all__ = ["FederatedJob", "Manifests", "PrivacyBudget", "dump", "load_manifests", "parse_document"]
