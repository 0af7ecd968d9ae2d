"""Where long texts are cut."""

import re

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from bottalk.delivery.split import Part, Room, closed, part

WIDE = Room(10_000, 40_000)


def parts(text: str, room: Room) -> list[str]:
    found: list[Part] = []
    at, fence = 0, ""
    while at < len(text):
        found.append(part(text, at, room, fence))
        assert found[-1].end > at
        at, fence = found[-1].end, found[-1].fence
    return [one.shown for one in found]


def test_a_text_that_fits_is_one_part() -> None:
    assert part("a text\n", 0, WIDE) == Part("a text\n", 7)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("a" * 30 + "\n\n" + "b" * 10 + "\n" + "c. d " * 20, "a" * 30),
        ("a" * 30 + "\n" + "c. d " * 20, "a" * 30),
        ("第一句。" * 30, "第一句。" * 12),
        ("one two three. " * 9, "one two three. one two three. one two three."),
        ("word " * 30, "word " * 9 + "word"),
        ("字" * 99, "字" * 50),
    ],
    ids=["paragraph", "line", "chinese sentence", "sentence", "word", "anywhere"],
)
def test_the_best_place_within_reach(text: str, first: str) -> None:
    assert parts(text, Room(50, 400))[0] == first


def test_what_a_cut_would_spoil_goes_into_the_next_part_whole() -> None:
    for whole in (
        "https://example.com/a/long/path",
        "[a link](https://example.com)",
        "`inline code that is long`",
        "**bold text here**",
    ):
        shown = parts("字" * 35 + whole + "字" * 40, Room(50, 400))
        assert shown[0] == "字" * 35
        assert shown[1].startswith(whole)


def test_an_address_longer_than_a_part_is_cut_all_the_same() -> None:
    url = "https://example.com/" + "x" * 200
    assert "".join(parts(url, Room(50, 400))) == url


def test_graphemes_stay_whole() -> None:
    family = "👨‍👩‍👧‍👦"
    shown = parts(family * 20, Room(50, 8000))
    assert "".join(shown) == family * 20
    assert {len(one) % len(family) for one in shown} == {0}
    assert parts("🇨🇳" * 60, Room(51, 8000))[0] == "🇨🇳" * 25


def test_bytes_count_as_well_as_characters() -> None:
    assert [len(one) for one in parts("字" * 100, Room(100, 90))] == [30, 30, 30, 10]


def test_a_cut_in_a_fence_closes_it_and_opens_it_again() -> None:
    lines = [f"print({n:04})" for n in range(60)]
    text = "text\n\n```python\n" + "\n".join(lines) + "\n```\nend"
    shown = parts(text, Room(300, 2000))
    assert len(shown) > 2
    for one in shown[:-1]:
        assert one.endswith("\n```")
        assert one.count("```") % 2 == 0
    for one in shown[1:-1]:
        assert one.startswith("```python\n")
    assert shown[-1].endswith("```\nend")
    assert [line for one in shown for line in one.split("\n") if line.startswith("print")] == lines


def test_a_fence_in_a_quote_is_closed_in_its_quote() -> None:
    text = "> ```\n" + "> code line\n" * 40
    first, second = parts(text, Room(300, 2000))[:2]
    assert first.endswith("\n> ```")
    assert second.startswith("> ```\n> code")


def test_an_open_fence_is_closed() -> None:
    assert closed("a") == "a"
    assert closed("```\na") == "```\na\n```"
    assert closed("````\na\n```\n") == "````\na\n```\n````"
    assert closed("- ~~~ x\n  a") == "- ~~~ x\n  a\n  ~~~"
    assert closed("```a``` b") == "```a``` b"


PIECES = [
    "字", "word ", "。", "\n", "\n\n", "https://example.com/a/very/long/path?x=1 ", "`code x`", "**bold text**",
    "x" * 30,     "```\ncode line\n  more\n```\n", "~~~\nx\n", "> ", "- ```py\n  a\n", "👨‍👩‍👧‍👦", "e\u0301", "🇨🇳", "[l](http://x/y)",
    " ", "\r\n",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=120).map("".join), st.integers(60, 300), st.integers(240, 600))
def test_parts_fit_and_lose_nothing(text: str, characters: int, size: int) -> None:
    room = Room(characters, size)
    shown = parts(text, room)
    assert all(room.holds(one) for one in shown)

    def told(text: str) -> str:
        return re.sub(r"[\s>`~py]", "", text)  # fences are closed and opened again

    assert told("".join(shown)) == told(text)


@given(st.text(max_size=400), st.integers(1, 60))
def test_any_text_is_cut_between_graphemes(text: str, characters: int) -> None:
    shown = parts(text, Room(characters, 8000))
    clusters = regex.findall(r"\X", text)
    if all(len(cluster) <= characters // 2 for cluster in clusters) and not re.search(r"\s|```|~~~", text):
        assert [cluster for one in shown for cluster in regex.findall(r"\X", one)] == clusters
