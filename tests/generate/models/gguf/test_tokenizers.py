"""A file's tokenizer cuts a text as the model's own does."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from job.generate.models.find import find_model
from job.generate.models.gguf.keys import Keys
from job.generate.models.gguf.pre_tokenizers import PRE_TOKENIZERS
from job.generate.models.gguf.tokenizer import Vocabulary, read_vocabulary
from job.generate.models.load import load_model
from job.generate.models.tokenizer_files import build_tokenizer
from tests.generate.conftest import END, vocabulary
from tests.generate.models.gguf.writer import describe_vocabulary, write_gguf

pytestmark = pytest.mark.model

TEXT = "It's 1234 naïve\tcafés' 世界, x\n\n  y"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def read(keys: dict[str, Any], architecture: str = "llama") -> Vocabulary:
    return read_vocabulary(
        Keys({key: value for key, value in keys.items() if value is not None}), architecture
    )


def read_byte_level(size: int = 300, architecture: str = "llama", **changed: Any) -> Vocabulary:
    named = {f"tokenizer.ggml.{key}": value for key, value in changed.items()}
    return read(describe_vocabulary(size) | named, architecture)


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("gpt-2", "It|'s|·1234|·naïve|⇥|cafés|'|·世界|,|·x|⏎⏎·|·y"),
        ("smollm", "It|'s|·|1|2|3|4|·naïve|⇥|cafés|'|·世界|,|·x|⏎⏎·|·y"),
        ("llama-bpe", "It|'s|·|123|4|·naïve|⇥cafés|'|·世界|,|·x|⏎⏎|·|·y"),
        ("qwen2", "It|'s|·|1|2|3|4|·naïve|⇥cafés|'|·世界|,|·x|⏎⏎|·|·y"),
        ("tekken", "It|'s|·|1|2|3|4|·naïve|⇥cafés|'|·世界|,|·x|⏎⏎|·|·y"),
        ("gpt-4o", "It's|·|123|4|·naïve|⇥cafés|'|·世界|,|·x|⏎⏎|·|·y"),
        ("deepseek-llm", "It|'|s|·|1|2|3|4|·na|ï|ve|⇥caf|é|s|'|·|世界|,|·x|⏎|⏎|·|·y"),
        ("deepseek-coder", "It|'|s|·|1|2|3|4|·naïve|⇥cafés|'|·|世界|,|·x|⏎|⏎|·|·y"),
    ],
)
def test_a_text_is_cut_as_the_models_tokenizer_json_says(name: str, pieces: str) -> None:
    cut = PRE_TOKENIZERS[name].build().pre_tokenize_str(TEXT)
    marked = TEXT.translate({ord(" "): "·", ord("\t"): "⇥", ord("\n"): "⏎"})
    assert "|".join(marked[start:end] for _, (start, end) in cut) == pieces


def test_a_byte_level_vocabulary_gives_the_tokens_of_its_model() -> None:
    tokenizer = read_byte_level().tokenizer
    own = vocabulary()
    for text in (TEXT, f"Once upon a time{END} 🙂", "  "):
        assert tokenizer.encode(text).ids == own.encode(text).ids
        assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_there_is_no_token_that_the_file_lacks(small_llama: Any, tmp_path: Path) -> None:
    size = vocabulary().get_vocab_size()
    pre = {"tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.unknown_token_id": None}
    loaded = load_model(find_model(str(write_gguf(tmp_path / "x.gguf", small_llama, keys=pre))), "cpu")
    assert loaded.tokenizer.size == size, "without what fills the vocabulary up to the network's 300"
    assert max(loaded.tokenizer.encode("<|end_of_text|><|endoftext|>")) < size


def test_without_its_name_the_tokenizer_is_that_of_the_architecture() -> None:
    assert read_byte_level(architecture="gpt2", pre=None).tokenizer.encode("a 12").tokens == [
        "a",
        "Ġ",
        "1",
        "2",
    ]


@pytest.mark.parametrize(
    ("pre", "added", "begins"),
    [
        ("gpt-2", None, False),
        ("gpt-2", True, True),
        ("llama-bpe", None, True),
        ("llama-bpe", False, False),
    ],
)
def test_a_text_begins_with_the_beginning_of_text_if_the_file_or_its_kind_says_so(
    pre: str, added: bool | None, begins: bool
) -> None:
    vocabulary = read_byte_level(pre=pre, add_bos_token=added, bos_token_id=5)
    assert (vocabulary.tokenizer.encode("a").ids[0] == 5) is begins
    assert vocabulary.tokenizer.encode("a", add_special_tokens=False).ids[0] != 5


def test_a_file_can_have_texts_end_with_the_end_of_text() -> None:
    assert read_byte_level(add_eos_token=True).tokenizer.encode("a").ids[-1] == 0


def test_a_whole_word_is_taken_without_merges_where_the_model_does_so() -> None:
    changes: dict[str, Any] = {
        "merges": ["a b"],
        "tokens": ["a", "b", "c", "ab", "abc"],
        "token_type": [NORMAL] * 5,
    }
    changes |= {"eos_token_id": None}
    assert read_byte_level(pre="llama-bpe", **changes).tokenizer.encode("abc").tokens == ["abc"]
    assert read_byte_level(pre="gpt-2", **changes).tokenizer.encode("abc").tokens == ["ab", "c"]


def test_composed_characters_are_those_of_qwen2() -> None:
    decomposed = "e\u0301"
    assert read_byte_level(pre="qwen2").tokenizer.encode(decomposed).ids == vocabulary().encode("é").ids


def test_each_end_of_a_turn_ends_a_text() -> None:
    tokens = ["a", "<|endoftext|>", "<|im_end|>", "<EOT>", "<|end|>"]
    changes: dict[str, Any] = {"tokens": tokens, "merges": [], "eos_token_id": 1}
    types = [NORMAL, CONTROL, CONTROL, CONTROL, NORMAL]
    assert read_byte_level(token_type=types, **changes).stop_ids == (1, 2)
    assert read_byte_level(token_type=types, eot_token_id=3, **changes).stop_ids == (1, 3)


# A sentencepiece vocabulary: of two merges the one of the higher score comes first.
PIECES = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
LEARNED = {"▁": -9, "a": -10, "b": -11, "c": -12, "ab": -3, "bc": -1, "▁a": -2, "▁ab": -4}
TYPES = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256


def read_sentencepiece(
    added: Sequence[tuple[str, int]] = (), architecture: str = "llama", **changed: Any
) -> Vocabulary:
    keys: dict[str, Any] = {
        "model": "llama",
        "pre": "default",
        "tokens": [*PIECES, *LEARNED, *(token for token, _ in added)],
        "scores": [0.0] * len(PIECES) + [float(score) for score in LEARNED.values()] + [-1000.0] * len(added),
        "token_type": [*TYPES, *([NORMAL] * len(LEARNED)), *(type_ for _, type_ in added)],
    }
    return read({f"tokenizer.ggml.{key}": value for key, value in (keys | changed).items()}, architecture)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("ab", ["▁ab"]),
        ("abc", ["▁a", "bc"]),
        (" a", ["▁", "▁a"]),
        ("b  a", ["▁", "b", "▁", "▁a"]),
        ("aé", ["▁a", "<0xC3>", "<0xA9>"]),
        ("a</s>a", ["▁a", "</s>", "▁a"]),
    ],
)
def test_a_sentencepiece_vocabulary_merges_the_best_pair_first(text: str, tokens: list[str]) -> None:
    vocabulary = read_sentencepiece()
    encoded = vocabulary.tokenizer.encode(text)
    assert encoded.tokens == ["<s>", *tokens]
    if "<" not in text:
        assert vocabulary.tokenizer.decode(encoded.ids) == text
    assert vocabulary.stop_ids == (2,)


def test_a_space_is_put_before_a_text_only_if_the_file_says_so() -> None:
    tokenizer = read_sentencepiece(add_space_prefix=False, add_bos_token=False).tokenizer
    assert tokenizer.encode("ab a").tokens == ["ab", "▁a"]
    assert tokenizer.decode(tokenizer.encode(" ab").ids) == " ab"


def test_scores_that_are_all_alike_leave_the_tokens_order() -> None:
    size = len(PIECES) + len(LEARNED)
    tokenizer = read_sentencepiece(scores=[-1000.0] * size, add_bos_token=False).tokenizer
    assert tokenizer.encode("abc").tokens == ["▁ab", "c"]


def test_tokens_of_spaces_that_were_added_are_found_as_marks() -> None:
    spaces = [("  ", USER_DEFINED), ("   ", USER_DEFINED)]
    tokenizer = read_sentencepiece(spaces, add_space_prefix=False, add_bos_token=False).tokenizer
    encoded = tokenizer.encode("a   a  a a")
    assert encoded.tokens == ["a", "▁▁▁", "a", "▁▁", "a", "▁a"]
    assert tokenizer.decode(encoded.ids) == "a   a  a a"


def test_tokens_that_were_added_are_taken_whole() -> None:
    vocabulary = read_sentencepiece([("<a b>", USER_DEFINED), ("<|x|>", CONTROL), ("[PAD9]", UNUSED)])
    tokenizer = vocabulary.tokenizer
    assert tokenizer.encode("a<a b>a<|x|>").tokens == ["<s>", "▁a", "<a b>", "▁a", "<|x|>"]
    assert "<a b>" in tokenizer.decode(tokenizer.encode("<a b><|x|>").ids)
    assert "<|x|>" not in tokenizer.decode(tokenizer.encode("<a b><|x|>").ids)
    assert tokenizer.token_to_id("[PAD9]") is None


def test_phi3_takes_the_line_end_after_its_own_tokens() -> None:
    added = [("<|user|>", CONTROL), ("<|endoftext|>", CONTROL)]
    text = "<|user|>\na<|endoftext|>\n"
    tokens = read_sentencepiece(added, "phi3").tokenizer.encode(text).ids
    names = [read_sentencepiece(added).tokens[token] for token in tokens]
    assert names == ["<s>", "<|user|>", "▁a", "<|endoftext|>", "▁", "<0x0A>"]
    assert read_sentencepiece(added).tokenizer.encode(text).tokens[2:4] == ["▁", "<0x0A>"]


@pytest.mark.parametrize(
    "make",
    [
        read_byte_level,
        lambda: read_byte_level(bos_token_id=5, add_bos_token=True, padding_token_id=7),
        lambda: read_byte_level(pre="llama-bpe", bos_token_id=5, unknown_token_id=6),
        read_sentencepiece,
        lambda: read_sentencepiece([("<|end|>", CONTROL), ("<a b>", USER_DEFINED)], padding_token_id=260),
    ],
)
def test_its_tokenizer_is_that_of_transformers(make: Callable[[], Vocabulary]) -> None:
    from transformers import PreTrainedTokenizerFast

    vocabulary = make()
    ids = {"bos": vocabulary.bos_id, "unk": vocabulary.unknown_id, "pad": vocabulary.padding_id}
    ids["eos"] = vocabulary.stop_ids[0] if vocabulary.stop_ids else None
    special = {f"{name}_token": vocabulary.tokens[id_] for name, id_ in ids.items() if id_ is not None}
    theirs = PreTrainedTokenizerFast(tokenizer_object=vocabulary.tokenizer, **special)
    own = build_tokenizer(vocabulary)
    assert (own.size, own.eos_id) == (len(theirs), theirs.eos_token_id)
    assert own.special_tokens == theirs.special_tokens_map
    for text in (TEXT, *(f"a {token}b" for token in special.values()), "a <a b>a<|end|>", " ▁ ab"):
        assert list(own.encode(text)) == theirs(text).input_ids
        assert own.decode(own.encode(text)) == theirs.decode(list(own.encode(text)), skip_special_tokens=True)
