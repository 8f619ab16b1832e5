/* The version of store/schema.sql, in a file as PRAGMA user_version. */
#ifndef STATEGATE_STORE_SCHEMA_VERSION_H
#define STATEGATE_STORE_SCHEMA_VERSION_H

#define STORE_SCHEMA_VERSION 4
#define STORE_SCHEMA_VERSION_MIN 2 /* older ones have no checksums: moved aside and built anew */

#endif
