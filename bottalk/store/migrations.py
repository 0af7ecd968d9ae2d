"""The schema, as numbered steps. A step is never changed once released; the file remembers how many it has seen.

Steps only add. The file carries the least schema version that can read it (`meta.least_reader`): an older daemon
goes on working with a newer file as long as that allows it, and refuses it with a clear message otherwise.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import sqlite_utils


class NewerDatabase(sqlite3.DatabaseError):
    """The file was written by a version of BotTalk that this one cannot follow."""


class OtherDatabase(sqlite3.DatabaseError):
    """The file is another program's. BotTalk on Node.js used the same name for its own."""


def _first(db: sqlite_utils.Database) -> None:
    db["meta"].create({"key": str, "value": str}, pk="key")  # type: ignore[union-attr]
    db.executescript(_TABLES)


_TABLES = """
CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  email TEXT,
  wechat_openid TEXT,
  send_key TEXT NOT NULL,
  send_key_hash TEXT NOT NULL,
  nickname TEXT,
  role TEXT NOT NULL DEFAULT 'user',
  is_disabled INTEGER NOT NULL DEFAULT 0,
  rate_limit INTEGER,
  strict INTEGER NOT NULL DEFAULT 0,
  created_at REAL NOT NULL
);
CREATE UNIQUE INDEX users_email ON users (email) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX users_send_key_hash ON users (send_key_hash);

CREATE TABLE channels (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id INTEGER NOT NULL REFERENCES users (id),
  name TEXT NOT NULL,
  wechat_openid TEXT NOT NULL,
  bot_id TEXT NOT NULL,
  bot_token TEXT NOT NULL,
  base_url TEXT NOT NULL,
  context_token TEXT,
  cursor TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL,
  inactive_reason TEXT,
  is_default INTEGER NOT NULL DEFAULT 0,
  can_login INTEGER NOT NULL DEFAULT 0,
  created_at REAL NOT NULL,
  bound_at REAL NOT NULL,
  activated_at REAL,
  last_inbound_at REAL,
  window_life REAL NOT NULL,
  window_epoch INTEGER NOT NULL DEFAULT 0,
  window_opened_at REAL,
  window_spent INTEGER NOT NULL DEFAULT 0,
  window_closed TEXT,
  window_worked_age REAL NOT NULL DEFAULT 0,
  window_last_send_at REAL,
  window_penalty_step INTEGER NOT NULL DEFAULT 0,
  window_penalty_until REAL,
  window_probed_at REAL,
  window_unconfirmed INTEGER NOT NULL DEFAULT 0,
  window_gives_ids INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX channels_user_id ON channels (user_id);
CREATE UNIQUE INDEX channels_wechat ON channels (wechat_openid)
  WHERE inactive_reason IS NULL OR inactive_reason <> 'deleted';

CREATE TABLE push_logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  push_id INTEGER NOT NULL,
  readkey TEXT NOT NULL,
  user_id INTEGER NOT NULL,
  channel_id INTEGER NOT NULL,
  title TEXT NOT NULL,
  text TEXT NOT NULL,
  status TEXT NOT NULL,
  reason TEXT,
  ret INTEGER,
  source TEXT NOT NULL,
  ip TEXT NOT NULL,
  priority TEXT NOT NULL,
  replace_key TEXT,
  not_before REAL,
  expires_at REAL NOT NULL,
  accepted_at REAL NOT NULL,
  settled_at REAL,
  attempts INTEGER NOT NULL DEFAULT 0,
  parts_sent INTEGER NOT NULL DEFAULT 0,
  maybe_duplicate INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  client_id TEXT,
  response TEXT,
  reminder_id INTEGER,
  idempotency_key TEXT,
  content_hash TEXT
);
CREATE INDEX push_logs_queued ON push_logs (channel_id, id) WHERE status = 'queued';
CREATE INDEX push_logs_user ON push_logs (user_id, id);
CREATE INDEX push_logs_push ON push_logs (push_id);
CREATE UNIQUE INDEX push_logs_idempotency ON push_logs (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE inbound (
  channel_id INTEGER NOT NULL,
  dedup_key TEXT NOT NULL,
  seen_at REAL NOT NULL,
  PRIMARY KEY (channel_id, dedup_key)
) WITHOUT ROWID;
CREATE INDEX inbound_seen_at ON inbound (seen_at);

CREATE TABLE sessions (
  id_hash TEXT PRIMARY KEY,
  user_id INTEGER,
  created_at REAL NOT NULL,
  seen_at REAL NOT NULL,
  expires_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE bindings (
  code TEXT PRIMARY KEY,
  session TEXT NOT NULL,
  user_id INTEGER,
  ip TEXT NOT NULL,
  rebind INTEGER,
  created_at REAL NOT NULL,
  expires_at REAL NOT NULL,
  state TEXT NOT NULL,
  result TEXT
) WITHOUT ROWID;
"""


def _reminders(db: sqlite_utils.Database) -> None:
    db.executescript(_REMINDERS)


_REMINDERS = """
CREATE TABLE reminders (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id INTEGER NOT NULL REFERENCES users (id),
  title TEXT NOT NULL,
  message TEXT NOT NULL,
  type TEXT NOT NULL,
  time TEXT NOT NULL,
  channel TEXT NOT NULL,
  max_count INTEGER NOT NULL,
  created_at REAL NOT NULL,
  since REAL NOT NULL,
  zone TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  send_count INTEGER NOT NULL,
  next_at REAL,
  fired_until REAL NOT NULL
);
CREATE INDEX reminders_user ON reminders (user_id);
CREATE INDEX push_logs_reminder ON push_logs (reminder_id, id) WHERE reminder_id IS NOT NULL;
"""


