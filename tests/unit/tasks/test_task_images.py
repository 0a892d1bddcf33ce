"""Images are told apart, each by itself, and a schema that does not fit is refused with what would."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from ringfence.errors import InvalidTask
from ringfence.quality import clean
from ringfence.schema import DatasetSchema
from ringfence.tasks import Autoencoder, ImageClassifier, TabularClassifier, TabularRegressor
from ringfence.tasks.encode import encode_table
from ringfence.tasks.probe import probe
from ringfence.tasks.synthetic import synthetic_rows
from ringfence.training.clipping import clipped_sum
from ringfence.training.flat import FlatModel
from ringfence.training.local import LocalPlan, train_local
from ringfence.training.route import choose_route, without_rules

SCAN = {"name": "scan", "type": "image", "shape": [1, 12, 10]}
SIDE = {"name": "side", "role": "target", "type": "category", "values": ["left", "middle", "right"]}
ILL = {"name": "ill", "role": "target", "type": "boolean"}
AGE = {"name": "age", "type": "number", "minimum": "0", "maximum": "9"}


def schema(*columns: dict) -> DatasetSchema:
    return DatasetSchema.model_validate({"columns": list(columns)})


THREE = schema(SCAN, SIDE)


def scans(records: int) -> pa.Table:
    """Dark images with a bright band at one of three places."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 60, (records, 1, 12, 10), dtype=np.uint8)
    places = draw.integers(0, 3, records)
    for image, place in zip(images, places, strict=True):
        image[0, :, 1 + 3 * place : 3 + 3 * place] += 150
    sides = [SIDE["values"][place] for place in places]
    return pa.table({"scan": pa.array([image.tobytes() for image in images], pa.binary(120)), "side": sides})


@pytest.mark.parametrize("target", [SIDE, ILL], ids=["three", "two"])
def test_it_passes_the_probe_that_a_users_task_must_pass(target):
    probed = probe(ImageClassifier([8, 16]), schema(SCAN, target))
    assert probed.inputs == {"pixels": (1, 12, 10), "target": ()}


def test_bands_at_three_places_are_told_apart():
    torch.manual_seed(0)
    task, rows = ImageClassifier([8]), scans(60)
    model, data = FlatModel(task.model(THREE)), encode_table(task, rows, THREE)
    train_local(task, model, data, LocalPlan(steps=30, batch_size=60, learning_rate=0.2, momentum=0.9, seed=0))
    right = (task.predict(model.module, data).argmax(1) == data["target"]).float().mean()
    assert data["pixels"].dtype == torch.uint8 and right > 0.95


def test_every_layer_is_clipped_by_a_rule_that_agrees_with_one_record_at_a_time():
    torch.manual_seed(0)
    task = ImageClassifier([8, 16])
    model, data = FlatModel(task.model(THREE)), encode_table(task, scans(9), THREE)
    route = choose_route(model, task, data)
    assert route.rest == ()
    by_rules = clipped_sum(model, task, data, 0.1, route=route)
    one_by_one = clipped_sum(model, task, data, 0.1, route=without_rules(model))
    torch.testing.assert_close(by_rules, one_by_one, rtol=1e-4, atol=1e-6)


def test_no_layer_looks_at_more_than_one_image():
    modules = list(ImageClassifier().model(THREE).modules())
    assert sum(isinstance(module, nn.GroupNorm) for module in modules) == 3
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in modules)


@pytest.mark.parametrize(
    ("task", "columns", "expected"),
    [
        (ImageClassifier(), [AGE, ILL], "needs one image and no other feature, but 'age' is number"),
        (ImageClassifier(), [SCAN, AGE, ILL], "but 'age' is number; give the others the role ignore"),
        (ImageClassifier(), [SCAN, SCAN | {"name": "again"}, ILL], "but 2 are declared"),
        (
            ImageClassifier(),
            [SCAN | {"shape": [3, 7, 90]}, ILL],
            "the images of 'scan' are smaller than 8 pixels a side",
        ),
        (ImageClassifier(), [SCAN], "needs a target of two classes or more, but none is declared"),
        (TabularClassifier(), [SCAN, AGE, ILL], "column 'scan' is image, which a tabular task does not look at"),
        (TabularRegressor(), [SCAN, AGE | {"role": "target"}], "use ImageClassifier, or give it the role ignore"),
        (Autoencoder(), [SCAN, AGE], "column 'scan' is image, which a tabular task does not look at"),
    ],
)
def test_a_schema_that_does_not_fit_is_refused_and_nothing_is_left_out_silently(task, columns, expected):
    with pytest.raises(InvalidTask) as refusal:
        task.model(schema(*columns))
    assert expected in str(refusal.value)


@pytest.mark.parametrize("channels", [[], [12], "16", [16.0], [8] * 9])
def test_channels_that_cannot_be_grouped_are_refused(channels):
    with pytest.raises(InvalidTask, match="channels is a list of 1 to 8 multiples of 8"):
        ImageClassifier(channels)


def test_invented_images_and_texts_are_clean_and_never_alike():
    both = schema(SCAN, {"name": "note", "type": "text", "max_length": 30}, ILL)
    rows = synthetic_rows(both, 50, 3)
    assert clean(rows, both).table.equals(rows)
    assert len(set(rows.column("scan").to_pylist())) == 50
    assert 1 <= min(map(len, both.texts(rows))) <= max(map(len, both.texts(rows))) <= 30
