/* A name is in one of a few places that follow its hash: it is found, or missed, after as many looks. */
#include "store/cache/served_names.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"

#define LOOKS 4

_Static_assert(EVENT_COLLECTION_BYTES_MAX <= UINT8_MAX, "the length of a name");

/* Those who ask choose names, but only ones that exist are added, and a look-up ends in any case: no seed is needed. */
static size_t home_of(struct slice name)
{
    return (size_t)hash_bytes(0, name);
}

static struct served_name *place_of(const struct served_names *t, size_t home, size_t look)
{
    return &t->places[(home + look) % SERVED_NAMES_MAX];
}

static bool bears(const struct served_name *place, struct slice name)
{
    return place->id != 0 && slice_equal((struct slice){place->name, place->bytes}, name);
}

const struct served_name *served_names_find(const struct served_names *t, struct slice name)
{
    if (t->places == NULL)
        return NULL;
    size_t home = home_of(name);
    for (size_t look = 0; look < LOOKS; look++) {
        const struct served_name *place = place_of(t, home, look);
        if (bears(place, name))
            return place;
    }
    return NULL;
}

static struct served_name *room_for(struct served_names *t, struct slice name)
{
    size_t home = home_of(name);
    struct served_name *room = NULL;
    for (size_t look = 0; look < LOOKS; look++) {
        struct served_name *place = place_of(t, home, look);
        if (bears(place, name))
            return place;
        if (room == NULL && place->id == 0)
            room = place;
    }
    return room != NULL ? room : place_of(t, home, t->turn++ % LOOKS);
}

const struct served_name *served_names_add(struct served_names *t, struct slice name, int64_t id, int64_t stream,
                                           int64_t build, size_t stream_at)
{
    if (name.bytes > EVENT_COLLECTION_BYTES_MAX)
        return NULL;
    if (t->places == NULL)
        t->places = calloc(SERVED_NAMES_MAX, sizeof *t->places);
    if (t->places == NULL)
        return NULL;
    struct served_name *place = room_for(t, name);
    place->id = id;
    place->stream = stream;
    place->build = build;
    place->stream_at = stream_at;
    place->bytes = (unsigned char)name.bytes;
    memcpy(place->name, name.data, name.bytes);
    return place;
}

void served_names_free(struct served_names *t)
{
    free(t->places);
    *t = (struct served_names){0};
}
