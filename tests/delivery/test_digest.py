"""What one WeChat message says."""

import time
from dataclasses import replace
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottalk.config import DeliverySettings
from bottalk.delivery.digest import PARTS, Batch, Style, compose, fills_message
from bottalk.values import ChannelId, PushId, Row, RowId, Secret
from bottalk.words import DEFAULT, Words

SETTINGS = DeliverySettings()
STYLE = Style(SETTINGS, ZoneInfo("Asia/Shanghai"))
PAGES = msgspec.structs.replace(STYLE, pages="https://push.example.org")
SMALL = msgspec.structs.replace(STYLE, settings=replace(SETTINGS, safe_characters=200, safe_bytes=800))
T0 = 1_790_000_000.0


def row(number: int, title: str, text: str = "", parts_sent: int = 0) -> Row:
    return Row(
        RowId(number),
        PushId(number),
        ChannelId(1),
        title,
        text,
        T0 + number,
        T0 + 1e6,
        readkey=Secret("0123456789abcdef"),
        parts_sent=parts_sent,
    )


def fits(batch: Batch, style: Style) -> bool:
    settings = style.settings
    return len(batch.text) <= settings.safe_characters and len(batch.text.encode()) <= settings.safe_bytes


def every_part(one: Row, style: Style, tails: tuple[str, ...] = ("",)) -> list[Batch]:
    """All messages of a text, as they go out."""
    found = [compose([one], style, tails[0])]
    while found[-1].parts_sent:
        again = msgspec.structs.replace(one, parts_sent=found[-1].parts_sent)
        found.append(compose([again], style, tails[len(found) % len(tails)]))
    return found


# --- one ---


def test_a_single_push_is_sent_in_its_own_words() -> None:
    assert compose([row(1, "磁盘", "快满了")], STYLE).text == "磁盘\n\n快满了"
    assert compose([row(1, "只有标题")], STYLE).text == "只有标题"
    assert compose([row(1, "", "  只有正文\n")], STYLE).text == "  只有正文\n"


def test_a_title_is_no_markdown_and_a_text_is() -> None:
    assert compose([row(1, "disk_full **x**", "**bold** disk_full")], STYLE).text == (
        "`disk_full` `**x**`\n\n**bold** `disk_full`"
    )


@pytest.mark.parametrize("text", ["<!-- nothing -->", "\0", "<br>", "\0 \0"])
def test_a_message_is_never_blank(text: str) -> None:
    assert compose([row(1, "", text)], STYLE).text == DEFAULT.blank


def test_a_tail_is_its_last_line_even_after_an_open_fence() -> None:
    assert compose([row(1, "甲", "乙")], STYLE, "（尾）").text == "甲\n\n乙\n\n（尾）"
    assert compose([row(1, "", "```\ncode")], STYLE, "（尾）").text == "```\ncode\n```\n\n（尾）"


# --- several ---


def test_several_are_numbered_in_order_with_their_times() -> None:
    batch = compose([row(1, "甲", "一"), row(2, "乙", "二")], STYLE)
    assert batch.row_ids == (1, 2)
    assert batch.text.startswith("共 2 条消息")
    assert batch.text.index("【1】") < batch.text.index("甲") < batch.text.index("【2】") < batch.text.index("乙")
    assert "09-21 22:13:21" in batch.text
    assert batch.text.count("———") == 1


def test_identical_pushes_are_one_entry_with_a_count() -> None:
    batch = compose([row(n, "心跳") for n in range(1, 6)], STYLE)
    assert len(batch.rows) == 5
    assert batch.text.count("心跳") == 1
    assert "×5" in batch.text


def test_the_first_and_the_last_time_of_identical_pushes_are_told() -> None:
    batch = compose([row(1, "心跳"), row(2, "别的"), row(90, "心跳")], STYLE)
    assert "【1】09-21 22:13:21–09-21 22:14:50 ×2" in batch.text
    assert batch.text.startswith("共 3 条消息")


def test_an_open_fence_does_not_swallow_the_next_entry() -> None:
    text = compose([row(1, "甲", "```\ncode"), row(2, "乙")], STYLE, "（尾）").text
    assert "code\n```\n\n———" in text
    assert text.endswith("乙\n\n（尾）")


