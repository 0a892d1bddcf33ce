"""What an attempt is made of, as documents: pure, by hashed names, restricted, and golden in the tests."""

from ringfence_operator.manifests.attempt import Attempt
from ringfence_operator.manifests.parts import anchor, parts

__all__ = ["Attempt", "anchor", "parts"]
