"""What the housekeeper has removed: rows that will never go, old log, texts that the log does not keep."""

from bottalk.delivery import queue
from bottalk.messages import Bite, EmptyLinked, EmptyTexts, ForgetPassing, ForgetSettled, SettleOver
from bottalk.store import bindings as binding_rows
from bottalk.store import inbound as inbound_rows
from bottalk.store import pushes as push_rows
from bottalk.store import retention
from bottalk.store import sessions as session_rows
from bottalk.verbs.draft import Draft
from bottalk.verbs.pushes import REMEMBER_KEYS_S

BITE = 500
"""Rows settled or forgotten in one commit: about 10 ms, so that no push waits long."""

STRICTNESS = ("full", "title", "none")
"""The setting `log_texts`, by how little it keeps."""


def settle_over(draft: Draft, m: SettleOver) -> int:
    """Judged as their channel's actor would; what one has in hand is past it."""
    found = queue.over(draft.waiting_rows(m.channel_id), draft.in_hand(m.channel_id), draft.now)
    connection, log_texts = draft.connection, draft.config.log_texts
    count = 0
    for row, reason in found[:BITE]:
        settlement = queue.ending(row, reason)
        # False: a verb before this one has settled or moved it
        if push_rows.settle_untried(connection, m.channel_id, settlement, draft.now, log_texts):
            draft.mine.settled.append((m.channel_id, settlement))
            count += 1
    return count


def forget_settled(draft: Draft, m: ForgetSettled) -> Bite:
    return retention.forget_settled(draft.connection, m.before, m.after, draft.now)


def forget_passing(draft: Draft, m: ForgetPassing) -> int:
    connection, now = draft.connection, draft.now
    count = retention.forget_keys(connection, now - REMEMBER_KEYS_S, BITE)
    for forget in (session_rows.delete_old, inbound_rows.forget_old, binding_rows.delete_old):
        count += forget(connection, now, BITE - count)
    return count


def empty_texts(draft: Draft, m: EmptyTexts) -> Bite:
    connection, log_texts = draft.connection, draft.config.log_texts
    kept = retention.texts_kept(connection)
    bite = Bite(0, None)
    if STRICTNESS.index(log_texts) > STRICTNESS.index(kept):
        bite = retention.empty_texts(connection, m.after, draft.now, log_texts)
    if bite.end is None and kept != log_texts:
        retention.note_texts_kept(connection, log_texts)
    return bite


def empty_linked(draft: Draft, m: EmptyLinked) -> int:
    """Where the log keeps whole texts, there is nothing to do."""
    log_texts = draft.config.log_texts
    return 0 if log_texts == "full" else retention.empty_linked(draft.connection, draft.now, log_texts)
