"""What a person typed reaches a container byte for byte."""

import json

from hypothesis import given
from hypothesis import strategies as st

from argo.compile import text

# Any text that a YAML file can hold, thick with what Argo and Kubernetes look for.
TEXTS = st.lists(
    st.sampled_from(["{{", "}}", "{", "$", "$(", "$$", ")", "HOME", "é", "😀", "\n", "\x1b"])
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
).map("".join)


def expanded(given: str) -> str:
    """What Kubernetes makes of a value where no variable is defined (third_party/forked/golang/expansion),
    byte by byte as it does."""
    body, out, at = given.encode(), b"", 0
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
def test_kubernetes_gives_a_kept_text_back(typed: str) -> None:
    assert expanded(text.kept(typed)) == typed


@given(TEXTS)
def test_nothing_in_carried_json_is_a_template_or_a_reference(typed: str) -> None:
    carried = text.carried({"files": {"script": typed}, "into": {typed: {"dataset": typed}}})
    assert "{{" not in carried
    assert "$" not in carried
    assert json.loads(carried) == {"files": {"script": typed}, "into": {typed: {"dataset": typed}}}


@given(TEXTS)
def test_a_plain_text_has_no_template_and_no_control_character(typed: str) -> None:
    if text.is_plain(typed):
        assert "{{" not in typed
        assert not any(ord(c) < 32 and c not in "\n\t" for c in typed)


def test_a_readable_script_stays_readable() -> None:
    script = 'for i in $(seq 3); do\n\techo "$i ${HOME} é"\ndone\n'
    assert text.is_plain(script)
    assert text.kept(script) == script.replace("$(", "$$(")
