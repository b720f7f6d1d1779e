"""Lines of OpenAI's batch files, as their public descriptions have them."""

from typing import Any

import pytest

from job.generate.prompts.prompt import Prompt
from job.generate.prompts.rows import RowFormat, build_prompt

MESSAGES = [{"role": "system", "content": "You are helpful."}, {"role": "user", "content": "Hello world!"}]


def line(url: str = "/v1/chat/completions", **body: Any) -> dict[str, Any]:
    return {"custom_id": "request-1", "method": "POST", "url": url, "body": body}


def parse(row: dict[str, Any]) -> Prompt:
    return build_prompt(row, RowFormat(), "p.jsonl:1", "/p.jsonl:1")


def test_a_line_of_chat_is_messages_and_settings() -> None:
    row = line(
        model="gpt-4o-mini", messages=MESSAGES, max_tokens=1000, temperature=0.5, user="u", stream=False
    )
    prompt = parse(row)
    assert (prompt.id, prompt.messages, prompt.error, prompt.row) == ("request-1", MESSAGES, "", row)
    assert prompt.settings == {"max_new_tokens": 1000, "temperature": 0.5}


def test_a_line_of_completions_is_a_prompt() -> None:
    prompt = parse(
        line("/v1/completions", model="m", prompt="Once", max_tokens=5, n=2, logit_bias={}, echo=False)
    )
    assert (prompt.text, prompt.error) == ("Once", "")
    assert prompt.settings == {"max_new_tokens": 5, "num_return_sequences": 2}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            line("/v1/embeddings", input="a"),
            "url must be /v1/chat/completions or /v1/completions, not '/v1/embeddings'",
        ),
        ({"custom_id": "a", "body": {}}, "url must be /v1/chat/completions or /v1/completions, not 'None'"),
        (line(messages=MESSAGES) | {"method": "GET"}, "method must be POST, not 'GET'"),
        (line(messages=MESSAGES) | {"custom_id": 1}, "custom_id must be a string that is not empty"),
        (line() | {"body": []}, "body must be an object"),
        (line(model="m"), "body.messages must be a list of messages; write"),
        (
            line("/v1/completions", prompt=["a", "b"]),
            "body.prompt must be a string; write a line for each text",
        ),
        (line(messages=MESSAGES, tools=[{}], n=1), "body.tools can't be set here; leave it out"),
        (line(messages=MESSAGES, stop=[1]), "body.stop: stop must be a list of strings that are not"),
        (line(messages=MESSAGES, stream=True), "body.stream can't be set here; leave it out"),
        (line(messages=MESSAGES, prompt="a"), "body.prompt can't be set here; leave it out"),
        (line(messages=MESSAGES, top_p=2), "body.top_p: top_p must be at most 1, not 2"),
    ],
)
def test_a_line_that_asks_for_something_else_is_named(row: dict[str, Any], message: str) -> None:
    assert parse(row).error.startswith(message)
