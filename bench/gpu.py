"""What bench/gpu.sh runs: 256 texts by a random network of 0.5B parameters, on one GPU.

    bench/gpu.sh [--device cuda:0]

speed      new tokens a second of the transformers engine: continuous batching, and one text at a time
           (`deterministic`), beside transformers' own generate() in batches of 64
bandwidth  the speed as a share of what the memory allows, if each step read the weights and the cache once; a
           copy measures how fast the memory is
equal      texts that are the same when something else about the run changes, sampled and with top_k 50
"""

import importlib.metadata
import json
import platform
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import torch

from job.generate.engines import continuous_batching, transformers
from job.generate.engines.engine import Completion, Row
from job.generate.engines.transformers import TransformersEngine
from job.generate.models.find import ModelFiles
from job.generate.models.load import load_model, silence_transformers
from job.generate.prompts.prompt import Prompt
from job.generate.settings import Settings

BATCH = 64  # of generate()


@dataclass(frozen=True)
class Size:
    """hidden_size, its heads and layers are those of Qwen2.5-0.5B."""

    hidden: int = 896
    heads: int = 14
    layers: int = 24
    intermediate: int = 4864
    vocabulary: int = 151_936
    texts: int = 256
    alone: int = 8  # texts of which each runs alone
    new_tokens: int = 128


SMALL = Size(64, 2, 2, 128, 1000, texts=24, alone=4, new_tokens=8)

Texts = dict[int, tuple[int, ...]]


class Bench:
    """A random model in a folder, and rows for it."""

    def __init__(self, folder: Path, size: Size, device: str) -> None:
        self.size, self.device = size, device
        make_model(folder, size, device)
        self.files = ModelFiles("random-0.5b", "", folder)
        self.settings = Settings(model=str(folder), engine="transformers", device=device, top_k=50)
        rng = random.Random(0)  # noqa: S311
        self.rows = [
            Row(
                Prompt(str(number), str(number)),
                tuple(rng.randrange(size.vocabulary) for _ in range(rng.randint(8, 64))),
                sequence=1,
                max_new_tokens=size.new_tokens,
                number=number,
                ignore_eos=True,
            )
            for number in range(size.texts)
        ]

    def generate(self, rows: Sequence[Row], **changed: Any) -> tuple[Texts, float]:
        """The texts by the rows' numbers, and the new tokens a second behind a first, short run."""
        engine = TransformersEngine(self.files, replace(self.settings, **changed))
        generate = engine.load(64 + self.size.new_tokens)
        list(generate([replace(row, max_new_tokens=2) for row in rows]))
        started = time.monotonic()
        texts = {row.number: check(completion) for row, completion in generate(rows)}
        seconds = time.monotonic() - started
        return texts, sum(map(len, texts.values())) / seconds

    def generate_by_library(self) -> float:
        """The new tokens a second of generate() in batches of 64, with its own draws."""
        model = load_model(self.files, self.device)
        started = 0.0
        for number, first in enumerate([0, *range(0, len(self.rows), BATCH)]):
            if number == 1:  # the first batch is run before, too
                started = time.monotonic()
            rows = self.rows[first : first + BATCH]
            longest = max(len(row.token_ids) for row in rows)
            padded = [[0] * (longest - len(row.token_ids)) + list(row.token_ids) for row in rows]
            input_ids = torch.tensor(padded, device=model.device)
            mask = torch.tensor(
                [[0] * (longest - len(row.token_ids)) + [1] * len(row.token_ids) for row in rows],
                device=model.device,
            )
            model.network.generate(
                inputs=input_ids,
                attention_mask=mask,
                do_sample=True,
                top_k=50,
                max_new_tokens=self.size.new_tokens,
                pad_token_id=0,
            )
        return len(self.rows) * self.size.new_tokens / (time.monotonic() - started)

    def bytes_of_step(self) -> float:
        """What a step of all texts has to read: the weights, and the cache at its mean length."""
        item = 2 if self.device.startswith("cuda") else 4
        head = self.size.hidden // self.size.heads
        layer = 2 * self.size.hidden * self.size.hidden + 2 * self.size.hidden * 2 * head
        layer += 3 * self.size.hidden * self.size.intermediate
        weights = self.size.layers * layer + self.size.vocabulary * self.size.hidden
        token = self.size.layers * 2 * 2 * head
        cached = sum(len(row.token_ids) + self.size.new_tokens / 2 for row in self.rows)
        return item * (weights + token * cached)