def test_a_long_text_waits_for_a_message_of_its_own() -> None:
    rows = [row(1, "甲"), row(2, "长", "字" * 5000), row(3, "乙")]
    assert compose(rows, STYLE).row_ids == (1,)
    assert compose(rows[1:], STYLE).row_ids == (2,)


def test_a_row_of_which_parts_are_out_joins_no_digest() -> None:
    assert compose([row(1, "甲"), row(2, "长", "字", parts_sent=1)], STYLE).row_ids == (1,)


def test_the_words_are_the_operators() -> None:
    words = Words(digest="{count} messages")
    style = msgspec.structs.replace(STYLE, words=words)
    assert compose([row(1, "a"), row(2, "b")], style).text.startswith("2 messages\n\n【1】")


def test_a_digest_costs_what_it_takes() -> None:
    """Ten times as many rows in it cost about ten times as much; joining it anew for each would cost 100 times."""
    wide = msgspec.structs.replace(STYLE, settings=replace(SETTINGS, safe_characters=10**7, safe_bytes=10**8))

    def cpu(count: int) -> float:
        rows = [row(n, f"title {n}", "text " * 20) for n in range(count)]
        start = time.process_time()
        assert len(compose(rows, wide).rows) == count
        return time.process_time() - start

    assert min(cpu(3000) for _ in range(3)) < 40 * min(cpu(300) for _ in range(3))


# --- too long for one ---


def test_a_long_text_ends_with_the_link_to_its_page() -> None:
    batch = compose([row(7, "长", "第一句。" * 2000), row(8, "乙")], PAGES, "（尾）")
    assert batch.row_ids == (7,)
    assert batch.linked
    assert batch.parts_sent == 0
    assert batch.text.endswith("第一句。…\n\n全文：https://push.example.org/m/7?readkey=0123456789abcdef\n\n（尾）")
    assert fits(batch, PAGES)
    assert len(batch.text) > 1900


def test_the_link_of_code_stands_outside_of_it() -> None:
    text = compose([row(7, "", "```\n" + "code line\n" * 400 + "```")], PAGES).text
    assert "code line\n```\n…\n\n全文：" in text


def test_a_short_message_has_no_link() -> None:
    batch = compose([row(1, "甲"), row(2, "乙")], PAGES)
    assert not batch.linked
    assert "https://" not in batch.text


def test_without_pages_a_long_text_goes_in_parts() -> None:
    text = "\n\n".join(f"第 {n} 段。" + "字" * 90 for n in range(45))
    batches = every_part(row(1, "长", text), STYLE)
    assert [batch.parts_sent for batch in batches] == [1, 2, 0]
    assert all(fits(batch, STYLE) and batch.row_ids == (1,) and not batch.linked for batch in batches)
    assert "\n\n".join(batch.text for batch in batches) == f"长\n\n{text}"
    assert len({batch.client_id for batch in batches}) == 3


def test_the_fifth_part_is_the_last_and_says_how_much_is_missing() -> None:
    batches = every_part(row(1, "", "字" * 50_000), STYLE)
    assert [batch.parts_sent for batch in batches] == [1, 2, 3, 4, 0]
    assert len(batches) == PARTS
    assert all(fits(batch, STYLE) for batch in batches)
    sent = sum(batch.text.count("字") for batch in batches) - 1  # the note itself says 字 once
    assert f"（后面还有 {50_000 - sent} 个字未显示）" in batches[-1].text


def test_parts_begin_at_the_same_places_whatever_their_tails() -> None:
    one = row(1, "长", "句子很长。" * 1500)
    plain = every_part(one, STYLE)
    tailed = every_part(one, STYLE, (DEFAULT.last, "", DEFAULT.few_left.format(left=2)))
    assert len(plain) == len(tailed)
    for first, second in zip(plain, tailed, strict=True):
        assert second.text.startswith(first.text)
        assert fits(second, STYLE)


def test_a_text_that_has_begun_goes_on_in_parts_though_pages_are_there_by_now() -> None:
    one = row(1, "", "字" * 5000)
    assert compose([one], PAGES).linked
    assert compose([msgspec.structs.replace(one, parts_sent=1)], PAGES).parts_sent == 2


