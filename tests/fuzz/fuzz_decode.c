/* Any bytes as a message: decode gives an event that keeps its promises, and the state that it writes is final: read
 * again, it gives the same bytes, and the same values of declared fields.
 *
 * Input: one byte of flags, the subject, a NUL, and the payload (what follows, or nothing). */
#include <stdint.h>
#include <string.h>

#include "core/base/utf8.h"
#include "require.h"
#include "tests/support/decode_shaped.h"

enum {
    FLAG_KV = 1,
    FLAG_ID_IN_EVENT = 2,
    FLAG_LISTED = 4,
    FLAG_DROP = 8,
    FLAG_HEADER = 16,
    FLAG_DELETION = 32,
    FLAG_FIELDS = 64
};

static char *listed[] = {(char[]){"orders"}, (char[]){"bills"}};
static char *dropped[] = {(char[]){"/ssn"}, (char[]){"/a/0"}, (char[]){"/a/1"}, (char[]){"/card/number"},
                          (char[]){"/a"}};
static struct collection_settings rules = {.name = (char[]){"orders"}, .drop = dropped};
static struct field_set fields;

static void declare_fields(void)
{
    static const char *const places[] = {"", "/*", "/n", "/n/*", "/a/1", "/card"};
    for (unsigned i = 0; i < FIELDS_MAX - 2; i++) { /* each type at each place */
        char name[8];
        (void)snprintf(name, sizeof name, "f%u", i);
        REQUIRE(fields_add(&fields, slice_of(name), slice_of(places[i / FIELD_TYPES_COUNT]),
                           (enum field_type)(i % FIELD_TYPES_COUNT), NULL) == SG_OK);
    }
}
_Static_assert(FIELDS_MAX - 2 == 6 * FIELD_TYPES_COUNT, "each type at each of six places");

/* What every event promises, whatever it was made of. */
static void check_event(const struct event *event, const struct message *message)
{
    REQUIRE(event->sequence == message->sequence);
    REQUIRE(slice_equal(event->subject, message->subject) && slice_equal(event->payload, message->payload));
    REQUIRE((event->kind == EVENT_REJECTED) == (event->reason != REASON_NONE));
    REQUIRE(event->version >= 0);
    REQUIRE(event->id.bytes <= EVENT_ID_BYTES_MAX && utf8_valid(event->id));
    REQUIRE(event->id.bytes == 0 || memchr(event->id.data, '\0', event->id.bytes) == NULL);
    REQUIRE(event->collection.bytes <= EVENT_COLLECTION_BYTES_MAX && utf8_valid(event->collection));
    REQUIRE((event->kind == EVENT_STATE) == (event->state.bytes > 0));
    REQUIRE(utf8_valid(event->state) && utf8_valid(event->detail));
    const struct slice texts[] = {event->occurred_at, event->type, event->message_id, event->correlation_id,
                                  event->causation_id};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        REQUIRE(texts[i].bytes <= EVENT_TEXT_BYTES_MAX && utf8_valid(texts[i]));
    if (event->kind == EVENT_REJECTED) {
        REQUIRE(event->detail.bytes > 0);
    } else if (event->kind != EVENT_IGNORED) {
        REQUIRE(event->collection.bytes > 0 && event->id.bytes > 0);
        REQUIRE(!slice_equal(event->id, SLICE_LITERAL(".")) && !slice_equal(event->id, SLICE_LITERAL("..")));
        REQUIRE((event->kind == EVENT_ERASE) == (event->version == 0));
    }
}

/* ---- values of declared fields ---- */

/* Its canonical text is read back as the same value. */
static void check_text(enum field_type type, const struct field_value *value)
{
    struct buffer text;
    struct field_value again;
    buffer_init(&text, FIELDS_TEXT_BYTES_MAX);
    field_value_append(type, value, &text);
    REQUIRE(!text.failed);
    REQUIRE(field_value_parse(type, (struct slice){text.data, text.bytes}, &again, NULL) == SG_OK);
    REQUIRE(field_value_compare(type, value, &again) == 0);
    REQUIRE(type != FIELD_STRING || (value->text.data != NULL && utf8_valid(value->text)));
    buffer_free(&text);
}

