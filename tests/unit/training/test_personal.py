"""What a user works out for itself stays in its own step: removing a user moves the sum by no more than the clip."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
import torch

from ringfence.errors import InvalidTask
from ringfence.quality.cleaning import clean
from ringfence.schema import DatasetSchema
from ringfence.tasks import Recommender, TabularRegressor
from ringfence.tasks.encode import encode_table
from ringfence.tasks.probe import probe
from ringfence.training.flat import FlatModel
from ringfence.training.personal import check_personal, second_halves, with_personal, worked_out
from ringfence.training.plan import PrivateStep
from ringfence.training.userplan import UserPlan, UserRows, group_users
from ringfence.training.users import UserData, clipped_user_sum, train_users

ITEMS = 12
SCHEMA = DatasetSchema.model_validate(
    {
        "columns": [
            {"name": "reader", "type": "identifier", "role": "unit"},
            {"name": "book", "type": "category", "values": [f"b{n}" for n in range(ITEMS)]},
            {"name": "stars", "type": "number", "role": "target", "minimum": "1", "maximum": "5"},
        ]
    }
)
CLIP = 0.05


def ratings(users: int, seed: int, items: int = ITEMS) -> pa.Table:
    """Each user's ratings of some items: an item's worth, a user's mood, and a taste of two kinds."""
    draw = np.random.default_rng(seed)
    worth, taste = draw.normal(0, 0.6, ITEMS), draw.normal(0, 0.7, (ITEMS, 1))
    rows = []
    for user in range(users):
        mood, kind = draw.normal(0, 0.5), draw.normal(0, 1, 1)
        for item in draw.permutation(items)[: draw.integers(2, items)]:
            stars = 3 + mood + worth[item] + taste[item] @ kind + draw.normal(0, 0.2)
            rows.append((f"r{user}", f"b{item}", float(np.clip(stars, 1, 5))))
    reader, book, stars = zip(*rows, strict=True)
    return pa.table({"reader": reader, "book": book, "stars": stars})


def prepared(
    users: int, seed: int = 0, factors: int = 2, items: int = ITEMS
) -> tuple[Recommender, FlatModel, UserData]:
    torch.manual_seed(seed)
    task = Recommender(factors)
    rows = ratings(users, seed, items)
    codes = rows["reader"].combine_chunks().dictionary_encode().indices.to_numpy().astype("int64")
    order, grouped = group_users(codes, users)
    data = encode_table(task, rows, SCHEMA)
    return (
        task,
        FlatModel(task.model(SCHEMA)),
        UserData({n: v[torch.from_numpy(order)] for n, v in data.items()}, grouped),
    )


def plan(**changes) -> UserPlan:
    private = PrivateStep(1.0, Fraction(1), CLIP)
    given = {"users_per_round": 9, "epochs": Fraction(3), "batch_size": 4, "learning_rate": 2.0, "private": private}
    return UserPlan(**{**given, **changes})


def test_a_users_taste_is_the_ridge_solution_on_its_own_ratings():
    task, model, data = prepared(5)
    own = slice(int(data.rows.starts[2]), int(data.rows.starts[3]))
    items = model.module.items.weight[data.records["item"][own]].detach().double().numpy()
    known = np.column_stack([np.ones(len(items)), items[:, 1:]])
    missed = data.records["rating"][own].double().numpy() - items[:, 0]
    rows = np.vstack([known, np.diag(np.sqrt([1.0, 4.0, 4.0]))])
    expected = np.linalg.lstsq(rows, np.concatenate([missed, np.zeros(3)]), rcond=None)[0]
    found = with_personal(task, model.module, data.records, data.rows, [2])["taste"]
    np.testing.assert_allclose(found[own], np.tile(expected, (len(items), 1)), atol=1e-6)
    assert not found[: own.start].any()
    assert not found[own.stop :].any()


def test_removing_a_user_moves_the_sum_by_its_own_clipped_change_and_nothing_else():
    """Whole: sum over all. Less: without user 4. The difference is what user 4 contributes by itself, of norm <= C."""
    task, model, data = prepared(9)
    everybody = list(range(9))
    whole = clipped_user_sum(task, model, data, plan(), everybody)
    less = clipped_user_sum(task, model, data, plan(), [user for user in everybody if user != 4])
    alone = clipped_user_sum(task, model, data, plan(), [4])
    torch.testing.assert_close(whole - less, alone, atol=1e-6, rtol=1e-4)
    assert float(torch.linalg.vector_norm(whole - less)) <= CLIP * (1 + 1e-4)
    assert float(torch.linalg.vector_norm(alone)) == pytest.approx(
        CLIP, rel=1e-4
    )  # clipped, so it would have been more


def test_other_ratings_of_a_user_change_no_other_users_taste_or_change():
    task, model, data = prepared(6)
    altered = {name: values.clone() for name, values in data.records.items()}
    own = slice(int(data.rows.starts[1]), int(data.rows.starts[2]))
    altered["rating"][own] = -altered["rating"][own]
    others = [0, 2, 3, 4, 5]
    before = with_personal(task, model.module, data.records, data.rows, range(6))["taste"]
    after = with_personal(task, model.module, altered, data.rows, range(6))["taste"]
    changed = (before != after).any(1)
    assert changed[own].all()
    assert not changed[: own.start].any()
    assert not changed[own.stop :].any()
    first = clipped_user_sum(task, model, data, plan(), others)
    assert torch.equal(first, clipped_user_sum(task, model, UserData(altered, data.rows), plan(), others))


