"""A tokenizer without transformers gives what AutoTokenizer gives."""

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from job.errors import ModelError, UnsupportedError
from job.generate.engines.decoding import decode_new_tokens
from job.generate.models.gguf.pre_tokenizers import PRE_TOKENIZERS
from job.generate.models.tokenizer import FastTokenizer
from job.generate.models.tokenizer_files import read_tokenizer
from job.generate.models.transformers_tokenizer import TransformersTokenizer
from tests.generate.conftest import TEXT

pytestmark = pytest.mark.model

END = "<|endoftext|>"


def byte_level(pre: str, special: Sequence[str], *, nfc: bool = False, begin: str = "") -> Tokenizer:
    """A byte-level BPE tokenizer trained on TEXT, whose special tokens come last."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = PRE_TOKENIZERS[pre].build()
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([TEXT, "a 12 123 1234"], trainer)
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    if begin:
        begin_first(tokenizer, begin)
    else:
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def byte_fallback(special: Sequence[str], *, begin: str = "", prefix: bool = True) -> Tokenizer:
    """A BPE tokenizer of the kind of Llama 2's: words with ▁, and a token for each byte of all others."""
    pieces = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *"▁theabc12", "▁t", "he", "▁the", "ab"]
    merges = [("▁", "t"), ("h", "e"), ("▁t", "he"), ("a", "b")]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token=LLAMA[0], fuse_unk=True, byte_fallback=True)
    )
    marks = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), marks]) if prefix else marks
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            *([decoders.Strip(" ", 1, 0)] if prefix else []),
        ]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    if begin:
        begin_first(tokenizer, begin)
    return tokenizer


def begin_first(tokenizer: Tokenizer, begin: str) -> None:
    """Have each text begin with the token."""
    token_id = tokenizer.token_to_id(begin)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", pair=f"{begin} $A {begin} $B", special_tokens=[(begin, token_id)]
    )


LLAMA = ("<unk>", "<s>", "</s>")
LLAMA_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
LLAMA3 = ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>")
CHATML = (END, "<|im_start|>", "<|im_end|>")
GEMMA = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>")
GEMMA_TOKENS = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"}
END_TOKENS = {"bos_token": END, "eos_token": END, "unk_token": END}


def phi3() -> Tokenizer:
    tokenizer = byte_fallback(LLAMA, begin="")
    tokenizer.add_special_tokens([AddedToken(END, special=True, normalized=False)])
    turns = ("<|user|>", "<|assistant|>", "<|end|>")
    tokenizer.add_special_tokens([AddedToken(turn, special=True, rstrip=True) for turn in turns])
    tokenizer.add_tokens([AddedToken("</x>", rstrip=True, normalized=True)])
    return tokenizer


