"""What a script's text gives away: paths the job does not declare, a closed API, a server."""

from collections.abc import Callable

import pytest

from argo.language import Checked

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
        ("mv out.txt /outputs/result", "undeclared-output", "/outputs/result is no output"),
        ("python run.py --out=/outputs/result/x.pkl", "undeclared-output", "/outputs/result is"),
        ("cat '/inputs/data/x'", "undeclared-input", "/inputs/data is no input"),
        ("ls /input/repo", "undeclared-input", "write /inputs/repo"),
        ("echo x > /output/text", "undeclared-output", "write /outputs/text"),
        ("gradient deployments create --name x", "closed-service", "nothing answers"),
        ("cd /x; gradient models list", "closed-service", "nothing answers"),
        ("uvicorn app:app --port 80", "endless-job", "starts a server"),
        ("exec true && python -m http.server", "endless-job", "starts a server"),
    ],
)
def test_a_suspect_line_is_warned_of_where_it_stands(
    line: str, code: str, says: str, check_text: Callable[[str], Checked]
) -> None:
    checked = check_text(f"{_JOB}        {line}\n")
    assert checked.workflow is not None
    (said,) = checked.diagnostics
    assert (said.code, said.position.line) == (code, 10)
    assert says in str(said)


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
def test_an_innocent_line_is_not(line: str, check_text: Callable[[str], Checked]) -> None:
    assert check_text(f"{_JOB}        {line}\n").diagnostics == ()


def test_the_arguments_of_a_container_are_looked_at_too(check_text: Callable[[str], Checked]) -> None:
    job = "uses: container@v1, with: {image: bash:5, args: [bash, -c, 'date > /outputs/x']}"
    (said,) = check_text(f"jobs: {{a: {{{job}}}}}").diagnostics
    assert (said.code, said.key) == ("undeclared-output", "jobs.a.with.args[2]")
