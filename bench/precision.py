"""What bfloat16 and int8 cost in accuracy: each dtype of the openvino engine against float32.

    python bench/precision.py [--model smollm2-135m] [--text FILE] [--tokens 1024]

The text is read in rows of 256 tokens, each token behind those before it. KL is the divergence of the dtype's
probabilities from float32's; a draw is one with the same random number, by default settings.
"""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from job.generate.engines.openvino.architecture import read_architecture
from job.generate.engines.openvino.dtypes import FLOAT32, list_dtypes
from job.generate.engines.openvino.engine import OpenvinoEngine
from job.generate.engines.openvino.model_files import open_model
from job.generate.engines.openvino.network import Logits, Network
from job.generate.engines.openvino.paged_attention import Piece, count_blocks
from job.generate.engines.openvino.sampler import Sampler
from job.generate.models.find import find_model
from job.generate.settings import Settings

_ROW = 256  # tokens
_DOCS = Path(__file__).parents[1] / "docs"


def compute_logits(network: Network, rows: Sequence[Sequence[int]]) -> Iterator[Logits]:
    """What is behind each column of the rows but the last: they are overwritten by the next."""
    blocks = count_blocks(len(rows[0]))
    for place in range(len(rows[0]) - 1):
        yield network.step(
            [
                Piece(row[place : place + 1], place, range(number * blocks, (number + 1) * blocks))
                for number, row in enumerate(rows)
            ]
        )


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


@click.command()
@click.option("--model", "name", default="smollm2-135m", show_default=True)
@click.option("--text", type=Path, default=_DOCS / "generate.md", help="A file of text.")
@click.option("--tokens", default=1024, show_default=True, help="How many of its tokens to read.")
def main(name: str, text: Path, tokens: int) -> None:
    """Print perplexity, KL divergence and the share of equal draws for each dtype of this processor."""
    warnings.simplefilter("ignore")
    files = find_model(name)
    token_ids = OpenvinoEngine(files, Settings()).tokenizer.encode(text.read_text("utf-8"))[:tokens]
    rows = [token_ids[start : start + _ROW] for start in range(0, len(token_ids) - _ROW + 1, _ROW)]
    model = open_model(files.path)
    architecture = read_architecture(model.config)
    samplers = [Sampler(Settings()), Sampler(Settings(greedy=True))]
    uniforms = np.random.default_rng(0).random((_ROW, len(rows)))
    expected: list[tuple[NDArray[np.float32], list[list[int]]]] = []
    click.echo(f"{name}, {len(rows)} rows of {_ROW} tokens of {text.name}")
    click.echo("dtype     perplexity       KL  equal draws  equal greedy")
    for dtype in list_dtypes():
        network = Network(
            architecture,
            model.load_tensors(),
            name,
            blocks=len(rows) * count_blocks(_ROW),
            positions=_ROW,
            top=max(sampler.top for sampler in samplers),
            threads=2,
            dtype=dtype,
        )
        losses, divergences, equal = [], [], []
        for place, logits in enumerate(compute_logits(network, rows)):
            draws = [sampler.draw(logits, uniforms[place].tolist(), [()] * len(rows)) for sampler in samplers]
            if dtype == FLOAT32:
                expected.append((logits.full.copy(), draws))
            full, expected_draws = expected[place]
            ours, theirs = log_softmax(logits.full), log_softmax(full)
            losses += [-ours[number, row[place + 1]] for number, row in enumerate(rows)]
            divergences += (np.exp(theirs) * (theirs - ours)).sum(axis=1).tolist()
            equal.append(np.equal(draws, expected_draws))
        shares = np.concatenate(equal, axis=1).mean(axis=1)
        click.echo(
            f"{dtype:9} {np.exp(np.mean(losses)):10.2f} {np.mean(divergences):8.5f} "
            f"{shares[0]:12.1%} {shares[1]:13.1%}"
        )


if __name__ == "__main__":
    main()
