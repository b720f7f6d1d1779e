"""Chat templates in the manner of ten families of models, with their special tokens."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """`tokens` by the names that templates know; `begins`: whether the tokenizer adds bos_token to a text."""

    name: str
    source: str
    tokens: dict[str, str]
    controls: tuple[str, ...] = ()
    begins: bool = False
    has_system: bool = True


CHATML = """{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}"""

LLAMA_2 = """{% if messages[0]['role'] == 'system' %}
{% set turns = messages[1:] %}
{% set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}
{% else %}
{% set turns = messages %}
{% set system = '' %}
{% endif %}
{% for message in turns %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Roles must alternate user/assistant/user/assistant/...') }}
{% endif %}
{% if message['role'] == 'user' %}
{{ bos_token + '[INST] ' + (system if loop.first else '') + message['content'] | trim + ' [/INST]' }}
{% else %}
{{ ' ' + message['content'] | trim + ' ' + eos_token }}
{% endif %}
{% endfor %}"""

LLAMA_3 = """{{- bos_token }}
{%- set day = strftime_now("%d %b %Y") %}
{%- for message in messages %}
    {%- set head = '<|start_header_id|>' ~ message.role ~ '<|end_header_id|>\\n\\n' %}
    {%- if loop.first and message.role == 'system' %}
        {%- set head = head ~ 'Today Date: ' ~ day ~ '\\n\\n' %}
    {%- endif %}
    {{- head ~ (message.content | trim) ~ '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

MISTRAL = """{%- set ns = namespace(system='', index=0) %}
{%- for message in messages %}
    {%- if message["role"] == "system" %}
        {%- set ns.system = message["content"] + "\\n\\n" %}
        {%- continue %}
    {%- endif %}
    {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
        {{- raise_exception("After the optional system message, roles must alternate.") }}
    {%- endif %}
    {%- if ns.index == 0 %}{{- bos_token }}{% endif %}
    {%- set ns.index = ns.index + 1 %}
    {%- if message["role"] == "user" and loop.last %}
        {{- "[INST] " + ns.system + message["content"] + "[/INST]" }}
    {%- elif message["role"] == "user" %}
        {{- "[INST] " + message["content"] + "[/INST]" }}
    {%- else %}
        {{- " " + message["content"] | trim + eos_token }}
    {%- endif %}
{%- endfor %}
"""

GEMMA = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- for message in messages %}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
    {{- '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}
"""

PHI_3 = """{% for message in messages %}
{{ '<|' + message['role'] + '|>' }}
{{ message['content'] + '<|end|>' }}
{% endfor %}
{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"""

QWEN = """{%- if tools %}{{- '<|im_start|>system\\n' + tools | tojson + '<|im_end|>\\n' }}{% endif %}
{%- if messages[0].role != 'system' %}{{- '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role }}
    {%- if message.reasoning_content is defined and loop.last %}
        {{- '\\n<think>\\n' + message.reasoning_content.strip('\\n') + '\\n</think>' }}
    {%- endif %}
    {%- if message.content is string %}{{- '\\n' + message.content }}{% endif %}
    {%- for call in message.tool_calls or [] %}
        {{- '\\n<tool_call>\\n' + call.function | tojson(indent=1) + '\\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{% endif %}"""

SMOLLM = """{%- if messages[0]['role'] == 'system' -%}
{%- set instruction, messages = messages[0]['content'], messages[1:] -%}
{%- else -%}
{%- set instruction = 'You are a helpful AI assistant' -%}
{%- endif -%}
<|im_start|>system
{{ instruction }}<|im_end|>
{% for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.role == 'assistant' %}
{% generation %}{{ message.content }}<|im_end|>{% endgeneration %}
{% else %}
{{ message.content }}<|im_end|>
{%- endif %}

{% endfor %}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\\n' }}
{%- endif -%}"""

ZEPHYR = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n' + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""

DEEPSEEK = """{% set ns = namespace(system='', parts=[]) %}
{%- for message in messages if message.role == 'system' %}
{%- set ns.system = ns.system ~ message.content %}{% endfor %}{{ bos_token }}{{ ns.system }}
{%- for message in messages %}
{%- if message.role == 'user' %}{{ '<｜User｜>' + message.content }}
{%- elif message.role == 'assistant' %}
{%- set answer = message.content.split('</think>')[-1] %}
{{- '<｜Assistant｜>' + answer + eos_token }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}"""

_IM = {"eos_token": "<|im_end|>", "bos_token": "<|im_start|>"}
_LLAMA = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}

FAMILIES = [
    Family("chatml", CHATML, _IM),
    Family("llama-2", LLAMA_2, _LLAMA, begins=True),
    Family(
        "llama-3",
        LLAMA_3,
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
        ("<|start_header_id|>", "<|end_header_id|>"),
        begins=True,
    ),
    Family("mistral", MISTRAL, _LLAMA, ("[INST]", "[/INST]"), begins=True),
    Family(
        "gemma",
        GEMMA,
        {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"},
        ("<start_of_turn>", "<end_of_turn>"),
        begins=True,
        has_system=False,
    ),
    Family(
        "phi-3",
        PHI_3,
        {"bos_token": "<s>", "eos_token": "<|endoftext|>"},
        ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>"),
        begins=True,
    ),
    Family("qwen", QWEN, {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}, ("<|im_start|>",)),
    Family("smollm", SMOLLM, _IM),
    Family("zephyr", ZEPHYR, _LLAMA, begins=True),
    Family(
        "deepseek",
        DEEPSEEK,
        {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"},
        ("<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"),
        begins=True,
    ),
]
