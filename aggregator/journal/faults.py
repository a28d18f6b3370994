"""What an error says of the file: it cannot be believed, it had no room, or try again.

Room: aggregator journal. Never enters: what is done about it. Codes: https://www.sqlite.org/rescode.html.
"""

import sqlite3

from aggregator.journal.words import DamageError

# What reading or writing the file may raise. SQLite quotes the schema in its messages: damaged, that is no UTF-8.
FILE_ERRORS = (sqlite3.Error, DamageError, UnicodeDecodeError)

# Everything else is damage: our statements never change and keep their own constraints, so that `no such column` or a broken
# constraint means that the schema or an index is not what was written.
_FULL_CODES = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_HARMLESS_CODES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_TOOBIG,
}
_UNUSABLE_CODES = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}


def is_damage(error: BaseException) -> bool:
    """True if the file cannot be believed any more: corrupt, unreadable, or a write or fsync that failed."""
    if isinstance(error, DamageError | UnicodeDecodeError):
        return True
    if not isinstance(error, sqlite3.Error) or is_full(error):
        return False
    code = _code(error)
    if code == 0:  # raised by Python: for a misuse, or because a text is no UTF-8
        return isinstance(error, sqlite3.OperationalError)
    return code != sqlite3.SQLITE_IOERR_NOMEM and code & 0xFF not in _HARMLESS_CODES


def is_full(error: BaseException) -> bool:
    """True if the volume had no room: nothing is lost, the transaction did not happen."""
    return isinstance(error, sqlite3.Error) and _code(error) in _FULL_CODES


def is_unusable(error: BaseException) -> bool:
    """True if the path cannot be used at all: at the start that is a question of configuration."""
    return isinstance(error, sqlite3.Error) and _code(error) & 0xFF in _UNUSABLE_CODES


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0))
