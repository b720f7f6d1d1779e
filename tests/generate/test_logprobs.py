"""The log probability of each new token, into the row and as OpenAI's API has it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion
from openai.types.chat import ChatCompletion

from job.generate import formats
from job.generate.engines.choose import open_engine
from job.generate.engines.engine import Row
from job.generate.logprobs import describe_logprobs
from job.generate.models.tokenizer import Tokenizer
from job.generate.prompts.prompt import Prompt
from job.generate.run import run
from job.generate.settings import Settings
from tests.generate.conftest import read_rows
from tests.generate.engines.test_decoding import byte_fallback, byte_level

ECHO = Settings(engine="echo", max_new_tokens=2, num_return_sequences=1)


def generate(folder: Path, row: Mapping[str, Any], **settings: Any) -> Path:
    (folder / "p.jsonl").write_text(json.dumps(row))
    run(replace(ECHO, prompts=str(folder / "p.jsonl"), **settings), folder / "outputs")
    return folder / "outputs"


def line(url: str, **body: Any) -> dict[str, Any]:
    return {"custom_id": "r", "method": "POST", "url": f"/v1/{url}", "body": body}


def test_a_row_has_them_if_it_asks(tmp_path: Path) -> None:
    (row,) = read_rows(generate(tmp_path, {"prompt": "é"}, logprobs=1))
    token = {"token": " é", "bytes": [32, 195, 169], "logprob": 0.0}
    assert row["token_logprobs"] == [token | {"top_logprobs": [token]}] * 2


def test_without_asking_there_are_none(tmp_path: Path) -> None:
    (row,) = read_rows(generate(tmp_path, {"prompt": "a", "logprobs": False}, logprobs=1))
    assert "token_logprobs" not in row


def test_a_chat_s_are_read_by_openai_s_types(tmp_path: Path) -> None:
    row = line(
        "chat/completions", messages=[{"role": "user", "content": "Hi"}], logprobs=True, top_logprobs=1
    )
    folder = generate(tmp_path, row, format="openai")
    body = json.loads((folder / formats.OPENAI).read_text())["response"]["body"]
    logprobs = ChatCompletion.model_validate(body, strict=True).choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert [token.token for token in logprobs.content] == [" user:", " Hi"]
    assert [[top.token for top in token.top_logprobs] for token in logprobs.content] == [[" user:"], [" Hi"]]


def test_a_completion_s_are_read_by_openai_s_types(tmp_path: Path) -> None:
    folder = generate(tmp_path, line("completions", prompt="One two", logprobs=0), format="openai")
    body = json.loads((folder / formats.OPENAI).read_text())["response"]["body"]
    logprobs = Completion.model_validate(body, strict=True).choices[0].logprobs
    assert logprobs is not None
    assert (logprobs.tokens, logprobs.token_logprobs) == ([" One", " two"], [0.0, 0.0])
    assert (logprobs.top_logprobs, logprobs.text_offset) == ([{" One": 0.0}, {" two": 0.0}], [0, 4])


@pytest.mark.model
@given(text=st.text("the aé🙂", min_size=1, max_size=20), is_fallback=st.booleans())
def test_the_bytes_of_tokens_are_those_of_the_text(text: str, is_fallback: bool) -> None:
    tokenizer: Tokenizer = byte_fallback() if is_fallback else byte_level()
    tokens = describe_logprobs([((id_, -1.0),) for id_ in tokenizer.encode(text)], tokenizer)
    joined = b"".join(bytes(token["bytes"]) for token in tokens).decode()
    assert joined == (f" {text}" if is_fallback else text)


@pytest.mark.model
def test_a_special_token_has_its_name() -> None:
    (token,) = describe_logprobs([((1, -0.25), (1, -0.25))], byte_fallback())
    assert (token["token"], bytes(token["bytes"]), token["top_logprobs"][0]["logprob"]) == (
        "<s>",
        b"<s>",
        -0.25,
    )


@pytest.mark.model
@pytest.mark.parametrize("engine", ["openvino", "transformers"])
@pytest.mark.parametrize(
    "changed", [{}, {"greedy": True}, {"temperature": 0.5, "top_k": 0, "frequency_penalty": 1.0}], ids=str
)
def test_they_are_the_network_s_before_any_setting(llama: Path, engine: str, changed: dict[str, Any]) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    settings = replace(Settings(model=str(llama), engine=engine, device="cpu"), **changed)
    rows = [Row(Prompt("", str(count)), (7, 8, 9), 1, 6, count, logprobs=count) for count in (-1, 0, 3)]
    completions = dict(open_engine(settings).load(20)(rows))
    assert [completions[row].logprobs is None for row in rows] == [True, False, False]
    network: Any = AutoModelForCausalLM.from_pretrained(llama).eval()
    for row in rows[1:]:
        token_ids, logprobs = completions[row].token_ids, completions[row].logprobs
        assert logprobs is not None
        with torch.inference_mode():
            logits = network(torch.tensor([row.token_ids + token_ids])).logits[0, 2:-1]
        expected = logits.log_softmax(-1)
        for place, (token, likely) in enumerate(zip(token_ids, logprobs, strict=True)):
            top = expected[place].topk(row.logprobs)
            assert [id_ for id_, _ in likely] == [token, *top.indices.tolist()]
            assert [value for _, value in likely] == pytest.approx(
                [float(expected[place, token]), *top.values.tolist()], abs=1e-4
            )
