"""Which code a run runs, and what its versions say of it."""

from collections.abc import Callable

import pytest

from argo.repository import find_branch
from job.errors import InputError
from tests.git import add_submodule, git
from tests.local.conftest import Repository, script, workflow

CLONE = """
    outputs: {repo: {type: volume}}
    uses: git-checkout@v1
    with: {url: context.event.github.url, ref: context.event.github.ref}
    """
KEEP = script(
    """
    cd /inputs/repo && git status --short > /outputs/d/status
    cat file > /outputs/d/file
    ls -A > /outputs/d/ls
    """,
    needs="[clone]",
    inputs="{repo: clone.outputs.repo}",
    outputs="{d: {type: dataset, with: {ref: d}}}",
)
BOTH = workflow(clone=CLONE, keep=KEEP)


def test_the_working_tree_is_run_with_its_edits_and_the_lineage_says_so(repository: Repository) -> None:
    repository.write("file", "committed\n")
    repository.write("gone", "")
    repository.write(".gitignore", "ignored\n")
    commit = repository.commit()
    repository.write("file", "edited\n")
    repository.write("new file\n", "")
    repository.write("ignored", "")
    (repository.root / "gone").unlink()
    outcome = repository.run(BOTH)
    files = repository.files("d")
    assert files["file"] == "edited\n"
    assert "ignored" not in files["ls"]
    # with the workflow file itself
    assert set(files["status"].splitlines()) == {" M file", " D gone", "?? .gradient/", '?? "new file\\n"'}
    description = f"working tree at {commit[:7]}, 4 files changed"
    assert (outcome.record.source, description in outcome.log("clone")) == (description, True)
    lineage = repository.manifest("d").lineage["repository"]
    assert isinstance(lineage, dict)
    assert (lineage["commit"], lineage["dirty"], lineage["changed_files"]) == (commit, True, 4)
    assert git(repository.root, "status", "--short").count("\n") == 3  # and nothing of it was touched


def test_the_same_files_have_the_same_digest_committed_or_not(repository: Repository) -> None:
    def tree() -> tuple[bool, str]:
        repository.run(BOTH)
        lineage = repository.manifest("d").lineage["repository"]
        assert isinstance(lineage, dict)
        return lineage["dirty"], lineage["tree"]

    repository.write("file", "1")
    before = tree()
    repository.commit()
    assert tree() == (False, before[1])


def test_a_repository_without_a_commit_can_be_run(repository: Repository) -> None:
    repository.write("file", "x")
    outcome = repository.run(BOTH)
    assert outcome.record.source == "working tree at no commit yet, 2 files changed"
    assert repository.files("d")["file"] == "x"


def test_a_commit_is_run_when_asked_for(repository: Repository) -> None:
    repository.write("file", "old")
    old = repository.commit()
    repository.write("file", "new")
    repository.commit()
    repository.run(BOTH, ref="HEAD~1")
    assert repository.files("d")["file"] == "old"
    lineage = repository.manifest("d").lineage["repository"]
    assert isinstance(lineage, dict)
    assert (lineage["commit"], lineage["dirty"]) == (old, False)
    with pytest.raises(InputError, match="no such branch, tag or commit"):
        repository.run(BOTH, ref="--upload-pack=x")


def test_a_url_that_is_this_repositorys_own_means_the_working_tree(repository: Repository) -> None:
    git(repository.root, "remote", "add", "origin", "git@host.invalid:me/repo.git")
    repository.write("file", "here")
    text = BOTH.replace(
        "context.event.github.url, ref: context.event.github.ref", "https://host.invalid/me/repo"
    )
    repository.run(text)
    assert repository.files("d")["file"] == "here"


def test_another_repository_is_cloned_where_git_redirects_to(
    repository: Repository,
    make_repository: Callable[[str], Repository],
    serve: Callable[[Repository], str],
) -> None:
    other = make_repository("other")
    other.write("file", "other")
    commit = other.commit()
    url = serve(other)
    outcome = repository.run(BOTH.replace("context.event.github.url, ref: context.event.github.ref", url))
    assert repository.files("d")["file"] == "other"
    assert repository.manifest("d").lineage["checkouts"] == {"clone": {"repository": url, "commit": commit}}
    assert "Cloning into '/outputs/repo'..." in outcome.log("clone")


LOCAL = ("../other", "{other}", "file://{other}", "FILE://localhost{other}", "./vendor/inner.git", "./link")