def test_an_address_that_would_fill_the_message_is_no_help() -> None:
    style = msgspec.structs.replace(SMALL, pages="https://push.example.org/" + "x" * 100)
    batch = compose([row(1, "", "字" * 500)], style)
    assert not batch.linked
    assert batch.parts_sent == 1


def test_only_as_much_as_can_be_shown_is_looked_at() -> None:
    """A megabyte costs what the part of it costs that fits."""

    def cpu(text: str) -> float:
        start = time.process_time()
        compose([row(1, "", text)], PAGES)
        return time.process_time() - start

    unit = "a_b *中* [x](http://a/b) "
    assert min(cpu(unit * 40_000) for _ in range(3)) < 20 * min(cpu(unit * 200) for _ in range(3))


# --- for the pacing ---


def test_what_fills_a_message() -> None:
    assert not fills_message([row(n, "标题", "字" * 100) for n in range(5)], STYLE)
    assert fills_message([row(n, f"标题 {n}", "字" * 300) for n in range(9)], STYLE)
    assert fills_message([row(1, "", "字" * 2000)], STYLE)
    assert not fills_message([row(n, "心跳", "字" * 300) for n in range(50)], STYLE), "identical ones are one entry"
    assert fills_message([row(n, f"{n}", "🚀" * 450) for n in range(4)], SMALL), "bytes count too"
    light = [row(n, f"标题 {n}", "字" * 300).light() for n in range(9)]
    assert fills_message(light, STYLE)
    assert not fills_message(light[:2], STYLE)


# --- always ---


def test_the_client_id_belongs_to_rows_and_text() -> None:
    one = compose([row(1, "甲")], STYLE)
    assert compose([row(1, "甲")], STYLE).client_id == one.client_id
    assert compose([row(1, "乙")], STYLE).client_id != one.client_id
    assert compose([row(2, "甲")], STYLE).client_id != one.client_id
    assert compose([row(1, "甲"), row(2, "乙")], STYLE).client_id != one.client_id


TEXTS = st.text(max_size=3000)
STYLES = [STYLE, PAGES, SMALL, msgspec.structs.replace(SMALL, pages="https://p.example")]
TAILS = st.sampled_from(["", DEFAULT.last, DEFAULT.few_left.format(left=2)])


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=12), st.sampled_from(STYLES), TAILS)
def test_a_batch_takes_from_the_head_in_order_and_fits(texts: list[tuple[str, str]], style: Style, tail: str) -> None:
    rows = [row(n, title, text or "x") for n, (title, text) in enumerate(texts, 1)]
    batch = compose(rows, style, tail)
    assert batch.rows == tuple(rows[: len(batch.rows)])
    assert len(batch.rows) >= 1
    assert batch.text.strip()
    assert fits(batch, style)
    assert batch.text.endswith(tail)
    assert batch == compose(rows, style, tail)


PLAIN = st.text(alphabet="abc 字。\n", max_size=150)


@given(st.lists(st.tuples(PLAIN, PLAIN), min_size=2, max_size=12))
def test_a_digest_holds_every_text_of_its_rows(texts: list[tuple[str, str]]) -> None:
    batch = compose([row(n, title, text or "x") for n, (title, text) in enumerate(texts, 1)], STYLE)
    for taken in batch.rows:
        assert not taken.text.strip() or taken.text in batch.text
        assert "".join(taken.title.split()) in "".join(batch.text.split())


LONG = st.lists(
    st.sampled_from(["字" * 40, "word ", "\n\n", "\n```\n", "a_b", "。", "👨‍👩‍👧‍👦", "x" * 90]), max_size=400
)


@given(LONG.map("".join), st.sampled_from([STYLE, SMALL]), st.lists(TAILS, min_size=1, max_size=3))
def test_every_part_fits_and_there_are_five_at_most(text: str, style: Style, tails: list[str]) -> None:
    batches = every_part(row(1, "标题", text), style, tuple(tails))
    assert len(batches) <= PARTS
    assert [batch.parts_sent for batch in batches] == [*range(1, len(batches)), 0]
    assert all(fits(batch, style) for batch in batches)
