/* The schema of the file, and libcyaml, which fills struct config_raw by it. */
#include <string.h>

#include "server/config/file.h"

#define TEXT(key, type, member)                                                                                        \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, 0, CONFIG_TEXT_BYTES_MAX)
#define MAPPING(key, type, member, fields) CYAML_FIELD_MAPPING(key, CYAML_FLAG_OPTIONAL, type, member, fields)
#define LIST(key, type, member, entry, min, max)                                                                       \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, entry, min, max)

static const cyaml_schema_value_t text_entry = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CONFIG_TEXT_BYTES_MAX)};

static const cyaml_schema_field_t tls_fields[] = {
    TEXT("ca_file", struct config_raw_tls, ca_file),
    TEXT("cert_file", struct config_raw_tls, cert_file),
    TEXT("key_file", struct config_raw_tls, key_file),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t nats_fields[] = {
    TEXT("url", struct config_raw_nats, url),
    TEXT("credentials_file", struct config_raw_nats, credentials_file),
    TEXT("nkey_file", struct config_raw_nats, nkey_file),
    TEXT("token_file", struct config_raw_nats, token_file),
    TEXT("user", struct config_raw_nats, user),
    TEXT("password_file", struct config_raw_nats, password_file),
    MAPPING("tls", struct config_raw_nats, tls, tls_fields),
    TEXT("domain", struct config_raw_nats, domain),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t stream_fields[] = {
    TEXT("name", struct config_raw_stream, name),
    TEXT("subject", struct config_raw_stream, subject),
    TEXT("format", struct config_raw_stream, format),
    TEXT("collection", struct config_raw_stream, collection),
    LIST("collections", struct config_raw_stream, collections, &text_entry, 1, CONFIG_STREAM_COLLECTIONS_MAX),
    TEXT("on_gap", struct config_raw_stream, on_gap),
    TEXT("expire", struct config_raw_stream, expire),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t stream_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_raw_stream, stream_fields)};

static const cyaml_schema_field_t collection_fields[] = {
    TEXT("name", struct config_raw_collection, name),
    LIST("drop", struct config_raw_collection, drop, &text_entry, 1, CONFIG_DROPS_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t collection_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_raw_collection, collection_fields)};

static const cyaml_schema_field_t wait_fields[] = {
    TEXT("default", struct config_raw_wait, fallback),
    TEXT("max", struct config_raw_wait, max),
    TEXT("parked_max", struct config_raw_wait, parked_max),
    TEXT("parked_max_per_client", struct config_raw_wait, parked_max_per_client),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t probe_fields[] = {
    TEXT("idle", struct config_raw_probe, idle),
    TEXT("min_interval", struct config_raw_probe, min_interval),
    TEXT("epoch_trust", struct config_raw_probe, epoch_trust),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t rejected_fields[] = {
    TEXT("max", struct config_raw_rejected, max),
    TEXT("payload", struct config_raw_rejected, payload),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t ready_fields[] = {
    TEXT("without_broker", struct config_raw_ready, without_broker),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t rebuild_fields[] = {
    TEXT("empty", struct config_raw_rebuild, empty),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t http_fields[] = {
    TEXT("loops", struct config_raw_http, loops),
    TEXT("connections_max", struct config_raw_http, connections_max),
    TEXT("head_timeout", struct config_raw_http, head_timeout),
    TEXT("answer_timeout", struct config_raw_http, answer_timeout),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t cache_fields[] = {
    TEXT("size", struct config_raw_cache, size),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t logging_fields[] = {
    TEXT("level", struct config_raw_log, level),
    TEXT("format", struct config_raw_log, format),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t file_fields[] = {
    TEXT("listen", struct config_raw, listen),
    TEXT("listen_ops", struct config_raw, listen_ops),
    TEXT("database", struct config_raw, database),
    TEXT("database_synchronous", struct config_raw, database_synchronous),
    TEXT("database_max_bytes", struct config_raw, database_max_bytes),
    MAPPING("nats", struct config_raw, nats, nats_fields),
    LIST("streams", struct config_raw, streams, &stream_entry, 1, SETTINGS_STREAMS_MAX),
    LIST("collections", struct config_raw, collections, &collection_entry, 0, CONFIG_COLLECTIONS_MAX),
    TEXT("collections_max", struct config_raw, collections_max),
    MAPPING("wait", struct config_raw, wait, wait_fields),
    MAPPING("probe", struct config_raw, probe, probe_fields),
    MAPPING("rejected", struct config_raw, rejected, rejected_fields),
    MAPPING("ready", struct config_raw, ready, ready_fields),
    MAPPING("rebuild", struct config_raw, rebuild, rebuild_fields),
    MAPPING("http", struct config_raw, http, http_fields),
    MAPPING("cache", struct config_raw, cache, cache_fields),
    MAPPING("log", struct config_raw, log, logging_fields),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t file_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config_raw, file_fields)};

const cyaml_schema_value_t *config_schema(void)
{
    return &file_schema;
}

/* libcyaml's first complaint, in case it sees one that config_yaml_check does not. */
static void keep_complaint(cyaml_log_t level, void *context, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
static void keep_complaint(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
    char *kept = context;
    if (level < CYAML_LOG_ERROR || kept[0] != '\0')
        return;
    (void)vsnprintf(kept, CONFIG_CLIP_BYTES, format, arguments);
    kept[strcspn(kept, "\n")] = '\0';
}

static cyaml_config_t cyaml_settings(char complaint[CONFIG_CLIP_BYTES])
{
    return (cyaml_config_t){
        .log_fn = complaint != NULL ? keep_complaint : NULL,
        .log_ctx = complaint,
        .mem_fn = cyaml_mem,
        .log_level = CYAML_LOG_ERROR,
        .flags = CYAML_CFG_NO_ALIAS,
    };
}

enum sg_status config_raw_load(const struct config_source *source, struct config_raw **out, struct sg_error *err)
{
    /* libcyaml tells of errors in prose for a log, and for some gives the line of what is around. So the text is
     * compared with the schema first. */
    enum sg_status status = config_yaml_check(source, err);
    if (status != SG_OK)
        return status;
    char complaint[CONFIG_CLIP_BYTES] = "";
    cyaml_config_t settings = cyaml_settings(complaint);
    cyaml_data_t *raw = NULL;
    cyaml_err_t result =
        cyaml_load_data((const uint8_t *)source->text, source->bytes, &settings, &file_schema, &raw, NULL);
    if (result == CYAML_ERR_OOM)
        return sg_fail(err, SG_MEMORY, "out of memory while reading %s", config_clip(source->file).text);
    if (result != CYAML_OK)
        return config_refuse(source, "", err, "%s (%s)", complaint, cyaml_strerror(result));
    *out = raw;
    return SG_OK;
}

void config_raw_free(struct config_raw *raw)
{
    cyaml_config_t settings = cyaml_settings(NULL);
    if (raw != NULL)
        (void)cyaml_free(&settings, &file_schema, raw, 0);
}
