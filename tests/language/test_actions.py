"""Gradient's five actions: what each takes, what it makes of it, and what it refuses."""

from collections.abc import Callable

import pytest

from argo.language import CheckResult, Workflow
from argo.language.actions import ACTIONS
from argo.language.model import (
    Action,
    Container,
    CreateModel,
    EventField,
    GitCheckout,
    S3Download,
    Script,
    Secret,
)

_TAIL = "context: {event: {github: {url: 'https://github.com/user/repo', ref: abc123}}}\n"
_VOLUME = "outputs: {repo: {type: volume}}"


def _flow(uses: str, arguments: str, *lines: str) -> str:
    rest = "".join(f"    {line}\n" for line in lines)
    return f"jobs:\n  a:\n    uses: {uses}\n    with: {{{arguments}}}\n{rest}{_TAIL}"


@pytest.fixture
def action(read_text: Callable[[str], Workflow]) -> Callable[..., Action]:
    """The action of a job with these arguments and further lines."""
    return lambda *args: read_text(_flow(*args)).jobs["a"].action


@pytest.mark.parametrize("uses", [name for name in ACTIONS if name != "generate@v1"])
def test_an_argument_that_is_required_and_missing_is_named(
    uses: str, check_text: Callable[[str], CheckResult]
) -> None:
    diagnostics = check_text(_flow(uses, "")).diagnostics
    required = [f"{name!r} is missing" for name, each in ACTIONS[uses].arguments.items() if each.required]
    assert [(each.code, each.message) for each in diagnostics] == [
        ("missing-key", message) for message in required
    ]


@pytest.mark.parametrize(
    ("arguments", "command", "args"),
    [
        ("args: [bash, -c, 'a b']", None, ("bash", "-c", "a b")),
        ("command: bash, args: [-c, echo]", ("bash",), ("-c", "echo")),
        ("command: [python3, -u]", ("python3", "-u"), ()),
        ("command: flask run --port=80", ("flask", "run", "--port=80"), ()),
        ("args: [-n, 8080, 0.10, '']", None, ("-n", "8080", "0.10", "")),
    ],
)
def test_container_takes_a_command_and_arguments(
    arguments: str, command: tuple[str, ...] | None, args: tuple[str, ...], action: Callable[..., Action]
) -> None:
    assert action("container@v1", f"image: busybox, {arguments}") == Container("busybox", command, args)


@pytest.mark.parametrize(
    "arguments", ["args: echo", "args: [[]]", "args: [~]", "command: ''", "command: {a: b}"]
)
def test_container_refuses_what_is_no_list_of_texts(
    arguments: str, check_text: Callable[[str], CheckResult]
) -> None:
    diagnostics = check_text(_flow("container@v1", f"image: busybox, {arguments}")).diagnostics
    assert "wrong-type" in {each.code for each in diagnostics}


@pytest.mark.parametrize(
    "image",
    [
        *("-v", "--privileged", "a b", "''", "'a;b'", "'$(x)'", "'x\\n'"),
        *("Python", "a//b", "'a:'", "a:b:c", "a@sha256", "a/", "/a", "a..b", "host:port/a", f"a:{'t' * 129}"),
    ],
)
def test_an_image_is_what_a_container_runtime_takes(
    image: str, check_text: Callable[[str], CheckResult]
) -> None:
    diagnostics = check_text(_flow("script@v1", f"script: echo, image: {image}")).diagnostics
    assert [each.code for each in diagnostics] == ["bad-image"]


