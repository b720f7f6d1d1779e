"""How much memory is free: of the machine, and of each control group around the process."""

from pathlib import Path

import pytest

from job.generate.engines.openvino.memory import free_memory

_GB = 10**9


def _write(folder: Path, values: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        (folder / name).write_text(f"{value}\n")


def _group(limit: str, used: int, files: int = 0) -> dict[str, str]:
    stat = f"anon 5\ninactive_file {files}\nactive_file 1"
    return {"memory.max": limit, "memory.current": str(used), "memory.stat": stat}


def _group_v1(limit: int, used: int, files: int) -> dict[str, str]:
    stat = f"inactive_file 7\ntotal_inactive_file {files}\ntotal_active_file 1"
    return {"memory.limit_in_bytes": str(limit), "memory.usage_in_bytes": str(used), "memory.stat": stat}


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine that has 8 GB, 6 of them free."""
    _write(tmp_path / "proc", {"meminfo": "MemTotal: 8000000 kB\nMemAvailable: 6000000 kB"})
    (tmp_path / "cgroup").mkdir()
    return tmp_path


def _read(machine: Path, groups: str) -> int:
    _write(machine / "proc" / "self", {"cgroup": groups})
    return free_memory(machine / "proc", machine / "cgroup")


def test_without_a_limit_the_machine_s_memory_is_free(machine: Path) -> None:
    free = 6_000_000 * 1024
    assert free_memory(machine / "proc", machine / "cgroup") == free
    _write(machine / "cgroup", _group("max", 2 * _GB))
    assert _read(machine, "0::/") == free


def test_of_a_group_the_rest_is_free_and_what_the_kernel_keeps_of_files(machine: Path) -> None:
    _write(machine / "cgroup" / "a", _group(str(4 * _GB), 3 * _GB, files=2 * _GB))
    assert _read(machine, "0::/a") == 3 * _GB + 1


def test_the_fullest_of_the_groups_around_a_process_counts(machine: Path) -> None:
    _write(machine / "cgroup" / "a", _group(str(2 * _GB), _GB))
    _write(machine / "cgroup" / "a" / "b", _group("max", _GB))
    _write(machine / "cgroup" / "a" / "b" / "c", _group(str(5 * _GB), 0))
    assert _read(machine, "0::/a/b/c") == _GB + 1


def test_in_a_container_its_own_group_is_the_root(machine: Path) -> None:
    _write(machine / "cgroup", _group(str(2 * _GB), _GB))
    assert _read(machine, "0::/docker/0123") == _GB + 1


def test_the_first_version_of_control_groups_is_read(machine: Path) -> None:
    _write(machine / "cgroup" / "memory" / "a", _group_v1(4 * _GB, 3 * _GB, 2 * _GB))
    _write(machine / "cgroup" / "memory", _group_v1(2**63 - 4096, 5 * _GB, 0))
    assert _read(machine, "8:pids:/a\n4:cpu,memory:/a\n0::/") == 3 * _GB + 1
