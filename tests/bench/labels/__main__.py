"""The table of docs/few-labels.md: `python -m bench.labels` in `tests/`, with the demo's data installed."""

from __future__ import annotations

from importlib import resources
from statistics import fmean, stdev

import pyarrow as pa
import torch
from bench.labels.arms import Rows, alone, auc, features, pseudo_labels

from ringfence.demo.flights import read_flights
from ringfence.demo.medicine import read_patients
from ringfence.quality import clean
from ringfence.schema import parse_schema
from ringfence.tasks import TabularClassifier

EPSILONS, DELTA, SEEDS, MOST = (1.0, 4.0), 1e-5, (1, 2, 3), 20_000


def rows_of(name: str, silos: list[pa.Table], holdout: pa.Table) -> Rows:
    """Half of the rows are private, half are the public pool; the first twentieth of the private ones has labels."""
    text = resources.files("ringfence.demo").joinpath("schemas", f"{name}.yaml").read_text(encoding="utf-8")
    schema = parse_schema(text, name)
    whole, scored = (clean(table, schema).table for table in (pa.concat_tables(silos), holdout))
    torch.manual_seed(0)
    half = min(MOST, whole.num_rows // 2)
    whole = whole.take(pa.array(torch.randperm(whole.num_rows)[: 2 * half].numpy()))
    private = whole.slice(0, half)
    return Rows(schema, private, private.slice(0, half // 20), whole.slice(half), scored.slice(0, MOST))


def line(name: str, values: list[float]) -> str:
    return f"| {name} | {fmean(values):.4f} | {stdev(values):.4f} |"


def compare(name: str, rows: Rows) -> None:
    print(f"\n{name}: {rows.labelled.num_rows:,} labels among {rows.private.num_rows:,} private rows, ", end="")
    print(f"{rows.pool.num_rows:,} public rows without\n\n| at epsilon | AUC | +- |\n| --- | --- | --- |")
    for epsilon in EPSILONS:
        teachers = [alone(rows, epsilon, DELTA, seed) for seed in SEEDS]
        linear = TabularClassifier([])
        print(line(f"{epsilon:g}, labelled rows alone", [auc(linear, model, rows) for model in teachers]))
        coded = [features(rows, epsilon, DELTA, seed) for seed in SEEDS]
        print(line(f"{epsilon:g}, autoencoder features", coded), flush=True)
        taught = [pseudo_labels(rows, model, seed) for model, seed in zip(teachers, SEEDS, strict=True)]
        print(line(f"{epsilon:g}, pseudo-labels", taught), flush=True)


def main() -> None:
    torch.set_num_threads(1)
    patients = read_patients()
    compare("blood samples (medicine)", rows_of("medicine", list(patients.silos.values()), patients.holdout))
    flights = read_flights()
    compare("flights (traffic)", rows_of("traffic", list(flights.airports.values()), flights.holdout))


if __name__ == "__main__":
    main()
