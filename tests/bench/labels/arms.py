"""Three ways to a model when one row in twenty has a label, each at the same total (epsilon, delta) for every row.

alone           a linear classifier on the labelled rows
features        an autoencoder on all rows, then a linear classifier on its codes of the labelled rows; both are charged
pseudo-labels   the first as teacher of a network of one hidden layer on a pool of public rows; the pool costs nothing
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import dp_accounting
import pyarrow as pa
import torch
from dp_accounting import rdp
from torch import Tensor, nn

from ringfence.federation.evaluate import evaluate
from ringfence.schema import DatasetSchema
from ringfence.tasks import Autoencoder, TabularClassifier, Task
from ringfence.tasks.encode import encode_table
from ringfence.tasks.tabular import classification_loss
from ringfence.training import FlatModel, LocalPlan, train_local
from ringfence.training.plan import PrivateStep

ORDERS = (2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64)
EPOCHS, CODES = 10, 8


@dataclass(frozen=True)
class Rows:
    """`labelled` are one in twenty of `private`; `pool` is public and its labels are never read."""

    schema: DatasetSchema
    private: pa.Table
    labelled: pa.Table
    pool: pa.Table
    holdout: pa.Table


@dataclass(frozen=True)
class Passes:
    """DP-SGD over `records`, in expected batches of `batch`."""

    records: int
    batch: int

    @property
    def steps(self) -> int:
        return EPOCHS * self.records // self.batch

    def event(self, noise: float) -> dp_accounting.DpEvent:
        gaussian = dp_accounting.GaussianDpEvent(noise)
        sampled = dp_accounting.PoissonSampledDpEvent(self.batch / self.records, gaussian)
        return dp_accounting.SelfComposedDpEvent(sampled, self.steps)

    def plan(self, noise: float | None, rate: float, seed: int) -> LocalPlan:
        """Without noise a plain run that `seed` orders."""
        if noise is None:
            return LocalPlan(self.steps, self.batch, rate, 0.0, None, seed)
        private = PrivateStep(noise, Fraction(self.batch, self.records), 1.0)
        return LocalPlan(self.steps, self.batch, rate, 0.0, private)


def noise_for(epsilon: float, delta: float, *runs: Passes) -> float:
    """The one noise multiplier at which all of `runs` together cost `epsilon`."""

    def cost(noise: float) -> float:
        accountant = rdp.RdpAccountant(ORDERS)
        for run in runs:
            accountant.compose(run.event(noise))
        return accountant.get_epsilon(delta)

    low, high = 0.4, 400.0
    while high / low > 1.005:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if cost(middle) > epsilon else (low, middle)
    return high


def alone(rows: Rows, epsilon: float, delta: float, seed: int) -> FlatModel:
    task, passes = TabularClassifier([]), Passes(rows.labelled.num_rows, rows.labelled.num_rows // 8)
    data = encode_table(task, rows.labelled, rows.schema)
    return trained(task, rows.schema, data, passes.plan(noise_for(epsilon, delta, passes), 2.0, seed), seed)


def pseudo_labels(rows: Rows, teacher: FlatModel, seed: int) -> float:
    """The student's AUC; its labels are the teacher's probabilities, as the task PseudoLabels makes them."""
    linear, student = TabularClassifier([]), TabularClassifier([16])
    with torch.no_grad():
        labels = torch.sigmoid(linear.predict(teacher.module, encode_table(linear, rows.pool, rows.schema)))
    data = {**encode_table(student, rows.pool, rows.schema), "target": labels}
    passes = Passes(rows.pool.num_rows, 64)
    model = trained(student, rows.schema, data, passes.plan(None, 0.3, seed), seed)
    return auc(student, model, rows)


def features(rows: Rows, epsilon: float, delta: float, seed: int) -> float:
    encoder, few = Autoencoder([32], CODES), rows.labelled.num_rows
    whole, part = Passes(rows.private.num_rows, 512), Passes(few, few // 8)
    noise = noise_for(epsilon, delta, whole, part)
    data = encode_table(encoder, rows.private, rows.schema)
    learned = trained(encoder, rows.schema, data, whole.plan(noise, 1.0, seed), seed)
    task = OnCodes(encoder, learned.module)
    model = trained(
        task, rows.schema, encode_table(task, rows.labelled, rows.schema), part.plan(noise, 1.0, seed), seed
    )
    return auc(task, model, rows)


def trained(task: Task, schema: DatasetSchema, data: dict[str, Tensor], plan: LocalPlan, seed: int) -> FlatModel:
    torch.manual_seed(seed)
    model = FlatModel(task.model(schema))
    train_local(task, model, data, plan)
    return model


def auc(task: Task, model: FlatModel, rows: Rows) -> float:
    data, target = encode_table(task, rows.holdout, rows.schema), rows.schema.target(rows.holdout)
    return float(evaluate(task, model.module.eval(), data, target, ("auc",))["auc"])


class OnCodes(Task):
    """A linear classifier on what an autoencoder makes of a record."""

    def __init__(self, encoder: Autoencoder, network: nn.Module) -> None:
        self.encoder, self.network = encoder, network

    def model(self, schema):
        return nn.Linear(CODES, 1)

    def encode(self, rows, schema):
        batch = self.encoder.encode(rows, schema)
        with torch.no_grad():
            codes = self.network.represent(*(torch.from_numpy(batch[name]) for name in ("numbers", "codes")))
        return {"codes": torch.tanh(codes), "target": schema.target(rows)}

    def predict(self, model, batch):
        return model(batch["codes"]).squeeze(-1)

    def loss(self, model, batch):
        return classification_loss(self.predict(model, batch), batch["target"])
