/* Every SQL statement of the read model, in one table. */
#include "core/model_internal.h"

#define STREAM_COLUMNS                                                                                                 \
    "id, name, created_ns, epoch, position, position_time_ns, position_subject, build, rebuild_target, gaps"
#define ENTITY_CHANGES                                                                                                 \
    "version = ?3, deleted = ?4, sequence = ?5, occurred_at = ?6, type = ?7, schema_version = ?8, message_id = ?9, "   \
    "correlation_id = ?10, causation_id = ?11, state = ?12"
/* The served rows of the streams that are attached. */
#define SERVED_COLLECTIONS "collections c JOIN streams s ON s.id = c.stream AND s.build = c.build AND s.attached = 1"
#define SERVED_REJECTED "rejected r JOIN streams s ON s.id = r.stream AND s.build = r.build AND s.attached = 1"

const char *const model_sql_texts[SQL_STATEMENTS_COUNT] = {
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_META_CLEAN] = "SELECT clean FROM meta",
    [SQL_META_SET_CLEAN] = "UPDATE meta SET clean = ?1",
    [SQL_META_BUMP] = "UPDATE meta SET generation = generation + 1",
    [SQL_STREAMS_DETACH] = "UPDATE streams SET attached = 0",
    [SQL_STREAM_BY_ID] = "SELECT " STREAM_COLUMNS " FROM streams WHERE id = ?1",
    [SQL_STREAM_BY_NAME] = "SELECT " STREAM_COLUMNS ", fingerprint FROM streams WHERE name = ?1",
    [SQL_STREAM_INSERT] = "INSERT INTO streams (name, attached, fingerprint, created_ns, epoch, position, "
                          "position_time_ns, position_subject, build, rebuild_target, gaps) "
                          "VALUES (?1, 1, ?2, 0, '', 0, 0, '', 1, 0, '')",
    [SQL_STREAM_ATTACH] = "UPDATE streams SET attached = 1, fingerprint = ?2 WHERE id = ?1",
    [SQL_STREAM_IDENTIFY] = "UPDATE streams SET created_ns = ?2, epoch = ?3 WHERE id = ?1",
    [SQL_STREAM_BUILD] = "UPDATE streams SET build = build + 1, created_ns = ?2, epoch = ?3, rebuild_target = ?4, "
                         "position = 0, position_time_ns = 0, position_subject = '', gaps = '' WHERE id = ?1",
    [SQL_STREAM_RESHAPE] = "UPDATE streams SET attached = 1, fingerprint = ?2, build = build + 1, rebuild_target = -1, "
                           "position = 0, position_time_ns = 0, position_subject = '', gaps = '' WHERE id = ?1",
    [SQL_STREAM_SET_TARGET] = "UPDATE streams SET rebuild_target = ?2 WHERE id = ?1",
    [SQL_STREAM_SET_GAPS] = "UPDATE streams SET gaps = ?2 WHERE id = ?1",
    [SQL_STREAM_SET_POSITION] = "UPDATE streams SET position = ?2, position_time_ns = ?3, position_subject = ?4 "
                                "WHERE id = ?1",
    [SQL_COLLECTION_FIND] = "SELECT id FROM collections WHERE stream = ?1 AND build = ?2 AND name = ?3",
    [SQL_COLLECTION_INSERT] = "INSERT INTO collections (stream, build, name, entities, position) "
                              "VALUES (?1, ?2, ?3, 0, 0)",
    [SQL_COLLECTION_UPDATE] = "UPDATE collections SET entities = entities + ?2, position = ?3 WHERE id = ?1",
    [SQL_COLLECTION_DELETE] = "DELETE FROM collections WHERE id = ?1",
    [SQL_COLLECTIONS_COUNT] = "SELECT count(*) FROM " SERVED_COLLECTIONS,
    /* Builds only rise, so that the index on (stream, build) finds the stale ones. */
    [SQL_COLLECTION_STALE] = "SELECT c.id FROM streams s JOIN collections c ON c.stream = s.id AND c.build < s.build "
                             "LIMIT 1",
    [SQL_ENTITY_FIND] = "SELECT number, version, deleted, sequence FROM entities WHERE collection = ?1 AND id = ?2",
    [SQL_ENTITY_STATE] = "SELECT state FROM entities WHERE number = ?1",
    [SQL_ENTITY_INSERT] = "INSERT INTO entities (collection, id, version, deleted, sequence, occurred_at, type, "
                          "schema_version, message_id, correlation_id, causation_id, state) "
                          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) "
                          "ON CONFLICT (collection, id) DO NOTHING",
    [SQL_ENTITY_UPDATE] = "UPDATE entities SET " ENTITY_CHANGES " WHERE number = ?1",
    [SQL_ENTITY_REPLACE] = "UPDATE entities SET " ENTITY_CHANGES
                           " WHERE collection = ?1 AND id = ?2 AND version < ?3 AND deleted = 0",
    [SQL_ENTITIES_DELETE] = "DELETE FROM entities WHERE number IN "
                            "(SELECT number FROM entities WHERE collection = ?1 LIMIT ?2)",
    [SQL_REJECTED_INSERT] = "INSERT INTO rejected (stream, build, sequence, time_ns, subject, collection, id, version, "
                            "reason, detail, payload_bytes, payload_sha256, payload) "
                            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    [SQL_REJECTED_COUNT] = "SELECT count(*) FROM rejected",
    [SQL_REJECTED_TRIM] = "DELETE FROM rejected WHERE number IN (SELECT number FROM rejected ORDER BY number LIMIT ?1)",
    [SQL_REJECTED_STALE_DELETE] = "DELETE FROM rejected WHERE number IN (SELECT r.number FROM streams s "
                                  "JOIN rejected r ON r.stream = s.id AND r.build < s.build LIMIT ?1)",

    [SQL_COMMIT] = "COMMIT",

    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_READ_GENERATION] = "SELECT generation FROM meta",
    [SQL_READ_STREAMS] = "SELECT " STREAM_COLUMNS " FROM streams WHERE attached = 1 ORDER BY id",
    [SQL_READ_ENTITY] = "SELECT version, deleted, sequence, occurred_at, state FROM entities "
                        "WHERE collection = ?1 AND id = ?2",
    [SQL_READ_PAGE] = "SELECT version, deleted, sequence, occurred_at, state, id FROM entities "
                      "WHERE collection = ?1 AND id > ?2 AND deleted = 0 ORDER BY id",
    [SQL_READ_COLLECTION_ID] = "SELECT c.id FROM " SERVED_COLLECTIONS " WHERE c.name = ?1 ORDER BY s.id LIMIT 1",
    [SQL_READ_COLLECTION] = "SELECT c.name, s.name, c.entities, c.position FROM collections c "
                            "JOIN streams s ON s.id = c.stream WHERE c.id = ?1",
    [SQL_READ_COLLECTIONS] = "SELECT c.name, s.name, c.entities, c.position FROM " SERVED_COLLECTIONS
                             " ORDER BY c.name, s.id",
    [SQL_READ_REJECTED_ANY] = "SELECT 1 FROM rejected LIMIT 1",
    [SQL_READ_REJECTED_VERSION] =
        "SELECT r.version FROM rejected r INDEXED BY rejected_by_entity CROSS JOIN streams s "
        "ON s.id = r.stream AND s.build = r.build AND s.attached = 1 WHERE r.collection = ?1 AND r.id = ?2 "
        "AND r.reason <> 'conflict' AND r.version > ?3 ORDER BY r.version DESC LIMIT 1",
    [SQL_READ_REJECTED_UNKNOWN] =
        "SELECT 1 FROM rejected r INDEXED BY rejected_by_entity CROSS JOIN streams s "
        "ON s.id = r.stream AND s.build = r.build AND s.attached = 1 WHERE r.collection = ?1 AND r.id = ?2 "
        "AND r.reason <> 'conflict' AND r.version IS NULL AND r.sequence > ?3 LIMIT 1",
    [SQL_READ_REJECTED] = "SELECT r.number, s.name, r.sequence, r.time_ns, r.subject, r.collection, r.id, r.version, "
                          "r.reason, r.detail, r.payload_bytes, lower(hex(r.payload_sha256)), r.payload "
                          "FROM rejected r CROSS JOIN streams s "
                          "ON s.id = r.stream AND s.build = r.build AND s.attached = 1 "
                          "WHERE r.number < ?1 AND (?2 IS NULL OR s.name = ?2) AND (?3 IS NULL OR r.collection = ?3) "
                          "ORDER BY r.number DESC",
    [SQL_READ_REJECTED_COUNT] = "SELECT count(*), coalesce(sum(r.reason = 'conflict'), 0) FROM " SERVED_REJECTED
                                " WHERE s.name = ?1",
};
