"""Random small models of every kind that has a rule, each with a batch that is drawn for it."""

from __future__ import annotations

import random

import torch
from torch import Tensor, nn

Batch = dict[str, Tensor]


class Squares:
    """Half the squared distance of the model's output to the target, one value a record."""

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        output = model(batch["x"]).flatten(1)
        return 0.5 * (output - batch["y"].unsqueeze(1)).square().sum(1)


class Tokens(nn.Module):
    """Token and position embeddings [B, T, D] through layers and norms, averaged over positions."""

    def __init__(self, kinds: int, length: int, layers: list[nn.Module], width: int) -> None:
        super().__init__()
        self.token, self.place, self.layers = (
            nn.Embedding(kinds, width),
            nn.Embedding(length, width),
            nn.ModuleList(layers),
        )

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.token(x) + self.place(torch.arange(x.shape[1]).expand_as(x))
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden.mean(1)


def random_model(seed: int, records: int) -> tuple[str, nn.Module, Batch]:
    """The name, the model in float32 and a batch of so many records; the same for the same seed."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    kind = ("dense", "sequence", "tokens", "images", "signals")[seed % 5]
    model, x = {"dense": _dense, "sequence": _sequence, "tokens": _tokens, "images": _images, "signals": _signals}[
        kind
    ](draw, records)
    parameters = list(model.parameters())
    if draw.random() < 0.3:
        parameters[draw.randrange(len(parameters))].requires_grad_(False)
    return f"{kind} {seed}", model, {"x": x, "y": torch.randn(records)}


def _activation(draw: random.Random) -> nn.Module:
    return draw.choice((nn.ReLU, nn.Tanh, nn.GELU))()


def _norm(draw: random.Random, width: int) -> list[nn.Module]:
    return draw.choice(([], [nn.LayerNorm(width)], [nn.RMSNorm(width, eps=1e-5)]))


def _stack(draw: random.Random, width: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for _ in range(draw.randint(1, 3)):
        wider = draw.randint(2, 24)
        layers += [nn.Linear(width, wider, bias=draw.random() < 0.8), *_norm(draw, wider), _activation(draw)]
        width = wider
    return [*layers, nn.Linear(width, draw.randint(1, 3))]


def _dense(draw: random.Random, records: int) -> tuple[nn.Module, Tensor]:
    width = draw.randint(2, 20)
    return nn.Sequential(*_stack(draw, width)), torch.randn(records, width)


def _sequence(draw: random.Random, records: int) -> tuple[nn.Module, Tensor]:
    width, middle = draw.randint(2, 12), [draw.randint(1, 30) for _ in range(draw.randint(1, 2))]
    return nn.Sequential(*_stack(draw, width)), torch.randn(records, *middle, width)


def _tokens(draw: random.Random, records: int) -> tuple[nn.Module, Tensor]:
    kinds, length, width = draw.randint(2, 9), draw.randint(1, 12), draw.randint(2, 12)
    return Tokens(kinds, length, _stack(draw, width), width), torch.randint(kinds, (records, length))


def _images(draw: random.Random, records: int) -> tuple[nn.Module, Tensor]:
    channels, size = draw.choice((1, 2, 4)), draw.randint(6, 10)
    layers: list[nn.Module] = []
    for _ in range(draw.randint(1, 2)):
        groups = draw.choice((1, channels))
        wider = groups * draw.randint(1, 4)
        settings = {"stride": draw.choice((1, 2)), "padding": draw.choice((0, 1)), "groups": groups}
        layers += [nn.Conv2d(channels, wider, draw.choice((1, 2, 3)), **settings)]
        layers += [*draw.choice(([], [nn.GroupNorm(1, wider)], [nn.GroupNorm(wider, wider)])), _activation(draw)]
        channels = wider
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, 2)), torch.randn(
        records, layers[0].in_channels, size, size
    )


def _signals(draw: random.Random, records: int) -> tuple[nn.Module, Tensor]:
    channels, length = draw.randint(1, 4), draw.randint(8, 30)
    wider = 2 * draw.randint(1, 4)
    convolution = nn.Conv1d(channels, wider, draw.choice((1, 3, 5)), dilation=draw.choice((1, 2)), padding="same")
    head = [nn.GroupNorm(2, wider), _activation(draw), nn.Conv1d(wider, 2, 3), nn.AdaptiveAvgPool1d(1)]
    return nn.Sequential(convolution, *head, nn.Flatten()), torch.randn(records, channels, length)
