"""How long it takes to compile a file once everything is imported, and what the imports take.

    python bench/compile.py [FILE...]

The goal: under 50 ms a file. Without files, the workflows of tests/compile/conformance are compiled.
"""

import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROUNDS = 20


def main(paths: list[Path]) -> None:
    """Print the median and the slowest file."""
    start = time.perf_counter()
    from argo.compile import ClusterConfig, FileOrigin, Kind, render
    from argo.compile.workflow import build
    from argo.language import check

    imports = time.perf_counter() - start
    cluster, origin = ClusterConfig(), FileOrigin("file.yaml", "https://git.example/team/texts.git", "0" * 40)
    took: dict[str, float] = {}
    for path in paths:
        workflow = check(path).workflow
        if workflow is None:
            continue
        values = {name: "x" for name, each in workflow.inputs.items() if each.default is None}
        rounds = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            render(build(workflow, Kind.WORKFLOW, cluster, origin, values=values), path.name)
            rounds.append(time.perf_counter() - start)
        took[path.name] = statistics.median(rounds)
    slowest = max(took, key=lambda name: took[name])
    print(f"imports        {imports * 1000:7.0f} ms")
    print(f"median file    {statistics.median(took.values()) * 1000:7.1f} ms   of {len(took)}")
    print(f"slowest file   {took[slowest] * 1000:7.1f} ms   {slowest}")
    print("goal                50.0 ms")


if __name__ == "__main__":
    files = [Path(word) for word in sys.argv[1:]]
    main(files or sorted((ROOT / "tests" / "compile" / "conformance").glob("*.yaml")))
