from hypothesis import given
from hypothesis import strategies as st

from job.generate.shards.files import list_shard_files, name_shard_file


def test_a_shard_s_file_says_which_it_is_and_of_how_many() -> None:
    assert name_shard_file("outputs.jsonl", 3, 16) == "outputs-00003-of-00016.jsonl"
    assert name_shard_file("outputs.jsonl", 3, 16, 1) == "outputs-00003-of-00016-00001.jsonl"
    assert name_shard_file("outputs.openai.jsonl", 0, 1000) == "outputs-00000-of-01000.openai.jsonl"


@given(st.sets(st.tuples(st.integers(0, 999), st.integers(0, 3)), max_size=20))
def test_files_come_in_the_order_of_shards_and_of_a_shard_s_own(numbers: set[tuple[int, int]]) -> None:
    names = {
        (shard, number): name_shard_file("outputs.jsonl", shard, 1000, number) for shard, number in numbers
    }
    assert list_shard_files("outputs.jsonl", set(names.values())) == [names[each] for each in sorted(names)]


def test_another_file_is_no_shard_s() -> None:
    others = [
        "outputs.jsonl",
        "outputs-00001-of-00002.parquet",
        "outputs-00001-of-00002.openai.jsonl",
        "outputs-00001-of-00002-00000.jsonl",  # a second name of the first file
        "outputs-00002-of-00002.jsonl",
        "outputs-1-of-2.jsonl",
        "texts/outputs-00001-of-00002.jsonl",
        "outputs-٠٠٠٠١-of-00002.jsonl",
    ]
    assert list_shard_files("outputs.jsonl", others) == []
