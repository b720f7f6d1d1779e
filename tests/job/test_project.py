"""Which store a folder's project has."""

from pathlib import Path

from job.project import default_store_url


def test_the_store_of_a_repository_is_found_from_below(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "a/b").mkdir(parents=True)
    assert default_store_url(tmp_path / "a/b", {}) == (tmp_path / ".textgen/datasets").as_uri()
    assert default_store_url(tmp_path, {"TEXTGEN_STORE": "s3://b"}) == "s3://b"
