"""How a byte-level vocabulary's text is cut before its merges, by the name in tokenizer.ggml.pre.

The expressions are those of the models' own tokenizer.json files. A name that is not here is refused: a guess
would give other tokens.
"""

from dataclasses import dataclass

from tokenizers import Regex
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Sequence, Split


@dataclass(frozen=True, slots=True)
class PreTokenizerKind:
    """splits: expressions whose matches become pieces, one after the other.

    gpt2_words: then GPT-2's own words. digits: each digit is alone. whole_words: a word that is a token
    is taken without merges. nfc: composed characters. begins: a text begins with the beginning-of-text
    token, if the file does not say.
    """

    splits: tuple[str, ...] = ()
    digits: bool = False
    gpt2_words: bool = False
    whole_words: bool = False
    nfc: bool = False
    begins: bool = False

    def build(self) -> PreTokenizer:
        return Sequence(
            [
                *(Split(Regex(split), "isolated") for split in self.splits),
                *([Digits(individual_digits=True)] if self.digits else []),
                ByteLevel(add_prefix_space=False, use_regex=self.gpt2_words),
            ]
        )


_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3_WORDS = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_REST}"
QWEN2_WORDS = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_REST}"

_BEFORE, _UPPER, _LOWER = (
    r"[^\r\n\p{L}\p{N}]?",
    r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]",
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]",
)
_CASED_REST = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_TEKKEN_WORDS = rf"{_BEFORE}{_UPPER}*{_LOWER}+|{_BEFORE}{_UPPER}+{_LOWER}*|\p{{N}}|{_CASED_REST}"
_GPT4O_WORDS = (
    rf"{_BEFORE}{_UPPER}*{_LOWER}+{_CONTRACTIONS}?|{_BEFORE}{_UPPER}+{_LOWER}*{_CONTRACTIONS}?"
    rf"|\p{{N}}{{1,3}}|{_CASED_REST}"
)

# As escapes, because some of these characters are not what a normalized text has.
_DEEPSEEK_LETTERS = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-"
    "\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-"
    "\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf"
    "\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-"
    "\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc"
    "\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115"
    "\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e"
    "\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-"
    "\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a"
    "\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-"
    "\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
)
_DEEPSEEK_PUNCTUATION = "!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002"
_CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"

_GPT2 = PreTokenizerKind(gpt2_words=True)
_DIGITS = PreTokenizerKind(gpt2_words=True, digits=True)
_LLAMA3 = PreTokenizerKind((_LLAMA3_WORDS,), whole_words=True, begins=True)
_LLAMA3_MERGED = PreTokenizerKind((_LLAMA3_WORDS,))
_QWEN2 = PreTokenizerKind((QWEN2_WORDS,))
_GPT4O = PreTokenizerKind((_GPT4O_WORDS,))

PRE_TOKENIZERS = {
    "gpt-2": _GPT2,
    "trillion": _GPT2,
    "granite-docling": _GPT2,
    "smollm": _DIGITS,
    "starcoder": _DIGITS,
    "refact": _DIGITS,
    "minerva-7b": _DIGITS,
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "llama-v3": _LLAMA3,
    "falcon3": _LLAMA3,
    "pixtral": _LLAMA3,
    "midm-2.0": _LLAMA3,
    "dbrx": _LLAMA3_MERGED,
    "smaug-bpe": _LLAMA3_MERGED,
    "qwen2": PreTokenizerKind((QWEN2_WORDS,), nfc=True),
    "deepseek-r1-qwen": _QWEN2,
    "megrez": _QWEN2,
    "kormo": _QWEN2,
    "f2llmv2": _QWEN2,
    "tekken": PreTokenizerKind((_TEKKEN_WORDS,), whole_words=True, begins=True),
    "gpt-4o": _GPT4O,
    "llama4": _GPT4O,
    "kanana2": _GPT4O,
    "deepseek-llm": PreTokenizerKind(
        (
            "[\r\n]",
            rf"\s?[{_DEEPSEEK_LETTERS}]+",
            rf"\s?[{_DEEPSEEK_PUNCTUATION}]+",
            r"\s+$",
            _CJK,
        ),
        digits=True,
    ),
    "deepseek-coder": PreTokenizerKind(("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _CJK), digits=True),
}
# Of files that are older than the key: where all models of an architecture have one tokenizer.
BY_ARCHITECTURE = {"gpt2": "gpt-2", "starcoder2": "starcoder", "qwen2": "qwen2", "qwen3": "qwen2"}
