"""Five models and a batch for each, in plain PyTorch that every engine understands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

Batch = dict[str, Tensor]


class Classes:
    """Cross entropy of the model's logits, one value a record; a sequence's is the mean over its positions."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        logits, target = model(batch["x"]), batch["y"]
        losses = functional.cross_entropy(logits.flatten(0, -2), target.flatten(), reduction="none")
        return losses.view(len(target), -1).mean(1)


@dataclass(frozen=True)
class Workload:
    """`make` builds the model, `batch` draws `size` records for it; `steps` are timed together."""

    make: Callable[[], nn.Module]
    batch: Callable[[], Batch]
    size: int
    steps: int


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 8, 2, padding=3), nn.ReLU(), nn.MaxPool2d(2, 1),
        nn.Conv2d(16, 32, 4, 2), nn.ReLU(), nn.MaxPool2d(2, 1), nn.Flatten(),
        nn.Linear(512, 32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip


def convolutions() -> nn.Module:
    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.GroupNorm(8, outputs), nn.ReLU()]

    return nn.Sequential(
        *block(3, 32), *block(32, 32), nn.MaxPool2d(2), *block(32, 64), *block(64, 64),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


class Attention(nn.Module):
    """Causal self-attention of 4 heads; with a rank, low-rank adapters (Hu et al. 2021) beside frozen projections."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.project, self.merge = adapted(width, 3 * width, rank), adapted(width, width, rank)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part.unflatten(2, (4, -1)).transpose(1, 2) for part in self.project(x).chunk(3, dim=2))
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.merge(attended.transpose(1, 2).flatten(2))


class Adapted(nn.Module):
    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.base = nn.Linear(inputs, outputs).requires_grad_(False)
        self.down, self.up = nn.Linear(inputs, rank, bias=False), nn.Linear(rank, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.up(self.down(x))


def adapted(inputs: int, outputs: int, rank: int) -> nn.Module:
    return Adapted(inputs, outputs, rank) if rank else nn.Linear(inputs, outputs)


class Block(nn.Module):
    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = Attention(width, rank)
        self.widen, self.narrow = adapted(width, 4 * width, rank), adapted(4 * width, width, rank)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(self.first(x))
        return x + self.narrow(functional.gelu(self.widen(self.second(x))))


class Transformer(nn.Module):
    """Four blocks of width 256 over 64 tokens of 128 kinds."""

    def __init__(self, rank: int = 0, width: int = 256) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(128, width), nn.Embedding(64, width)
        self.blocks = nn.Sequential(*(Block(width, rank) for _ in range(4)))
        self.last, self.head = nn.LayerNorm(width), nn.Linear(width, 128)
        if rank:
            for name, parameter in self.named_parameters():
                parameter.requires_grad_(".down." in name or ".up." in name)

    def forward(self, x: Tensor) -> Tensor:
        places = torch.arange(x.shape[1], device=x.device).expand_as(x)
        return self.head(self.last(self.blocks(self.token(x) + self.place(places))))


def numbers(size: int, *shape: int) -> Callable[[], Batch]:
    return lambda: {"x": torch.randn(size, *shape), "y": torch.randint(10, (size,))}


def sentences(size: int) -> Callable[[], Batch]:
    return lambda: {"x": torch.randint(128, (size, 64)), "y": torch.randint(128, (size, 64))}


WORKLOADS = {
    "MLP, 1.9 M": Workload(mlp, numbers(256, 784), 256, 12),
    "CNN, 26 k": Workload(cnn, numbers(256, 1, 28, 28), 256, 12),
    "4 convolutions, GroupNorm": Workload(convolutions, numbers(32, 3, 32, 32), 32, 12),
    "transformer, 3.2 M": Workload(Transformer, sentences(16), 16, 8),
    "transformer, LoRA r = 8": Workload(lambda: Transformer(8), sentences(16), 16, 8),
}
