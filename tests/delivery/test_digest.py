"""What one WeChat message says."""

from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from bottalk.config import DeliverySettings
from bottalk.delivery.digest import Style, compose
from bottalk.values import ChannelId, PushId, Row, RowId

SETTINGS = DeliverySettings()
STYLE = Style(SETTINGS, ZoneInfo("Asia/Shanghai"))
T0 = 1_790_000_000.0


def row(number: int, title: str, text: str = "") -> Row:
    return Row(RowId(number), PushId(number), ChannelId(1), title, text, T0 + number, T0 + 1e6)


def test_a_single_push_is_sent_in_its_own_words() -> None:
    assert compose([row(1, "磁盘", "快满了")], STYLE).text == "磁盘\n\n快满了"
    assert compose([row(1, "只有标题")], STYLE).text == "只有标题"
    assert compose([row(1, "", "  只有正文\n")], STYLE).text == "  只有正文\n"


def test_several_are_numbered_in_order_with_their_times() -> None:
    batch = compose([row(1, "甲", "一"), row(2, "乙", "二")], STYLE)
    assert batch.row_ids == (1, 2)
    assert batch.text.startswith("共 2 条消息")
    assert batch.text.index("1. ") < batch.text.index("甲") < batch.text.index("2. ") < batch.text.index("乙")
    assert "22:13:21" in batch.text


def test_identical_pushes_are_one_entry_with_a_count() -> None:
    batch = compose([row(n, "心跳") for n in range(1, 6)], STYLE)
    assert len(batch.rows) == 5
    assert batch.text.count("心跳") == 1
    assert "×5" in batch.text


def test_a_text_that_is_too_long_is_cut_and_says_how_much_is_missing() -> None:
    batch = compose([row(1, "长", "字" * 5000)], STYLE)
    assert len(batch.text) <= SETTINGS.safe_characters
    assert "…" in batch.text
    shown = batch.text.count("字") - 1  # the note itself says 字 once
    assert f"{5000 + 3 - shown - 3} 个字" in batch.text


def test_the_client_id_belongs_to_rows_and_text() -> None:
    one = compose([row(1, "甲")], STYLE)
    assert compose([row(1, "甲")], STYLE).client_id == one.client_id
    assert compose([row(1, "乙")], STYLE).client_id != one.client_id
    assert compose([row(2, "甲")], STYLE).client_id != one.client_id
    assert compose([row(1, "甲"), row(2, "乙")], STYLE).client_id != one.client_id


TEXTS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=3000)


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=12))
def test_a_batch_takes_from_the_head_in_order_and_fits(texts: list[tuple[str, str]]) -> None:
    rows = [row(n, title, text or "x") for n, (title, text) in enumerate(texts, 1)]
    batch = compose(rows, STYLE)
    assert batch.rows == tuple(rows[: len(batch.rows)])
    assert len(batch.rows) >= 1
    assert len(batch.text) <= SETTINGS.safe_characters
    assert len(batch.text.encode()) <= SETTINGS.safe_bytes
    if len(batch.rows) > 1:
        for taken in batch.rows:
            assert not taken.text.strip() or taken.text in batch.text
