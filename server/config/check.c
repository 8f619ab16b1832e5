/* What a text must look like: addresses, names, pointers. Each check gives the sentence of a refusal. */
#include <string.h>

#include "core/base/address.h"
#include "core/base/utf8.h"
#include "core/domain/event.h"
#include "core/json/pointer.h"
#include "server/config/config_internal.h"

#define NATS_PORT 4222

const char *config_check_override(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            return "must not hold control characters";
    }
    if (!utf8_valid(slice_of(text)))
        return "must be UTF-8";
    return strlen(text) > CONFIG_TEXT_BYTES_MAX ? "must have at most 4095 bytes" : NULL;
}
_Static_assert(CONFIG_TEXT_BYTES_MAX == 4095, "the sentence above names it");

static const char *check_address(const char *text)
{
    struct address address;
    if (address_parse(text, &address))
        return NULL;
    if (strncmp(text, "unix:", 5) == 0)
        return "must be unix: and the absolute path of a file, of at most 107 bytes";
    if (text[0] == ':')
        return "must name a host, such as 0.0.0.0:8080 for every IPv4 address";
    return "must be host:port, [address]:port or unix:/path, with a port from 0 to 65535";
}
_Static_assert(ADDRESS_UNIX_PATH_BYTES_MAX == 107, "the sentence above names it");

const char *config_check_listen_ops(const char *text)
{
    return text[0] == '\0' ? NULL : check_address(text);
}

const char *config_check_listen(const char *text)
{
    struct address address;
    size_t count = 0;
    const char *rest = text;
    if (strchr(text, ',') == NULL)
        return check_address(text);
    do {
        struct slice one = address_next(&rest);
        if (!address_parse_slice(one, &address))
            return "must be addresses with commas between: host:port, [address]:port or unix:/path";
    } while (++count <= SETTINGS_LISTEN_MAX && rest[0] != '\0');
    return count <= SETTINGS_LISTEN_MAX && text[strlen(text) - 1] != ',' ? NULL : "must be 1 to 8 addresses";
}
_Static_assert(SETTINGS_LISTEN_MAX == 8, "the sentence above names it");

/* A name as Host has it, without a port. */
static bool is_host(struct slice name)
{
    for (size_t i = 0; i < name.bytes; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
              c == '_'))
            return false;
    }
    return name.bytes > 0 && name.bytes <= ADDRESS_HOST_BYTES_MAX;
}

const char *config_check_hosts(const char *text)
{
    const char *rest = text;
    for (size_t count = 1; rest[0] != '\0'; count++) {
        if (count > SETTINGS_HOSTS_MAX)
            return "must be at most 64 names";
        if (!is_host(address_next(&rest)))
            return "must be names such as state.example, without ports, each of at most 253 bytes";
    }
    return text[0] == '\0' || text[strlen(text) - 1] != ',' ? NULL : "must not end with a comma";
}
_Static_assert(ADDRESS_HOST_BYTES_MAX == 253, "the sentence above names it");

const char *config_check_database(const char *text)
{
    /* Readers have connections of their own: what only one connection sees would look empty to them. */
    if (strcmp(text, ":memory:") == 0 || strncmp(text, "file:", 5) == 0)
        return "must be the path of a file: neither :memory: nor a URI";
    return text[strlen(text) - 1] == '/' ? "must be the path of a file, not of a folder" : NULL;
}

static const char *check_nats_server(const char *url, size_t bytes)
{
    const char *form = "must be nats://host:port or tls://host:port, or several of them with commas between";
    const char *const schemes[] = {"nats://", "tls://"};
    struct address address;
    if (memchr(url, '@', bytes) != NULL)
        return "must not hold a user, a password or a token: nats.user, nats.password_file and nats.token_file are "
               "for them";
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t skip = strlen(schemes[i]);
        if (bytes > skip && strncmp(url, schemes[i], skip) == 0)
            return address_parse_host(url + skip, bytes - skip, NATS_PORT, &address) && address.port > 0
                       ? NULL
                       : form;
    }
    return form;
}

const char *config_check_nats_url(const char *text)
{
    for (;;) {
        size_t bytes = strcspn(text, ",");
        const char *wrong = check_nats_server(text, bytes);
        if (wrong != NULL || text[bytes] == '\0')
            return wrong;
        text += bytes + 1;
    }
}

/* A token of a subject that is no wildcard. */
static bool is_token(const char *text, size_t bytes_max)
{
    size_t bytes = strlen(text);
    if (bytes == 0 || bytes > bytes_max || config_check_override(text) != NULL)
        return false;
    return strpbrk(text, ".*> ") == NULL;
}

const char *config_check_domain(const char *text)
{
    return text[0] == '\0' || is_token(text, CONFIG_NATS_NAME_BYTES_MAX)
               ? NULL
               : "must have at most 255 bytes, without '.', '*', '>' and white space";
}

const char *config_check_stream_name(const char *text)
{
    return is_token(text, CONFIG_STREAM_NAME_BYTES_MAX)
               ? NULL
               : "must have 1 to 255 bytes, without '.', '*', '>' and white space";
}
_Static_assert(CONFIG_NATS_NAME_BYTES_MAX == 255 && CONFIG_STREAM_NAME_BYTES_MAX == 255, "the sentences name them");

const char *config_check_collection_name(const char *text)
{
    return is_token(text, EVENT_COLLECTION_BYTES_MAX)
               ? NULL
               : "must be one token of a subject: 1 to 128 bytes, without '.', '*', '>' and white space";
}
_Static_assert(EVENT_COLLECTION_BYTES_MAX == 128, "the sentence above names it");

const char *config_check_drop(const char *text)
{
    if (strlen(text) > CONFIG_DROP_BYTES_MAX)
        return "must have at most 512 bytes";
    return text[0] != '\0' ? pointer_fault(slice_of(text)) : "must not be empty: that would drop the whole state";
}

const char *config_check_field_name(const char *text)
{
    return fields_name_fault(slice_of(text));
}

const char *config_check_field_at(const char *text)
{
    const char *star = strchr(text, '*');
    const char *wrong = pointer_fault(slice_of(text));
    if (wrong != NULL)
        return wrong;
    return star == NULL || (star[-1] == '/' && star[1] == '\0') /* it begins with '/' */
               ? NULL
               : "must have a '*' only as its last part, as in /tags/*: one value for each element of that array";
}
_Static_assert(CONFIG_DROP_BYTES_MAX == 512, "the sentence above names it");
