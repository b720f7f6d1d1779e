"""How much faster 64 prompts are in batches than one by one.

    python bench/batching.py [--model smollm2-135m] [--max-new-tokens 16] [--rounds 3]

The rounds of all batch sizes are interleaved, as the machine may be busy with other things;
the medians are printed. Anchor: in batches at least 3 times as fast as one by one.
"""

import statistics
import time
import warnings

import click
from prompts import PROMPTS

from job.generate.engines.engine import Row
from job.generate.engines.transformers import generate
from job.generate.models.find import find_model
from job.generate.models.load import load_model
from job.generate.prompts.prompt import Prompt
from job.generate.settings import Settings


@click.command()
@click.option("--model", "name", default="smollm2-135m", show_default=True)
@click.option("--max-new-tokens", default=16, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--batch-sizes", default="1,16,64", show_default=True)
def main(name: str, max_new_tokens: int, rounds: int, batch_sizes: str) -> None:
    """Print new tokens per second for each batch size."""
    warnings.simplefilter("ignore")
    model = load_model(find_model(name))
    rows = [
        Row(Prompt(str(number), text), model.tokenizer.encode(text), 1, max_new_tokens)
        for number, text in enumerate(PROMPTS)
    ]
    sizes = [int(size) for size in batch_sizes.split(",")]
    speeds: dict[int, list[float]] = {size: [] for size in sizes}
    generate(model, rows[:2], Settings())
    for _ in range(rounds):
        for size in sizes:
            started = time.perf_counter()
            new_tokens = sum(
                len(text.token_ids)
                for start in range(0, len(rows), size)
                for text in generate(model, rows[start : start + size], Settings())
            )
            speeds[size].append(new_tokens / (time.perf_counter() - started))
    baseline = statistics.median(speeds[sizes[0]])
    click.echo(
        f"{name}, {model.device}, {model.dtype}: {len(rows)} prompts, {max_new_tokens} new tokens each"
    )
    click.echo("batch size  tokens/s  ratio")
    for size in sizes:
        speed = statistics.median(speeds[size])
        click.echo(f"{size:10}  {speed:8.1f}  {speed / baseline:5.1f}")


if __name__ == "__main__":
    main()
