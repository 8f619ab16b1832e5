/* File descriptors: as many as the system allows, and no more connections than there are descriptors for. */
#ifndef STATEGATE_SERVER_DESCRIPTORS_H
#define STATEGATE_SERVER_DESCRIPTORS_H

#include "core/domain/settings.h"

/* Raise the process's own limit to what it may be, and lower http_connections_max to what is then left for
 * connections; that is logged. Main thread, before the gateway starts. */
void descriptors_fit(struct settings *settings);

#endif
