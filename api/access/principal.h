/* Who a request comes from, as far as it is known. A plain value. */
#ifndef STATEGATE_API_ACCESS_PRINCIPAL_H
#define STATEGATE_API_ACCESS_PRINCIPAL_H

enum principal_kind {
    PRINCIPAL_ANYBODY, /* nothing was asked for, so nothing is known */
};

struct principal {
    enum principal_kind kind;
};

#endif
