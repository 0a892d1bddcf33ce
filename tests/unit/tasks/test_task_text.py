"""Texts are told apart by adapters on a frozen encoder; only these and the last layer train, travel and are noised."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
import torch

pytest.importorskip("tokenizers", reason="the package tokenizers is not installed")

from support.small_encoder import LAYERS, LONGEST, WIDTH, small_encoder

from ringfence.errors import InvalidTask
from ringfence.schema import DatasetSchema
from ringfence.tasks import TextClassifier
from ringfence.tasks.encode import encode_table
from ringfence.tasks.encoder import digest_of, load_encoder
from ringfence.tasks.probe import probe
from ringfence.training.clipping import clipped_sum
from ringfence.training.flat import FlatModel
from ringfence.training.local import LocalPlan, train_local
from ringfence.training.route import choose_route, without_rules

NOTE = {"name": "note", "type": "text", "max_length": 80}
LIKED = {"name": "liked", "type": "boolean", "role": "target"}
SCHEMA = DatasetSchema.model_validate({"columns": [NOTE, LIKED]})
NEGATED = ["the tea is good", "the tea is not good", "very fine tea", "not very fine", "bad tea", "not bad"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_encoder(tmp_path_factory.mktemp("encoder"))


def task(folder, **changes) -> TextClassifier:
    return TextClassifier(str(folder), digest_of(folder), **{"tokens": 8, "rank": 3, **changes})


def notes(records: int) -> pa.Table:
    draw = np.random.default_rng(0)
    words = ["good", "bad", "tea", "very", "the", "is"]
    written = [" ".join(draw.choice(words, 1 + place % 6)) for place in range(records)]
    return pa.table({"note": written, "liked": ["good" in text for text in written]})


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_it_passes_the_probe_that_a_users_task_must_pass(folder, layers):
    probed = probe(task(folder, layers=layers), SCHEMA)
    assert probed.trained == probed.parameters == layers * 2 * 3 * WIDTH + WIDTH + 1


def test_only_adapters_and_the_last_layer_travel_and_the_encoder_stays_as_it_was(folder):
    classifier = task(folder)
    model, data = FlatModel(classifier.model(SCHEMA)), encode_table(classifier, notes(60), SCHEMA)
    before = [buffer.clone() for buffer in model.module.buffers()]
    train_local(classifier, model, data, LocalPlan(40, 60, 0.3, 0.9, seed=0))
    assert {slot.name for slot in model.slots} == {
        "adapted.0.query_up.weight",
        "adapted.0.value_up.weight",
        "last.weight",
        "last.bias",
    }
    assert all(torch.equal(a, b) for a, b in zip(before, model.module.buffers(), strict=True))
    right = (classifier.predict(model.module, data) > 0) == (data["target"] > 0)
    assert right.float().mean() > 0.95


def test_the_average_of_two_models_is_the_model_of_the_averaged_adapters(folder):
    classifier = task(folder)
    first, second, mean = (FlatModel(classifier.model(SCHEMA)) for _ in range(3))
    for model in (first, second):
        model.vector.copy_(torch.randn_like(model.vector))
    mean.load((first.copy() + second.copy()) / 2)
    x = torch.randn(2, 5, WIDTH)

    def moved(model):
        layer = model.module.adapted[0]
        return layer.query_up(torch.nn.functional.linear(x, layer.down).chunk(2, dim=2)[0])

    torch.testing.assert_close(moved(mean), (moved(first) + moved(second)) / 2)
    assert torch.equal(first.module.adapted[0].down, second.module.adapted[0].down)


def test_every_adapter_is_clipped_by_a_rule_that_agrees_with_one_record_at_a_time(folder):
    classifier = task(folder, layers=2)
    model, data = FlatModel(classifier.model(SCHEMA)), encode_table(classifier, notes(7), SCHEMA)
    model.vector.copy_(torch.randn_like(model.vector) / 10)
    route = choose_route(model, classifier, data)
    assert route.rest == ()
    by_rules = clipped_sum(model, classifier, data, 0.1, route=route)
    one_by_one = clipped_sum(model, classifier, data, 0.1, route=without_rules(model))
    torch.testing.assert_close(by_rules, one_by_one, rtol=1e-3, atol=1e-5)


def test_what_is_encoded_below_the_adapters_is_what_the_whole_encoder_sees(folder):
    encoder = load_encoder(str(folder), digest_of(folder))
    whole, present = encoder.states(NEGATED, 8, LAYERS)
    below, _ = encoder.states(NEGATED, 8, 1)
    upper = encoder.layers[1](below, present) * present.unsqueeze(2)
    torch.testing.assert_close(whole, upper)
    alone = torch.cat([encoder.states([text], 8, LAYERS)[0] for text in NEGATED])
    torch.testing.assert_close(whole, alone, rtol=1e-4, atol=1e-5)
    assert present.sum(1).tolist() == [6, 7, 5, 5, 4, 4]


def test_a_long_text_is_cut_at_the_declared_tokens_and_keeps_its_end_mark(folder):
    ids, present = load_encoder(str(folder), digest_of(folder)).tokens(["very " * 50, "tea"], 5)
    assert ids.tolist() == [[2, 7, 7, 7, 3], [2, 6, 3, 0, 0]]
    assert present.tolist() == [[True] * 5, [True, True, True, False, False]]


def test_another_encoder_is_refused_with_its_digest(folder, tmp_path):
    other = small_encoder(tmp_path / "other", seed=1)
    with pytest.raises(InvalidTask) as refusal:
        TextClassifier(str(other), digest_of(folder))
    assert str(refusal.value) == f"{other}: the encoder has the digest {digest_of(other)}, not {digest_of(folder)}"


def test_a_folder_without_an_encoder_says_what_is_missing(tmp_path):
    with pytest.raises(InvalidTask, match=r"holds no config\.json; an encoder's folder holds config\.json, model\.s"):
        TextClassifier(str(tmp_path), "sha256:0")


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("tokenizer.json", "{}", "is not a tokenizer"),
        ("model.safetensors", "{}", "the encoder's files do not fit together"),
        ("config.json", json.dumps({"model_type": "t5"}), "the encoder's model_type is 't5', and only 'bert' can be"),
        ("config.json", "[", "the encoder's files do not fit together"),
        ("config.json", json.dumps({"hidden_size": 9}), "the encoder's files do not fit together"),
    ],
)
def test_files_that_do_not_fit_are_refused_in_one_line(tmp_path, file, content, expected):
    broken = small_encoder(tmp_path)
    (broken / file).write_text(content)
    with pytest.raises(InvalidTask) as refusal:
        TextClassifier(str(broken), digest_of(broken))
    assert expected in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tokens": LONGEST + 1}, "tokens is 13, and the encoder allows 12"),
        ({"rank": 9}, "rank is 9, and the encoder allows 8"),
        ({"layers": 3}, "layers is 3, and the encoder allows 2"),
        ({"rank": 0}, "rank is a whole number from 1 on, not '0'"),
        ({"tokens": "8"}, "tokens is a whole number from 2 on, not '8'"),
    ],
)
def test_arguments_out_of_range_are_refused(folder, changes, expected):
    with pytest.raises(InvalidTask) as refusal:
        task(folder, **changes)
    assert str(refusal.value) == expected


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ([NOTE, LIKED | {"role": "feature"}], "needs one text and no other feature, but 'liked' is boolean"),
        ([NOTE, NOTE | {"name": "more"}, LIKED], "but 2 are declared; give the others the role ignore"),
        ([NOTE], "TextClassifier needs a target of two classes or more, but none is declared"),
    ],
)
def test_a_schema_that_does_not_fit_is_refused(folder, columns, expected):
    with pytest.raises(InvalidTask) as refusal:
        task(folder).model(DatasetSchema.model_validate({"columns": columns}))
    assert expected in str(refusal.value)
