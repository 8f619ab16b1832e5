/* What `stategate check-config` prints of a good configuration. */
#include <inttypes.h>

#include "server/config/config_internal.h"

static const char *or_none(const char *text)
{
    return text[0] != '\0' ? text : "none";
}

static void write_stream(const struct stream_settings *stream, FILE *to)
{
    (void)fprintf(to, "stream       %s: %s, subject %s, filter %s, on gap %s\n", stream->name,
                  stream_format_name(stream->format), stream->subject.text, stream->subject.filter,
                  stream->on_gap == ON_GAP_REBUILD ? "rebuild" : "continue");
    (void)fprintf(to, "             collections:");
    for (size_t i = 0; i < stream->collections_count; i++)
        (void)fprintf(to, " %s", stream->collections[i]);
    (void)fprintf(to, "%s\n", stream->collections_count == 0 ? " any that the subject gives" : "");
}

static const char *credentials(const struct nats_settings *nats)
{
    return nats->credentials_file[0] != '\0' ? "credentials file"
           : nats->nkey_file[0] != '\0'      ? "nkey file"
           : nats->token_file[0] != '\0'     ? "token file"
           : nats->user[0] != '\0'           ? "user and password file"
                                             : "no credentials";
}

void config_summarise(const struct settings *settings, FILE *to)
{
    char size[CONFIG_NUMBER_BYTES];
    config_format_bytes(settings->database_bytes_max, size);
    (void)fprintf(to, "listen       %s\n", settings->listen);
    (void)fprintf(to, "listen_ops   %s\n", or_none(settings->listen_ops));
    (void)fprintf(to, "database     %s, synchronous %s, limit %s\n", settings->database,
                  settings->synchronous_full ? "full" : "normal", settings->database_bytes_max == 0 ? "none" : size);
    (void)fprintf(to, "broker       %s, %s\n", settings->nats.url, credentials(&settings->nats));
    for (size_t i = 0; i < settings->streams_count; i++)
        write_stream(&settings->streams[i], to);
    for (size_t i = 0; i < settings->collections_count; i++) {
        (void)fprintf(to, "collection   %s: drops", settings->collections[i].name);
        for (size_t k = 0; k < settings->collections[i].drop_count; k++)
            (void)fprintf(to, " %s", settings->collections[i].drop[k]);
        (void)fprintf(to, "%s\n", settings->collections[i].drop_count == 0 ? " nothing" : "");
    }
}
