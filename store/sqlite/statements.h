/* Every SQL statement of the store, and the columns of entities. */
#ifndef STATEGATE_STORE_SQLITE_STATEMENTS_H
#define STATEGATE_STORE_SQLITE_STATEMENTS_H

/* store/schema.sql and the migrations, with a NUL after them, embedded by the build. */
extern const unsigned char store_schema_sql[];
extern const unsigned char store_migrate_3_sql[];
extern const unsigned char store_migrate_4_sql[];

/* Every statement, prepared when the connection is opened: the texts stand in statements.c. */
enum store_sql {
    /* The writer's. */
    SQL_BEGIN_WRITE,
    SQL_META_CLEAN,
    SQL_META_SET_CLEAN,
    SQL_STREAMS_DETACH,
    SQL_STREAM_BY_ID,
    SQL_STREAM_BY_NAME,
    SQL_STREAM_INSERT,
    SQL_STREAM_ATTACH,
    SQL_STREAM_IDENTIFY,
    SQL_STREAM_BUILD,
    SQL_STREAM_SET_TARGET,
    SQL_STREAM_SET_GAPS,
    SQL_STREAM_SET_POSITION,
    SQL_STREAM_SET_HOLE,
    SQL_STREAM_SWAP,
    SQL_NEXT_BUILD_REPLACE,
    SQL_NEXT_BUILD_DELETE,
    SQL_NEXT_BUILD_SET_TARGET,
    SQL_NEXT_BUILD_SET_GAPS,
    SQL_NEXT_BUILD_SET_POSITION,
    SQL_NEXT_BUILD_SET_HOLE,
    SQL_NEXT_BUILD_AFTER,
    SQL_COLLECTION_FIND,
    SQL_COLLECTION_INSERT,
    SQL_COLLECTION_UPDATE,
    SQL_COLLECTION_DELETE,
    SQL_COLLECTIONS_COUNT,
    SQL_COLLECTION_STALE,
    SQL_ENTITY_FIND,
    SQL_ENTITY_STATE,
    SQL_ENTITY_INSERT,
    SQL_ENTITY_UPDATE,
    SQL_ENTITY_REPLACE,
    SQL_ENTITY_REMOVE,
    SQL_ENTITY_SWEEP,
    SQL_TOMBSTONE_FIND,
    SQL_TOMBSTONE_INSERT,
    SQL_TOMBSTONE_UPDATE,
    SQL_TOMBSTONE_REMOVE,
    SQL_TOMBSTONE_SWEEP,
    SQL_TOMBSTONE_SET_GONE,
    SQL_TOMBSTONE_OLDEST,
    SQL_TOMBSTONE_NEWEST,
    SQL_TOMBSTONES_BOUNDED,
    SQL_TOMBSTONES_AGES,
    SQL_TOMBSTONES_WRITE,
    SQL_ENTITY_GAP_INSERT,
    SQL_ENTITY_GAP_EXTEND,
    SQL_ENTITY_GAP_DELETE,
    SQL_ENTITY_GAP_SWEEP,
    SQL_ENTITY_NUMBER_MAX,
    SQL_TOMBSTONE_NUMBER_MAX,
    SQL_ENTITY_REVIEW,
    SQL_TOMBSTONE_REVIEW,
    SQL_KEYS_COUNT,
    SQL_REJECTED_INSERT,
    SQL_REJECTED_COUNT,
    SQL_REJECTED_TRIM,
    SQL_REJECTED_STALE_DELETE,
    SQL_ENTITY_REJECTIONS_KEEP,
    SQL_ENTITY_REJECTIONS_ANY,
    SQL_ENTITY_REJECTIONS_END,
    SQL_ENTITY_REJECTIONS_SWEEP,
    SQL_FIELD_SETS_LOAD,
    SQL_FIELD_SET_NEXT,
    SQL_FIELD_SET_OWNER,
    SQL_FIELD_SET_SURPLUS,
    SQL_ENTITY_ANY,
    SQL_ENTITY_FILL,
    SQL_COLLECTION_ANY,
    SQL_FIELD_SET_OWN_FIELDS,
    SQL_FIELD_SET_OWN_INDEX,
    SQL_FIELD_SET_INSERT,
    SQL_FIELD_SET_FILLED,
    SQL_FIELD_SET_INDEXED,
    SQL_FIELD_SET_DECLARE,
    SQL_FIELD_SET_FORGET,
    SQL_FIELD_SET_GIVE_UP,
    SQL_FIELD_SETS_GIVE_UP,
    SQL_FIELD_SETS_UNREADY,
    SQL_FIELD_SET_GIVEN_UP,
    SQL_FIELD_SET_TABLE,
    SQL_FIELD_SET_DELETE,
    /* Both. */
    SQL_COMMIT,
    SQL_FIELD_SET_SERVING,
    SQL_FIELD_SET_FIELDS,
    SQL_INDEX_EXISTS,
    SQL_READ_STREAMS,
    /* The readers'. */
    SQL_BEGIN_READ,
    SQL_READ_META,
    SQL_READ_ENTITY,
    SQL_READ_ENTITY_AT,
    SQL_READ_TOMBSTONE,
    SQL_READ_TOMBSTONES_ANY,
    SQL_READ_ENTITY_GAPS_ANY,
    SQL_READ_ENTITY_GAP,
    SQL_READ_ENTITY_GAPS,
    SQL_READ_PAGE,
    SQL_READ_COLLECTION_ID,
    SQL_READ_COLLECTION,
    SQL_READ_COLLECTIONS,
    SQL_READ_ENTITY_COUNTS,
    SQL_READ_BUILDING,
    SQL_READ_REJECTED_ANY,
    SQL_READ_REJECTED_VERSION,
    SQL_READ_REJECTED_EXACT,
    SQL_READ_REJECTED_UNKNOWN,
    SQL_READ_REJECTIONS_KEPT,
    SQL_READ_REJECTED,
    SQL_READ_REJECTED_OF_STREAM,
    SQL_READ_REJECTED_OF_COLLECTION,
    SQL_READ_REJECTED_COUNT,
    /* The writer's, prepared when the table that it reads from is there (write/bulk.c). */
    SQL_ENTITY_INSERT_INCOMING,
    SQL_ENTITY_INSERT_INCOMING_GUARDED,
    SQL_TOMBSTONE_INSERT_INCOMING,
    SQL_STATEMENTS_COUNT,
    SQL_WRITER_FIRST = SQL_BEGIN_WRITE,
    SQL_WRITER_LAST = SQL_READ_STREAMS,
    SQL_READER_FIRST = SQL_COMMIT,
    SQL_READER_LAST = SQL_READ_REJECTED_COUNT,
    SQL_BULK_FIRST = SQL_ENTITY_INSERT_INCOMING,
    SQL_BULK_LAST = SQL_TOMBSTONE_INSERT_INCOMING
};
extern const char *const store_sql_texts[SQL_STATEMENTS_COUNT];

