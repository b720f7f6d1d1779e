"""Messages as a model's own template writes them, beside transformers' own; and templates that mean harm."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from job.errors import ModelError, PromptError
from job.generate.chat import template as template_module
from job.generate.chat.template import ChatTemplate
from tests.generate.chat.families import CHATML, FAMILIES, Family

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

USER = {"role": "user", "content": " Wie geht's?\n<b>&  "}
ANSWER = {"role": "assistant", "content": "<think>hm</think> Gut. ", "tool_calls": None}
NEXT = {"role": "user", "content": "</s><|im_end|> 日本 👋"}
SYSTEM = {"role": "system", "content": "Answer briefly."}
TALKS = [[USER], [USER, ANSWER, NEXT], [SYSTEM, USER], [SYSTEM, USER, ANSWER, NEXT]]


def render(source: str, messages: list[Any], **special_tokens: str) -> str:
    with ChatTemplate("m", source, special_tokens, datetime.now()) as template:
        return template.render(messages)


def build_tokenizer(family: Family) -> "PreTrainedTokenizerFast":
    """A byte-level tokenizer with the family's special tokens, which begins a text as the family's does."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: place for place, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens([*family.tokens.values(), *family.controls])
    if family.begins:
        bos = family.tokens["bos_token"]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=family.source, **family.tokens)


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> Iterator[Family]:
    yield request.param


@pytest.mark.model
@pytest.mark.parametrize("messages", TALKS, ids=["one turn", "three turns", "system", "all"])
def test_messages_become_the_tokens_that_transformers_makes(
    family: Family, messages: list[dict[str, Any]]
) -> None:
    if messages[0] is SYSTEM and not family.has_system:
        with pytest.raises(PromptError, match="System role not supported"):
            render(family.source, messages, **family.tokens)
        return
    tokenizer = build_tokenizer(family)
    theirs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    text = render(family.source, messages, **family.tokens)
    ours = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    assert ours == theirs
    assert len(ours) > 20
    if family.begins:  # one more comes of itself, if the text is taken for a prompt
        assert len(tokenizer(text).input_ids) == len(ours) + 1


@pytest.mark.model
def test_reasoning_and_calls_of_tools_come_as_in_transformers() -> None:
    qwen = next(family for family in FAMILIES if family.name == "qwen")
    call = {"type": "function", "function": {"name": "ask", "arguments": {"ü": [1, "<"]}}}
    messages: list[dict[str, Any]] = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "3"},
        {"role": "assistant", "content": "4", "reasoning": "so\n"},
    ]
    theirs = str(
        build_tokenizer(qwen).apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    )
    assert "<think>\nso\n</think>" in theirs
    assert render(qwen.source, messages, **qwen.tokens) == theirs


def test_the_date_is_that_of_the_run() -> None:
    with ChatTemplate("m", "{{ strftime_now('%d %b %Y') }}", {}, datetime(2001, 2, 3)) as template:
        assert template.render([USER]) == "03 Feb 2001"


def test_a_refusal_is_one_line_and_the_next_row_is_rendered() -> None:
    source = (
        "{% if messages|length > 1 %}{{ raise_exception('Only\\none.') }}{% endif %}{{ messages[0].content }}"
    )
    with ChatTemplate("tiny", source, {}, datetime.now()) as template:
        message = r"^the chat template of 'tiny' refuses the messages: Only\\none\.$"
        with pytest.raises(PromptError, match=message):
            template.render([USER, ANSWER])
        assert template.render([USER]) == USER["content"]


@pytest.mark.parametrize("source", ["{% for %}", "{{ 1", "{% import_all %}", "{{ x|nothing }}"])
def test_a_template_that_is_none_is_one_line(source: str) -> None:
    with pytest.raises(ModelError, match=r"^model 'tiny': its chat template can't be read: [^\n]+$"):
        ChatTemplate("tiny", source, {}, datetime.now())


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{{ raise_exception.__globals__.json }}",
        "{{ strftime_now.__self__.__class__.__subclasses__() }}",
        "{% set ns = namespace(__class__=1) %}",
        "{{ dict.__init__.__globals__ }}",
        "{% include '/etc/passwd' %}",
        "{{ range(10**9) }}",
        "{{ '%s' * 3 % () }}",
    ],
)
def test_a_template_gets_at_nothing_of_python_s_own(source: str) -> None:
    with pytest.raises(PromptError, match="refuses the messages"):
        render(source, [USER])


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages[0].content * 10**10 }}",
        "{% set ns = namespace(s='xx') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% for i in range(99999) %}{{ 'x' * 10000 }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ],
)
def test_a_template_that_grows_is_one_row_s_error(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_module, "SECONDS", 120)
    with pytest.raises(
        PromptError, match=r"it takes more than 1024 MiB|longer than|calls itself without end"
    ):
        render(source, [USER])


def test_half_of_a_surrogate_pair_is_one_row_s_error() -> None:
    with pytest.raises(PromptError, match="surrogates not allowed"):
        render("{{ '\\ud800' }}", [USER])


def test_a_long_refusal_is_cut_in_the_template_s_process() -> None:
    source = "{{ raise_exception('x' * 10**6) }}"
    with ChatTemplate("tiny", source, {}, datetime.now()) as template:
        assert len(template._ask([USER])["error"]) == 1000


def test_a_template_without_an_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_module, "SECONDS", 0.5)
    source = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    with (
        pytest.raises(ModelError, match=r"its chat template took more than 0\.5 seconds for a row"),
        ChatTemplate("tiny", source, {}, datetime.now()) as template,
    ):
        template.render([USER])


def test_a_template_in_chatml_needs_no_transformers() -> None:
    text = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert render(CHATML, [{"role": "user", "content": "Hi"}]) == text


def test_a_template_s_process_has_no_token_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    with ChatTemplate("model", CHATML, {}, datetime(2026, 1, 1)) as template:
        environment = Path(f"/proc/{template._process.pid}/environ").read_bytes()
        assert b"PYTHONPATH=" in environment
        assert b"HF_TOKEN" not in environment
        assert template.render([{"role": "user", "content": "Hi"}])
