-- The read model, schema version 2 (PRAGMA user_version). Sequences and positions are below 2^63; NULL means unknown.

-- The first table, since its one row fills page 2 of the file. It belongs to store/integrity/checksum.h, which overwrites it in
-- place: never read or written by SQL.
CREATE TABLE seal (record BLOB NOT NULL);
INSERT INTO seal (record) VALUES (zeroblob(3072));

-- One row. `generation` rises whenever a collection row or the build of a stream changes: readers keep what they know
-- of collections for as long as it stands still. `clean` is 1 only while the file is closed after an orderly stop.
CREATE TABLE meta (
    generation INTEGER NOT NULL,
    clean INTEGER NOT NULL
);
INSERT INTO meta (generation, clean) VALUES (1, 0);

-- What is served of each stream. `attached` is 1 for the streams that the running writer was given: others keep their
-- rows, unseen. `target`: below it this build is still growing; -1: not known yet. `gaps`: "5001-7000,9000-9000",
-- ascending.
CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    attached INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    position INTEGER NOT NULL,
    position_time_ns INTEGER NOT NULL,
    position_subject TEXT NOT NULL,
    build INTEGER NOT NULL,
    target INTEGER NOT NULL,
    gaps TEXT NOT NULL
);

-- The build that grows beside the served one, until it is swapped to: then its row takes the place of the values above.
CREATE TABLE growing (
    stream INTEGER PRIMARY KEY,
    created_ns INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    position INTEGER NOT NULL,
    position_time_ns INTEGER NOT NULL,
    position_subject TEXT NOT NULL,
    build INTEGER NOT NULL, -- higher than the served one and than any before
    target INTEGER NOT NULL,
    gaps TEXT NOT NULL
);

-- Rows of a build that neither is served nor grows wait to be swept.
CREATE TABLE collections (
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    build INTEGER NOT NULL,
    name TEXT NOT NULL,
    entities INTEGER NOT NULL, -- without tombstones
    position INTEGER NOT NULL, -- sequence of the last event that changed a row
    UNIQUE (stream, build, name)
);

-- A rowid table with an index: random ids are inserted four times faster than into a table without rowid. `state`
-- stands last, so that nothing before it lies on overflow pages.
CREATE TABLE entities (
    number INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    occurred_at TEXT,
    type TEXT,
    schema_version INTEGER,
    message_id TEXT,
    correlation_id TEXT,
    causation_id TEXT,
    state TEXT,
    UNIQUE (collection, id)
);

-- `collection` is a name here: a rejected event needs no row of collections.
CREATE TABLE rejected (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    stream INTEGER NOT NULL,
    build INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    subject TEXT NOT NULL,
    collection TEXT,
    id TEXT,
    version INTEGER,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    payload_bytes INTEGER NOT NULL,
    payload_sha256 BLOB NOT NULL,
    payload BLOB
);
CREATE INDEX rejected_by_stream ON rejected (stream, build, reason);
CREATE INDEX rejected_by_entity ON rejected (collection, id, version, sequence)
    WHERE id IS NOT NULL AND reason <> 'conflict';
