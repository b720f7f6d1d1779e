"""The webhooks' manifests: what the Sensor lets pass, and that Argo Events and an API server take them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.kubernetes import kubectl
from tests.k8s.argo_events import SCHEMA, Schema, passes
from tests.k8s.crds import installed

EVENTS = Path(__file__).parents[2] / "k8s/overlays/events"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ZEROS = "0" * 40


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EVENTS / f"{name}.yaml").read_text("utf-8"))
    return found


SENSOR = document("sensor")["spec"]
DEPENDENCIES = {each["name"]: each for each in SENSOR["dependencies"]}


def push(host: str, **changed: Any) -> dict[str, Any]:
    """The event that Argo Events makes of a push's delivery; only the fields that are looked at."""
    body = {"ref": "refs/heads/main", "before": ZEROS, "after": COMMIT}
    told = {"object_kind": "push"} if host == "gitlab" else {"X-GitHub-Event": "push"}
    return {"headers": {}, "body": {**body, **told, **changed}}


@pytest.mark.parametrize("host", DEPENDENCIES)
@pytest.mark.parametrize("ref", ["main", "feature/shorter-texts", "v1.2", "_x", "a@b+c=d"])
def test_a_push_to_a_branch_passes(host: str, ref: str) -> None:
    assert passes(DEPENDENCIES[host], push(host, ref=f"refs/heads/{ref}"))


@pytest.mark.parametrize("host", DEPENDENCIES)
@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"after": ZEROS}, id="a deleted branch"),
        pytest.param({"ref": "refs/tags/main"}, id="a tag named like a branch"),
        pytest.param({"ref": "main"}, id="a short name"),
        pytest.param({"ref": "refs/heads/--upload-pack=id"}, id="a branch that tries to be an option"),
        pytest.param({"ref": "refs/heads/{{workflow.name}}"}, id="a branch that tries to be a template"),
        pytest.param({"ref": "refs/heads/$(id)"}, id="a branch that tries to be a command"),
        pytest.param({"ref": "refs/heads/main\n"}, id="a newline after the branch"),
        pytest.param({"ref": "x\nrefs/heads/main"}, id="a line before the branch"),
        pytest.param({"ref": "refs/heads/" + "a" * 201}, id="a branch too long to show"),
        pytest.param({"ref": ["refs/heads/main"]}, id="a list of branches"),
        pytest.param({"ref": {"x": "refs/heads/main"}}, id="an object for a branch"),
        pytest.param({"ref": None}, id="no branch"),
        pytest.param({"after": COMMIT + "\n"}, id="a newline after the commit"),
        pytest.param({"after": COMMIT.upper()}, id="a commit in capitals"),
        pytest.param({"after": COMMIT[:-1]}, id="a short commit"),
        pytest.param({"after": COMMIT + "0"}, id="a long commit"),
        pytest.param({"after": "HEAD"}, id="a name for a commit"),
        pytest.param({"after": None}, id="no commit"),
        pytest.param({"X-GitHub-Event": "ping", "object_kind": "tag_push"}, id="another event"),
        pytest.param({"X-GitHub-Event": "", "object_kind": ""}, id="no event"),
    ],
)
def test_what_is_no_push_to_a_branch_is_dropped(host: str, changed: dict[str, Any]) -> None:
    assert not passes(DEPENDENCIES[host], push(host, **changed))


@pytest.mark.parametrize("host", DEPENDENCIES)
def test_an_event_without_the_fields_is_dropped(host: str) -> None:
    assert not passes(DEPENDENCIES[host], {"body": {}})
    assert not passes(DEPENDENCIES[host], {"body": "push"})


@given(st.text(st.characters(max_codepoint=0x2FF), max_size=30), st.text(max_size=45))
def test_a_ref_and_a_commit_that_pass_are_plain(ref: str, commit: str) -> None:
    if passes(DEPENDENCIES["github"], push("github", ref=f"refs/heads/{ref}")):
        assert ref.isascii()
        assert not ref.startswith("-")
        assert not set(ref) & set(" \t\n\r\x00'\"`$\\{}();&|<>*?![]~^:#%,")
    assert not passes(DEPENDENCIES["github"], push("github", after=commit)) or int(commit, 16)