/* What an event writes of an entity: the one list of these columns. A member of struct entity_value has each one's
 * name; schema.sql and the migrations create them (a test compares). X(parameter, name, kind, reading):
 *
 *   parameter  its number in statements that write; 1 and 2 are (collection, id), or 1 is the row's number
 *   kind       NUMBER, SEQUENCE (below 2^63), OPTIONAL (a number, with a member has_...), TEXT (cut to
 *              EVENT_TEXT_BYTES_MAX), DOCUMENT (text of any length; the last column)
 *   reading    READ: a member of struct entity has its name; KEPT: no answer shows it
 *
 * A tombstone has all but the document. */
#define STORE_TOMBSTONE_VALUES(X, SEPARATOR)                                                                           \
    X(3, version, NUMBER, READ) SEPARATOR                                                                              \
    X(4, sequence, SEQUENCE, READ) SEPARATOR                                                                           \
    X(5, occurred_at, TEXT, READ) SEPARATOR                                                                            \
    X(6, type, TEXT, KEPT) SEPARATOR                                                                                   \
    X(7, schema_version, OPTIONAL, KEPT) SEPARATOR                                                                     \
    X(8, message_id, TEXT, KEPT) SEPARATOR                                                                             \
    X(9, correlation_id, TEXT, KEPT) SEPARATOR                                                                         \
    X(10, causation_id, TEXT, KEPT)
#define STORE_ENTITY_VALUES(X, SEPARATOR)                                                                              \
    STORE_TOMBSTONE_VALUES(X, SEPARATOR) SEPARATOR                                                                     \
    X(11, state, DOCUMENT, READ)

#define STORE_COLUMN_NAME(parameter, name, kind, reading) #name
/* What an insert names, in this order. */
#define STORE_ENTITY_COLUMNS "collection, id, " STORE_ENTITY_VALUES(STORE_COLUMN_NAME, ", ")
#define STORE_TOMBSTONE_COLUMNS "collection, id, " STORE_TOMBSTONE_VALUES(STORE_COLUMN_NAME, ", ")

#endif
