"""What a statement states, as plain frozen records; the JSON document has the same fields in camelCase.

Nothing here is a float: epsilons, deltas, rates and metrics are decimal strings exactly as they were computed, costs
are integer micro-units of RDP, one for each order of the ledger's grid. The types below are checked when a statement
is built and again when one is read, so a document that verifies can be shown without further doubt about its shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

from ringfence.privacy.statement.units import WORDS, UnitWords

ADJACENCY: Literal["zero-out (replace-special; same values as add/remove)"] = (
    "zero-out (replace-special; same values as add/remove)"
)

Text = Annotated[str, StringConstraints(max_length=2000)]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
PublicKey = Annotated[str, StringConstraints(pattern=r"^ed25519:[A-Za-z0-9_-]{43}$")]
Decimals = Annotated[str, StringConstraints(pattern=r"^\d{1,9}(\.\d{1,40})?([eE]-\d{1,3})?$")]
SignedDecimals = Annotated[str, StringConstraints(pattern=r"^-?\d{1,9}(\.\d{1,40})?([eE]-\d{1,3})?$")]
Fraction = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}/[1-9][0-9]{0,14}$|^1$")]
UtcTime = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)$")]

_CONFIG = ConfigDict(extra="forbid", alias_generator=to_camel, validate_by_name=False)


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """Which job this is and what ran for it."""

    uid: Text
    name: Text
    namespace: Text
    spec_digest: Digest
    task: Text  # "module:Class"
    code: Literal["builtin"] | Digest  # the package, by digest
    image: Text  # by digest in a cluster, "" on a laptop

    __pydantic_config__ = _CONFIG


@dataclass(frozen=True, kw_only=True)
class CostFacts:
    """RDP in micro-units (1e-6) at each order of the ledger's grid, or of mu**2 at the one order "gdp"; total = round x
    rounds charged."""

    orders: tuple[Decimals | Literal["gdp"], ...]
    round: tuple[int, ...]
    total: tuple[int, ...]

    __pydantic_config__ = _CONFIG


@dataclass(frozen=True, kw_only=True)
class LedgerFacts:
    """The dataset's ledger: its filter's reading before this job reserved and at `head`, and the owner's limit."""

    spent_before: Decimals
    spent_after: Decimals
    accountant: Literal["rdp", "gdp"]
    limit_epsilon: Decimals
    limit_delta: Decimals
    highest_epsilon: Decimals  # the highest limit ever set
    head_index: int
    head_hash: Digest

    __pydantic_config__ = _CONFIG


@dataclass(frozen=True, kw_only=True)
class PrivacyFacts:
    """The mechanism that ran on one private dataset, what it cost and what that left.

    `job_epsilon` reads the planned rounds' vector at `job_delta`, undivided; `pld_epsilon` is at `job_delta` too. Both
    are for the planned rounds even when fewer were charged: with one delta for all orders, or by PLD, a bound holds for
    a number of steps fixed in advance, and when to stop may have depended on what was seen.
    """

    approved_by: Text  # who allowed the code to meet this dataset's key
    mechanism: Literal["poisson-gaussian", "gaussian"]  # units drawn, or all of them in every step
    sampling_rate: Fraction
    noise_multiplier: Decimals
    max_grad_norm: Decimals
    steps_per_round: int
    rounds_planned: int
    rounds_charged: int
    cost: CostFacts
    job_epsilon: Decimals
    job_delta: Decimals
    pld_epsilon: Decimals
    ledger: LedgerFacts

    __pydantic_config__ = _CONFIG


@dataclass(frozen=True, kw_only=True)
class SiloFacts:
    """One silo and the dataset it trained on; `privacy` is None exactly when that was sealed as public."""

    name: Text
    dataset: Text  # the random id
    url: Text
    manifest_version: int
    manifest_digest: Digest
    owner: PublicKey
    records: int
    privacy: PrivacyFacts | None
    users: int | None = None  # declared, where the unit is User

    __pydantic_config__ = _CONFIG


@dataclass(frozen=True, kw_only=True)
class RoundFacts:
    """One committed round: whose updates were used, and the model it made."""

    round: int
    members: tuple[Text, ...]
    model: Digest

    __pydantic_config__ = _CONFIG


@dataclass(frozen=True, kw_only=True)
class StatementFacts:
    """Everything a statement says. A metric that is undefined is left out, never written as NaN."""

    job: JobFacts
    silos: tuple[SiloFacts, ...]
    rounds: tuple[RoundFacts, ...]
    model: Digest
    metrics: dict[Text, SignedDecimals]
    created: UtcTime
    unit: Literal["Record", "User", "Silo"] = "Record"
    adjacency: Literal["zero-out (replace-special; same values as add/remove)"] = ADJACENCY

    __pydantic_config__ = _CONFIG

    @property
    def words(self) -> UnitWords:
        """What the unit is called."""
        return WORDS[self.unit]

    def private(self) -> list[tuple[SiloFacts, PrivacyFacts]]:
        """The silos with a budget, each with what it cost."""
        return [(silo, silo.privacy) for silo in self.silos if silo.privacy is not None]

    def public(self) -> list[SiloFacts]:
        """The silos whose owners declared their dataset public."""
        return [silo for silo in self.silos if silo.privacy is None]
