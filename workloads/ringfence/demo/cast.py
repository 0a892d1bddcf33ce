"""Who acts in a story: a team, the silos whose rows it trains on, and what each has to spend."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cast:
    """`dataset` names the rows in each silo, and the budget over them; `limit` and `delta` are each owner's. `unit`
    is what a guarantee protects, as `ringfence seal --unit` takes it."""

    team: str
    silos: tuple[str, ...]
    dataset: str
    limit: str
    delta: str
    unit: str = "Record"

    @property
    def holdout(self) -> str:
        """Where the team's common hold-out is sealed as public."""
        return f"s3://{self.team}/holdout"

    @property
    def models(self) -> str:
        """Where the team's jobs write."""
        return f"s3://{self.team}/models"

    def private_url(self, silo: str) -> str:
        """Where a silo's rows are sealed."""
        return f"s3://{silo}/{self.dataset}"

    def public_url(self, silo: str) -> str:
        """Where the copy lies that its owner sealed as public, for the arms without privacy."""
        return f"s3://{silo}/{self.dataset}-public"
