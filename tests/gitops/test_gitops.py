"""What Argo CD and Flux apply of a commit: a template, and a run that has the commit's name."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from argo.cli.compile import command
from job.datasets import DatasetRef
from tests.cluster.kubernetes import Namespace, kubectl
from tests.gitops.repository import DATASET, FILE, Repository
from tests.k8s.crds import installed

GITOPS = Path(__file__).parents[2] / "k8s" / "gitops"
APPLICATION = GITOPS / "argocd" / "application.yaml"
ONE, OTHER = "1" * 40, "a" * 40

Object = dict[str, Any]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "texts", tmp_path / "texts.git", "https://git.example.org/team/texts.git")


def deploy(repository: Repository, tool: str, *words: str) -> Path:
    """The folder deploy/ of the repository, as the page says to make it."""
    folder = repository.folder / "deploy"
    shutil.copytree(GITOPS / tool / "deploy", folder)
    template = folder / ("template.yaml" if tool == "argocd" else "template/template.yaml")
    template.parent.mkdir(exist_ok=True)
    options = ("--kind", "template", "-p", f"github-url={repository.url}", "-p", "github-ref=main", *words)
    command.main([str(repository.folder / FILE), *options, "-o", str(template)], standalone_mode=False)
    return folder


def applied(folder: Path, tool: str, commit: str) -> tuple[Object, Object]:
    """The template and the run that the tool applies at a commit, which Argo CD tells and Flux does not."""
    if tool == "flux":
        run = re.sub("[0-9a-f]{40}", commit, (folder / "run" / "run.yaml").read_text("utf-8"))
        return yaml.safe_load((folder / "template" / "template.yaml").read_text("utf-8")), yaml.safe_load(run)
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl on PATH, which has kustomize")
    spec = yaml.safe_load(APPLICATION.read_text("utf-8"))["spec"]["source"]["kustomize"]
    assert spec["commonAnnotationsEnvsubst"] is True
    annotations = {
        key: value.replace("${ARGOCD_APP_REVISION}", commit)
        for key, value in spec["commonAnnotations"].items()
    }
    file = folder / "kustomization.yaml"
    # what `kustomize edit add annotation` does
    file.write_text(
        yaml.safe_dump({**yaml.safe_load(file.read_text("utf-8")), "commonAnnotations": annotations}), "utf-8"
    )
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    assert (rendered.returncode, rendered.stderr) == (0, "")
    template, run = sorted(
        yaml.safe_load_all(rendered.stdout), key=lambda each: str(each["kind"]), reverse=True
    )
    return template, run


@pytest.mark.parametrize("commit", [ONE, OTHER])
@pytest.mark.parametrize("tool", ["argocd", "flux"])
def test_the_run_has_the_commits_name_and_takes_the_commit(
    tool: str, commit: str, repository: Repository
) -> None:
    template, run = applied(deploy(repository, tool), tool, commit)
    assert (template["kind"], run["kind"]) == ("WorkflowTemplate", "Workflow")
    assert run["metadata"]["name"] == f"textgen-{commit}"
    assert run["spec"]["arguments"]["parameters"] == [{"name": "github-ref", "value": commit}]
    assert run["spec"]["workflowTemplateRef"]["name"] == template["metadata"]["name"]


def test_argo_cd_sees_something_to_sync_in_each_commit(repository: Repository) -> None:
    folder = deploy(repository, "argocd")
    first, second = (applied(folder, "argocd", commit)[0] for commit in (ONE, OTHER))
    assert first["metadata"]["annotations"].pop("textgen/commit") == ONE
    assert second["metadata"]["annotations"].pop("textgen/commit") == OTHER
    assert first == second


def test_argo_cd_runs_it_after_the_sync_and_keeps_what_succeeded(repository: Repository) -> None:
    template, run = applied(deploy(repository, "argocd"), "argocd", ONE)
    hook = {key: value for key, value in run["metadata"]["annotations"].items() if "argocd" in key}
    assert hook == {
        "argocd.argoproj.io/hook": "PostSync",
        # BeforeHookCreation, which is also the default, would run a commit again with each sync
        "argocd.argoproj.io/hook-delete-policy": "HookFailed",
    }
    assert not any("argocd" in key for key in template["metadata"]["annotations"])


def test_flux_applies_the_template_before_the_run_and_makes_no_run_anew(repository: Repository) -> None:
    documents = list(yaml.safe_load_all((GITOPS / "flux" / "sync.yaml").read_text("utf-8")))
    template, run = (each["spec"] for each in documents if each["kind"] == "Kustomization")
    assert run["dependsOn"] == [{"name": "texts-template"}]
    folder = deploy(repository, "flux").parent
    assert [each.name for each in (folder / template["path"]).iterdir()] == ["template.yaml"]
    assert [each.name for each in (folder / run["path"]).iterdir()] == ["run.yaml"]
    assert applied(folder / "deploy", "flux", ONE)[1]["spec"]["ttlStrategy"]["secondsAfterCompletion"] > 1e8


@pytest.mark.cluster
@pytest.mark.parametrize("file", ["argocd/application.yaml", "flux/sync.yaml"])
def test_the_api_server_takes_it_strictly(cluster: None, file: str) -> None:
    installed()
    documents = list(yaml.safe_load_all((GITOPS / file).read_text("utf-8")))
    for each in documents:
        each["metadata"]["namespace"] = "default"  # a dry run, too, wants one that is there
    flags = ("--server-side", "--dry-run=server", "--validate=strict")
    text = "---\n".join(json.dumps(each) + "\n" for each in documents)
    assert kubectl("apply", *flags, "-f", "-", text=text).count("serverside-applied") == len(documents)


@pytest.mark.cluster
@pytest.mark.parametrize("tool", ["argocd", "flux"])
def test_applying_a_commit_twice_makes_one_run_and_one_version(
    tool: str, baseline: Namespace, git_server: tuple[Path, str], tmp_path: Path
) -> None:
    """With `kubectl apply` in the place of Argo CD and Flux."""
    repository = Repository(tmp_path / "texts", git_server[0] / f"{tool}.git", f"{git_server[1]}/{tool}.git")
    (tmp_path / "cluster.yaml").write_text("scale: 1/16\n", "utf-8")
    folder = deploy(repository, tool, "--cluster", str(tmp_path / "cluster.yaml"))
    commit = repository.push("seed = 7\n")
    template, run = (json.dumps(each) for each in applied(folder, tool, commit))
    for text in (template, run):
        kubectl("-n", baseline.name, "apply", "--server-side", "-f", "-", text=text)
    ended = baseline.ended(f"textgen-{commit}")
    assert ended["status"]["phase"] == "Succeeded", ended["status"].get("message")
    for text in (template, run):
        kubectl("-n", baseline.name, "apply", "--server-side", "-f", "-", text=text)
    again = baseline.get(f"textgen-{commit}")
    assert again["metadata"]["uid"] == ended["metadata"]["uid"]
    assert again["status"] == ended["status"]
    assert commits(baseline).count(commit) == 1


def commits(namespace: Namespace) -> list[object]:
    """Those that the lineage of the dataset's versions names."""
    manifests = map(namespace.datasets.manifest, namespace.datasets.versions(DatasetRef(DATASET)))
    repositories = [manifest.lineage["repository"] for manifest in manifests]
    return [each["commit"] for each in repositories if isinstance(each, dict)]
