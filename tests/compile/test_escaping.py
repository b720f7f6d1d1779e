"""What a person typed reaches a container byte for byte."""

import json

from hypothesis import given
from hypothesis import strategies as st

from argo.compile.escaping import escape_kubernetes_vars, is_plain, template_safe_json

# Any text that a YAML file can hold, thick with what Argo and Kubernetes look for.
TEXTS = st.lists(
    st.sampled_from(["{{", "}}", "{", "$", "$(", "$$", ")", "HOME", "é", "😀", "\n", "\x1b"])
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
).map("".join)


def expand(text: str) -> str:
    """What Kubernetes makes of a value if no variable is defined (third_party/forked/golang/expansion),
    byte by byte as it does."""
    body, out, at = text.encode(), b"", 0
    while at < len(body):
        if body[at : at + 1] != b"$" or at + 1 == len(body):
            out, at = out + body[at : at + 1], at + 1
            continue
        following = body[at + 1]
        if following == ord("$"):
            out, at = out + b"$", at + 2
        elif following == ord("("):
            end = body.find(b")", at)
            assert end < 0, "a reference"
            out, at = out + b"$(", at + 2
        else:
            out, at = out + b"$" + chr(following).encode(), at + 2
    return out.decode()


@given(TEXTS)
def test_kubernetes_gives_an_escaped_text_back(text: str) -> None:
    assert expand(escape_kubernetes_vars(text)) == text


@given(TEXTS)
def test_template_safe_json_has_no_template_and_no_reference(text: str) -> None:
    document = {"files": {"script": text}, "into": {text: {"dataset": text}}}
    safe = template_safe_json(document)
    assert "{{" not in safe
    assert "$" not in safe
    assert json.loads(safe) == document


@given(TEXTS)
def test_a_plain_text_has_no_template_and_no_control_character(text: str) -> None:
    if is_plain(text):
        assert "{{" not in text
        assert not any(ord(c) < 32 and c not in "\n\t" for c in text)


def test_a_readable_script_stays_readable() -> None:
    script = 'for i in $(seq 3); do\n\techo "$i ${HOME} é"\ndone\n'
    assert is_plain(script)
    assert escape_kubernetes_vars(script) == script.replace("$(", "$$(")
