"""A tiny random GPT-2 under the name gpt2, in the form of a hub's cache: `tiny_gpt2.py HUB`."""

import sys
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

COMMIT = "0" * 40
END = "<|endoftext|>"


def main(hub: Path) -> None:
    """Write the model where `from_pretrained("gpt2")` finds it."""
    folder = hub / "models--gpt2" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (hub / "models--gpt2" / "refs").mkdir()
    (hub / "models--gpt2" / "refs" / "main").write_text(COMMIT)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=[END], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(["Hello, I'm a language model, and this is a text."], trainer)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END).save_pretrained(folder)
    config = GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=128, vocab_size=300, eos_token_id=0)
    GPT2LMHeadModel(config).save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
