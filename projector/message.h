/* A message of a stream: subject, headers and bytes, as they came. */
#ifndef STATEGATE_PROJECTOR_MESSAGE_H
#define STATEGATE_PROJECTOR_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

#define MESSAGE_HEADERS_MAX 4 /* that a format may ask for */

/* Slices are borrowed. */
struct message {
    struct slice subject;
    struct slice payload;
    uint64_t sequence;
    int64_t time_ns;
    bool scheduled; /* its header Nats-Schedule says when the server is to publish it */
    struct slice headers[MESSAGE_HEADERS_MAX]; /* that the format asks for, in its order; bytes 0 = absent */
};

#endif
