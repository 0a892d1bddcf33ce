"""A pretrained text encoder from a local folder, frozen: BERT (Devlin et al. 2019, arXiv:1810.04805) in plain PyTorch.

The folder is as Hugging Face's tools write it: `config.json`, `tokenizer.json`, `model.safetensors`. Nothing is fetched
and nothing in it is run. B texts, T tokens, H numbers a token.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from ringfence.errors import InvalidTask
from ringfence.tasks.encoder_layer import FrozenLayer, Weights

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILES = ("config.json", "model.safetensors", "tokenizer.json")
_TOGETHER = 32  # texts encoded at once
_BLOCK = 1024  # texts whose states are held at once
_REMEMBERED = 4
_PREFIX = "bert."
_PACKAGE = "package:"
_NEEDED = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}


@dataclass(frozen=True)
class Encoder:
    """A tokenizer, the embeddings and the layers. `width` is H, `longest` the most tokens of a text."""

    tokenizer: Tokenizer
    weights: Weights
    layers: tuple[FrozenLayer, ...]
    width: int
    longest: int
    epsilon: float
    remembered: dict[bytes, Tensor] = field(default_factory=dict, repr=False)

    def tokens(self, texts: Sequence[str], length: int) -> tuple[Tensor, Tensor]:
        """Token ids int64 [B, T] and bool [B, T], true where a token stands; T is `length`: longer texts are cut."""
        found = self.tokenizer.encode_batch(list(texts))
        ids, present = torch.zeros(len(found), length, dtype=torch.int64), torch.zeros(len(found), length).bool()
        for row, one in enumerate(found):
            kept = one.ids if len(one.ids) <= length else [*one.ids[: length - 1], one.ids[-1]]
            ids[row, : len(kept)], present[row, : len(kept)] = torch.tensor(kept), True
        return ids, present

    def features(self, texts: Sequence[str], length: int) -> Tensor:
        """float32 [B, H]: `pooled` states of the last layer.

        The last few results are remembered in memory, as a process that runs several jobs on the same rows asks again.
        """
        key = hashlib.blake2b(json.dumps([length, *texts]).encode()).digest()
        if key not in self.remembered:
            while len(self.remembered) >= _REMEMBERED:
                self.remembered.pop(next(iter(self.remembered)))
            found = [
                pooled(*self.states(texts[start : start + _BLOCK], length, len(self.layers)))
                for start in range(0, len(texts), _BLOCK)
            ]
            self.remembered[key] = torch.cat(found) if found else torch.empty(0, self.width)
        return self.remembered[key].clone()

    @torch.no_grad()
    def states(
        self, texts: Sequence[str], length: int, layers: int, dtype: torch.dtype = torch.float32
    ) -> tuple[Tensor, Tensor]:
        """`dtype` [B, T, H] after the first `layers` layers, zero where no token stands; bool [B, T] of `tokens`."""
        ids, present = self.tokens(texts, length)
        result = torch.zeros(len(ids), length, self.width, dtype=dtype)
        for start in range(0, len(ids), _TOGETHER):
            here = present[start : start + _TOGETHER]
            longest = int(here.sum(dim=1).max())
            here = here[:, :longest]
            x = self._embedded(ids[start : start + _TOGETHER, :longest])
            for layer in self.layers[:layers]:
                x = layer(x, here)
            result[start : start + _TOGETHER, :longest] = x * here.unsqueeze(2)
        return result, present

    def _embedded(self, ids: Tensor) -> Tensor:
        parts = {
            name: self.weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
        }
        x = parts["word"][ids] + parts["position"][: ids.shape[1]] + parts["token_type"][0]
        scale, shift = (self.weights[f"embeddings.LayerNorm.{name}"] for name in ("weight", "bias"))
        return functional.layer_norm(x, (self.width,), scale, shift, self.epsilon)


def pooled(states: Tensor, present: Tensor) -> Tensor:
    """[B, T, H] -> [B, H]: the mean over the tokens that stand there, brought to the length sqrt(H)."""
    kept = present.unsqueeze(2).to(states.dtype)
    mean = (states * kept).sum(dim=1) / kept.sum(dim=1)
    return functional.normalize(mean, dim=1) * math.sqrt(states.shape[2])


@lru_cache(maxsize=2)
def load_encoder(folder: str, digest: str) -> Encoder:
    """The encoder in `folder`, if its files have that digest. Raises InvalidTask, naming the folder.

    `package:NAME/PATH` is a folder inside an installed package, which is located and not imported.
    """
    place = _located(folder)
    absent = [name for name in FILES if not (place / name).is_file()]
    if absent:
        raise InvalidTask(f"holds no {absent[0]}", where=folder, remedy=f"an encoder's folder holds {', '.join(FILES)}")
    found = digest_of(place)
    if found != digest:
        raise InvalidTask(f"the encoder has the digest {found}, not {digest[:80]}", where=folder)
    try:
        config = json.loads((place / FILES[0]).read_bytes())
        weights = {name.removeprefix(_PREFIX): value for name, value in load_file(place / FILES[1]).items()}
        return _built(config, weights, _tokenizer(place / FILES[2]))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise InvalidTask("the encoder's files do not fit together", where=folder) from error


def _located(folder: str) -> Path:
    if not folder.startswith(_PACKAGE):
        return Path(folder)
    name, _, path = folder.removeprefix(_PACKAGE).partition("/")
    spec = find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise InvalidTask(
            f"the package {name[:80]!r} is not installed", where=folder, remedy="install it at every silo"
        )
    return Path(spec.submodule_search_locations[0]) / path


def digest_of(folder: Path) -> str:
    """`sha256:<hex>`, as `sha256sum config.json model.safetensors tokenizer.json | sha256sum` prints it."""
    listed = ""
    for name in FILES:
        with (folder / name).open("rb") as file:
            listed += f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n"
    return f"sha256:{hashlib.sha256(listed.encode()).hexdigest()}"


def _built(config: dict[str, Any], weights: Weights, tokenizer: Tokenizer) -> Encoder:
    for name, value in _NEEDED.items():
        if config.get(name, value) != value:
            raise InvalidTask(f"the encoder's {name} is {config[name]!r}, and only {value!r} can be read")
    heads, epsilon = config["num_attention_heads"], config["layer_norm_eps"]
    layers = tuple(FrozenLayer(weights, n, heads, epsilon) for n in range(config["num_hidden_layers"]))
    width, longest = config["hidden_size"], config["max_position_embeddings"]
    return Encoder(tokenizer, weights, layers, width, longest, epsilon)


def _tokenizer(file: Path) -> Tokenizer:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        remedy = "install it with: pip install 'ringfence[text]'"
        raise InvalidTask("the package tokenizers is not installed", remedy=remedy) from error
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise InvalidTask("is not a tokenizer", where=str(file)) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