static void check_value(const struct field *field, const struct field_value *value, const struct field_value *again)
{
    REQUIRE(value->state == again->state);
    if (value->state == FIELD_SET) {
        REQUIRE(!field->many);
        check_text(field->type, value);
        REQUIRE(field_value_compare(field->type, value, again) == 0);
    } else if (value->state == FIELD_ELEMENTS) {
        const struct field_value *values = value->elements.values;
        REQUIRE(field->many && value->elements.count > 0 && value->elements.count <= FIELDS_ELEMENTS_MAX);
        REQUIRE(value->elements.count == again->elements.count);
        for (size_t i = 0; i < value->elements.count; i++) {
            REQUIRE(values[i].state == FIELD_SET);
            check_text(field->type, &values[i]);
            REQUIRE(field_value_compare(field->type, &values[i], &again->elements.values[i]) == 0);
            REQUIRE(i == 0 || field_value_compare(field->type, &values[i - 1], &values[i]) < 0);
        }
    }
}

static void check_fields(const struct event *event, const struct event *again)
{
    REQUIRE((event->fields != NULL) == (again->fields != NULL) && event->mismatches == again->mismatches);
    for (size_t i = 0; event->fields != NULL && i < rules.fields.fields_count; i++)
        check_value(&rules.fields.fields[i], &event->fields[i], &again->fields[i]);
}

/* The state once more, as the value of a bucket, under the same rules: decode takes its own text, changes nothing, and
 * finds nothing left to drop. */
static void check_final(const struct event *event, struct arena *arena)
{
    static struct stream_settings bucket = {.format = FORMAT_KV, .collections = listed, .collections_count = 1,
                                            .fixed_collection = true};
    struct settings settings = {.streams = &bucket, .streams_count = 1};
    struct message message = {.subject = SLICE_LITERAL("b.k"), .payload = event->state, .sequence = 1};
    struct event again;
    if (slice_equal(event->collection, slice_of(rules.name))) {
        settings.collections = &rules;
        settings.collections_count = 1;
    }
    REQUIRE(subject_template_parse("b.{id}", &bucket.subject, NULL) == SG_OK);
    REQUIRE(decode_shaped(&settings, 0, &message, arena, &again, NULL) == SG_OK);
    REQUIRE(again.kind == EVENT_STATE);
    REQUIRE(slice_equal(again.state, event->state));
    check_fields(event, &again);
}

static void run(unsigned flags, struct message *message, struct arena *arena)
{
    struct stream_settings stream = {.format = flags & FLAG_KV ? FORMAT_KV : FORMAT_ENVELOPE};
    struct settings settings = {.streams = &stream, .streams_count = 1};
    struct event event;
    const char *template = flags & FLAG_ID_IN_EVENT ? "state.{collection}" : "state.{collection}.{id}";
    REQUIRE(subject_template_parse(template, &stream.subject, NULL) == SG_OK);
    if (flags & FLAG_LISTED) {
        stream.collections = listed;
        stream.collections_count = 2;
    }
    settings.collections = &rules;
    settings.collections_count = 1;
    rules.drop_count = flags & FLAG_DROP ? sizeof dropped / sizeof dropped[0] : 0;
    rules.fields = flags & FLAG_FIELDS ? fields : (struct field_set){0};
    REQUIRE(decode_shaped(&settings, 0, message, arena, &event, NULL) == SG_OK);
    check_event(&event, message);
    if (event.kind != EVENT_STATE)
        return;
    check_final(&event, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    const char *text = (const char *)data;
    if (arena == NULL)
        arena = arena_create();
    if (fields.fields_count == 0)
        declare_fields();
    REQUIRE(arena != NULL);
    if (size < 2)
        return 0;
    const char *end = memchr(text + 1, '\0', size - 1);
    size_t subject_bytes = end != NULL ? (size_t)(end - text) - 1 : size - 1;
    size_t payload_at = end != NULL ? subject_bytes + 2 : size;
    struct message message = {
        .subject = {text + 1, subject_bytes},
        .payload = {text + payload_at, size - payload_at},
        .sequence = 7,
    };
    if (data[0] & FLAG_KV)
        message.headers[0] = data[0] & FLAG_DELETION ? SLICE_LITERAL("DEL") : (struct slice){0};
    else if (data[0] & FLAG_HEADER)
        message.headers[0] = message.subject;
    arena_reset(arena);
    run(data[0], &message, arena);
    return 0;
}
