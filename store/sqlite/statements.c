/* Every SQL statement of the store, in one table. */
#include "store/sqlite/statements.h"

/* Of a build; the same in both tables. */
#define BUILD_COLUMNS(t)                                                                                               \
    t "created_ns, " t "epoch, " t "position, " t "position_time_ns, " t "position_subject, " t "build, " t "target, " \
    t "gaps, " t "hole"
#define BUILD_BEGIN                                                                                                    \
    "position = 0, position_time_ns = 0, position_subject = '', gaps = '', hole = ''"
/* A stream's served build, and the next one, NULL where there is none: stream_rows.h numbers these columns. */
#define STREAM_COLUMNS "s.id, s.name, " BUILD_COLUMNS("s.") ", " BUILD_COLUMNS("n.")
#define STREAMS "streams s LEFT JOIN next_build n ON n.stream = s.id"
/* Of entities: "?3, ?4, ...", "version = ?3, ...", and what is read, each followed by a comma. */
#define PARAMETER(parameter, name, kind, reading) "?" #parameter
#define CHANGE(parameter, name, kind, reading) #name " = ?" #parameter
#define READING_READ(name) #name ", "
#define READING_KEPT(name)
#define READING(parameter, name, kind, reading) READING_##reading(name)
#define ENTITY_PARAMETERS "?1, ?2, " STORE_ENTITY_VALUES(PARAMETER, ", ")
#define ENTITY_CHANGES STORE_ENTITY_VALUES(CHANGE, ", ")
#define ENTITY_READ STORE_ENTITY_VALUES(READING, )
#define TOMBSTONE_PARAMETERS "?1, ?2, " STORE_TOMBSTONE_VALUES(PARAMETER, ", ")
#define TOMBSTONE_CHANGES STORE_TOMBSTONE_VALUES(CHANGE, ", ")
#define TOMBSTONE_READ STORE_TOMBSTONE_VALUES(READING, )
/* OR FAIL: what fails rolls the transaction back anyway, so that no page need be kept for the statement's sake. */
#define ENTITY_INSERT_INCOMING                                                                                         \
    "INSERT OR FAIL INTO entities (deleted, " STORE_ENTITY_COLUMNS ") SELECT 0, " STORE_ENTITY_COLUMNS " FROM incoming "
/* The build that is written. */
#define WRITTEN "coalesce(n.build, s.build)"
/* The served rows of the streams that are attached. */
#define SERVED_COLLECTIONS "collections c JOIN streams s ON s.id = c.stream AND s.build = c.build AND s.attached = 1"
/* What an update of an entity changed is not written there: schema.sql. */
#define COLLECTION_POSITION \
    "max(c.position, coalesce((SELECT max(sequence) FROM entities WHERE collection = c.id), 0))"
#define COLLECTION_READ "c.name, s.name, c.entities, " COLLECTION_POSITION ", c.tombstones, c.floor, c.gone"
#define SERVED_REJECTED "rejected r JOIN streams s ON s.id = r.stream AND s.build = r.build AND s.attached = 1"
#define REJECTED_READ                                                                                                  \
    "r.number, s.name, r.sequence, r.time_ns, r.subject, r.collection, r.id, r.version, r.reason, r.detail, "          \
    "r.payload_bytes, lower(hex(r.payload_sha256)), r.payload"

/* store/tables/field_sets.c numbers them. */
/* A set with its collection, of the streams that are attached; store/write/fields.h numbers them. */
#define FIELD_SET_OWNER "f.number, f.collection, c.stream, c.build, c.name"
#define FIELD_SETS_OWNED                                                                                               \
    "field_sets f CROSS JOIN collections c ON c.id = f.collection "                                                    \
    "CROSS JOIN streams s ON s.id = c.stream AND s.attached = 1"
#define FIELD_SET_COLUMNS "number, filled, until, indexed, declaration"
#define FIELD_COLUMNS "value ->> 'at', value ->> 'type', value ->> 'name'"

/* The first `?1` rejected events of written builds, and whether one (r) is above what is stored of its id (e). */
#define REJECTED_OLDEST                                                                                                \
    "SELECT r.number FROM rejected r CROSS JOIN streams s ON s.id = r.stream "                                         \
    "LEFT JOIN next_build n ON n.stream = s.id WHERE r.build = " WRITTEN " ORDER BY r.number LIMIT ?1"
