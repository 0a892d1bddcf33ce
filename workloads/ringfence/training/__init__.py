"""Local training on one flat vector: plain SGD, and DP-SGD with exact per-example clipping."""

from ringfence.training.clipping import clipped_sum
from ringfence.training.flat import FlatModel
from ringfence.training.local import train_local
from ringfence.training.plan import LocalPlan, PrivateStep

__all__ = ["FlatModel", "LocalPlan", "PrivateStep", "clipped_sum", "train_local"]
