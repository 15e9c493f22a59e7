"""The store on MongoDB: a replica set of version 6 or later, and its change streams."""

from store.mongo.store import MongoStore

__all__ = ["MongoStore"]
