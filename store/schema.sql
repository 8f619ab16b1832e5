-- The store, schema version 4 (PRAGMA user_version), as a new file gets it; store/migrate_3.sql and migrate_4.sql make
-- the same of a file of version 2 or 3. Sequences and positions are below 2^63; NULL means unknown.

-- The first table, since its one row fills page 2 of the file. It belongs to store/integrity/checksum.h, which
-- overwrites it in place: never read or written by SQL.
CREATE TABLE seal (record BLOB NOT NULL);
INSERT INTO seal (record) VALUES (zeroblob(3072));

-- One row. `clean` is 1 only while the file is closed after an orderly stop.
CREATE TABLE meta (
    clean INTEGER NOT NULL
);
INSERT INTO meta (clean) VALUES (0);

-- What is served of each stream. `attached` is 1 for the streams that the running writer was given: others keep their
-- rows, unseen. `target`: below it this build is not whole yet; -1: not known yet. `gaps`: "5001-7000,9000-9000",
-- ascending. `hole`: "5001-7000 9000 10 12": among the sequences 5001-7000 are some that were not delivered, and what
-- they were is not settled (0-0 = there is none); then begun_last, begun_removed and
-- begun_missing of core/domain/stream.h; '' = nothing of all that. `rows_fingerprint` names the settings that shape the
-- rows.
CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    attached INTEGER NOT NULL,
    rows_fingerprint TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    position INTEGER NOT NULL,
    position_time_ns INTEGER NOT NULL,
    position_subject TEXT NOT NULL,
    build INTEGER NOT NULL,
    target INTEGER NOT NULL,
    gaps TEXT NOT NULL,
    hole TEXT NOT NULL DEFAULT ''
);

-- The next build: written beside the served one until it is swapped to. Then its row takes the place of the values
-- above.
CREATE TABLE next_build (
    stream INTEGER PRIMARY KEY,
    created_ns INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    position INTEGER NOT NULL,
    position_time_ns INTEGER NOT NULL,
    position_subject TEXT NOT NULL,
    build INTEGER NOT NULL, -- higher than the served one and than any before
    target INTEGER NOT NULL,
    gaps TEXT NOT NULL,
    hole TEXT NOT NULL DEFAULT ''
);

-- Rows of a build that is neither the served nor the next one wait to be swept. As long as a process runs, it gives no
-- `id` twice: rows in memory are known by it. `floor`: tombstones of events at or below
-- this sequence are not kept any more; 0 = all are. `gaps`: rows of entity_gaps; `gone`: tombstones that are.
-- `tombstone_ages`: "5001:1790000000000000000 6001:...", ascending: tombstones up to that sequence had been there at
-- that time, by the stream's clock in nanoseconds; kept where their age is bounded (tables/tombstones.h). A row is
-- written when what it counts changes, and not for each event: of those that only changed an entity, the sequence is in
-- entities alone, where the index has the highest one first.
CREATE TABLE collections (
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    build INTEGER NOT NULL,
    name TEXT NOT NULL,
    entities INTEGER NOT NULL, -- without tombstones
    position INTEGER NOT NULL, -- sequence of the last event that changed a row, or an earlier one: see above
    tombstones INTEGER NOT NULL DEFAULT 0, -- how many there are: with none, inserts need not look for one
    floor INTEGER NOT NULL DEFAULT 0,
    gaps INTEGER NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0,
    tombstone_ages TEXT NOT NULL DEFAULT '',
    UNIQUE (stream, build, name)
);

-- Entities that are alive. A rowid table with an index: random ids are inserted four times faster than into a table
-- without rowid. `state` stands last, so that nothing before it lies on overflow pages. `deleted` is 0 in every row:
-- until version 2 tombstones were rows of this table, and to drop the column a migration would have to write all rows
-- anew.
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
-- The order in which a collection changed. An update moves its entry: of 32,800 instructions of an event for an id that
-- is stored 8,200 go there, and of 23,000 for a new id 3,900 (before version 3: 24,600 and 19,100).
CREATE INDEX entities_by_sequence ON entities (collection, sequence);

-- Entities that were deleted: an id is here or in entities, never in both. `gone`: the stream has no message of it.
CREATE TABLE tombstones (
    number INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    occurred_at TEXT,
    type TEXT,
    schema_version INTEGER,
    message_id TEXT,
    correlation_id TEXT,
    causation_id TEXT,
    gone INTEGER NOT NULL DEFAULT 0,
    UNIQUE (collection, id)
);
CREATE INDEX tombstones_by_sequence ON tombstones (collection, sequence);

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
-- The newest of a stream, or of a collection: each entry ends with the number.
CREATE INDEX rejected_of_stream ON rejected (stream, build);
CREATE INDEX rejected_of_collection ON rejected (collection);
CREATE INDEX rejected_by_entity ON rejected (collection, id, version, sequence)
    WHERE id IS NOT NULL AND reason <> 'conflict';

-- Entities (or tombstones) of which an event up to `last` may be lost: it was passed over, and is nowhere now. Until
-- the next event of the entity.
CREATE TABLE entity_gaps (
    collection INTEGER NOT NULL,
    id TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (collection, id)
) WITHOUT ROWID;

-- Entities (or tombstones) of which an event above what is stored was rejected, once the row of `rejected` that said so
-- was dropped. `version`: the highest of them, 0 = none is known; `sequence`: the last one of unknown version, 0 = none.
-- Until an event of a version as high is applied.
CREATE TABLE entity_rejections (
    collection INTEGER NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (collection, id)
) WITHOUT ROWID;

-- Declared fields. Each row names tables of its own by its number, which no other row ever had: fields_<n>,
-- field_<n>_<k> and their indexes, as store/tables/fields.h says. `collection` has one row, and a second, higher one
-- while its declaration changes: of those that hold all entities the highest is read. 0: the tables are being removed.
-- `declaration`: fields_write() of core/domain/fields.h. An entity is in the tables if its number is at most `filled`,
-- or above `until`; filled -1: all are. `indexed` 1: the indexes are made.
CREATE TABLE field_sets (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL,
    declaration TEXT NOT NULL,
    filled INTEGER NOT NULL,
    until INTEGER NOT NULL,
    indexed INTEGER NOT NULL
);
CREATE INDEX field_sets_by_collection ON field_sets (collection);