@pytest.mark.parametrize(
    "image",
    [
        *(
            "python",
            "python:3.11",
            "team/a_b__c-d--e.f:V1_x",
            "localhost:5000/a",
            "nvcr.io/nvidia/a:24.05-py3",
        ),
        *("[::1]:5000/a/b", f"ghcr.io/a/b:t@sha256:{'0' * 64}", "Host.Example/a"),
    ],
)
def test_an_image_may_have_a_registry_a_tag_and_a_digest(image: str, action: Callable[..., Action]) -> None:
    assert action("script@v1", f"script: echo, image: '{image}'") == Script(image, "echo")


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/user/repo.git",
        "ssh://git@host/repo",
        "https://[::1]:8443/repo",
        "git@github.com:user/repo.git",
        "git://host/repo",
        "file:///srv/repo",
        "/srv/repo",
        "./repo",
    ],
)
def test_git_checkout_takes_these_urls(url: str, action: Callable[..., Action]) -> None:
    assert action("git-checkout@v1", f"url: '{url}'", _VOLUME) == GitCheckout(
        url, None, "/outputs/repo", None, None
    )


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://host/repo', password: 'secret:token", "bad-url"),
        ("ftp://host/repo", "bad-url"),
        ("ext::sh -c touch% /tmp/x", "bad-url"),
        ("ext::sh", "bad-url"),
        ("ext::https://host/repo", "bad-url"),
        ("git@ext::sh", "bad-url"),
        ("--upload-pack=x", "bad-url"),
        ("-oProxyCommand=x@host:path", "bad-url"),
        ("ssh://-oProxyCommand=x/repo", "bad-url"),
        ("https://host/a b", "bad-url"),
        ("", "bad-url"),
        ("context.event.github.ref", "bad-expression"),
        ("${{ github.url }}", "bad-expression"),
        ("https://user:token@host/repo", "plain-secret"),
    ],
)
def test_git_checkout_answers_other_urls(
    url: str, code: str, check_text: Callable[[str], CheckResult]
) -> None:
    diagnostics = check_text(_flow("git-checkout@v1", f"url: '{url}'", _VOLUME)).diagnostics
    assert [each.code for each in diagnostics] == [code]


def test_git_checkout_takes_the_events_url_and_commit(action: Callable[..., Action]) -> None:
    arguments = "url: context.event.github.url, ref: context.event.github.ref"
    result = action("git-checkout@v1", arguments, _VOLUME)
    assert isinstance(result, GitCheckout)
    assert (result.url, result.ref) == (EventField.URL, EventField.REF)


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        ("--output=x", "bad-ref"),
        ("a..b", "bad-ref"),
        ("main:x", "bad-ref"),
        ("a b", "bad-ref"),
        ("", "bad-ref"),
        ("x.lock", "bad-ref"),
        ("$GIT_REF", "bad-expression"),
        ("clone.outputs.commit", "bad-expression"),
    ],
)
def test_git_checkout_refuses_these_refs(
    ref: str, code: str, check_text: Callable[[str], CheckResult]
) -> None:
    diagnostics = check_text(_flow("git-checkout@v1", f"url: /srv/repo, ref: '{ref}'", _VOLUME)).diagnostics
    assert [each.code for each in diagnostics] == [code]


@pytest.mark.parametrize(
    ("arguments", "line", "path"),
    [
        ("", _VOLUME, "/outputs/repo"),
        ("", "outputs: {d: {type: dataset, with: {ref: x}}, s: {type: string}}", "/outputs/d"),
        ("path: /outputs/b/sub/", "outputs: {a: {type: volume}, b: {type: volume}}", "/outputs/b/sub"),
        ("", "inputs: {repo: {type: volume}}", "/inputs/repo"),
        ("path: /inputs/repo/sub", "inputs: {repo: {type: volume}}", "/inputs/repo/sub"),
    ],
)
def test_a_download_goes_to_the_one_folder_or_to_path(
    arguments: str, line: str, path: str, action: Callable[..., Action]
) -> None:
    result = action("git-checkout@v1", f"url: /srv/repo, {arguments}".rstrip(", "), line)
    assert isinstance(result, GitCheckout)
    assert result.path == path


@pytest.mark.parametrize(
    ("arguments", "line", "code"),
    [
        ("", "env: {}", "bad-target"),
        ("", "outputs: {s: {type: string}}", "bad-target"),
        ("", "outputs: {a: {type: volume}, b: {type: volume}}", "bad-target"),
        ("path: /outputs/other", _VOLUME, "bad-path"),
        ("path: /outputs/repository", _VOLUME, "bad-path"),
        ("path: /outputs/repo/../../etc", _VOLUME, "bad-path"),
        ("path: repo", _VOLUME, "bad-path"),
    ],
)
def test_a_download_needs_a_folder_of_the_job(
    arguments: str, line: str, code: str, check_text: Callable[[str], CheckResult]
) -> None:
    diagnostics = check_text(
        _flow("git-checkout@v1", f"url: /srv/repo, {arguments}".rstrip(", "), line)
    ).diagnostics
    assert [each.code for each in diagnostics] == [code]


def test_the_older_git_password_stands_in_env(action: Callable[..., Action]) -> None:
    result = action(
        "git-checkout@v1", "url: /srv/repo, username: me", _VOLUME, "env: {GIT_PASSWORD: 'secret:P'}"
    )
    assert isinstance(result, GitCheckout)
    assert (result.username, result.password) == ("me", Secret("P"))