def check(completion: Completion) -> tuple[int, ...]:
    if completion.error:
        sys.exit(completion.error)
    return completion.token_ids


def make_model(folder: Path, size: Size, device: str) -> None:
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=size.hidden,
        intermediate_size=size.intermediate,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=2,
        vocab_size=size.vocabulary,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        eos_token_id=0,
        bos_token_id=None,
    )
    torch.manual_seed(0)
    with torch.device(device):
        network: Any = LlamaForCausalLM(config)
    network.to(torch.bfloat16 if device.startswith("cuda") else torch.float32).save_pretrained(folder)
    words = {str(number): number for number in range(size.vocabulary)}
    Tokenizer(models.WordLevel(words)).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "TokenizersBackend"}))


def measure_bandwidth(device: str) -> float:
    """Bytes a second that are read and written by a copy; the best of five."""
    count = 2**31 if device.startswith("cuda") else 2**28
    source = torch.zeros(count, dtype=torch.uint8, device=device)
    target, best = torch.empty_like(source), 0.0
    for _ in range(5):
        synchronize(device)
        started = time.monotonic()
        target.copy_(source)
        synchronize(device)
        best = max(best, 2 * count / (time.monotonic() - started))
    return best


def synchronize(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def describe(device: str) -> str:
    names = ("torch", "transformers", "flash_attn")
    versions = []
    for name in names:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    return f"{gpu}; Python {platform.python_version()}, {', '.join(versions)}"


@click.command()
@click.option("--device", default="cuda:0", show_default=True)
@click.option("--small", is_flag=True, help="A tiny model and few texts, to see that the script works.")
def main(device: str, small: bool) -> None:
    """Print the engine's speed and which of its texts are equal."""
    warnings.simplefilter("ignore")
    silence_transformers()
    size = SMALL if small else Size()
    if not device.startswith("cuda"):  # as the tests do; by itself the cache would take the memory
        transformers._CONTINUOUS_DEVICES = (device,)
        continuous_batching.CACHE_OPTIONS = {"num_blocks": 16}
    click.echo(describe(device))
    bandwidth = measure_bandwidth(device)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), size, device)
        texts, speed = bench.generate(bench.rows)
        library = bench.generate_by_library()
        limit = len(bench.rows) * bandwidth / bench.bytes_of_step()
        click.echo("\n| texts at once | tokens/s | of generate() | of the bandwidth |\n|---|---|---|---|")

        def show_speed(name: str, speed: float) -> None:
            click.echo(f"| {name} | {speed:,.0f} | {speed / library:.2f} | {speed / limit:.0%} |")

        show_speed(f"{size.texts}, continuous batching", speed)
        show_speed(f"{BATCH}, generate()", library)
        few = bench.rows[: size.alone]
        alone, speed_alone = bench.generate(few, deterministic=True)
        show_speed("1, deterministic", speed_alone)
        click.echo(f"\nThe memory copies {bandwidth / 1e9:,.0f} GB/s: at most {limit:,.0f} tokens/s.")
        click.echo("\n| changed | equal texts |\n|---|---|")

        def show_equal(name: str, other: Texts, expected: Texts) -> None:
            equal = sum(expected[number] == token_ids for number, token_ids in other.items())
            click.echo(f"| {name} | {equal} of {len(other)} |")

        show_equal("again", bench.generate(bench.rows)[0], texts)
        show_equal("reversed", bench.generate(bench.rows[::-1])[0], texts)
        show_equal(f"{BATCH} at once", bench.generate(bench.rows, batch_size=BATCH)[0], texts)
        show_equal("deterministic", alone, texts)
        show_equal(
            "deterministic, against itself, reversed",
            bench.generate(few[::-1], deterministic=True)[0],
            alone,
        )


if __name__ == "__main__":
    main()
