"""Classification of short texts by a frozen pretrained encoder with trained adapters.

For reviews, tickets and notes, too few in any silo to train a language model. Needs one feature of type text and a
target of two classes or more; other features must have the role ignore. Every silo, and whoever scores, has the same
encoder in a local folder, for instance in the image that the owner allows. Released: adapters and the last layer; the
encoder is never sent. Not protected: what the schema declares, the number of records, the encoder's own training texts,
and what a text says of anybody but the unit: a guarantee by record hides one text, not all that its writer wrote.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from ringfence.errors import InvalidTask
from ringfence.schema import DatasetSchema, Rows
from ringfence.tasks.encoder import Encoder, load_encoder, pooled
from ringfence.tasks.encoder_layer import FrozenLayer
from ringfence.tasks.tabular import classes_of, classification_loss
from ringfence.tasks.task import Batch, Encoded, Task

_SEED = 2106  # of the frozen matrices: every silo must have the same


class TextClassifier(Task):
    """Adapters of rank `rank` on queries and values of the topmost `layers` layers, mean over tokens, one linear layer.

    An adapter adds B A x to a projection (LoRA, Hu et al. 2021, arXiv:2106.09685). A is frozen, the same everywhere,
    and has orthonormal rows; B starts at zero and is trained. So the average of silos' models is the model of the
    averaged B, which fails if both are trained, and noise enters once and not as a product (FFA-LoRA, Sun et al. 2024,
    arXiv:2403.12313). With `layers: 0` nothing but the last layer is trained: a linear probe.

    `encoder` is the folder, or `package:NAME/PATH` for one inside an installed package; `digest` is what `sha256sum
    config.json model.safetensors tokenizer.json | sha256sum` prints in it, as sha256:...; texts are cut after `tokens`
    tokens. A record is encoded once, up to the first adapted layer, and then takes 2 H bytes a token (H = 384: 48 KiB
    for 64 tokens).
    """

    def __init__(self, encoder: str, digest: str, tokens: int = 64, rank: int = 8, layers: int = 1) -> None:
        for name, value, low in (("tokens", tokens, 2), ("rank", rank, 1), ("layers", layers, 0)):
            if type(value) is not int or value < low:
                raise InvalidTask(f"{name} is a whole number from {low} on, not {str(value)[:40]!r}")
        self.encoder = load_encoder(str(encoder), str(digest))
        deepest = len(self.encoder.layers)
        limits = {"tokens": self.encoder.longest, "rank": self.encoder.width // 2, "layers": deepest}
        for name, value in (("tokens", tokens), ("rank", rank), ("layers", layers)):
            if value > limits[name]:
                raise InvalidTask(f"{name} is {value}, and the encoder allows {limits[name]}")
        self.tokens, self.rank, self.layers = tokens, rank, layers

    def model(self, schema: DatasetSchema) -> nn.Module:
        other = next((column for column in schema.features if column.type != "text"), None)
        if other is not None or len(schema.written) != 1:
            found = f"{other.name!r} is {other.type}" if other else f"{len(schema.written)} are declared"
            message = f"TextClassifier needs one text and no other feature, but {found}"
            raise InvalidTask(message, remedy="give the others the role ignore")
        classes = classes_of(schema, "TextClassifier")
        return TextNet(self.encoder, self.layers, self.rank, 1 if classes == 2 else classes)

    def encode(self, rows: Rows, schema: DatasetSchema) -> Encoded:
        texts, target = schema.texts(rows), schema.target(rows)
        if not self.layers:
            return {"states": self.encoder.features(texts, self.tokens), "target": target}
        below = len(self.encoder.layers) - self.layers
        states, present = self.encoder.states(texts, self.tokens, below, torch.float16)
        return {"states": states, "present": present, "target": target}

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        logits: Tensor = model(batch["states"], batch.get("present"))
        return logits

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return classification_loss(self.predict(model, batch), batch["target"])


class TextNet(nn.Module):
    """States [B, T, H] below the adapted layers -> logits [B, outputs], or [B] with one output.

    Without adapted layers there is no `present`, and the states are features [B, H].
    """

    def __init__(self, encoder: Encoder, layers: int, rank: int, outputs: int) -> None:
        super().__init__()
        first = len(encoder.layers) - layers
        self.adapted = nn.ModuleList(
            AdaptedLayer(layer, encoder.width, rank, _SEED + number)
            for number, layer in enumerate(encoder.layers[first:], first)
        )
        self.last = nn.Linear(encoder.width, outputs)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, states: Tensor, present: Tensor | None) -> Tensor:
        x = states.to(self.last.weight.dtype)
        for layer in self.adapted:
            x = layer(x, present)
        logits: Tensor = self.last(x if present is None else pooled(x, present))
        return logits.squeeze(-1) if logits.shape[-1] == 1 else logits


class AdaptedLayer(nn.Module):
    """A frozen layer whose queries and values are moved by B A x."""

    def __init__(self, layer: FrozenLayer, width: int, rank: int, seed: int) -> None:
        super().__init__()
        self.layer = copy.deepcopy(layer)
        generator = torch.Generator().manual_seed(seed)
        down = nn.init.orthogonal_(torch.empty(2, rank, width).flatten(0, 1), generator=generator)
        self.register_buffer("down", down, persistent=False)
        self.query_up, self.value_up = nn.Linear(rank, width, bias=False), nn.Linear(rank, width, bias=False)
        nn.init.zeros_(self.query_up.weight)
        nn.init.zeros_(self.value_up.weight)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        query, value = functional.linear(x, self.get_buffer("down")).chunk(2, dim=2)
        moved: Tensor = self.layer(x, present, self.query_up(query), self.value_up(value))
        return moved
