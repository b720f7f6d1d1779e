"""A working tree that lacks files of its commit: the run has what is there, and says what is not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from argo.repository import describe_code
from job.errors import InputError
from tests.git import add_submodule, git
from tests.local.conftest import Repository, script, workflow
from tests.local.test_code_version import BOTH, CLONE

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 7\n"
LOOK = workflow(
    clone=CLONE,
    look=script(
        "cd /inputs/repo && find . -path ./.git -prune -o -type f -print && git status --short",
        needs="[clone]",
        inputs="{repo: clone.outputs.repo}",
        outputs="{d: {type: dataset, with: {ref: d}}}",
    )
    + "\n    ls > /outputs/d/ls",
)


def lineage(repository: Repository) -> dict[str, object]:
    code = repository.manifest("d").lineage["repository"]
    assert isinstance(code, dict)
    return code


def test_a_sparse_checkout_is_said_in_the_log_and_in_the_lineage(repository: Repository) -> None:
    repository.write(".gradient/workflows/work.yaml", LOOK)
    for name in ("here/a", "away/b", "away/c"):
        repository.write(name, "x")
    commit = repository.commit()
    git(repository.root, "sparse-checkout", "set", ".gradient/workflows", "here")
    outcome = repository.run(LOOK)
    source = f"working tree at {commit[:7]}, 2 files left out by git sparse-checkout"
    assert outcome.record.source == source
    log = outcome.log("clone")
    assert source in log
    assert "to have them: git sparse-checkout disable" in log
    assert "away" not in outcome.log("look").replace(" D away/", "")
    code = lineage(repository)
    assert (code["dirty"], code["changed_files"], code["missing"]) == (True, 0, {"sparse_files": 2})


def test_submodules_that_were_not_checked_out_are_named(
    repository: Repository, make_repository: Callable[[str], Repository]
) -> None:
    inner, middle = make_repository("inner"), make_repository("middle")
    inner.write("file", "x")
    inner.commit()
    add_submodule(middle.root, str(inner.root), "inner")
    middle.commit()
    for name in ("there", "gone"):
        add_submodule(repository.root, str(middle.root), name)
    repository.write(".gradient/workflows/work.yaml", LOOK)
    commit = repository.commit()
    git(repository.root, "submodule", "--quiet", "deinit", "gone")
    outcome = repository.run(LOOK)
    source = f"working tree at {commit[:7]}, submodules gone, there/inner not checked out"
    assert outcome.record.source == source
    assert "git submodule update --init --recursive" in outcome.log("clone")
    code = lineage(repository)
    assert (code["dirty"], code["missing"]) == (True, {"submodules": ["gone", "there/inner"]})


def test_large_files_that_are_pointers_are_counted(repository: Repository) -> None:
    repository.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    repository.write("a.bin", POINTER)
    repository.write("b.bin", "the content")
    repository.write("pointer.txt", POINTER)
    repository.write(".gradient/workflows/work.yaml", LOOK)
    commit = repository.commit()
    outcome = repository.run(LOOK)
    assert outcome.record.source == f"working tree at {commit[:7]}, 1 file of Git LFS only a pointer"
    assert "to have them: git lfs pull" in outcome.log("clone")
    code = lineage(repository)
    assert (code["dirty"], code["missing"]) == (True, {"lfs_files": 1})


def test_large_files_of_another_repository_without_git_lfs_are_counted(
    repository: Repository,
    make_repository: Callable[[str], Repository],
    serve: Callable[[Repository], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = make_repository("other")
    other.write(".gitattributes", "*.bin filter=lfs -text\n")
    other.write("a.bin", POINTER)
    commit = other.commit()
    monkeypatch.setenv("PATH", str(programs_without_lfs(repository.root.parent)))
    event = "context.event.github.url, ref: context.event.github.ref"
    url = serve(other)
    outcome = repository.run(LOOK.replace(event, url))
    assert "git-lfs is not installed" in outcome.log("clone")
    checkout = {"repository": url, "commit": commit, "missing": {"lfs_files": 1}}
    assert repository.manifest("d").lineage["checkouts"] == {"clone": checkout}


def programs_without_lfs(folder: Path) -> Path:
    """A folder for PATH."""
    programs = folder / "programs"
    programs.mkdir()
    for program in ("git", "sh"):
        (programs / program).symlink_to(str(shutil.which(program)))
    return programs


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_change_that_git_was_told_not_to_see_is_one(repository: Repository, flag: str) -> None:
    repository.write("file", "1")
    repository.commit()
    git(repository.root, "update-index", flag, "file")
    repository.write("file", "2")
    assert describe_code(repository.root).changed == 1
    assert git(repository.root, "ls-files", "-v", "file")[0] in "hS"  # and the index is as it was


def test_a_change_in_a_submodule_that_the_configuration_hides_is_one(
    repository: Repository, make_repository: Callable[[str], Repository]
) -> None:
    other = make_repository("other")
    other.write("file", "1")
    other.commit()
    add_submodule(repository.root, str(other.root), "sub")
    git(repository.root, "config", "--file=.gitmodules", "submodule.sub.ignore", "all")
    repository.commit()
    (repository.root / "sub/file").write_text("2")
    assert describe_code(repository.root).changed == 1


@pytest.fixture
def served(make_repository: Callable[[str], Repository]) -> Repository:
    """A repository with two commits, for clones of its own."""
    origin = make_repository("origin")
    git(origin.root, "config", "uploadpack.allowFilter", "true")
    git(origin.root, "config", "uploadpack.allowAnySHA1InWant", "true")
    origin.write("away/b", "x")
    for text in ("old", "new"):
        origin.write("file", text)
        origin.commit()
    return origin


def clone(served: Repository, *options: str) -> Repository:
    root = served.root.parent / "clone"
    git(served.root, "clone", "--quiet", *options, served.root.as_uri(), str(root))
    return Repository(root)


def test_a_shallow_clone_runs_its_commit_and_says_why_it_has_no_other(served: Repository) -> None:
    repository = clone(served, "--depth=1")
    repository.run(BOTH)
    assert repository.files("d")["file"] == "new"
    with pytest.raises(InputError, match=r"no such .* the clone is shallow; run: git fetch --unshallow"):
        repository.run(BOTH, ref=git(served.root, "rev-parse", "HEAD~1"))


def test_a_second_worktree_is_run_with_its_own_files(repository: Repository, tmp_path: Path) -> None:
    repository.write("file", "main")
    repository.commit()
    git(repository.root, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "second"))
    second = Repository(tmp_path / "second")
    second.write("file", "other")
    commit = git(second.root, "rev-parse", "HEAD")
    assert second.run(BOTH).record.source == f"working tree at {commit[:7]}, 2 files changed"
    assert second.files("d")["file"] == "other"
    assert second.run(BOTH, ref="main").record.source == f"commit {commit[:7]}"
    assert second.files("d")["file"] == "main"
    assert not (repository.root / ".textgen").exists()


def test_a_partial_clone_runs_an_older_commit_and_fetches_what_it_lacks(served: Repository) -> None:
    repository = clone(served, "--filter=blob:none")
    repository.run(BOTH, ref="HEAD~1")
    assert repository.files("d")["file"] == "old"


def test_a_sparse_partial_clone_runs_its_working_tree_without_fetching_the_rest(served: Repository) -> None:
    repository = clone(served, "--filter=blob:none", "--sparse")
    git(repository.root, "remote", "set-url", "origin", "/nowhere")
    outcome = repository.run(BOTH)
    assert outcome.record.source.endswith("1 file changed, 1 file left out by git sparse-checkout")
    files = repository.files("d")
    assert (files["file"], files["status"]) == ("new", " D away/b\n?? .gradient/\n")


def test_a_partial_clone_that_can_not_fetch_says_so(served: Repository) -> None:
    repository = clone(served, "--filter=blob:none")
    git(repository.root, "remote", "set-url", "origin", "/nowhere")
    outcome = repository.run(BOTH, ref="HEAD~1")
    reason = "it is a partial clone, and git can't fetch what it lacks: '/nowhere' does not appear to be"
    assert reason in outcome.log("clone")


def test_a_partial_clone_of_somebody_else_is_named_and_runs_nothing(
    repository: Repository, served: Repository, serve: Callable[[Repository], str]
) -> None:
    other = clone(served, "--filter=blob:none")
    where = f"{serve(other)}, ref: {git(other.root, 'rev-parse', 'HEAD~1')}"
    outcome = repository.run(BOTH.replace("context.event.github.url, ref: context.event.github.ref", where))
    assert "it is a partial clone and lacks files of this commit" in outcome.log("clone")


def test_a_commit_has_the_submodules_that_its_origin_has_beside_it(
    repository: Repository, make_repository: Callable[[str], Repository]
) -> None:
    inner = make_repository("inner")
    inner.write("file", "inside")
    inner.commit()
    outer = make_repository("outer")
    add_submodule(outer.root, inner.root.as_uri(), "sub")
    git(outer.root, "config", "--file=.gitmodules", "submodule.sub.url", "../inner")
    outer.commit()
    far = repository.root.parent / "far"
    far.mkdir()
    git(far, "clone", "--quiet", outer.root.as_uri(), str(far / "clone"))
    outcome = Repository(far / "clone").run(
        workflow(
            clone=CLONE,
            look=script("cat /inputs/repo/sub/file", needs="[clone]", inputs="{repo: clone.outputs.repo}"),
        ),
        ref="HEAD",
    )
    assert outcome.phases() == {"clone": "Succeeded", "look": "Succeeded"}, outcome.log("clone")
    assert outcome.log("look") == "inside\n"
