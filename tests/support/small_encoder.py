"""A BERT encoder of two layers with random weights and a vocabulary of some words, as a folder."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "tea", "very", "not", "the", "is", "a", "fine")
WIDTH, INNER, LAYERS, LONGEST = 16, 32, 2, 12


def small_encoder(folder: Path, seed: int = 0) -> Path:
    """Writes the three files and returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=draw) * 0.3

    weights = {f"embeddings.{name}_embeddings.weight": random(size, WIDTH) for name, size in _SIZES.items()}
    sides = {"attention.self.query": (WIDTH, WIDTH), "attention.self.key": (WIDTH, WIDTH)}
    sides |= {"attention.self.value": (WIDTH, WIDTH), "attention.output.dense": (WIDTH, WIDTH)}
    sides |= {"intermediate.dense": (INNER, WIDTH), "output.dense": (WIDTH, INNER)}
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        for name, shape in sides.items():
            weights[f"{prefix}.{name}.weight"] = random(*shape)
            weights[f"{prefix}.{name}.bias"] = random(shape[0])
        norms += [f"{prefix}.attention.output.LayerNorm", f"{prefix}.output.LayerNorm"]
    weights |= {f"{name}.weight": 1 + random(WIDTH) for name in norms}
    weights |= {f"{name}.bias": random(WIDTH) for name in norms}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(_CONFIG))
    _tokenizer().save(str(folder / "tokenizer.json"))
    return folder


_SIZES = {"word": len(WORDS), "position": LONGEST, "token_type": 2}
_CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": LONGEST,
    "num_attention_heads": 2,
    "num_hidden_layers": LAYERS,
    "type_vocab_size": 2,
    "vocab_size": len(WORDS),
}


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer
