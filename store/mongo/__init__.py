"""The store on MongoDB: a replica set of version 6 or later, which any number of processes on any machines share.

store.py ──► runs.py ──► batch.py    what a write does to runs: played on drafts, written in one bulk
    │           └──────► cache.py    the runs that are remembered, and how the others are read
    ├──────► workflows.py            their versions
    ├──────► records.py              small documents of others
    ├──────► reads.py                journals, lists and counts
    ├──────► feed.py ──► stream.py   the change stream, read ahead by a thread
    ├──────► owners.py               who lives, by lease
    ├──────► clock.py                the server's time
    └──────► connection.py           how it is opened and checked
                                     (schema.py: collections and indexes, documents.py: runs as documents,
                                     errors.py: sentences)
"""

from store.mongo.store import MongoStore

__all__ = ["MongoStore"]
