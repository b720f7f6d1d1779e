"""How fast the engines are, beside transformers' own generate(), OpenVINO GenAI and llama.cpp.

    python bench/engine.py [--peers] [--model smollm2] [--rounds 3]

Cases, with sampling (top_k 50) and no end of text:
A  one prompt of 8 tokens, 5 texts of 22 new tokens
B  64 prompts of 8 to 64 tokens, 64 new tokens each
C  one prompt of 8 tokens, 256 texts of 16 new tokens (with the embedded model, as those below)
long  three prompts, one of 6,500 tokens, 32 new tokens each
cold  `python -m job generate` with the embedded model, until the texts of its settings are there

The machine may be busy with other things: the engines take turns, and medians and ratios are printed.
Each runs in a process of its own, as one that waits takes no time. --peers sets up what is missing of
GenAI and llama.cpp, which takes ten minutes; without it they run if they are there.
"""

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from engine_models import FOLDER, MODELS, PEERS, make_models, make_peers

WORKER = Path(__file__).with_name("engine_worker.py")
SLOW = 12.0  # seconds: a case that takes an engine longer is not repeated
BASELINE = ("transformers", "float32")  # in batches of 16: what textgen had before it had engines
ENGINES = (
    BASELINE,
    ("one batch", "float32"),
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("openvino", "int8"),
    ("GenAI", "float32"),
    ("GenAI", "bfloat16"),
    ("GenAI", "int8"),
    ("llama.cpp", "bfloat16"),
)
# The ratios that are printed: of textgen's engine, over another one of the same dtype or of all.
GOALS = {
    ("transformers", "float32"): "A 2 / 3.3, B 3.5 / 8.5, C 5.2 / 12",
    ("one batch", "float32"): "A 2 / 3, B 2.5 / 6, C 3 / 7",
    ("GenAI", "float32"): "A 1.0, B 1.0, C 1.0",
    ("GenAI", "bfloat16"): "A 1.0, B 1.0, C 1.1",
    ("llama.cpp", "bfloat16"): "A 1.1 / 2, B 2 / 5, C 4 / 10",
}