def test_nothing_of_a_user_is_a_parameter_and_a_round_moves_items_only():
    task, model, data = prepared(9)
    before = model.copy()
    train_users(task, model, data, plan(private=None, seed=1))
    assert [slot.name for slot in model.slots] == ["items.weight"]
    assert not torch.equal(before, model.vector)
    assert "taste" not in data.records


def test_users_train_together_with_their_tastes():
    """In lock-step, as many at a time: the sum is what one user after another gives."""
    task, model, data = prepared(9)
    together = clipped_user_sum(task, model, data, plan(), list(range(9)))
    one_by_one = sum(clipped_user_sum(task, model, data, plan(), [user]) for user in range(9))
    torch.testing.assert_close(together, one_by_one, atol=1e-6, rtol=1e-4)


def test_a_user_whose_taste_is_not_finite_adds_nothing_and_harms_nobody():
    task, model, data = prepared(5)
    data.records["rating"][int(data.rows.starts[3])] = float("nan")
    whole = clipped_user_sum(task, model, data, plan(), list(range(5)))
    others = clipped_user_sum(task, model, data, plan(), [0, 1, 2, 4])
    torch.testing.assert_close(whole, others, atol=1e-6, rtol=1e-4)


def test_an_item_nobody_rated_stays_as_it_was_and_is_predicted_near_the_users_mean():
    task, model, data = prepared(9, items=ITEMS - 1)
    before = model.module.items.weight[ITEMS - 1].detach().clone()
    for seed in range(20):
        train_users(task, model, data, plan(private=None, seed=seed))
    assert torch.equal(model.module.items.weight[ITEMS - 1], before)
    assert before[0] == 0


def test_it_learns_more_than_the_means():
    task, model, data = prepared(80, seed=3, factors=1)
    one = {"private": None, "users_per_round": 80, "epochs": Fraction(1), "batch_size": 50, "learning_rate": 8.0}
    for seed in range(25):
        train_users(task, model, data, plan(seed=seed, **one), workers=1)
    with torch.no_grad():
        asked, places = second_halves(task, model.module, data.records, data.rows)
        guessed = task.predict(model.module, asked)
    stars = 3 + 2 * data.records["rating"][places]
    rmse = float((guessed - stars).pow(2).mean().sqrt())
    assert rmse < 0.7 * float(stars.std())


def test_the_second_half_of_each_user_is_asked_and_the_first_is_known():
    task, model, data = prepared(4)
    rows = UserRows(np.array([0, 1, 4, 6], dtype=np.int64))
    records = {name: values[:6] for name, values in data.records.items()}
    asked, places = second_halves(task, model.module, records, rows)
    assert places.tolist() == [3, 5]
    known = worked_out(task, model.module, {name: values[1:3] for name, values in records.items()})
    torch.testing.assert_close(asked["taste"][0], known["taste"])


def test_of_a_user_without_ratings_the_taste_is_none():
    task, model, data = prepared(2)
    nobody = worked_out(task, model.module, {name: values[:0] for name, values in data.records.items()})
    assert not nobody["taste"].any()


def test_by_record_it_is_refused():
    with pytest.raises(InvalidTask, match="works something out from all rows of a user, so the unit must be the user"):
        check_personal(Recommender(), by_user=False)
    check_personal(Recommender(), by_user=True)
    check_personal(TabularRegressor(), by_user=False)


class Overwriting(Recommender):
    def personal(self, model, batch):
        return {"rating": torch.zeros(())}


def test_a_task_that_overwrites_what_was_encoded_is_refused():
    with pytest.raises(InvalidTask, match="personal gives 'rating', which encode gives too"):
        probe(Overwriting(), SCHEMA)


def test_it_holds_together():
    assert probe(Recommender(3), SCHEMA).parameters == ITEMS * 4


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ([SCHEMA.columns[0], SCHEMA.columns[2]], "one feature of type category, the item, but 0 are declared"),
        (list(SCHEMA.columns[:2]), "a target of type number or integer, the rating, but none is declared"),
    ],
    ids=["no item", "no rating"],
)
def test_a_schema_without_item_or_rating_is_refused(columns, words):
    extra = {"name": "age", "type": "number", "minimum": "0", "maximum": "9"}
    schema = DatasetSchema.model_validate({"columns": [*(one.model_dump() for one in columns), extra]})
    with pytest.raises(InvalidTask, match=words):
        Recommender().model(schema)


def test_a_rating_outside_its_scale_and_a_book_outside_the_catalogue_are_refused_or_treated_as_declared():
    rows = pa.table({"reader": ["a", "b", "c"], "book": ["b1", "b2", "b99"], "stars": [5.5, 3.0, 2.0]})
    with pytest.raises(Exception, match="stars") as caught:
        clean(rows, SCHEMA)
    assert "5.5" not in str(caught.value)
    columns = SCHEMA.document()["columns"]
    columns[1]["out_of_range"], columns[2]["out_of_range"] = "drop", "clip"
    treated = clean(rows, DatasetSchema.model_validate({"columns": columns}))
    assert treated.table["stars"].to_pylist() == [5.0, 3.0]


def test_noise_reaches_items_that_nobody_rated_too():
    task, model, data = prepared(9, items=ITEMS - 1)
    before = model.module.items.weight[ITEMS - 1].detach().clone()
    train_users(task, model, data, plan())
    assert not torch.equal(model.module.items.weight[ITEMS - 1], before)
