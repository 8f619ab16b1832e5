/* What the sources of a gateway share. */
#ifndef STATEGATE_PROJECTOR_SOURCE_CONTEXT_H
#define STATEGATE_PROJECTOR_SOURCE_CONTEXT_H

#include "core/domain/settings.h"
#include "core/domain/tunables.h"
#include "core/progress/freshness.h"
#include "core/progress/metrics.h"
#include "core/progress/progress.h"
#include "projector/ingest/commands.h"

/* All borrowed, and outlive the sources. */
struct source_context {
    const struct settings *settings;
    const struct tunables_now *tunables;
    struct ingest *ingest; /* of the projector */
    struct freshness *freshness;
    struct metrics *metrics;
    struct progress *progress;
};

#endif
