/* Where a list leads on: the page after this one, and the changes since the first. */
#ifndef STATEGATE_API_ROUTES_PAGE_LINKS_H
#define STATEGATE_API_ROUTES_PAGE_LINKS_H

#include "api/http/response.h"
#include "api/request/cursor.h"
#include "api/routes/route.h"
#include "core/base/slice.h"

/* Link: rel="next", relative to the page's own address, whatever a proxy has made of that: the cursor, select, count
 * and the demands of the request, also those that came as headers. None where it would be longer than
 * PAGE_LINK_BYTES_MAX: better than one that has lost a demand. */
/* A cursor with an id of the longest, and the demands of ten streams or so; a connection keeps room for as much. */
#define PAGE_LINK_BYTES_MAX (CURSOR_TEXT_BYTES + 384u + 64u)
void page_link_next(const struct call *call, struct slice cursor, struct response *out);

/* Link: rel="changes", of the last page: the same rows as they change from `first` on, the position of the first
 * page. */
void page_link_changes(const struct call *call, const struct cursor_bookmark *first, const struct epoch *epoch,
                       struct response *out);

#endif