@pytest.mark.parametrize("url", LOCAL)
@pytest.mark.parametrize("place", ["argument", "context"])
def test_a_file_clones_no_other_folder_of_this_machine(
    repository: Repository,
    make_repository: Callable[[str], Repository],
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    place: str,
) -> None:
    other = make_repository("other")
    other.write("file", "private")
    other.commit()
    git(repository.root, "remote", "add", "origin", str(other.root))
    git(repository.root, "clone", "--quiet", "--bare", "--shared", str(other.root), "vendor/inner.git")
    (repository.root / "link").symlink_to(other.root)
    monkeypatch.chdir(repository.root)
    url, event = url.format(other=other.root), "context.event.github.url, ref: context.event.github.ref"
    with pytest.raises(
        InputError, match=r"work.yaml:\d+: job 'clone' checks out .*, a folder of this machine that"
    ):
        if place == "argument":
            repository.run(BOTH.replace(event, f"{url!r}, ref: main"))
        else:
            outside = Repository(repository.root.parent / "outside")
            outside.root.mkdir()
            outside.run(f"context: {{event: {{github: {{url: {url!r}, ref: main}}}}}}\n{BOTH}")
    assert not list(repository.root.parent.glob("*/.textgen/runs"))


@pytest.mark.parametrize("url", ["../repository", "{root}", "file://{root}"])
def test_a_file_clones_its_own_repository_by_its_folder(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    repository.write("file", "committed")
    commit = repository.commit()
    monkeypatch.chdir(repository.root)
    event = "context.event.github.url, ref: context.event.github.ref"
    url = url.format(root=repository.root)
    repository.run(BOTH.replace(event, f"{url!r}, ref: {commit}"))
    assert repository.files("d")["file"] == "committed"


def test_a_commit_of_a_clone_has_no_folder_of_this_machine_as_a_submodule(
    repository: Repository, make_repository: Callable[[str], Repository]
) -> None:
    other = make_repository("other")
    other.write("file", "private")
    other.commit()
    add_submodule(repository.root, other.root.as_uri(), "sub")
    commit = repository.commit()
    git(repository.root, "remote", "add", "origin", "https://host.invalid/me/repo.git")
    outcome = repository.run(BOTH.replace("ref: context.event.github.ref", f"ref: {commit}"))
    assert "transport 'file' not allowed" in outcome.log("clone")


def test_outside_a_repository_only_a_file_that_needs_one_is_refused(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = Repository(repository.root.parent / "outside")
    outside.root.mkdir()
    monkeypatch.chdir(outside.root)
    with pytest.raises(InputError, match=r"work.yaml:2: job 'clone' .* is in no git repository"):
        outside.run(BOTH)
    assert not (outside.root / ".textgen").exists()
    assert outside.run(workflow(job=script("true"))).phases() == {"job": "Succeeded"}


def test_a_checkout_can_go_deeper_into_its_output_but_not_out_of_it(repository: Repository) -> None:
    repository.write("file", "x")
    deeper = CLONE.replace("ref}", "ref, path: /outputs/repo/sub/folder}")
    look = script("ls /inputs/repo/sub/folder", needs="[clone]", inputs="{repo: clone.outputs.repo}")
    assert "file" in repository.run(workflow(clone=deeper, look=look)).log("look")


def test_submodules_come_with_the_working_tree(
    repository: Repository, make_repository: Callable[[str], Repository]
) -> None:
    other = make_repository("other")
    other.write("inside", "x")
    other.commit()
    add_submodule(repository.root, str(other.root), "sub")
    repository.commit()
    look = script("cat /inputs/repo/sub/inside", needs="[clone]", inputs="{repo: clone.outputs.repo}")
    assert "x" in repository.run(workflow(clone=CLONE, look=look)).log("look")


def test_the_branch_of_a_run_is_recorded(repository: Repository) -> None:
    repository.write("file", "x")
    commit = repository.commit()
    git(repository.root, "branch", "feature/x")
    git(repository.root, "tag", "main")
    assert repository.run(BOTH).record.branch == "main"
    assert repository.run(BOTH, ref="feature/x").record.branch == "feature/x"
    assert find_branch(repository.root, "HEAD") == ""
    assert find_branch(repository.root, commit) == ""
    git(repository.root, "checkout", "--quiet", "--detach")
    assert find_branch(repository.root) == ""


def test_a_repository_without_a_commit_has_a_branch(repository: Repository) -> None:
    assert find_branch(repository.root) == "main"


def test_the_name_of_a_branch_need_not_be_utf_8(repository: Repository) -> None:
    repository.write("file", "x")
    repository.commit()
    git(repository.root, "checkout", "--quiet", "-b", "caf\udce9")
    assert find_branch(repository.root) == "caf\ufffd"
