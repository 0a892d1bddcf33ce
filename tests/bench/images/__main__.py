"""Federated averaging of the digits in plain PyTorch, beside what the story's federated arm scored, seed by seed.

`python -m bench.images` (in `tests/`, with the demo's data installed). The loop shares the model, the rates and the
rounds with the story, and no code: it shuffles with its own random numbers, so the two agree in what they learn and not
to the bit.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.nn import functional

from ringfence.demo.images import STORY

FIGURES = Path(__file__).parents[3] / "examples" / "images" / "figures.json"
RATE, BATCH, ROUNDS = 0.1, 32, 10
Digits = tuple[Tensor, Tensor]


def digits(rows: pa.Table) -> Digits:
    pixels = np.stack([np.frombuffer(image, np.uint8) for image in rows.column("image").to_pylist()])
    labels = [int(digit) for digit in rows.column("digit").to_pylist()]
    return torch.from_numpy(pixels).float().view(-1, 1, 28, 28) / 127.5 - 1, torch.tensor(labels)


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1), nn.GroupNorm(1, 8), nn.ReLU(),
        nn.Conv2d(8, 16, 3, 2, 1), nn.GroupNorm(2, 16), nn.ReLU(), nn.Flatten(), nn.Linear(784, 10),
    )  # fmt: skip


def one_epoch(model: nn.Module, data: Digits) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    order = torch.randperm(len(data[1]))
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        optimizer.zero_grad()
        functional.cross_entropy(model(data[0][batch]), data[1][batch]).backward()
        optimizer.step()


def federated(silos: list[Digits], seed: int) -> nn.Module:
    torch.manual_seed(seed)
    model, total = network(), sum(len(silo[1]) for silo in silos)
    for _ in range(ROUNDS):
        start = [parameter.detach().clone() for parameter in model.parameters()]
        mean = [torch.zeros_like(parameter) for parameter in start]
        for silo in silos:
            for parameter, value in zip(model.parameters(), start, strict=True):
                parameter.data.copy_(value)
            one_epoch(model, silo)
            for part, parameter in zip(mean, model.parameters(), strict=True):
                part += parameter.detach() * (len(silo[1]) / total)
        for parameter, value in zip(model.parameters(), mean, strict=True):
            parameter.data.copy_(value)
    return model


def main() -> None:
    torch.set_num_threads(1)
    data = STORY.read()
    silos, (pixels, labels) = [digits(rows) for rows in data.silos.values()], digits(data.holdout)
    scores = json.loads(FIGURES.read_text(encoding="utf-8"))["scores"]
    told = [float(value) for one in scores if one["data"] == "public copies" for value in one["accuracy"]]
    print("| seed | bare loop | Ringfence |\n| --- | --- | --- |")
    bare = []
    for seed, value in zip(STORY.seeds, told, strict=True):
        model = federated(silos, seed)
        with torch.no_grad():
            found = (model(pixels).argmax(1) == labels).float().mean().item()
        bare.append(found)
        print(f"| {seed} | {found:.4f} | {value:.4f} |", flush=True)
    print(
        f"\nMeans {fmean(bare):.4f} and {fmean(told):.4f}; standard deviations {stdev(bare):.4f} and {stdev(told):.4f}."
    )


if __name__ == "__main__":
    main()
