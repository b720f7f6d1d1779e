"""The texts of a shard in parts: what another pod finds of them, and when they are sent."""

import hashlib
import json
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from job.errors import CommitError
from job.pod.shards import parts
from job.pod.shards.lines import Lines, find_lines
from job.pod.shards.parts import PartSender, Position, fetch_parts
from job.storage.directory import Directory
from job.storage.store import UnavailableError
from job.untrusted_files import UntrustedPath

LINES = [b'{"row": %d}\n' % number for number in range(12)]


def put_part(store: Directory, first: int, rows: int, *, damaged: bool = False) -> None:
    body = b"".join(LINES[first : first + rows])
    key = f"parts/{first:09d}-{rows}-{hashlib.sha256(body).hexdigest()}.jsonl"
    store.put(key, body[:-2] if damaged else body)


def fetch(store: Directory, folder: Path) -> tuple[Position, bytes]:
    return fetch_parts(store, "parts/", folder / "outputs.jsonl"), (folder / "outputs.jsonl").read_bytes()


PARTS = st.tuples(st.integers(0, 11), st.integers(1, 6), st.booleans()).filter(
    lambda part: sum(part[:2]) <= 12
)


@given(st.lists(PARTS, max_size=12, unique_by=lambda part: part[:2]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_pod_gets_all_rows_up_to_the_first_that_no_whole_part_has(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[tuple[int, int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    store = Directory(folder / "store")
    for first, rows, damaged in chosen:
        put_part(store, first, rows, damaged=damaged)
    whole = {row for first, rows, damaged in chosen if not damaged for row in range(first, first + rows)}
    reached = next(row for row in range(13) if row not in whole)
    expected = b"".join(LINES[:reached])
    assert fetch(store, folder) == (Position(reached, len(expected)), expected)


def test_a_key_that_is_no_part_s_is_left_alone(tmp_path: Path) -> None:
    store = Directory(tmp_path / "store")
    put_part(store, 0, 2)
    store.put("parts/.DS_Store", b"x")
    store.put("parts/000000002-1-x.jsonl", b"x\n")
    assert fetch(store, tmp_path)[0].rows == 2


@pytest.mark.parametrize("spoiled", [b"", b"x", LINES[0] + LINES[2], LINES[0]])
def test_a_damaged_part_is_told_and_made_again(
    tmp_path: Path, spoiled: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Directory(tmp_path / "store")
    put_part(store, 0, 2)
    [key] = [item.key for item in store.list_objects("")]
    store.put(key, spoiled)
    assert fetch(store, tmp_path) == (Position(), b"")
    assert f"{key}: damaged in the store; its texts are made again" in capsys.readouterr().err


PROGRESS = '{"done": %s, "texts": 9, "new_tokens": 20, "seconds": 1.5}'
TEXTS = st.lists(st.binary(max_size=6).map(lambda text: text.replace(b"\n", b"") + b"\n"), max_size=8)


@given(TEXTS, st.integers(1, 20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_are_cut_where_the_next_one_would_be_too_much(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], limit: int
) -> None:
    expected: list[bytes] = []
    for line in lines:
        if expected and len(expected[-1] + line) <= limit:
            expected[-1] += line
        else:
            expected.append(line)
    path, start = tmp_path_factory.mktemp("lines") / "file", 0
    path.write_bytes(b"".join(lines) + b"torn")
    with path.open("rb", buffering=0) as file:
        for body in expected:
            sha256 = hashlib.sha256(body).hexdigest()
            assert find_lines(file, start, limit) == Lines(start, len(body), body.count(b"\n"), sha256)
            start += len(body)
        assert find_lines(file, start, limit).rows == 0


class Pod:
    """The folder that a shard's main writes, and a sender."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.texts = folder / "texts"
        self.texts.mkdir()
        (self.texts / "run.json").write_text("{}")
        self.store = Directory(folder / "store")
        self.sender = self.open_sender()

    def open_sender(self, fetched: Position | None = None) -> PartSender:
        texts, position = UntrustedPath.at(self.texts, "/outputs/texts"), self.folder / "parts.json"
        return PartSender(self.store, "", texts, position, fetched or Position())

    def write(self, *lines: bytes) -> None:
        with (self.texts / "outputs.jsonl").open("ab") as file:
            file.writelines(lines)

    def parts(self) -> list[tuple[int, int]]:
        """The first row and the number of rows of each part."""
        names = [item.key.removeprefix("parts/").split("-") for item in self.store.list_objects("parts/")]
        return [(int(first), int(rows)) for first, rows, _ in names]


class Clock:
    now = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that senders go by."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def pod(tmp_path: Path, clock: Clock) -> Pod:
    return Pod(tmp_path)


def test_rows_are_sent_when_a_minute_has_passed(pod: Pod, clock: Clock) -> None:
    pod.write(*LINES[:2], b"torn")
    clock.now = 59
    pod.sender.send_due()
    assert pod.parts() == []
    clock.now = 60
    pod.sender.send_due()
    assert pod.parts() == [(0, 2)]
    pod.write(b" no more\n")
    pod.sender.send_due()
    assert pod.parts() == [(0, 2)]
    clock.now = 120
    pod.sender.send_due()
    pod.sender.send_due()
    assert pod.parts() == [(0, 2), (2, 1)]


def test_many_bytes_are_sent_at_once(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART", 2 * len(LINES[0]))
    pod.write(*LINES[:5])
    pod.sender.send_due()
    assert pod.parts() == [(0, 2), (2, 2)]
    pod.write(b"x" * 100 + b"\n")
    pod.sender.send_due()
    assert pod.parts() == [(0, 2), (2, 2), (4, 1), (5, 1)]


def test_the_rest_is_sent_at_the_end(pod: Pod) -> None:
    pod.write(LINES[0])
    pod.sender.send_rest()
    pod.sender.send_rest()
    assert pod.parts() == [(0, 1)]


def test_a_process_that_is_started_again_goes_on(pod: Pod) -> None:
    pod.write(LINES[0])
    pod.sender.send_rest()
    pod.write(LINES[1])
    pod.open_sender().send_rest()
    assert pod.parts() == [(0, 1), (1, 1)]


def test_a_pod_sends_only_what_is_new(pod: Pod) -> None:
    pod.write(*LINES[:3])
    pod.open_sender(Position(2, len(LINES[0] + LINES[1]))).send_rest()
    assert pod.parts() == [(2, 1)]


def test_run_json_is_there_before_the_first_part_and_only_sent_when_it_has_changed(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str] = []
    upload = pod.store.upload

    def note(key: str, *rest: object) -> None:
        keys.append(key.partition("/")[0])
        upload(key, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(pod.store, "upload", note)
    for line in LINES[:3]:
        pod.write(line)
        pod.sender.send_rest()
    (pod.texts / "run.json").write_text('{"state": "completed"}')
    pod.sender.send_rest()
    assert keys == ["run.json", "parts", "parts", "parts", "run.json"]


def test_progress_is_kept_four_times_a_minute(pod: Pod, clock: Clock) -> None:
    progress = json.loads(PROGRESS % 1)
    (pod.texts / "progress.json").write_text(json.dumps({**progress, "more": "x"}))
    pod.sender.send_due()
    assert list(pod.store.list_objects("")) == []
    clock.now = 15
    pod.sender.send_due()
    assert json.loads(pod.store.get("progress.json")) == progress


NUMBERS = ('"1"', "NaN", "[]", "-1", "1" + "0" * 400)


@pytest.mark.parametrize("body", ["", "[]", "{}", "no", *(PROGRESS % done for done in NUMBERS)])
def test_what_is_no_progress_is_left_out(pod: Pod, body: str) -> None:
    (pod.texts / "progress.json").write_text(body)
    pod.write(LINES[0])
    pod.sender.send_rest()
    assert pod.parts() == [(0, 1)]
    assert [item.key for item in pod.store.list_objects("")][-1] == "run.json"


@pytest.mark.parametrize("name", ["outputs.jsonl", "run.json", "progress.json"])
def test_a_link_in_the_place_of_a_file_is_not_followed(pod: Pod, name: str) -> None:
    pod.write(LINES[0])
    (pod.texts / name).unlink(missing_ok=True)
    (pod.texts / name).symlink_to("/proc/self/environ")
    with pytest.raises(CommitError, match=f"^/outputs/texts/{name}: a link, which is not followed$"):
        pod.sender.send_rest()
    assert not any(b"PATH" in pod.store.get(item.key) for item in pod.store.list_objects(""))


def test_a_file_that_is_rewritten_while_it_is_sent_is_no_part(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rewrite(*arguments: object) -> Lines:
        lines = find_lines(*arguments)  # type: ignore[arg-type]
        (pod.texts / "outputs.jsonl").write_bytes(LINES[1])
        return lines

    pod.write(LINES[0])
    monkeypatch.setattr(parts, "find_lines", rewrite)
    with pytest.raises(CommitError, match="changed while it was stored"):
        pod.sender.send_rest()
    assert pod.parts() == []


def test_what_could_not_be_sent_is_sent_later(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise UnavailableError("away")

    pod.write(LINES[0])
    with monkeypatch.context() as patch, pytest.raises(UnavailableError):
        patch.setattr(pod.store, "upload", fail)
        pod.sender.send_rest()
    pod.write(LINES[1])
    pod.sender.send_rest()
    assert pod.parts() == [(0, 2)]
