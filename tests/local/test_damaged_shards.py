"""What shards leave on this machine may be anything: a kill cuts it, or the file's own image writes it."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from argo.local import run_job
from argo.local.shard_folders import ShardFolders
from job.datasets import DatasetRef
from job.errors import CommitError, JobError
from job.generate.settings import Settings
from job.generate.shards.plan import write_plan
from job.generate.shards.run import run_shard
from job.untrusted_files import remove_tree
from tests.local.conftest import Repository
from tests.local.generations import ECHO, generation, on_shard, read_log


@pytest.fixture
def folders(tmp_path: Path) -> ShardFolders:
    """Shards that are done: a line of OpenAI's results is in one, so the first has all eight texts."""
    folders = ShardFolders(tmp_path / "shards", "texts", 2)
    settings = Settings(prompt="Hello", engine="echo", num_return_sequences=8, format="openai")
    planning = folders.make_planning()
    write_plan(settings, 2, planning / "plan")
    folders.keep_plan(planning, {})
    for index in range(2):
        run_shard(folders.find_rows(index), folders.make_outputs(index) / "texts")
    return folders


@contextmanager
def other_user() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_a_plan_that_an_image_s_user_has_left_is_kept() -> None:
    with TemporaryDirectory() as name:  # pytest's are closed to other users
        Path(name).chmod(0o777)
        folders = ShardFolders(Path(name, "shards"), "texts", 1)
        for _ in range(2):  # the first one is killed
            with other_user():
                planning = folders.make_planning()
            write_plan(Settings(prompt="Hello"), 1, planning / "plan")
        with other_user():
            folders.keep_plan(planning, {})
            assert folders.read_plan().prompts == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (None, "no such file; was the plan stopped?"),
        ("[]", "not a plan of shards"),
        (f'{{"prompts": {2**65}}}', "a number of more than 64 bits"),
        ('{"prompts": 1, "texts_of_shards": [1], "settings": {}}', "no plan of 2 shards"),
    ],
)
def test_what_is_no_plan_of_the_shards_says_why(
    folders: ShardFolders, body: str | None, message: str
) -> None:
    file = folders.root / "planned/plan/plan.json"
    file.unlink() if body is None else file.write_text(body)
    with pytest.raises(JobError, match=f"^/outputs/plan/plan.json: {re.escape(message)}$"):
        folders.read_plan()


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


def remove_last_row(file: Path) -> None:
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))


def replace_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(file: Path) -> None:
        file.unlink()
        make(file)

    return replace


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("outputs.jsonl", cut, "has 7 whole rows, and run.json says 8"),
        ("outputs.jsonl", remove_last_row, "has 7 whole rows, and run.json says 8"),
        ("outputs.jsonl", Path.unlink, "no such file; was the shard stopped?"),
        ("outputs.jsonl", replace_by(os.mkfifo), "not a regular file"),
        ("outputs.jsonl", replace_by(Path.mkdir), "not a regular file"),
        ("outputs.jsonl", replace_by(lambda file: file.symlink_to("/etc/passwd")), "a link"),
        ("outputs.openai.jsonl", Path.unlink, "no such file; was the shard stopped?"),
    ],
)
def test_a_file_that_is_not_as_the_record_says_makes_no_version(
    folders: ShardFolders, name: str, damage: Callable[[Path], None], message: str
) -> None:
    assert len(folders.collect()) == 2
    damage(folders.root / "00000/outputs/texts" / name)
    with pytest.raises(CommitError, match=f"^/outputs/texts of shard 0/{name}: {message}"):
        folders.collect()


@pytest.mark.parametrize("name", ["outputs.jsonl", "outputs.openai.jsonl"])
def test_a_retry_makes_what_a_shard_that_was_done_has_lost(folders: ShardFolders, name: str) -> None:
    files = {path: file.read(1 << 20) for path, file in folders.collect().items()}
    for index in range(2):
        folders.set_done(index)
    (folders.root / "00000/outputs/texts" / name).unlink()
    with pytest.raises(CommitError):
        folders.collect()
    assert [folders.is_done(index) for index in range(2)] == [False, True]
    run_shard(folders.find_rows(0), folders.make_outputs(0) / "texts")
    again = {path: file.read(1 << 20) for path, file in folders.collect().items()}
    del files["run.json"], again["run.json"]
    assert again == files


@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        replace_by(os.mkfifo),
        lambda file: file.write_text("no"),
        lambda file: file.write_text('{"done": "x"}'),
        lambda file: file.write_text('{"done": -1, "texts": 1, "new_tokens": 1, "seconds": 1}'),
    ],
)
def test_a_shard_that_does_not_say_how_far_it_is_has_no_text(
    folders: ShardFolders, damage: Callable[[Path], None]
) -> None:
    assert folders.count_texts(0) == 8
    damage(folders.root / "00000/outputs/texts/progress.json")
    assert folders.count_texts(0) == 0


def test_the_count_of_the_rows_can_be_stopped(folders: ShardFolders) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folders.collect(stop)


@pytest.mark.parametrize("removed", ["given.json", "00000"])
def test_a_run_killed_after_its_commit_makes_no_text_again(
    questions: Repository, monkeypatch: pytest.MonkeyPatch, removed: str
) -> None:
    def die(folder: Path) -> None:
        path = folder / removed
        remove_tree(path) if path.is_dir() else path.unlink()
        raise JobError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(run_job, "remove_tree", die)
        run = questions.run(generation(f"{ECHO}, shards: 2")).record.name
    done = questions.textgen("retry", run)
    assert done.returncode == 0, done.stdout
    assert read_log(questions, run) == ""
    assert len(questions.datasets.versions(DatasetRef("answers"))) == 1


def test_a_shard_whose_folder_was_made_and_no_more_goes_on(
    questions: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(name: str, _: object) -> None:
        (folder,) = questions.root.glob(f".textgen/runs/*/jobs/write/shards/{name}/outputs/texts")
        folder.rmdir()
        raise JobError("killed")

    with monkeypatch.context() as patch:
        on_shard(patch, die)
        run = questions.run(generation(f"{ECHO}, shards: 2")).record.name
    done = questions.textgen("retry", run)
    assert done.returncode == 0, done.stdout
    assert json.loads(questions.files("answers")["run.json"])["rows"] == 15