def _invitations(db: sqlite_utils.Database) -> None:
    db.execute("ALTER TABLE bindings ADD COLUMN invited INTEGER NOT NULL DEFAULT 0")


def _log_days(db: sqlite_utils.Database) -> None:
    db.executescript("CREATE INDEX push_logs_accepted ON push_logs (accepted_at);")


def _since_when(db: sqlite_utils.Database) -> None:
    for column in ("window_closed_at", "inactive_at"):
        db.execute(f"ALTER TABLE channels ADD COLUMN {column} REAL")


def _retention(db: sqlite_utils.Database) -> None:
    db.executescript(_RETENTION)


_RETENTION = """
ALTER TABLE push_logs ADD COLUMN keep_text_until REAL;
CREATE INDEX push_logs_keep_text ON push_logs (keep_text_until) WHERE keep_text_until IS NOT NULL;
CREATE INDEX push_logs_keys ON push_logs (accepted_at) WHERE idempotency_key IS NOT NULL;
CREATE INDEX bindings_expires_at ON bindings (expires_at);
"""


def _telling(db: sqlite_utils.Database) -> None:
    db.execute("ALTER TABLE channels ADD COLUMN nudged_epoch INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE channels ADD COLUMN noticed TEXT NOT NULL DEFAULT ''")
    db.execute("CREATE INDEX push_logs_system ON push_logs (user_id) WHERE source = 'system'")


def _removals(db: sqlite_utils.Database) -> None:
    """The file notes by itself that something private was removed from it. What was before, nobody knows."""
    for name, event in _REMOVED.items():
        db.execute(f"CREATE TRIGGER removed_{name} AFTER {event} BEGIN {_NOTE} VALUES ('removed', '1'); END")
    db.execute(f"{_NOTE} SELECT 'removed', '1' WHERE EXISTS (SELECT 1 FROM push_logs)")


_NOTE = "INSERT OR IGNORE INTO meta (key, value)"

_REMOVED = {
    "log": "DELETE ON push_logs",
    "text": "UPDATE OF title, text ON push_logs WHEN old.title <> new.title OR old.text <> new.text",
    "key": "UPDATE OF idempotency_key ON push_logs WHEN coalesce(old.idempotency_key, new.idempotency_key)"
    " IS NOT new.idempotency_key",
    "user": "DELETE ON users",
    "user_data": "UPDATE OF send_key, email, wechat_openid, nickname ON users WHEN old.send_key <> new.send_key"
    " OR coalesce(old.email, new.email) IS NOT new.email OR coalesce(old.nickname, new.nickname) IS NOT new.nickname"
    " OR coalesce(old.wechat_openid, new.wechat_openid) IS NOT new.wechat_openid",
    "channel": "DELETE ON channels",
    "token": "UPDATE OF bot_token ON channels WHEN old.bot_token <> new.bot_token",
    "reminder": "DELETE ON reminders",
    "reminder_text": "UPDATE OF title, message ON reminders WHEN old.title <> new.title OR old.message <> new.message",
}
"""After what the file is not free of old words: a trigger's event and condition, by its name."""


STEPS: tuple[tuple[Callable[[sqlite_utils.Database], None], int], ...] = (
    (_first, 1),
    (_reminders, 1),
    (_invitations, 1),
    (_log_days, 1),
    (_since_when, 1),
    (_retention, 1),
    (_telling, 1),
    (_removals, 1),
)
"""Each step, and the least schema version that can read the file after it."""


def migrate(connection: sqlite3.Connection, path: Path, now: float) -> None:
    """Bring the open file to this version's schema: a backup beside it, then one transaction per step.

    Raises NewerDatabase or OtherDatabase, or sqlite3.DatabaseError for a file that is damaged or no database.
    """
    version = check_readable(connection)
    for number, (step, least_reader) in enumerate(STEPS[version:], version + 1):
        if version > 0:  # a new file has nothing to keep
            backup(connection, path.with_name(f"{path.name}.before-{number}-{int(now)}"))
        _apply(connection, number, step, least_reader)


def check_readable(connection: sqlite3.Connection) -> int:
    """The file's schema version, which this BotTalk can work with, or can bring to its own.

    Raises NewerDatabase or OtherDatabase.
    """
    if is_of_another_program(connection):
        raise OtherDatabase(
            "it is not this BotTalk's; if BotTalk on Node.js made it, move it away (with the -wal beside it) and take "
            "its data over with `bottalk import`"
        )
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > len(STEPS):
        least = connection.execute("SELECT value FROM meta WHERE key = 'least_reader'").fetchone()
        if least is None or int(least[0]) > len(STEPS):
            raise NewerDatabase(
                f"it was written by a newer version of BotTalk (schema {version}, this one knows {len(STEPS)}): "
                "install that version again"
            )
    return version


def is_of_another_program(connection: sqlite3.Connection) -> bool:
    """Whether the file has tables, but not our `meta`."""
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return "meta" not in names and bool(names - {"sqlite_sequence"})


def _apply(
    connection: sqlite3.Connection, number: int, step: Callable[[sqlite_utils.Database], None], least_reader: int
) -> None:
    # sqlite-utils' transform() refuses to run in a transaction while foreign keys are on
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        step(sqlite_utils.Database(connection, execute_plugins=False))
        connection.execute(
            "INSERT INTO meta (key, value) VALUES ('least_reader', ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (str(least_reader),),
        )
        connection.execute(f"PRAGMA user_version={number}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("PRAGMA foreign_keys=ON")


def backup(connection: sqlite3.Connection, target: Path) -> None:
    """Copy the whole database to `target` (mode 0600) while others go on reading and writing."""
    target.touch(mode=0o600)
    copy = sqlite3.connect(target)
    try:
        connection.backup(copy)
    finally:
        copy.close()