# Of each family: its model type, its tokenizer.json, its tokenizer_config.json
FAMILIES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "gpt2": ("gpt2", lambda: byte_level("gpt-2", [END]), {"tokenizer_class": "GPT2Tokenizer", **END_TOKENS}),
    "gpt2-bare": ("gpt2", lambda: byte_level("gpt-2", [END]), {}),
    "gpt2-fast": ("gpt2", lambda: byte_level("gpt-2", [END]), {"tokenizer_class": "PreTrainedTokenizerFast"}),
    "gpt-neo": (
        "gpt_neo",
        lambda: byte_level("gpt-2", [END]),
        {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, "add_bos_token": True, **END_TOKENS},
    ),
    "gpt-neox": (
        "gpt_neox",
        lambda: byte_level("gpt-2", [END, "<|padding|>", "   "], nfc=True, begin=END),
        {"tokenizer_class": "GPTNeoXTokenizer", "add_bos_token": True, **END_TOKENS},
    ),
    "llama2": (
        "llama",
        lambda: byte_fallback(LLAMA, begin="<s>"),
        {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": True, "legacy": False, **LLAMA_TOKENS},
    ),
    "llama2-legacy": (
        "llama",
        lambda: byte_fallback(LLAMA, begin="<s>"),
        {"tokenizer_class": "LlamaTokenizer", "legacy": True, **LLAMA_TOKENS},
    ),
    "llama2-without-prefix": (
        "llama",
        lambda: byte_fallback(LLAMA, prefix=False),
        {"tokenizer_class": "LlamaTokenizer", "add_prefix_space": False, **LLAMA_TOKENS},
    ),
    "llama3": (
        "llama",
        lambda: byte_level("llama-bpe", LLAMA3, begin=LLAMA3[0]),
        {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": LLAMA3[0], "eos_token": LLAMA3[2]},
    ),
    "llama3-declared-as-llama2": (
        "llama",
        lambda: byte_level("llama-bpe", LLAMA3, begin=LLAMA3[0]),
        {"tokenizer_class": "LlamaTokenizer", "bos_token": LLAMA3[0], "eos_token": LLAMA3[2]},
    ),
    "mistral": (
        "mistral",
        lambda: byte_fallback(LLAMA, begin="<s>"),
        {"tokenizer_class": "LlamaTokenizerFast", "legacy": False, **LLAMA_TOKENS},
    ),
    "qwen2": (
        "qwen2",
        lambda: byte_level("qwen2", CHATML, nfc=True),
        {
            "tokenizer_class": "Qwen2Tokenizer",
            "bos_token": None,
            "eos_token": "<|im_end|>",
            "pad_token": END,
            "unk_token": None,
            "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        },
    ),
    "qwen2-declared-as-llama": (
        "qwen2",
        lambda: byte_level("gpt-2", CHATML),
        {"tokenizer_class": "LlamaTokenizer", "eos_token": END},
    ),
    "qwen3": (
        "qwen3",
        lambda: byte_level("qwen2", CHATML, nfc=True),
        {
            "tokenizer_class": "Qwen2Tokenizer",
            "eos_token": "<|im_end|>",
            "extra_special_tokens": {"x_token": "<x>"},
        },
    ),
    "gemma": (
        "gemma",
        lambda: byte_fallback(GEMMA, begin="<bos>", prefix=False),
        {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True, **GEMMA_TOKENS},
    ),
    "gemma2": (
        "gemma2",
        lambda: byte_fallback(GEMMA[:4], begin="<bos>", prefix=False),
        {"tokenizer_class": "GemmaTokenizerFast", **GEMMA_TOKENS},
    ),
    "gemma3": (
        "gemma3_text",
        lambda: byte_fallback(GEMMA, begin="<bos>", prefix=False),
        {"tokenizer_class": "GemmaTokenizer", "image_token": "<image>", **GEMMA_TOKENS},
    ),
    "phi3": (
        "phi3",
        phi3,
        {"tokenizer_class": "LlamaTokenizer", "legacy": False, **LLAMA_TOKENS, "eos_token": END},
    ),
    "smollm": (
        "llama",
        lambda: byte_level("smollm", CHATML),
        {
            "tokenizer_class": "GPT2Tokenizer",
            "bos_token": "<|im_start|>",
            "eos_token": "<|im_end|>",
            "unk_token": END,
        },
    ),
    "smollm3": (
        "smollm3",
        lambda: byte_level("llama-bpe", LLAMA3),
        {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": LLAMA3[2]},
    ),
}
SPECIAL = sorted({*LLAMA, *LLAMA3, *CHATML, *GEMMA, "<|user|>", "<|padding|>", "</x>", "<x>", "<image>"})
# Also decomposed and compatibility characters, marks of spaces, and a written byte
WORDS = [*SPECIAL, "the", "ab", " ", "   ", "\n", "▁", "é", "ﬁ", "①", "<0x41>", "1234", "It's", "😀", "世界"]
UNUSUAL = st.lists(st.sampled_from(WORDS) | st.text(st.characters(codec="utf-8"), max_size=3)).map("".join)
TEXTS = [
    "",
    " ",
    "the ab",
    " the  ab\n",
    "It's 1234 é ﬁ ▁",
    *(f"a {token} \n ab{token}ab" for token in SPECIAL),
]


def save(
    folder: Path, model_type: str, tokenizer: Tokenizer, config: dict[str, Any] | None, **other: Any
) -> Path:
    """Save a tokenizer's folder; `other` has further files by their names without suffix."""
    folder.mkdir(exist_ok=True, parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    files = {"config": {"model_type": model_type}, "tokenizer_config": config, **other}
    for name, content in files.items():
        if content is not None:
            (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def auto_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def assert_equal(own: FastTokenizer, theirs: Any, texts: Sequence[str] = TEXTS) -> None:
    """The tokenizers give the same tokens, and the same texts of them."""
    assert own.size == len(theirs)
    assert own.special_tokens == theirs.special_tokens_map
    for text in texts:
        ids = theirs(text).input_ids
        assert list(own.encode(text)) == ids, text
        assert (
            list(own.encode(text, add_special_tokens=False))
            == theirs(text, add_special_tokens=False).input_ids
        )
        # Also from the middle of it: pieces of characters
        for part in (ids, ids[len(ids) // 2 :]):
            decoded = theirs.decode(part, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            assert own.decode(part) == decoded


@cache
def family(name: str) -> tuple[FastTokenizer, Any]:
    model_type, make, config = FAMILIES[name]
    folder = save(Path(mkdtemp()), model_type, make(), config)
    return read_tokenizer(name, folder), auto_tokenizer(folder)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_s_tokenizer_is_that_of_transformers(name: str) -> None:
    assert_equal(*family(name))


def test_reading_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    read_tokenizer("m", save(tmp_path, "gpt2", byte_level("gpt-2", [END]), {}))
    assert capfd.readouterr() == ("", "")


@given(name=st.sampled_from(list(FAMILIES)), text=UNUSUAL)
def test_unusual_text_is_cut_as_transformers_does(name: str, text: str) -> None:
    assert_equal(*family(name), [text])


@given(
    name=st.sampled_from(list(FAMILIES)),
    ids=st.lists(st.integers(0, 260)),
    new_ids=st.lists(st.integers(0, 260)),
)
def test_any_tokens_decode_to_the_text_of_transformers(name: str, ids: list[int], new_ids: list[int]) -> None:
    own, theirs = family(name)
    assert decode_new_tokens(own, ids, new_ids) == decode_new_tokens(
        TransformersTokenizer(theirs), ids, new_ids
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tokenizer_class": "CodeGenTokenizer"}, "a CodeGenTokenizer is built by transformers alone"),
        ({"auto_map": {"AutoTokenizer": ["code.Own", None]}}, "has auto_map, which transformers alone reads"),
        ({"fix_mistral_regex": True}, "has fix_mistral_regex, which transformers alone reads"),
    ],
)
def test_what_transformers_alone_reads_is_left_to_it(
    tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    folder = save(tmp_path, "gpt2", byte_level("gpt-2", [END]), values)
    with pytest.raises(UnsupportedError, match=rf"^model 'm': .*{message}$"):
        read_tokenizer("m", folder)


def test_a_model_type_that_is_not_in_the_table_is_left_to_transformers(tmp_path: Path) -> None:
    folder = save(tmp_path, "bloom", byte_level("gpt-2", [END]), {})
    with pytest.raises(UnsupportedError, match="tokenizers of 'bloom' are read by transformers alone"):
        read_tokenizer("m", folder)


def test_a_folder_without_a_tokenizer_json_is_left_to_transformers(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"^model 'm': it has no tokenizer\.json$"):
        read_tokenizer("m", tmp_path)


@pytest.mark.parametrize("template", [5, {"default": True}, [{"name": "default", "template": []}]])
def test_a_chat_template_that_is_no_string_is_one_line(tmp_path: Path, template: object) -> None:
    folder = save(tmp_path, "gpt2", byte_level("gpt-2", [END]), {"chat_template": template})
    with pytest.raises(ModelError, match=r"can't be loaded: chat_template is of type \w+, not a string$"):
        read_tokenizer("m", folder)


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json", "config.json"])
def test_a_torn_file_is_named(tmp_path: Path, file: str) -> None:
    folder = save(tmp_path, "gpt2", byte_level("gpt-2", [END]), {})
    (folder / file).write_text('{"a')
    with pytest.raises(ModelError, match=rf"^model 'm': {file} is not a JSON object$"):
        read_tokenizer("m", folder)


NAMES = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "image_token")
ADDED = st.builds(
    lambda token, *flags: {
        "content": token,
        **dict(zip(("lstrip", "rstrip", "normalized", "single_word", "special"), flags, strict=True)),
    },
    st.sampled_from(SPECIAL),
    *[st.booleans()] * 5,
)
TOKEN = st.sampled_from(SPECIAL) | ADDED.map(lambda token: token | {"__type": "AddedToken"})
CLASSES = [f"{name}Tokenizer" for name in ("GPT2", "Llama", "Qwen2", "GPTNeoX", "Gemma")]
CLASSES += ["PreTrainedTokenizerFast", "LlamaTokenizerFast", "TokenizersBackend"]
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(NAMES, st.none() | TOKEN),
        "tokenizer_class": st.sampled_from(CLASSES),
        "add_bos_token": st.booleans(),
        "add_eos_token": st.booleans(),
        "add_prefix_space": st.booleans(),
        "legacy": st.booleans() | st.none(),
        "split_special_tokens": st.booleans(),
        "clean_up_tokenization_spaces": st.booleans(),
        "additional_special_tokens": st.none() | st.lists(TOKEN, max_size=3),
        "extra_special_tokens": st.lists(TOKEN, max_size=3)
        | st.dictionaries(st.sampled_from(["a_token", "b_token"]), st.sampled_from(SPECIAL)),
        "added_tokens_decoder": st.dictionaries(st.integers(255, 320).map(str), ADDED, max_size=3),
    },
)
MAPS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(NAMES, st.sampled_from(SPECIAL) | ADDED),
        "additional_special_tokens": st.lists(st.sampled_from(SPECIAL), max_size=3),
        "extra_special_tokens": st.lists(st.sampled_from(SPECIAL) | ADDED, max_size=3),
    },
)


def load_both(folder: Path) -> tuple[FastTokenizer | None, Any]:
    """Both tokenizers of the folder; None for one that is refused as broken."""
    own, theirs = None, None
    with suppress(ModelError):
        own = read_tokenizer("m", folder)
    with suppress(Exception):  # the library raises what it likes
        theirs = auto_tokenizer(folder)
    return own, theirs


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(list(FAMILIES)),
    config=st.none() | CONFIGS,
    special_tokens_map=MAPS,
    added_tokens=st.none() | st.dictionaries(st.sampled_from(SPECIAL), st.integers(255, 320), max_size=2),
    padding=st.booleans(),
)
@example(
    name="gpt2",
    config=None,
    special_tokens_map={"bos_token": {"content": "<start_of_turn>", "rstrip": True}},
    added_tokens={"<start_of_turn>": 300},  # an id that another token has in tokenizer.json
    padding=False,
)
@example(
    name="phi3",
    config={"bos_token": "</x>", "split_special_tokens": True},
    special_tokens_map=None,
    added_tokens=None,
    padding=False,
)
def test_any_configuration_gives_the_tokenizer_of_transformers(
    name: str, config: Any, special_tokens_map: Any, added_tokens: Any, padding: bool
) -> None:
    model_type, make, _ = FAMILIES[name]
    tokenizer = make()
    if padding:
        tokenizer.enable_padding(pad_token=GEMMA[0], length=40)
        tokenizer.enable_truncation(3)
    with TemporaryDirectory() as path:
        files = {"special_tokens_map": special_tokens_map, "added_tokens": added_tokens}
        own, theirs = load_both(save(Path(path), model_type, tokenizer, config, **files))
        assert (own is None) == (theirs is None)
        # With Gemma's class a vocabulary without its unknown token fails in both.
        if own is not None and own.backend.model.unk_token in (None, *own.backend.get_vocab(False)):
            assert_equal(own, theirs)