def test_only_what_is_filtered_passes_and_only_into_annotations() -> None:
    (trigger,) = SENSOR["triggers"]
    resource = trigger["template"]["k8s"]["source"]["resource"]
    for each in trigger["template"]["k8s"]["parameters"]:
        assert set(each["src"]) == {"dependencyName", "dataKey"}
        filters = DEPENDENCIES[each["src"]["dependencyName"]]["filters"]["data"]
        assert each["src"]["dataKey"] in [data["path"] for data in filters]
        start, _, name = each["dest"].partition("annotations.")
        assert start == "metadata."
        assert name in resource["metadata"]["annotations"]


def test_every_source_checks_the_secret_and_has_a_dependency() -> None:
    spec = document("eventsource")["spec"]
    secret = {"name": "textgen-webhook", "key": "secret"}
    # `gitlab` takes any token where it has not made the hook
    assert set(spec) == {"service", "template", "github", "webhook"}
    assert [each["webhookSecret"] for each in spec["github"].values()] == [secret, secret]
    assert [each["authSecret"] for each in spec["webhook"].values()] == [secret]
    assert {**spec["github"], **spec["webhook"]}.keys() == DEPENDENCIES.keys()


def test_each_kind_of_source_has_a_port_that_the_service_and_the_network_let_in() -> None:
    spec = document("eventsource")["spec"]
    hooks = {each["webhook"]["endpoint"]: each["webhook"]["port"] for each in spec["github"].values()}
    others = {each["endpoint"]: each["port"] for each in spec["webhook"].values()}
    assert set(hooks | others) == {f"/{name}" for name in DEPENDENCIES}
    assert not set(hooks.values()) & set(others.values())
    ports = {str(port["targetPort"]) for port in spec["service"]["ports"]}
    assert ports == set(hooks.values()) | set(others.values())
    policy = next(iter(yaml.safe_load_all((EVENTS / "network.yaml").read_text("utf-8"))))
    assert {str(port["port"]) for port in policy["spec"]["ingress"][0]["ports"]} == ports


@pytest.fixture(scope="module")
def schema() -> Schema:
    if not SCHEMA.exists():
        pytest.skip("the schema of Argo Events is not on this machine")
    return Schema()


@pytest.mark.parametrize("name", ["eventbus", "eventsource", "sensor"])
def test_the_schema_of_argo_events_holds(name: str, schema: Schema) -> None:
    assert schema.problems(document(name)) == []


def test_a_field_that_the_schema_does_not_name_is_found(schema: Schema) -> None:
    sensor = document("sensor")
    sensor["spec"]["dependencies"][0]["filter"] = sensor["spec"]["dependencies"][0].pop("filters")
    sensor["spec"]["triggers"][0]["atLeastOnce"] = "yes"
    del sensor["spec"]["dependencies"][1]["eventName"]
    assert schema.problems(sensor) == [
        "Sensor.spec.dependencies[0].filter: not in the schema",
        "Sensor.spec.dependencies[1]: no eventName",
        "Sensor.spec.triggers[0].atLeastOnce: 'yes' is no boolean",
    ]


@pytest.mark.cluster
def test_the_api_server_takes_them_strictly(cluster: None, namespace: str, tmp_path: Path) -> None:
    installed()
    shutil.copytree(EVENTS, tmp_path / "events")
    (tmp_path / "kustomization.yaml").write_text(f"namespace: {namespace}\nresources: [events]\n", "utf-8")
    lines = kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-k", str(tmp_path)
    ).splitlines()
    for kind in ("eventbus", "eventsource", "sensor"):
        assert any(line.startswith(f"{kind}.argoproj.io/") for line in lines)
    created = json.dumps(SENSOR["triggers"][0]["template"]["k8s"]["source"]["resource"])
    flags = ("--dry-run=server", "--validate=strict")
    kubectl("-n", namespace, "create", *flags, "-f", "-", text=created)
