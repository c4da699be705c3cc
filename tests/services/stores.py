"""A place's files with their key store, opened as the place itself opens them."""

import sqlite3
from pathlib import Path

from biometric_flow.model.ids import PlaceId
from biometric_flow.place.reader import PlaceReader
from biometric_flow.place.schema import open_database, open_reader
from biometric_flow.place.store import PlaceStore
from biometric_flow.place.subjects import Subjects
from biometric_flow.runtime.key_file import KEYS_FOLDER
from biometric_flow.runtime.key_store import KeyStore, open_keys
from biometric_flow.runtime.root_home import root_keys
from tests.builders import TENANT


def keys_of(file: Path, tenant: str = TENANT) -> KeyStore:
    """The key store beside a place's file, made when there is none."""
    folder = file.parent / KEYS_FOLDER
    return open_keys(folder, tenant, root_keys(folder))


def subjects_of(file: Path, connection: sqlite3.Connection, tenant: str = TENANT) -> Subjects:
    """Who is who in a place's file."""
    return Subjects(connection, keys_of(file, tenant))


def opened_store(file: Path, place: str = "cairo", tenant: str = TENANT) -> tuple[PlaceStore, sqlite3.Connection]:
    """The writer of a place's file, made when there is none, and its connection."""
    keys = keys_of(file, tenant)
    connection = open_database(file, keys)
    return PlaceStore(PlaceId(place), connection, Subjects(connection, keys)), connection


def opened_reader(file: Path, store: PlaceStore) -> tuple[PlaceReader, sqlite3.Connection]:
    """Questions beside that writer, and their connection."""
    connection = open_reader(file)
    return PlaceReader(connection, store.subjects), connection
