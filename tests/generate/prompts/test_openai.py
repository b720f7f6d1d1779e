"""Lines of OpenAI's batch files, as their public descriptions have them."""

import json
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


DEEP: dict[str, Any] = {}
for _ in range(5000):
    DEEP = {"items": DEEP}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("body", "settings"),
    [
        ({"response_format": None}, {}),
        ({"response_format": {"type": "text"}}, {"json_schema": "", "regex": "", "choices": ()}),
        ({"response_format": {"type": "json_object"}}, {"json_schema": '{"type": "object"}'}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}},
            {"json_schema": json.dumps(SCHEMA)},
        ),
        ({"structured_outputs": {"json": SCHEMA}}, {"json_schema": json.dumps(SCHEMA)}),
        ({"structured_outputs": {"json": json.dumps(SCHEMA)}}, {"json_schema": json.dumps(SCHEMA)}),
        ({"structured_outputs": {"json_object": True}}, {"json_schema": '{"type": "object"}'}),
        ({"structured_outputs": {"regex": "a", "choice": None}}, {"regex": "a"}),
        ({"structured_outputs": {"choice": ["a", "b"]}}, {"choices": ("a", "b")}),
    ],
)
def test_a_structure_replaces_the_run_s(body: dict[str, Any], settings: dict[str, Any]) -> None:
    prompt = parse(line(messages=MESSAGES, **body))
    none = {"json_schema": "", "regex": "", "choices": ()} if settings else {}
    assert (prompt.error, prompt.settings) == ("", none | settings)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            line(messages=MESSAGES, response_format={"type": "yaml"}),
            "body.response_format.type must be one of text, json_object, json_schema, not 'yaml'",
        ),
        (line(messages=MESSAGES, response_format="text"), "body.response_format must be an object"),
        (
            line(messages=MESSAGES, response_format={"type": "json_schema", "json_schema": {"name": "a"}}),
            "body.response_format.json_schema.schema must be a JSON schema, which is an object",
        ),
        (
            line(
                messages=MESSAGES,
                response_format={"type": "json_schema", "json_schema": {"schema": {"items": {"type": "x"}}}},
            ),
            "body.response_format.json_schema.schema: #/items: Invalid type: x",
        ),
        (
            line(messages=MESSAGES, structured_outputs={"grammar": "a"}),
            "body.structured_outputs.grammar can't be set here; ",
        ),
        (
            line(messages=MESSAGES, structured_outputs={"regex": "a", "choice": ["b"]}),
            "body.structured_outputs must have one of json, regex, choice, json_object",
        ),
        pytest.param(
            line(messages=MESSAGES, structured_outputs={"json": DEEP}),
            "body.structured_outputs.json is nested too deep",
            id="deep",
        ),
        (
            line(messages=MESSAGES, structured_outputs={"json": "{"}),
            "body.structured_outputs.json is not JSON",
        ),
        (
            line(messages=MESSAGES, structured_outputs={"regex": "("}),
            "body.structured_outputs.regex: unclosed",
        ),
        (
            line(messages=MESSAGES, structured_outputs={"choice": []}),
            "body.structured_outputs.choice must be a list of strings that are not empty",
        ),
        (
            line(messages=MESSAGES, structured_outputs={"regex": "a"}, response_format={"type": "text"}),
            "body.response_format and structured_outputs can't be used together; leave one out",
        ),
        (
            line("/v1/embeddings", input="a"),
            "url must be /v1/chat/completions or /v1/completions, not '/v1/embeddings'",
        ),
        ({"custom_id": "a", "body": {}}, "url must be /v1/chat/completions or /v1/completions, not 'None'"),
        (line(messages=MESSAGES) | {"method": "GET"}, "method must be POST, not 'GET'"),
        (line(messages=MESSAGES) | {"custom_id": 1}, "custom_id must be a string that is not empty"),
        (line() | {"body": []}, "body must be an object"),
        (line(model="m"), "body.messages must be a list of one message or more; write"),
        (
            line("/v1/completions", prompt=["a", "b"]),
            "body.prompt must be a string; write a line for each text",
        ),
        (line(messages=MESSAGES, tools=[{}], n=1), "body.tools can't be set here; leave it out"),
        (line(messages=MESSAGES, stop=[1]), "body.stop must be a list of strings that are not"),
        (line(messages=MESSAGES, stream=True), "body.stream can't be set here; leave it out"),
        (line(messages=MESSAGES, prompt="a"), "body.prompt can't be set here; leave it out"),
        (line(messages=MESSAGES, top_p=2), "body.top_p must be at most 1, not 2"),
    ],
)
def test_a_line_that_asks_for_something_else_is_named(row: dict[str, Any], message: str) -> None:
    assert parse(row).error.startswith(message)
