/* File descriptors: as many as the system allows, and no more connections than there are descriptors for. */
#ifndef STATEGATE_SERVER_DESCRIPTORS_H
#define STATEGATE_SERVER_DESCRIPTORS_H

#include <stdbool.h>

#include "core/domain/settings.h"

/* Open what is closed of the descriptors 0, 1 and 2 on /dev/null. Before anything else is opened: or it would be the
 * database, or a connection, that is written to as standard error. False: that cannot be done, nor said. */
bool descriptors_open_standard(void);

/* Raise the process's own limit to what it may be, and lower http_connections_max to what is then left for
 * connections; that is logged. Main thread, before the gateway starts. */
void descriptors_fit(struct settings *settings);

#endif
