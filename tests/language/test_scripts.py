"""What a script's text gives away: paths the job does not declare, a closed API, a server."""

from collections.abc import Callable

import pytest

from argo.language import CheckResult

_JOB = """jobs:
  a:
    uses: script@v1
    inputs: {repo: {type: volume}}
    outputs: {text: {type: string}, model: {type: volume}}
    with:
      image: bash:5
      script: |-
        set -e
"""


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("mv out.txt /outputs/result", "undeclared-output", "/outputs/result is not an output"),
        ("python run.py --out=/outputs/result/x.pkl", "undeclared-output", "/outputs/result is"),
        ("cat '/inputs/data/x'", "undeclared-input", "/inputs/data is not an input"),
        ("ls /input/repo", "undeclared-input", "write /inputs/repo"),
        ("echo x > /output/text", "undeclared-output", "write /outputs/text"),
        ("gradient deployments create --name x", "closed-service", "does not answer"),
        ("cd /x; gradient models list", "closed-service", "does not answer"),
        ("uvicorn app:app --port 80", "endless-job", "starts a server"),
        ("exec true && python -m http.server", "endless-job", "starts a server"),
    ],
)
def test_a_suspect_line_is_warned_of_where_it_stands(
    line: str, code: str, says: str, check_text: Callable[[str], CheckResult]
) -> None:
    result = check_text(f"{_JOB}        {line}\n")
    assert result.workflow is not None
    (diagnostic,) = result.diagnostics
    assert (diagnostic.code, diagnostic.position.line) == (code, 10)
    assert says in str(diagnostic)


@pytest.mark.parametrize(
    "line",
    [
        "cp -R /inputs/repo /outputs",
        "cat /inputs/repo/x > /outputs/text; ls /outputs/model/",
        "# mv x /outputs/result",
        "ls /data/inputs/x ./outputs/y ~/outputs/z $HOME/inputs/w",
        "ls /outputs/$NAME /outputs/* /inputs/re* /inputs/pre$x",
        "mkdir /input; ls /input/other",
        "pip install gradient; echo gradient descent; python gradient.py",
        "uvicorn app:app &",
        "echo text-generation-launcher",
    ],
)
def test_an_innocent_line_is_not(line: str, check_text: Callable[[str], CheckResult]) -> None:
    assert check_text(f"{_JOB}        {line}\n").diagnostics == ()


def test_the_arguments_of_a_container_are_looked_at_too(check_text: Callable[[str], CheckResult]) -> None:
    job = "uses: container@v1, with: {image: bash:5, args: [bash, -c, 'date > /outputs/x']}"
    (diagnostic,) = check_text(f"jobs: {{a: {{{job}}}}}").diagnostics
    assert (diagnostic.code, diagnostic.key) == ("undeclared-output", "jobs.a.with.args[2]")
