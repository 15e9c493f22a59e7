"""The embedded store: one SQLite file, which several processes may have open.

store.py ──► runs.py ──► batch.py   what a write does to runs: played on drafts, written in a few statements
    │           └──────► cache.py   the runs that are remembered, and what other processes changed
    ├──────► workflows.py           their versions
    ├──────► records.py             small documents of others
    ├──────► reads.py               the feed, the journal, lists and counts
    ├──────► owners.py              who lives, by lease and by lock file
    └──────► file.py                connections and transactions
                                    (schema.py: the tables, rows.py: values as rows, errors.py: sentences)
"""

from store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
