"""Who takes part in a step, as it may be accounted, and what is refused although other tools put a number on it."""

from __future__ import annotations

from ringfence.errors import MechanismNotAccounted

ACCOUNTED = ("poisson", "none")
"""poisson: every unit drawn alone with one probability; none: every unit in every step, and no amplification."""

_REFUSED = {
    "with-replacement": "a unit may be drawn twice in a step, and its two contributions together pass the clip; "
    "no accountant here bounds that under zero-out adjacency",
    "without-replacement": "batches of one fixed size are not Poisson samples: under zero-out adjacency they have no "
    "such amplification, and under replace-one a smaller one",
    "fixed-size": "batches of one fixed size are not Poisson samples; accounted as if they were, the true epsilon can "
    "be several times the claimed one (arXiv 2405.20769, 2411.10614)",
    "shuffled": "passes over shuffled rows are not Poisson samples; accounted as if they were, the true epsilon can be "
    "several times the claimed one (arXiv 2403.17673)",
    "gdp-clt": "the central limit of Gaussian DP is an approximation that falls below the true epsilon",
}
_REMEDY = "sample by Poisson, or let every unit take part and claim no amplification (none)"


def refuse(name: str, where: str) -> None:
    """Return for what is accounted. Raises MechanismNotAccounted with the reason for everything else."""
    if name in ACCOUNTED:
        return
    why = _REFUSED.get(name, f"it is not known; known are {', '.join((*ACCOUNTED, *_REFUSED))}")
    raise MechanismNotAccounted(f"{name[:40]} is not accounted: {why}", where=where, remedy=_REMEDY)
