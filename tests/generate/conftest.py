"""Small seeded models that each test session makes for itself, and runs of them."""

import json
import os
import sys

# Set before torch is imported: threads that wait for each other on a busy machine take seconds a step.
os.environ["OMP_NUM_THREADS"] = "1"

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from job.generate import outputs
from job.generate.settings import Settings

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END = "<|endoftext|>"
TEXT = (
    "Hello, I'm a language model, and this is a small text to learn a vocabulary from. "
    "The quick brown fox jumps over the lazy dog 0123456789. Once upon a time there was a model."
)
PROMPTS = [f"The {animal} over the" for animal in ("quick brown fox jumps", "dog", "lazy model", "time")]

_SLOW_JOB = """
import sys, time
from job.__main__ import main
from job.generate.outputs import Outputs

def add_slowly(self, number, row, add=Outputs.add):
    add(self, number, row)
    if self.done >= least:
        time.sleep(0.1)

least = int(sys.argv.pop(1))
Outputs.add = add_slowly
main(sys.argv[1:])
"""


def slow_job(least: int) -> list[str]:
    """`python -m job`, which takes its time once so many texts are there: a test stops it before it ends."""
    return [sys.executable, "-c", _SLOW_JOB, str(least)]


def vocabulary() -> "Tokenizer":
    """A byte-level BPE tokenizer trained on TEXT; its token 0 ends a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    return tokenizer


def save(folder: Path, config: Any) -> Path:
    """A random model of `config`, seeded, saved with its tokenizer; its logits are wide apart."""
    import torch
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(4)
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=vocabulary(), eos_token=END).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import GPT2Config

    config = GPT2Config(
        n_embd=32, n_layer=2, n_head=2, n_positions=128, vocab_size=300, eos_token_id=0, bos_token_id=0
    )
    return save(tmp_path_factory.mktemp("models") / "gpt2", config)


def save_llama(folder: Path, hidden_size: int) -> Path:
    """A random Llama of two layers with two heads each."""
    from transformers import LlamaConfig

    config = LlamaConfig(
        hidden_size=hidden_size,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        vocab_size=300,
        eos_token_id=0,
        bos_token_id=None,
    )
    return save(folder, config)


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("models") / "llama", 32)


@pytest.fixture
def settings(gpt2: Path) -> Settings:
    return Settings(model=str(gpt2), engine="transformers", device="cpu", batch_size=4, max_length=60)


@pytest.fixture
def prompts_file(tmp_path: Path) -> str:
    file = tmp_path / "prompts.txt"
    file.write_text("\n".join(PROMPTS))
    return str(file)


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run's outputs.jsonl."""
    return [json.loads(line) for line in (folder / outputs.ROWS).read_text().splitlines()]


def read_texts(folder: Path) -> dict[tuple[str, int], str]:
    """The texts of a run by prompt and sequence number."""
    return {(row["prompt"], row["sequence"]): row["text"] for row in read_rows(folder)}
