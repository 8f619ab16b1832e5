/* The database file beside SQLite: its form, its names, its sizes, and the marker that damage was met. */
#ifndef STATEGATE_STORE_INTEGRITY_OS_FILE_H
#define STATEGATE_STORE_INTEGRITY_OS_FILE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#define STORE_APPLICATION_ID 0x53474154 /* "SGAT" in the file's header: whose database it is */
#define STORE_PAGE_BYTES 4096
#define STORE_PAGE_RESERVED 8 /* at the end of each page, for its checksum */
#define STORE_FORM_VERSION_MIN 2 /* the first schema version whose pages have this form, with checksums and a seal */

/* The header of an SQLite file: https://sqlite.org/fileformat2.html#the_database_header */
#define STORE_HEADER_BYTES 100
#define STORE_HEADER_MAGIC "SQLite format 3"
#define STORE_HEADER_PAGE_SIZE 16
#define STORE_HEADER_RESERVED 20
#define STORE_HEADER_USER_VERSION 60
#define STORE_HEADER_APPLICATION_ID 68
/* Is it that of a database with checksums? Whether its schema is one that this program reads is asked elsewhere. */
bool store_header_is_checked(const unsigned char header[STORE_HEADER_BYTES]);

/* The number in four bytes, the highest first, as SQLite writes it. */
static inline uint32_t big_endian_32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* A file, read only, through the default VFS itself; NULL when it cannot be opened or there is no memory. `path`
 * must live until it is closed. `type` is SQLITE_OPEN_MAIN_DB or SQLITE_OPEN_WAL. */
sqlite3_file *store_beneath_open(const char *path, int type);
void store_beneath_close(sqlite3_file *file);

/* `<path><suffix>`; NULL when out of memory; the caller frees it. */
char *store_path_join(const char *path, const char *suffix);

/* The marker that damage was met while running: `<path>.suspect`. */
void store_suspect_set(const char *path);
bool store_suspect_get(const char *path);
void store_suspect_clear(const char *path);

#endif
