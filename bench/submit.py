"""What `textgen submit --detach` takes beside `kubectl create` of the same Workflow and Python's imports.

    python bench/submit.py -n NAMESPACE FILE [ROUNDS]

Rounds alternate. The goal: under 1 s beyond the two. The Workflows are deleted at once.
"""

import argparse
import statistics
import subprocess
import sys
import time

# Imports the modules that its arguments name; some were looked for in vain the first time too.
IMPORT = """\
import contextlib, importlib, sys
for name in sys.argv[1:]:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
"""


def main() -> None:
    """Print the medians, and what is left."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", "--namespace", required=True)
    parser.add_argument("file")
    parser.add_argument("rounds", type=int, nargs="?", default=5)
    args = parser.parse_args()
    textgen, kubectl = [sys.executable, "-m", "argo"], ["kubectl", "-n", args.namespace]
    workflow = output([*textgen, "compile", args.file])
    submitted = [*textgen, "submit", args.file, "--detach", "-o", "name", "-n", args.namespace]
    imports = [sys.executable, "-c", IMPORT, *modules(submitted, kubectl)]
    times: dict[str, list[float]] = {"kubectl create": [], "imports": [], "textgen submit": []}
    for _ in range(args.rounds):
        created = timed(times["kubectl create"], [*kubectl, "create", "-o", "name", "-f", "-"], workflow)
        timed(times["imports"], imports)
        name = timed(times["textgen submit"], submitted)
        output([*kubectl, "delete", created.strip(), f"workflow/{name.strip()}"])
    medians = {name: statistics.median(each) for name, each in times.items()}
    for name, seconds in medians.items():
        print(f"{name:16}{seconds:6.2f} s")
    left = medians["textgen submit"] - medians["kubectl create"] - medians["imports"]
    print(f"{'beyond the two':16}{left:6.2f} s   goal: under 1 s")


def modules(submitted: list[str], kubectl: list[str]) -> list[str]:
    """What one submission imports: the modules that Python says it loads, in the order of their ends."""
    done = subprocess.run(
        [submitted[0], "-X", "importtime", *submitted[1:]], capture_output=True, text=True, check=True
    )
    output([*kubectl, "delete", f"workflow/{done.stdout.strip()}"])
    lines = [
        line.split("|")[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")
    ]
    return [name for name in lines if name != "imported package" and not name.startswith("encodings.")]


def timed(times: list[float], command: list[str], text: str = "") -> str:
    """The command's output, and its seconds added to those."""
    start = time.perf_counter()
    printed = output(command, text)
    times.append(time.perf_counter() - start)
    return printed


def output(command: list[str], text: str = "") -> str:
    """What a command prints. Raises SystemExit with what it says where it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