#define REJECTED_ABOVE "(r.version > e.version OR (r.version IS NULL AND r.sequence > e.sequence))"

const char *const store_sql_texts[SQL_STATEMENTS_COUNT] = {
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_META_CLEAN] = "SELECT clean FROM meta",
    [SQL_META_SET_CLEAN] = "UPDATE meta SET clean = ?1",
    [SQL_STREAMS_DETACH] = "UPDATE streams SET attached = 0",
    [SQL_STREAM_BY_ID] = "SELECT " STREAM_COLUMNS " FROM " STREAMS " WHERE s.id = ?1",
    [SQL_STREAM_BY_NAME] = "SELECT " STREAM_COLUMNS ", s.rows_fingerprint, s.attached FROM " STREAMS
                           " WHERE s.name = ?1",
    [SQL_STREAM_INSERT] = "INSERT INTO streams (name, attached, rows_fingerprint, " BUILD_COLUMNS(
        "") ") "
            "VALUES (?1, 1, ?2, 0, '', 0, 0, '', 1, 0, '', '')",
    [SQL_STREAM_ATTACH] = "UPDATE streams SET attached = 1, rows_fingerprint = ?2 WHERE id = ?1",
    [SQL_STREAM_IDENTIFY] = "UPDATE streams SET created_ns = ?2, epoch = ?3 WHERE id = ?1",
    [SQL_STREAM_BUILD] =
        "UPDATE streams SET created_ns = ?2, epoch = ?3, build = ?4, target = ?5, " BUILD_BEGIN " WHERE id = ?1",
    [SQL_STREAM_SET_TARGET] = "UPDATE streams SET target = ?2 WHERE id = ?1",
    [SQL_STREAM_SET_GAPS] = "UPDATE streams SET gaps = ?2 WHERE id = ?1",
    [SQL_STREAM_SET_POSITION] = "UPDATE streams SET position = ?2, position_time_ns = ?3, position_subject = ?4 "
                                "WHERE id = ?1",
    [SQL_STREAM_SET_HOLE] = "UPDATE streams SET hole = ?2 WHERE id = ?1",
    [SQL_STREAM_SWAP] = "UPDATE streams SET (" BUILD_COLUMNS("") ") = (SELECT " BUILD_COLUMNS(
        "") " FROM next_build WHERE stream = ?1) WHERE id = ?1",
    [SQL_NEXT_BUILD_REPLACE] = "REPLACE INTO next_build (stream, created_ns, epoch, build, target, position, "
                               "position_time_ns, position_subject, gaps) VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, '', '')",
    [SQL_NEXT_BUILD_DELETE] = "DELETE FROM next_build WHERE stream = ?1",
    [SQL_NEXT_BUILD_SET_TARGET] = "UPDATE next_build SET target = ?2 WHERE stream = ?1",
    [SQL_NEXT_BUILD_SET_GAPS] = "UPDATE next_build SET gaps = ?2 WHERE stream = ?1",
    [SQL_NEXT_BUILD_SET_POSITION] = "UPDATE next_build SET position = ?2, position_time_ns = ?3, position_subject = ?4 "
                                    "WHERE stream = ?1",
    [SQL_NEXT_BUILD_SET_HOLE] = "UPDATE next_build SET hole = ?2 WHERE stream = ?1",
    [SQL_NEXT_BUILD_AFTER] = "SELECT n.stream FROM next_build n CROSS JOIN streams s ON s.id = n.stream "
                             "AND s.attached = 1 WHERE n.stream > ?1 ORDER BY n.stream LIMIT 1",
    [SQL_COLLECTION_FIND] = "SELECT id, tombstones, gaps, gone FROM collections "
                            "WHERE stream = ?1 AND build = ?2 AND name = ?3",
    [SQL_COLLECTION_INSERT] = "INSERT INTO collections (id, stream, build, name, entities, position) "
                              "VALUES (?4, ?1, ?2, ?3, 0, 0)",
    [SQL_COLLECTION_UPDATE] =
        "UPDATE collections SET entities = entities + ?2, position = ?3, tombstones = ?4, gaps = ?5, gone = ?6 "
        "WHERE id = ?1",
    [SQL_COLLECTION_DELETE] = "DELETE FROM collections WHERE id = ?1",
    [SQL_COLLECTIONS_COUNT] = "SELECT count(*) FROM " STREAMS
                              " JOIN collections c ON c.stream = s.id AND c.build = " WRITTEN " WHERE s.attached = 1",
    /* Builds only rise, so that the index on (stream, build) finds the stale ones: before the served build, or between
     * it and the next one. */
    [SQL_COLLECTION_STALE] = "SELECT c.id, c.stream, c.build, c.name FROM streams s CROSS JOIN collections c "
                             "ON c.stream = s.id AND c.build < s.build UNION ALL "
                             "SELECT c.id, c.stream, c.build, c.name FROM next_build n CROSS JOIN streams s "
                             "ON s.id = n.stream CROSS JOIN collections c "
                             "ON c.stream = s.id AND c.build > s.build AND c.build < n.build LIMIT 1",
    [SQL_ENTITY_FIND] = "SELECT number, version, sequence FROM entities WHERE collection = ?1 AND id = ?2",
    [SQL_ENTITY_STATE] = "SELECT state FROM entities WHERE number = ?1",
    [SQL_ENTITY_INSERT] = "INSERT INTO entities (deleted, " STORE_ENTITY_COLUMNS ") VALUES (0, " ENTITY_PARAMETERS ") "
                          "ON CONFLICT (collection, id) DO NOTHING",
    [SQL_ENTITY_INSERT_INCOMING] = ENTITY_INSERT_INCOMING "WHERE true ON CONFLICT (collection, id) DO NOTHING",
    [SQL_ENTITY_INSERT_INCOMING_GUARDED] =
        ENTITY_INSERT_INCOMING "WHERE NOT EXISTS (SELECT 1 FROM tombstones t WHERE t.collection = incoming.collection "
                               "AND t.id = incoming.id) ON CONFLICT (collection, id) DO NOTHING",
    [SQL_ENTITY_UPDATE] = "UPDATE entities SET " ENTITY_CHANGES " WHERE number = ?1",
    [SQL_ENTITY_REPLACE] =
        "UPDATE entities SET " ENTITY_CHANGES " WHERE collection = ?1 AND id = ?2 AND version < ?3",
    [SQL_ENTITY_REMOVE] = "DELETE FROM entities WHERE number = ?1",
    [SQL_ENTITY_SWEEP] = "DELETE FROM entities WHERE number = "
                         "(SELECT number FROM entities WHERE collection = ?1 LIMIT 1)",
    [SQL_TOMBSTONE_FIND] = "SELECT number, version, sequence, gone FROM tombstones WHERE collection = ?1 AND id = ?2",
    [SQL_TOMBSTONE_INSERT] = "INSERT INTO tombstones (" STORE_TOMBSTONE_COLUMNS ") VALUES (" TOMBSTONE_PARAMETERS ") "
                             "ON CONFLICT (collection, id) DO NOTHING",
    [SQL_TOMBSTONE_INSERT_INCOMING] =
        "INSERT OR FAIL INTO tombstones (" STORE_TOMBSTONE_COLUMNS ") SELECT " STORE_TOMBSTONE_COLUMNS " FROM incoming "
        "WHERE NOT EXISTS (SELECT 1 FROM entities e WHERE e.collection = incoming.collection AND e.id = incoming.id) "
        "ON CONFLICT (collection, id) DO NOTHING",
    [SQL_TOMBSTONE_UPDATE] = "UPDATE tombstones SET " TOMBSTONE_CHANGES ", gone = 0 WHERE number = ?1",
    [SQL_TOMBSTONE_REMOVE] = "DELETE FROM tombstones WHERE number = ?1",
    [SQL_TOMBSTONE_SWEEP] = "DELETE FROM tombstones WHERE number = "
                            "(SELECT number FROM tombstones WHERE collection = ?1 LIMIT 1)",
    [SQL_TOMBSTONE_SET_GONE] = "UPDATE tombstones SET gone = 1 WHERE collection = ?1 AND id = ?2 AND gone = 0",
    [SQL_TOMBSTONE_OLDEST] = "SELECT number, id, sequence, gone FROM tombstones INDEXED BY tombstones_by_sequence "
                             "WHERE collection = ?1 ORDER BY sequence LIMIT 1",
    /* Of those at one sequence the first that is gone ends the look: but for one they all are. */
    [SQL_TOMBSTONE_NEWEST] =
        "SELECT t.sequence, EXISTS (SELECT 1 FROM tombstones g INDEXED BY tombstones_by_sequence "
        "WHERE g.collection = ?1 AND g.sequence = t.sequence AND g.gone = 1) "
        "FROM tombstones t INDEXED BY tombstones_by_sequence WHERE t.collection = ?1 ORDER BY t.sequence DESC LIMIT 1",
    [SQL_TOMBSTONES_BOUNDED] =
        "SELECT c.id, c.build, 1, c.tombstones, s.position_time_ns, c.tombstone_ages FROM streams s "
        "CROSS JOIN collections c ON c.stream = s.id AND c.build = s.build WHERE s.id = ?1 AND c.name = ?2 UNION ALL "
        "SELECT c.id, c.build, 0, c.tombstones, n.position_time_ns, c.tombstone_ages FROM next_build n "
        "CROSS JOIN collections c ON c.stream = n.stream AND c.build = n.build WHERE n.stream = ?1 AND c.name = ?2",
    [SQL_TOMBSTONES_AGES] = "SELECT tombstone_ages FROM collections WHERE id = ?1",
    [SQL_TOMBSTONES_WRITE] =
        "UPDATE collections SET tombstones = tombstones - ?2, gone = gone - ?3, gaps = gaps - ?4, "
        "floor = max(floor, ?5), tombstone_ages = ?6 WHERE id = ?1",
    [SQL_ENTITY_GAP_INSERT] = "INSERT INTO entity_gaps (collection, id, last) VALUES (?1, ?2, ?3) "
                              "ON CONFLICT DO NOTHING",
    [SQL_ENTITY_GAP_EXTEND] = "UPDATE entity_gaps SET last = max(last, ?3) WHERE collection = ?1 AND id = ?2",
    [SQL_ENTITY_GAP_DELETE] = "DELETE FROM entity_gaps WHERE collection = ?1 AND id = ?2",
    [SQL_ENTITY_GAP_SWEEP] = "DELETE FROM entity_gaps WHERE (collection, id) = "
                             "(SELECT collection, id FROM entity_gaps WHERE collection = ?1 LIMIT 1)",
    [SQL_ENTITY_NUMBER_MAX] = "SELECT coalesce(max(number), 0) FROM entities",
    [SQL_TOMBSTONE_NUMBER_MAX] = "SELECT coalesce(max(number), 0) FROM tombstones",
    /* A range of numbers, of all builds: as many rows are read, however few belong to this one. */
    [SQL_ENTITY_REVIEW] = "SELECT e.collection, c.name, e.id, e.number, e.version, e.sequence, 0 FROM entities e "
                          "CROSS JOIN collections c ON c.id = e.collection "
                          "WHERE e.number > ?3 AND e.number <= ?4 AND c.stream = ?1 AND c.build = ?2",
    [SQL_TOMBSTONE_REVIEW] = "SELECT e.collection, c.name, e.id, e.number, e.version, e.sequence, e.gone "
                             "FROM tombstones e CROSS JOIN collections c ON c.id = e.collection "
                             "WHERE e.number > ?3 AND e.number <= ?4 AND c.stream = ?1 AND c.build = ?2",
    [SQL_KEYS_COUNT] = "SELECT coalesce(sum(entities + tombstones - gone), 0), coalesce(max(floor), 0) FROM collections "
                       "WHERE stream = ?1 AND build = ?2",
    [SQL_REJECTED_INSERT] = "INSERT INTO rejected (stream, build, sequence, time_ns, subject, collection, id, version, "
                            "reason, detail, payload_bytes, payload_sha256, payload) "
                            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    /* Of what is written: served rows go neither for those of the next build nor at once with a swap. */
    [SQL_REJECTED_COUNT] = "SELECT count(*) FROM " STREAMS " JOIN rejected r ON r.stream = s.id AND r.build = " WRITTEN,
    [SQL_REJECTED_TRIM] = "DELETE FROM rejected WHERE number IN (" REJECTED_OLDEST ")",
    [SQL_REJECTED_STALE_DELETE] = "DELETE FROM rejected WHERE number = (SELECT r.number FROM streams s CROSS JOIN "
                                  "rejected r ON r.stream = s.id AND r.build < s.build UNION ALL "
                                  "SELECT r.number FROM next_build n CROSS JOIN streams s ON s.id = n.stream "
                                  "CROSS JOIN rejected r ON r.stream = s.id AND r.build > s.build "
                                  "AND r.build < n.build LIMIT 1)",
    /* Of ids that nothing is stored of it is not kept: nobody but the stream bounds how many there are. */
    [SQL_ENTITY_REJECTIONS_KEEP] =
        "INSERT INTO entity_rejections (collection, id, version, sequence) "
        "SELECT c.id, r.id, coalesce(r.version, 0), CASE WHEN r.version IS NULL THEN r.sequence ELSE 0 END "
        "FROM (" REJECTED_OLDEST ") o CROSS JOIN rejected r ON r.number = o.number "
        "CROSS JOIN collections c ON c.stream = r.stream AND c.build = r.build AND c.name = r.collection "
        "WHERE r.id IS NOT NULL AND r.reason <> 'conflict' AND EXISTS ("
        "SELECT 1 FROM entities e WHERE e.collection = c.id AND e.id = r.id AND " REJECTED_ABOVE " UNION ALL "
        "SELECT 1 FROM tombstones e WHERE e.collection = c.id AND e.id = r.id AND " REJECTED_ABOVE ") "
        "ON CONFLICT (collection, id) DO UPDATE SET version = max(version, excluded.version), "
        "sequence = max(sequence, excluded.sequence)",
    [SQL_ENTITY_REJECTIONS_ANY] = "SELECT 1 FROM entity_rejections LIMIT 1",
    [SQL_ENTITY_REJECTIONS_END] = "DELETE FROM entity_rejections WHERE collection = ?1 AND id = ?2 AND version <= ?3",
    [SQL_ENTITY_REJECTIONS_SWEEP] = "DELETE FROM entity_rejections WHERE (collection, id) = "
                                    "(SELECT collection, id FROM entity_rejections WHERE collection = ?1 LIMIT 1)",

    [SQL_ENTITY_ANY] = "SELECT 1 FROM entities WHERE collection = ?1 LIMIT 1",
    /* A range of numbers, of all collections: as many rows are read, however few belong to this one. */
    [SQL_ENTITY_FILL] = "SELECT number, id, state FROM entities NOT INDEXED "
                        "WHERE number > ?2 AND number <= ?3 AND collection = ?1 ORDER BY number",
    [SQL_COLLECTION_ANY] = "SELECT 1 FROM collections WHERE stream = ?1 AND build = ?2 LIMIT 1",
    /* What is to be filled or indexed of what is served or written. */
    [SQL_FIELD_SET_NEXT] = "SELECT " FIELD_SET_OWNER ", f.filled, f.until, f.indexed FROM " FIELD_SETS_OWNED
                           " LEFT JOIN next_build n ON n.stream = s.id WHERE f.number > ?1 "
                           "AND (f.filled <> -1 OR f.indexed = 0) AND (c.build = s.build OR c.build = n.build) "
                           "ORDER BY f.number LIMIT 1",
    [SQL_FIELD_SET_OWNER] = "SELECT " FIELD_SET_OWNER " FROM " FIELD_SETS_OWNED " WHERE f.number > ?1 "
                            "ORDER BY f.number LIMIT 1",
    [SQL_FIELD_SET_SURPLUS] = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND "
                              "(name GLOB 'fields_' || ?1 || '_*' OR name GLOB 'field_' || ?1 || '_*')",
    [SQL_FIELD_SETS_LOAD] = "SELECT " FIELD_SET_COLUMNS " FROM field_sets WHERE collection = ?1 ORDER BY number DESC",
    [SQL_FIELD_SET_OWN_FIELDS] = "SELECT " FIELD_COLUMNS " FROM json_each((SELECT declaration FROM field_sets "
                                 "WHERE number = ?1), '$.fields') ORDER BY key",
    [SQL_FIELD_SET_OWN_INDEX] = "SELECT 1 FROM json_each((SELECT declaration FROM field_sets WHERE number = ?1), "
                                "'$.indexes') WHERE value = ?2",
    [SQL_FIELD_SET_INSERT] = "INSERT INTO field_sets (collection, declaration, filled, until, indexed) "
                             "VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_FIELD_SET_FILLED] = "UPDATE field_sets SET filled = ?2 WHERE number = ?1",
    [SQL_FIELD_SET_INDEXED] = "UPDATE field_sets SET indexed = 1 WHERE number = ?1",
    [SQL_FIELD_SET_DECLARE] = "UPDATE field_sets SET declaration = ?2 WHERE number = ?1",
    [SQL_FIELD_SET_FORGET] = "UPDATE field_sets SET declaration = "
                             "json_set(declaration, '$.fields[' || ?2 || '].type', 'none') WHERE number = ?1",
    [SQL_FIELD_SET_GIVE_UP] = "UPDATE field_sets SET collection = 0 WHERE number = ?1",
    [SQL_FIELD_SETS_GIVE_UP] = "UPDATE field_sets SET collection = 0 WHERE collection = ?1",
    [SQL_FIELD_SETS_UNREADY] = "SELECT 1 FROM collections c CROSS JOIN field_sets f ON f.collection = c.id "
                               "WHERE c.stream = ?1 AND c.build = ?2 AND (f.filled <> -1 OR f.indexed = 0) LIMIT 1",
    [SQL_FIELD_SET_GIVEN_UP] = "SELECT number FROM field_sets WHERE collection = 0 LIMIT 1",
    [SQL_FIELD_SET_TABLE] = "SELECT name FROM sqlite_schema WHERE type = 'table' AND "
                            "(name = 'fields_' || ?1 OR name GLOB 'field_' || ?1 || '_*') LIMIT 1",
    [SQL_FIELD_SET_DELETE] = "DELETE FROM field_sets WHERE number = ?1",

    [SQL_COMMIT] = "COMMIT",
    [SQL_FIELD_SET_SERVING] = "SELECT " FIELD_SET_COLUMNS " FROM field_sets WHERE collection = ?1 AND filled = -1 "
                              "ORDER BY indexed DESC, number DESC LIMIT 1",
    [SQL_FIELD_SET_FIELDS] = "SELECT " FIELD_COLUMNS " FROM json_each(?1, '$.fields') ORDER BY key",
    [SQL_INDEX_EXISTS] = "SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?1",

    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_READ_META] = "SELECT clean FROM meta",
    [SQL_READ_STREAMS] = "SELECT " STREAM_COLUMNS " FROM " STREAMS " WHERE s.attached = 1 ORDER BY s.id",
    [SQL_READ_ENTITY] = "SELECT " ENTITY_READ "number FROM entities "
                        "WHERE collection = ?1 AND id = ?2",
    [SQL_READ_ENTITY_AT] = "SELECT " ENTITY_READ "number FROM entities NOT INDEXED "
                           "WHERE number = ?3 AND collection = ?1 AND id = ?2",
    [SQL_READ_TOMBSTONES_ANY] = "SELECT 1 FROM tombstones LIMIT 1",
    [SQL_READ_TOMBSTONE] = "SELECT " TOMBSTONE_READ "NULL, number FROM tombstones WHERE collection = ?1 AND id = ?2",
    [SQL_READ_ENTITY_GAPS_ANY] = "SELECT 1 FROM entity_gaps LIMIT 1",
    [SQL_READ_ENTITY_GAP] = "SELECT last FROM entity_gaps WHERE collection = ?1 AND id = ?2",
    [SQL_READ_ENTITY_GAPS] = "SELECT min(min(e.sequence + 1, g.last)), max(g.last) FROM entity_gaps g "
                             "CROSS JOIN entities e ON e.collection = g.collection AND e.id = g.id "
                             "WHERE g.collection = ?1 AND g.id > ?2 AND g.id <= ?3",
    [SQL_READ_PAGE] = "SELECT version, id, occurred_at, state FROM entities "
                      "WHERE collection = ?1 AND id > ?2 ORDER BY id",
    [SQL_READ_COLLECTION_ID] = "SELECT c.id, c.stream, c.build FROM streams s CROSS JOIN collections c "
                               "ON c.stream = s.id AND c.build = s.build "
                               "WHERE s.attached = 1 AND c.name = ?1 ORDER BY s.id LIMIT 1",
    [SQL_READ_COLLECTION] = "SELECT " COLLECTION_READ " FROM collections c "
                            "JOIN streams s ON s.id = c.stream WHERE c.id = ?1",
    [SQL_READ_COLLECTIONS] =
        "SELECT " COLLECTION_READ " FROM " SERVED_COLLECTIONS
        " ORDER BY c.name, s.id",
    [SQL_READ_REJECTED_ANY] = "SELECT 1 FROM rejected UNION ALL SELECT 1 FROM entity_rejections LIMIT 1",
    [SQL_READ_REJECTIONS_KEPT] = "SELECT version, sequence FROM entity_rejections WHERE collection = ?1 AND id = ?2",
    [SQL_READ_REJECTED_VERSION] =
        "SELECT r.version FROM rejected r INDEXED BY rejected_by_entity CROSS JOIN streams s "
        "ON s.id = r.stream AND s.build = r.build AND s.attached = 1 WHERE r.collection = ?1 AND r.id = ?2 "
        "AND r.reason <> 'conflict' AND r.version > ?3 ORDER BY r.version DESC LIMIT 1",
    [SQL_READ_REJECTED_EXACT] =
        "SELECT 1 FROM rejected r INDEXED BY rejected_by_entity CROSS JOIN streams s "
        "ON s.id = r.stream AND s.build = r.build AND s.attached = 1 WHERE r.collection = ?1 AND r.id = ?2 "
        "AND r.reason <> 'conflict' AND r.version = ?3 LIMIT 1",
    [SQL_READ_REJECTED_UNKNOWN] =
        "SELECT 1 FROM rejected r INDEXED BY rejected_by_entity CROSS JOIN streams s "
        "ON s.id = r.stream AND s.build = r.build AND s.attached = 1 WHERE r.collection = ?1 AND r.id = ?2 "
        "AND r.reason <> 'conflict' AND r.version IS NULL AND r.sequence > ?3 LIMIT 1",
    [SQL_READ_ENTITY_COUNTS] = "SELECT c.name, s.name, c.entities FROM streams s CROSS JOIN collections c "
                               "ON c.stream = s.id AND c.build = s.build WHERE s.attached = 1 ORDER BY s.id",
    [SQL_READ_BUILDING] = "SELECT c.name, c.build, i.value, iif(f.filled = -1, 0, f.filled), "
                          "iif(f.filled = -1, c.entities, f.until) FROM " FIELD_SETS_OWNED
                          " LEFT JOIN json_each(f.declaration, '$.indexes') i "
                          "WHERE (f.filled <> -1 OR f.indexed = 0) AND s.name = ?1 AND c.build >= s.build "
                          "ORDER BY f.number",
    /* Newest first, in the order of an index, so that as many are read as are shown. */
    [SQL_READ_REJECTED] = "SELECT " REJECTED_READ " FROM rejected r CROSS JOIN streams s "
                          "ON s.id = r.stream AND s.build = r.build AND s.attached = 1 "
                          "WHERE r.number < ?1 ORDER BY r.number DESC",
    [SQL_READ_REJECTED_OF_STREAM] =
        "SELECT " REJECTED_READ " FROM streams s CROSS JOIN rejected r INDEXED BY rejected_of_stream "
        "ON r.stream = s.id AND r.build = s.build "
        "WHERE s.name = ?2 AND s.attached = 1 AND r.number < ?1 ORDER BY r.number DESC",
    [SQL_READ_REJECTED_OF_COLLECTION] =
        "SELECT " REJECTED_READ " FROM rejected r INDEXED BY rejected_of_collection CROSS JOIN streams s "
        "ON s.id = r.stream AND s.build = r.build AND s.attached = 1 "
        "WHERE r.collection = ?3 AND r.number < ?1 AND (?2 IS NULL OR s.name = ?2) ORDER BY r.number DESC",
    [SQL_READ_REJECTED_COUNT] =
        "SELECT count(*), coalesce(sum(r.reason = 'conflict'), 0) FROM " SERVED_REJECTED " WHERE s.name = ?1",
};
