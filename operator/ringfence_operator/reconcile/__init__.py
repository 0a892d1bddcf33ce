"""What to do about one job: `reconcile(seen, settings) -> actions`. Pure."""

from ringfence_operator.reconcile.job import reconcile

__all__ = ["reconcile"]
