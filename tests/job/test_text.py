"""What a job prints or names can't control a terminal, nor be Markdown."""

import pytest

from job.text import markdown_block, markdown_inline, visible, visible_line

CONTROLS = [
    "\x1b]0;title\x07",
    "\x1b]52;c;Y2xpcGJvYXJk\x1b\\\\",
    "\x1b[2J",
    "\x1b[1A",
    "\x1b[6n",
    "\x1b[?1049h",
    "\x1bc",
    "\x9b2J",
    "\x9d0;title\x9c",
    "\x1b[" + "1" * 100 + "m",
    "\x1b[1;2",
    "over\rwritten",
    "\b",
    "\x00",
    "\x7f",
    "\v",
    "\f",
    "\x85",
    "\u2028",
    "\u2029",
    "\u202egnp.exe",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\udc80",
    "\U000e0041",
]
# Ends of lines, for Markdown or for str.splitlines
ENDS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("text", CONTROLS, ids=ascii)
def test_what_controls_a_terminal_becomes_a_mark(text: str) -> None:
    for shown in (visible(text), visible_line(text), visible_line(f"\x1b[31m{text}")):
        assert "�" in shown
        assert not {*"\x00\x07\b\v\f\r\x7f\x85\x9b\x9d\u2028\u2029\u202e\u2066"} & set(shown)
    assert "\x1b" not in visible(text)
    assert "\x1b" not in visible_line(f"\x1b[31m{text}").replace("\x1b[31m", "").replace("\x1b[0m", "")


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        "a\tb",
        "日本\u3000語",
        "a\xa0b",
        "می\u200cخواهم",
        "👨\u200d👩\u200d👧",
        "\x1b[1;31mred\x1b[0m",
    ],
)
def test_text_colours_and_tabs_of_a_log_stay(text: str) -> None:
    assert visible_line(text) == text


def test_a_colour_ends_with_its_line() -> None:
    assert visible_line("a \x1b[38;5;1mred") == "a \x1b[38;5;1mred\x1b[0m"


@pytest.mark.parametrize("end", ENDS, ids=ascii)
def test_no_text_leaves_its_block_of_markdown(end: str) -> None:
    block = markdown_block(f"text{end}# heading{end}![](https://example.org/x.png){end}{end}[link](x)")
    assert all(line.startswith("    ") for line in block.removesuffix("\n").split("\n"))
    assert not set(block) & {*"\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"}
    assert "    # heading\n    ![](https://example.org/x.png)\n" in block


@pytest.mark.parametrize("end", ENDS, ids=ascii)
def test_a_name_is_one_line_without_markdown(end: str) -> None:
    shown = markdown_inline(f"a-b/c:1{end}# <b>![](https://www.example.org)`*_|~@me")
    assert shown.startswith("a-b/c:1�")
    assert len(shown.splitlines()) == 1
    assert r"https\://" in shown
    for character in "#<>![]()`*_|~@.":
        assert shown.count(character) == shown.count(f"\\{character}")
