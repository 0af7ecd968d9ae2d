"""A database as BotTalk on Node.js makes it, of any of its versions."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

FIRST = """
CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, wechat_openid TEXT UNIQUE, send_key TEXT UNIQUE,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE reminders (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER, title TEXT NOT NULL,
  message TEXT NOT NULL, time TEXT NOT NULL, type TEXT DEFAULT 'once', enabled INTEGER DEFAULT 1,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE push_logs (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER, title TEXT, content TEXT,
  status TEXT DEFAULT 'pending', ip TEXT, created_at DATETIME DEFAULT CURRENT_TIMESTAMP);
"""
"""The oldest schema that had SendKeys."""

TOKENS_OF_USERS = """
ALTER TABLE users ADD COLUMN bot_token TEXT;
ALTER TABLE users ADD COLUMN context_token TEXT;
"""
"""Before there was a table of channels."""

LATER = """
CREATE TABLE channels (id INTEGER PRIMARY KEY AUTOINCREMENT, user_id INTEGER NOT NULL, name TEXT,
  channel_type TEXT NOT NULL DEFAULT 'wechat_ilink', wechat_openid TEXT, bot_token TEXT, context_token TEXT,
  status TEXT NOT NULL DEFAULT 'pending', is_default INTEGER NOT NULL DEFAULT 0,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP, bot_token_updated_at DATETIME, last_inbound_at DATETIME,
  send_disabled INTEGER DEFAULT 0, send_disabled_at DATETIME);
ALTER TABLE users ADD COLUMN email TEXT;
ALTER TABLE users ADD COLUMN role TEXT DEFAULT 'user';
ALTER TABLE users ADD COLUMN is_disabled INTEGER DEFAULT 0;
ALTER TABLE users ADD COLUMN rate_limit INTEGER DEFAULT 100;
ALTER TABLE users ADD COLUMN nickname TEXT;
ALTER TABLE push_logs ADD COLUMN channel_id INTEGER;
ALTER TABLE push_logs ADD COLUMN response TEXT;
ALTER TABLE reminders ADD COLUMN send_count INTEGER DEFAULT 0;
ALTER TABLE reminders ADD COLUMN max_count INTEGER DEFAULT 0;
CREATE TABLE sessions (sid TEXT PRIMARY KEY, sess TEXT NOT NULL, expire INTEGER NOT NULL);
CREATE TABLE schema_version (version INTEGER PRIMARY KEY);
CREATE TABLE push_retry_queue (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT, status TEXT);
"""

Values = Mapping[str, object]


@contextmanager
def old_file(path: Path, schema: str = FIRST + LATER) -> Iterator[sqlite3.Connection]:
    """A new file of that schema, in WAL mode as Node.js leaves it; committed at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(schema)
        yield connection
        connection.commit()


def add(connection: sqlite3.Connection, table: str, *rows: Values) -> None:
    for row in rows:
        names = ", ".join(row)
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))


def write(path: Path, tables: Mapping[str, Iterable[Values]], schema: str = FIRST + LATER) -> Path:
    """A file of that schema with those rows."""
    with old_file(path, schema) as connection:
        for table, rows in tables.items():
            add(connection, table, *rows)
    return path
