/* The database file beside SQLite. */
#include "store/integrity/os_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/reader.h"
#include "store/schema_version.h"

bool store_header_is_checked(const unsigned char header[STORE_HEADER_BYTES])
{
    uint32_t version = big_endian_32(header + STORE_HEADER_USER_VERSION);
    return memcmp(header, STORE_HEADER_MAGIC, sizeof STORE_HEADER_MAGIC) == 0 &&
           header[STORE_HEADER_PAGE_SIZE] == STORE_PAGE_BYTES >> 8 && header[STORE_HEADER_PAGE_SIZE + 1] == 0 &&
           header[STORE_HEADER_RESERVED] == STORE_PAGE_RESERVED &&
           version >= STORE_FORM_VERSION_MIN && version <= STORE_SCHEMA_VERSION &&
           big_endian_32(header + STORE_HEADER_APPLICATION_ID) == STORE_APPLICATION_ID;
}

sqlite3_file *store_beneath_open(const char *path, int type)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_file *file = vfs != NULL ? calloc(1, (size_t)vfs->szOsFile) : NULL;
    if (file == NULL)
        return NULL;
    if (vfs->xOpen(vfs, path, file, SQLITE_OPEN_READONLY | type, NULL) == SQLITE_OK)
        return file;
    store_beneath_close(file);
    return NULL;
}

void store_beneath_close(sqlite3_file *file)
{
    if (file->pMethods != NULL)
        (void)file->pMethods->xClose(file);
    free(file);
}

char *store_path_join(const char *path, const char *suffix)
{
    size_t bytes = strlen(path) + strlen(suffix) + 1;
    char *joined = malloc(bytes);
    if (joined != NULL)
        (void)snprintf(joined, bytes, "%s%s", path, suffix);
    return joined;
}

void store_suspect_set(const char *path)
{
    char *name = store_path_join(path, ".suspect");
    int fd = name != NULL ? open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1;
    if (fd >= 0)
        (void)close(fd);
    free(name);
}

bool store_suspect_get(const char *path)
{
    char *name = store_path_join(path, ".suspect");
    bool there = name != NULL && access(name, F_OK) == 0;
    free(name);
    return there;
}

void store_suspect_clear(const char *path)
{
    char *name = store_path_join(path, ".suspect");
    if (name != NULL)
        (void)unlink(name);
    free(name);
}

static int64_t file_bytes(const char *path)
{
    struct stat st;
    if (path != NULL && stat(path, &st) == 0)
        return (int64_t)st.st_size;
    return path != NULL && errno == ENOENT ? 0 : -1;
}

void store_sizes(const char *path, struct store_sizes *out)
{
    char *wal = store_path_join(path, "-wal");
    out->database_bytes = file_bytes(path);
    out->wal_bytes = file_bytes(wal);
    free(wal);
}
