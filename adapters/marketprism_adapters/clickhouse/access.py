"""Who may do what at a local server: its configuration, its users, their passwords.

The server answers on loopback, where every program of every user of the machine can reach it, and every web page that a
browser here has open. So a request needs a header that a page cannot send to another site without being asked first
(`X-ClickHouse-User`), or the reader's Basic credentials; anything else is refused before it is parsed. The two users
have passwords that are made once per data directory, and rights on the database `market` alone: no table function that
reads files, starts programs or reaches other hosts (but, for the writer, a store of archived files where one is set),
and no table engine but that of the tables. No request can be made
by `default`, the user whom the server needs to start with, and he may do nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from marketprism_sdk.private_files import private_folder, write_private

WRITER = "market_writer"
READER = "market_reader"
_BYTES = 24
# `market_reader:` in base64 up to the last whole character; what follows depends on the password.
_BASIC = base64.b64encode(f"{READER}:".encode()).decode().rstrip("=")[:-1]

_CONFIG = """<clickhouse>
  <users_config>{folder}/users.xml</users_config>
  <user_files_path>{folder}/files/</user_files_path>
  <user_scripts_path>{folder}/scripts/</user_scripts_path>
  <format_schema_path>{folder}/files/</format_schema_path>
  <remote_url_allow_hosts>{hosts}</remote_url_allow_hosts>
  <access_control_improvements>
    <table_engines_require_grant>true</table_engines_require_grant>
    <select_from_system_db_requires_grant>true</select_from_system_db_requires_grant>
  </access_control_improvements>
  <http_handlers>
    <rule><url>/</url><headers><X-ClickHouse-User>regex:({writer}|{reader})</X-ClickHouse-User></headers>{query}</rule>
    <rule><url>/</url><headers><Authorization>regex:Basic {basic}.*</Authorization></headers>{query}</rule>
    <rule><url>/ping</url><handler><type>static</type><status>200</status>
      <response_content>Ok.</response_content></handler></rule>
    <rule><handler><type>static</type><status>401</status>
      <response_content>Code: 516. expected the header X-ClickHouse-User with one of the users of this server
</response_content></handler></rule>
  </http_handlers>
</clickhouse>
"""
_QUERY = "<handler><type>dynamic_query_handler</type><query_param_name>query</query_param_name></handler>"
_USERS = """<clickhouse>
  <profiles>
    <default/>
    <reading><readonly>2</readonly></reading>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
      <grants><query>GRANT SYSTEM LISTEN ON *.*</query></grants>
    </default>
    <{writer}>
      <password_sha256_hex>{writer_hash}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
      <grants>
        <query>GRANT SELECT, INSERT, ALTER TABLE, CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP DATABASE, DROP TABLE,
          DROP VIEW, TRUNCATE, OPTIMIZE ON market.*</query>
        <query>GRANT TABLE ENGINE ON ReplacingMergeTree</query>
        <query>GRANT SYSTEM MERGES ON *.*</query>
        {files}{system}
      </grants>
    </{writer}>
    <{reader}>
      <password_sha256_hex>{reader_hash}</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks><profile>reading</profile><quota>default</quota>
      <grants>
        <query>GRANT SELECT ON market.*</query>
        {system}
      </grants>
    </{reader}>
  </users>
</clickhouse>
"""
# What a client library asks for, and one's own queries, to end them.
_SYSTEM = "".join(
    f"<query>GRANT SELECT ON system.{table}</query>"
    for table in (
        "one",
        "numbers",
        "databases",
        "tables",
        "columns",
        "settings",
        "processes",
        "parts",
        "disks",
        "storage_policies",
    )
)
# The table function `s3`.
_FILES = "<query>GRANT S3 ON *.*</query><query>GRANT CREATE TEMPORARY TABLE ON *.*</query>"


class Passwords(NamedTuple):
    """Of the user who writes and of the one who reads."""

    writer: str
    reader: str


class Access(NamedTuple):
    """A configuration file for the server, and what to log in with."""

    config: Path
    passwords: Passwords


def prepare(folder: Path, files_at: str = "") -> Access:
    """Write configuration and users to a private folder; passwords that are there already are kept. `files_at` is the
    one host:port whose files the writer may read and write, empty: none.

    Raises:
        OSError: the folder cannot be written.
    """
    private_folder(folder)
    for name in ("files", "scripts"):  # empty, and no user of the server can write there
        private_folder(folder / name)
    passwords = _passwords(folder / "passwords.json")
    hashes = [hashlib.sha256(each.encode()).hexdigest() for each in passwords]
    users = _USERS.format(
        writer=WRITER,
        reader=READER,
        writer_hash=hashes[0],
        reader_hash=hashes[1],
        system=_SYSTEM,
        files=_FILES if files_at else "",
    )
    write_private(folder / "users.xml", users)
    config = _CONFIG.format(
        folder=escape(str(folder)),
        writer=WRITER,
        reader=READER,
        basic=f"{_BASIC}[o-r]",
        query=_QUERY,
        hosts=f"<host>{escape(files_at)}</host>" if files_at else "",
    )
    write_private(folder / "config.xml", config)
    return Access(folder / "config.xml", passwords)


def _passwords(path: Path) -> Passwords:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        passwords = Passwords(kept[WRITER], kept[READER])
        if all(len(each) >= _BYTES for each in passwords):
            path.chmod(0o600)
            return passwords
    except (OSError, ValueError, KeyError, TypeError):
        pass  # there are none yet, or they cannot be read: others are as good
    passwords = Passwords(secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(_BYTES))
    write_private(path, json.dumps({WRITER: passwords.writer, READER: passwords.reader}, indent=1))
    return passwords