def build_cases() -> dict[str, dict[str, Any]]:
    """Prompts of random tokens, the number of texts for each, and of new tokens in a text."""
    draw = random.Random(0)  # noqa: S311

    def prompt(length: int) -> list[int]:
        return [draw.randrange(1, 49_000) for _ in range(length)]

    lengths = [8 + number * 56 // 63 for number in range(64)]
    draw.shuffle(lengths)
    return {
        "A": {"prompts": [prompt(8)], "sequences": 5, "new_tokens": 22},
        "B": {"prompts": [prompt(length) for length in lengths], "sequences": 1, "new_tokens": 64},
        "C": {"prompts": [prompt(8)], "sequences": 256, "new_tokens": 16},
        "long": {"prompts": [prompt(16), prompt(6500), prompt(16)], "sequences": 1, "new_tokens": 32},
    }


@dataclass
class Worker:
    """An engine with a model in a process of its own."""

    engine: str
    model: str
    dtype: str
    process: subprocess.Popen[str]
    load_seconds: float
    seconds: dict[str, list[float]] = field(default_factory=dict)
    cpu_seconds: dict[str, list[float]] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    peak_mib: int = 0  # after case A

    def run(self, name: str, case: Mapping[str, Any]) -> None:
        """Run a case once. Raises click.ClickException if the process ends."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(case) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise click.ClickException(f"{self.engine} {self.dtype} ended in case {name} of {self.model}")
        answer = json.loads(line)
        self.tokens[name] = answer["tokens"]
        self.seconds.setdefault(name, []).append(answer["seconds"])
        self.cpu_seconds.setdefault(name, []).append(answer["cpu_seconds"])
        self.peak_mib = self.peak_mib or answer["peak_mib"]

    def is_slow(self, name: str) -> bool:
        return min(self.seconds.get(name, [0.0])) > SLOW

    def speed(self, name: str) -> float | None:
        """New tokens per second: the median."""
        seconds = self.seconds.get(name)
        return self.tokens[name] / statistics.median(seconds) if seconds else None


def start(engine: str, model: str, dtype: str) -> Worker | None:
    """The engine with its model loaded; None if it is not installed, or has not the dtype."""
    is_peer = engine in ("GenAI", "llama.cpp")
    python = str(PEERS) if is_peer else sys.executable
    if is_peer and not PEERS.is_file():
        return None
    begun = time.perf_counter()
    process = subprocess.Popen(
        [python, str(WORKER), engine, str(FOLDER / model), dtype],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    if not any(line == "loaded\n" for line in process.stdout):  # what else a library prints is passed over
        process.wait()
        return None
    return Worker(engine, model, dtype, process, time.perf_counter() - begun)


def measure(model: str, cases: Mapping[str, Any], rounds: int, engines: Sequence[tuple[str, str]]) -> None:
    """Run all cases with one model, and print the tables."""
    workers = [worker for engine, dtype in engines if (worker := start(engine, model, dtype))]
    try:
        for worker in workers:  # what is only done once is not measured
            worker.run("first", {**cases["A"], "new_tokens": 2})
        for name, case in cases.items():
            for number in range(1 if name == "long" else rounds):
                for worker in workers:
                    is_left_out = name == "long" and worker.engine not in ("openvino", "GenAI")
                    if not (is_left_out or (number and worker.is_slow(name))):
                        worker.run(name, case)
            click.echo(f"  {model}: case {name} measured", err=True)
        print_speeds(model, workers, list(cases))
        print_ratios(workers, [name for name in cases if name != "long"])
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.wait()


def print_speeds(model: str, workers: Sequence[Worker], names: Sequence[str]) -> None:
    """Print new tokens per second and how many times the baseline's that is; of `long`, the seconds."""
    baseline = next((each for each in workers if (each.engine, each.dtype) == BASELINE), None)
    click.echo(f"\n{model}: new tokens per second (times those of {' '.join(BASELINE)})\n")
    head = "".join(f" {name} |" for name in names)
    click.echo(f"| engine | dtype |{head} MiB | load, s |")
    click.echo(f"|{'---|' * (len(names) + 4)}")
    for worker in workers:
        cells = ""
        for name in names:
            speed, base = worker.speed(name), baseline and baseline.speed(name)
            cell = "" if speed is None else f"{speed:.0f}"
            if name == "long" and speed is not None:
                cell = f"{statistics.median(worker.seconds[name]):.1f} s"
            elif speed is not None and base:
                cell += f" ({speed / base:.1f})"
            cells += f" {cell} |"
        click.echo(
            f"| {worker.engine} | {worker.dtype} |{cells} {worker.peak_mib} | {worker.load_seconds:.1f} |"
        )


def print_ratios(workers: Sequence[Worker], names: Sequence[str]) -> None:
    """Print how many times as fast the openvino engine is: the median of the rounds' own ratios."""
    click.echo("\nopenvino's speed over another's, round by round (by processor time)\n")
    click.echo("| openvino | other | " + " | ".join(names) + " | goal (float32 / bfloat16) |")
    click.echo(f"|{'---|' * (len(names) + 3)}")
    for ours in (worker for worker in workers if worker.engine == "openvino"):
        for other in workers:
            if other.engine == "openvino" or (other.engine == "GenAI" and other.dtype != ours.dtype):
                continue
            cells = []
            for name in names:
                wall, processor = (
                    statistics.median(b / a for a, b in zip(mine, its, strict=False))
                    for mine, its in (
                        (ours.seconds[name], other.seconds[name]),
                        (ours.cpu_seconds[name], other.cpu_seconds[name]),
                    )
                )
                cells.append(f"{wall:.2f} ({processor:.2f})")
            goal = GOALS.get((other.engine, other.dtype), "")
            click.echo(f"| {ours.dtype} | {other.engine} {other.dtype} | {' | '.join(cells)} | {goal} |")


def measure_cold(rounds: int, engines: Sequence[str]) -> None:
    """Print how long the command takes, and again when all is done."""
    click.echo("\nthe command with the embedded model, seconds (goals: 3.2 in float32; 0.6 if all is done)\n")
    click.echo("| engine | dtype | to the texts | if all is done |")
    click.echo("|---|---|---|---|")
    seconds: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    for _ in range(rounds):
        for engine, dtype in (("openvino", "float32"), ("openvino", "bfloat16"), ("transformers", "float32")):
            if engine not in engines:
                continue
            with tempfile.TemporaryDirectory() as folder:
                command = [str(Path(sys.executable).with_name("textgen")), "generate", "--model=smollm2-135m"]
                command += [f"--engine={engine}", f"--dtype={dtype}", f"--output={folder}/outputs"]
                both = seconds.setdefault((engine, dtype), ([], []))
                for measured in both:
                    begun = time.perf_counter()
                    subprocess.run(command, stderr=subprocess.DEVNULL, check=True)
                    measured.append(time.perf_counter() - begun)
    for (engine, dtype), (texts, done) in seconds.items():
        click.echo(f"| {engine} | {dtype} | {statistics.median(texts):.1f} | {statistics.median(done):.2f} |")


@click.command()
@click.option("--peers", is_flag=True, help="Set up OpenVINO GenAI and llama.cpp first, where missing.")
@click.option("--model", "models", multiple=True, type=click.Choice(MODELS), default=MODELS)
@click.option("--rounds", default=3, show_default=True)
@click.option("--engine", "names", multiple=True, help="Only these engines.")
@click.option("--case", "only", multiple=True, help="Only these cases: A, B, C, long, cold.")
def main(
    peers: bool, models: tuple[str, ...], rounds: int, names: tuple[str, ...], only: tuple[str, ...]
) -> None:
    """Print the tables."""
    make_peers() if peers else make_models()
    engines = [each for each in ENGINES if not names or each[0] in names]
    if not only or "cold" in only:
        measure_cold(rounds, [engine for engine, _ in engines])
    for model in models:
        cases = {
            name: case
            for name, case in build_cases().items()
            if (not only or name in only) and (model == MODELS[0] or name in ("A", "B"))
        }
        if cases:
            measure(model, cases, rounds, engines)


if __name__ == "__main__":
    main()
