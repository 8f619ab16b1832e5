/* One value: durations, sizes and counts, from text and to text. */
#include <inttypes.h>
#include <string.h>

#include "server/config/config_internal.h"

struct unit {
    const char *word;
    int64_t factor;
};

/* The largest first: a value is written in the first one that divides it. */
static const struct unit duration_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit byte_units[] = {
    {"TiB", INT64_C(1) << 40}, {"GiB", INT64_C(1) << 30}, {"MiB", INT64_C(1) << 20}, {"KiB", INT64_C(1) << 10},
    {"TB", 1000000000000},     {"GB", 1000000000},        {"MB", 1000000},           {"kB", 1000},
    {"B", 1},                  {"", 1},
};
#define DURATION_UNITS_COUNT (sizeof duration_units / sizeof duration_units[0])
#define BYTE_UNITS_COUNT (sizeof byte_units / sizeof byte_units[0])

/* Take leading digits; returns what follows them, or NULL where there are none. Beyond 64 bits: INT64_MAX. */
static const char *take_digits(const char *text, int64_t *out)
{
    int64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *at - '0', &value))
            value = INT64_MAX;
    }
    *out = value;
    return at != text ? at : NULL;
}

static bool parse_with_unit(const char *text, const struct unit *units, size_t units_count, int64_t *out)
{
    int64_t value = 0;
    const char *word = take_digits(text, &value);
    if (word == NULL)
        return false;
    for (size_t i = 0; i < units_count; i++) {
        if (strcmp(units[i].word, word) != 0)
            continue;
        if (__builtin_mul_overflow(value, units[i].factor, &value))
            value = INT64_MAX;
        *out = value;
        return true;
    }
    return false;
}

bool config_parse_duration_ms(const char *text, int64_t *out)
{
    if (strcmp(text, "0") == 0) {
        *out = 0;
        return true;
    }
    return parse_with_unit(text, duration_units, DURATION_UNITS_COUNT, out);
}

bool config_parse_bytes(const char *text, int64_t *out)
{
    return parse_with_unit(text, byte_units, BYTE_UNITS_COUNT, out);
}

bool config_parse_count(const char *text, int64_t *out)
{
    int64_t value = 0;
    const char *rest = take_digits(text, &value);
    if (rest == NULL || *rest != '\0')
        return false;
    *out = value;
    return true;
}

static void format_with_unit(int64_t value, const struct unit *units, size_t units_count,
                             char out[CONFIG_NUMBER_BYTES])
{
    size_t i = 0;
    while (i + 1 < units_count && value % units[i].factor != 0)
        i++;
    (void)snprintf(out, CONFIG_NUMBER_BYTES, "%" PRId64 "%s", value / units[i].factor, units[i].word);
}

void config_format_duration_ms(int64_t ms, char out[CONFIG_NUMBER_BYTES])
{
    if (ms == 0)
        (void)snprintf(out, CONFIG_NUMBER_BYTES, "0");
    else
        format_with_unit(ms, duration_units, DURATION_UNITS_COUNT, out);
}

void config_format_bytes(int64_t bytes, char out[CONFIG_NUMBER_BYTES])
{
    if (bytes == 0)
        (void)snprintf(out, CONFIG_NUMBER_BYTES, "0");
    else
        format_with_unit(bytes, byte_units, BYTE_UNITS_COUNT, out);
}

void config_format_number(enum config_kind kind, int64_t value, char out[CONFIG_NUMBER_BYTES])
{
    if (kind == KIND_DURATION)
        config_format_duration_ms(value, out);
    else if (kind == KIND_BYTES)
        config_format_bytes(value, out);
    else
        (void)snprintf(out, CONFIG_NUMBER_BYTES, "%" PRId64, value);
}
