-- From schema version 2 to 3, in one transaction: tombstones leave entities, and the walk by sequence gets its index.
-- What of it is large: the index (about 13 bytes an entity) and the tombstones, which are all written to the WAL once.
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
INSERT INTO tombstones (collection, id, version, sequence, occurred_at, type, schema_version, message_id, correlation_id,
                        causation_id)
    SELECT collection, id, version, sequence, occurred_at, type, schema_version, message_id, correlation_id, causation_id
    FROM entities WHERE deleted <> 0 ORDER BY +collection, +id; -- appended to the index; the signs: sorted, not looked up
DELETE FROM entities WHERE deleted <> 0;
CREATE INDEX entities_by_sequence ON entities (collection, sequence);
CREATE INDEX tombstones_by_sequence ON tombstones (collection, sequence);
ALTER TABLE collections ADD COLUMN tombstones INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collections ADD COLUMN floor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collections ADD COLUMN gaps INTEGER NOT NULL DEFAULT 0;
ALTER TABLE collections ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;
CREATE TABLE entity_gaps (
    collection INTEGER NOT NULL,
    id TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (collection, id)
) WITHOUT ROWID;
CREATE TABLE entity_rejections (
    collection INTEGER NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (collection, id)
) WITHOUT ROWID;
UPDATE collections SET tombstones = (SELECT count(*) FROM tombstones t WHERE t.collection = collections.id);
CREATE INDEX rejected_of_stream ON rejected (stream, build);
CREATE INDEX rejected_of_collection ON rejected (collection);
ALTER TABLE growing RENAME TO next_build;
ALTER TABLE streams RENAME COLUMN fingerprint TO rows_fingerprint;
ALTER TABLE streams ADD COLUMN derived_fingerprint TEXT NOT NULL DEFAULT '';
ALTER TABLE streams ADD COLUMN hole TEXT NOT NULL DEFAULT '';
ALTER TABLE next_build ADD COLUMN hole TEXT NOT NULL DEFAULT '';
ALTER TABLE meta DROP COLUMN generation;
