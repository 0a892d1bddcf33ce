"""Classification of images of one size.

For photographs, scans and slides that a silo has labelled. Needs one feature of type image with sides of 8 or more and
a target of two classes or more; other features must have the role ignore. Released: the weights. Not protected: what
the schema declares (the size of the images among it), and the number of records. Nor is a person protected who is on
many images of a silo, unless the unit is User: a guarantee by record hides one image.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ringfence.errors import InvalidTask
from ringfence.schema import Column, DatasetSchema, Rows
from ringfence.tasks.tabular import classes_of, classification_loss
from ringfence.tasks.task import Batch, Encoded, Task

_SMALLEST = 8  # pixels a side: three times halved, one is left
_GROUP = 8  # channels normalised together


class ImageClassifier(Task):
    """A small convolution net: blocks of convolution, GroupNorm and ReLU, each halving both sides, then one layer.

    GroupNorm (Wu and He 2018) looks at one image at a time, which BatchNorm does not. `channels`: of the blocks,
    default [16, 32, 32]; each is a multiple of 8, because channels are normalised in groups of 8. Few wide blocks suit
    noise better than many: the noise grows with the number of weights, and a silo's gradient does not. Two classes are
    predicted by one logit, K > 2 classes by K.
    """

    def __init__(self, channels: list[int] | tuple[int, ...] = (16, 32, 32)) -> None:
        valid = isinstance(channels, list | tuple) and 1 <= len(channels) <= 8
        if not valid or not all(type(c) is int and 8 <= c <= 1024 and c % _GROUP == 0 for c in channels):
            message = f"channels is a list of 1 to 8 multiples of 8 such as [16, 32], not {str(channels)[:40]!r}"
            raise InvalidTask(message)
        self.channels = tuple(channels)

    def model(self, schema: DatasetSchema) -> nn.Module:
        classes = classes_of(schema, "ImageClassifier")
        image = _only_image(schema)
        return ImageNet(image.shape or (1, 1, 1), self.channels, 1 if classes == 2 else classes)

    def encode(self, rows: Rows, schema: DatasetSchema) -> Encoded:
        return {"pixels": schema.pixels(rows), "target": schema.target(rows)}

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        logits: Tensor = model(batch["pixels"])
        return logits

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return classification_loss(self.predict(model, batch), batch["target"])


class ImageNet(nn.Module):
    """Pixels uint8 [B, C, H, W] -> logits [B, outputs], or [B] with one output."""

    def __init__(self, shape: tuple[int, int, int], channels: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        sides = list(shape[1:])
        for inputs, width in pairwise((shape[0], *channels)):
            layers += [
                nn.Conv2d(inputs, width, 3, stride=2, padding=1),
                nn.GroupNorm(width // _GROUP, width),
                nn.ReLU(),
            ]
            sides = [(side + 1) // 2 for side in sides]
        self.blocks = nn.Sequential(*layers, nn.Flatten())
        self.last = nn.Linear(channels[-1] * sides[0] * sides[1], outputs)

    def forward(self, pixels: Tensor) -> Tensor:
        scaled = pixels.to(self.last.weight.dtype) / 127.5 - 1
        logits: Tensor = self.last(self.blocks(scaled))
        return logits.squeeze(-1) if logits.shape[-1] == 1 else logits


def _only_image(schema: DatasetSchema) -> Column:
    other = next((column for column in schema.features if column.type != "image"), None)
    if other is not None or len(schema.images) != 1:
        found = f"{other.name!r} is {other.type}" if other else f"{len(schema.images)} are declared"
        raise InvalidTask(
            f"ImageClassifier needs one image and no other feature, but {found}",
            remedy="give the others the role ignore",
        )
    image = schema.images[0]
    if min((image.shape or (0, 0, 0))[1:]) < _SMALLEST:
        raise InvalidTask(f"the images of {image.name!r} are smaller than {_SMALLEST} pixels a side")
    return image