def test_s3_download_takes_its_arguments(action: Callable[..., Action]) -> None:
    arguments = (
        "url: 's3://bucket/a/', access-key: AK, secret-access-key: 'secret:K', region: eu-1, "
        "endpoint: 'https://minio:9000'"
    )
    assert action("s3-download@v1", arguments, _VOLUME) == S3Download(
        "s3://bucket/a/", "/outputs/repo", "AK", Secret("K"), "eu-1", "https://minio:9000"
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("url: 'https://bucket/a'", "bad-url"),
        ("url: 's3://'", "bad-url"),
        ("url: 's3://bucket', endpoint: minio", "bad-url"),
        ("url: 's3://bucket', secret-access-key: hunter2", "bad-secret"),
        ("url: 's3://bucket', secret-access-key: 'secret:K'", "missing-key"),
        ("url: 's3://bucket', access-key: AK", "missing-key"),
        ("url: 's3://bucket', secret-access-key: 'secret:ephemeral:x'", "bad-secret"),
        ("url: 's3://bucket', region: a b", "bad-name"),
        ("url: 's3://bucket', region: '1'", "bad-name"),
    ],
)
def test_s3_download_answers_a_wrong_argument(
    arguments: str, code: str, check_text: Callable[[str], CheckResult]
) -> None:
    assert [each.code for each in check_text(_flow("s3-download@v1", arguments, _VOLUME)).diagnostics] == [
        code
    ]


_MODEL = "inputs: {model: {type: dataset, with: {ref: x}}}"


def test_create_model_takes_a_dataset_and_gives_an_id(action: Callable[..., Action]) -> None:
    result = action("create-model@v1", "name: m, type: ONNX", _MODEL, "outputs: {model-id: {type: string}}")
    assert result == CreateModel("m", "ONNX")


@pytest.mark.parametrize("name", ["My Model", "runs/m", "'m:v1'", "../m"])
def test_a_model_is_named_as_a_dataset(name: str, check_text: Callable[[str], CheckResult]) -> None:
    diagnostics = check_text(_flow("create-model@v1", f"name: {name}, type: ONNX", _MODEL)).diagnostics
    assert [(each.code, each.key) for each in diagnostics] == [("bad-dataset", "jobs.a.with.name")]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (("env: {}",), "missing-key"),
        (("inputs: {model: {type: volume}}",), "missing-key"),
        (("inputs: {model: x}",), "bad-expression"),
        ((_MODEL, _VOLUME), "bad-target"),
        ((_MODEL, "outputs: {a: {type: string}, b: {type: string}}"), "bad-target"),
    ],
)
def test_create_model_needs_one_dataset_and_gives_one_string(
    lines: tuple[str, ...], code: str, check_text: Callable[[str], CheckResult]
) -> None:
    diagnostics = check_text(_flow("create-model@v1", "name: m, type: ONNX", *lines)).diagnostics
    assert [each.code for each in diagnostics] == [code]


@pytest.mark.parametrize(
    ("uses", "arguments", "hint"),
    [
        ("script@v1", "username: x", "defaults.resources.container-registries"),
        ("script@v1", "needs: [a]", "move `needs` out of `with`"),
        ("git-checkout@v1", "branch: main", "write ref: BRANCH"),
        ("create-model@v1", "model-name: x", "write name"),
        ("container@v1", "arg: [x]", "did you mean 'args'?"),
    ],
)
def test_an_invented_argument_has_a_hint_of_the_right_one(
    uses: str, arguments: str, hint: str, check_text: Callable[[str], CheckResult]
) -> None:
    diagnostics = check_text(_flow(uses, arguments)).diagnostics
    assert hint in next(each.hint for each in diagnostics if each.code == "unknown-key")


@pytest.mark.parametrize(
    ("uses", "hint"),
    [("script", "script@v1"), ("model-create@v1", "create-model@v1"), ("Script@v1", "script@v1")],
)
def test_an_unknown_action_has_a_hint_of_the_nearest(
    uses: str, hint: str, check_text: Callable[[str], CheckResult]
) -> None:
    (diagnostic,) = check_text(_flow(uses, "script: echo")).diagnostics
    assert (diagnostic.code, diagnostic.hint) == ("unknown-action", f"did you mean '{hint}'?")
