"""Who would give which item which rating: matrix factorisation with biases, where a user's own part stays at home.

Needs one feature of type category, the item; a target that is a number, the rating with its scale; and datasets of unit
User. Released: for each item a bias and factors. Never released: a user's bias and factors, which are worked out anew
in each round, inside the user's own step, from the user's own ratings. Not protected: the catalogue (the item column's
declared values), the scale, and the number of users.

An item that nobody rated keeps its first factors and bias 0, so that a user's prediction for it is about the user's own
mean; with privacy it has noise on them, as every item has: that nobody rated it is not shown either. A rating outside
its scale, or of an item outside the catalogue, is refused, dropped or moved at sealing, as the schema says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from ringfence.errors import InvalidTask
from ringfence.schema import Column, DatasetSchema, Rows
from ringfence.tasks.task import Batch, Encoded, Task

_MOST_FACTORS = 256
_FIRST = 0.1
_BIAS_PENALTY = 1.0


class Recommender(Task):
    """r_ui = b_i + a_u + q_i . p_u on the scale [-1, 1] (Koren, Bell, Volinsky 2009); `predict` is in the scale's unit.

    a_u and p_u are the ridge solution, given the round's b and q, over the ratings R_u of user u:

        argmin_(a,p)  sum_(i in R_u) (r_ui - b_i - a - q_i . p)^2 + a^2 + penalty |p|^2

    then the user takes its local steps on b and q with a_u and p_u held, which at the first step is the gradient of the
    minimum itself. What it contributes is its change of b and q, clipped as a whole. `factors` 0 leaves the biases.
    """

    def __init__(self, factors: int = 4, penalty: float = 4.0) -> None:
        if type(factors) is not int or not 0 <= factors <= _MOST_FACTORS:
            raise InvalidTask(f"factors is a whole number from 0 to {_MOST_FACTORS}, not {str(factors)[:40]!r}")
        if type(penalty) not in (int, float) or not 0 < penalty < 1e6:
            raise InvalidTask(f"penalty is a number above 0 and below 1000000, not {str(penalty)[:40]!r}")
        self.factors, self.penalty = factors, float(penalty)

    def model(self, schema: DatasetSchema) -> nn.Module:
        return Catalogue(len(_item(schema).values), self.factors, _rating(schema))

    def encode(self, rows: Rows, schema: DatasetSchema) -> Encoded:
        _item(schema)
        return {"item": schema.codes(rows)[:, 0], "rating": schema.scaled(rows, [_rating(schema)])[:, 0]}

    def personal(self, model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """`taste` [1 + factors]: a_u and p_u."""
        items = cast(Catalogue, model).items(batch["item"]).double()
        known = torch.cat([torch.ones(len(items), 1, dtype=torch.float64), items[:, 1:]], dim=1)
        penalties = torch.tensor([_BIAS_PENALTY, *[self.penalty] * self.factors], dtype=torch.float64)
        missed = batch["rating"].double() - items[:, 0]
        return {"taste": torch.linalg.solve(known.T @ known + torch.diag(penalties), known.T @ missed).float()}

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        catalogue = cast(Catalogue, model)
        rating: Tensor = catalogue(batch["item"], batch["taste"])
        return catalogue.middle + catalogue.reach * rating.clamp(-1, 1)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        rating: Tensor = model(batch["item"], batch["taste"])
        return (rating - batch["rating"]) ** 2 / 2


class Catalogue(nn.Module):
    """Items [B] and tastes [B, 1 + F] -> ratings [B] on the scale [-1, 1]. An item is its bias, then its factors."""

    def __init__(self, items: int, factors: int, rating: Column) -> None:
        super().__init__()
        self.items = nn.Embedding(items, 1 + factors)
        low, high = rating.bounds
        self.middle, self.reach = (low + high) / 2, (high - low) / 2
        with torch.no_grad():
            self.items.weight.mul_(_FIRST)
            self.items.weight[:, 0] = 0

    def forward(self, item: Tensor, taste: Tensor) -> Tensor:
        known = self.items(item)
        rating: Tensor = known[:, 0] + taste[:, 0] + (known[:, 1:] * taste[:, 1:]).sum(dim=1)
        return rating


def _item(schema: DatasetSchema) -> Column:
    if len(schema.categorical) != 1:
        raise InvalidTask(
            f"Recommender needs one feature of type category, the item, but {len(schema.categorical)} are declared",
            remedy="give every other column the role ignore",
        )
    return schema.categorical[0]


def _rating(schema: DatasetSchema) -> Column:
    target = schema.target_column
    if target is None or not target.ranged:
        found = "none is declared" if target is None else f"{target.name!r} is {target.type}"
        raise InvalidTask(
            f"Recommender needs a target of type number or integer, the rating, but {found}",
            remedy="declare the rating with its scale as the target",
        )
    return target
