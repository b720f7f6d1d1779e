"""A hub cache that holds `gpt2`: a tiny one with random weights. Run as: random_gpt2.py HF_HOME"""

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

END = "<|endoftext|>"
COMMIT = f"{1:040}"


def main(home: Path) -> None:
    """Write the cache as huggingface_hub lays it out."""
    model = home / "hub/models--gpt2"
    (model / "refs").mkdir(parents=True)
    (model / "refs/main").write_text(COMMIT)
    folder = model / "snapshots" / COMMIT
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator([], trainers.BpeTrainer(special_tokens=[END], initial_alphabet=letters))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=END, bos_token=END)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=64,
        n_embd=16,
        n_layer=1,
        n_head=2,
        bos_token_id=bpe.token_to_id(END),
        eos_token_id=bpe.token_to_id(END),
    )
    GPT2LMHeadModel(config).save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
