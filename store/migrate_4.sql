-- From schema version 3 to 4, in one transaction. No row is read.
CREATE TABLE field_sets (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL,
    declaration TEXT NOT NULL,
    filled INTEGER NOT NULL,
    until INTEGER NOT NULL,
    indexed INTEGER NOT NULL
);
CREATE INDEX field_sets_by_collection ON field_sets (collection);
ALTER TABLE collections ADD COLUMN tombstone_ages TEXT NOT NULL DEFAULT '';
-- What is made from rows keeps its declaration: nothing else was ever written there.
ALTER TABLE streams DROP COLUMN derived_fingerprint;
