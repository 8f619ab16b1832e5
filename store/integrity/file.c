/* The database as a file: whose it is, whether it is sound, and where a damaged one goes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/time.h"
#include "store/write/write.h"

static uint32_t big_endian_32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

char *store_path_join(const char *path, const char *suffix)
{
    size_t bytes = strlen(path) + strlen(suffix) + 1;
    char *joined = malloc(bytes);
    if (joined != NULL)
        (void)snprintf(joined, bytes, "%s%s", path, suffix);
    return joined;
}

/* Returns the bytes read, or -1 with errno. */
static ssize_t header_read(const char *path, unsigned char header[STORE_HEADER_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t bytes = pread(fd, header, STORE_HEADER_BYTES, 0);
    int reason = errno;
    (void)close(fd);
    errno = reason;
    return bytes;
}

enum sg_status store_file_inspect(const char *path, enum store_file *out, struct sg_error *err)
{
    unsigned char header[STORE_HEADER_BYTES] = {0};
    ssize_t bytes = header_read(path, header);
    if (bytes < 0 && errno != ENOENT)
        return sg_fail(err, SG_STORAGE, "cannot read the database %s: %s", path, strerror(errno));
    if (bytes <= 0) {
        *out = STORE_FILE_ABSENT;
        return SG_OK;
    }
    if (bytes < STORE_HEADER_BYTES || memcmp(header, STORE_HEADER_MAGIC, sizeof STORE_HEADER_MAGIC) != 0)
        return sg_fail(err, SG_CORRUPT, "%s is damaged: it does not begin as a database does", path);
    if (big_endian_32(header + STORE_HEADER_APPLICATION_ID) != STORE_APPLICATION_ID)
        return sg_fail(err, SG_INVALID, "%s is a database of another program", path);
    uint32_t version = big_endian_32(header + STORE_HEADER_USER_VERSION);
    if (version > STORE_SCHEMA_VERSION)
        return sg_fail(err, SG_INVALID, "%s has schema version %u, newer than version %d of this program", path,
                       version, STORE_SCHEMA_VERSION);
    if (version < STORE_SCHEMA_VERSION_MIN)
        return sg_fail(err, SG_CORRUPT, "%s is of an older form (schema version %u)", path, version);
    if (!store_header_is_checked(header))
        return sg_fail(err, SG_CORRUPT, "%s is damaged: its header is not one that this program writes", path);
    *out = STORE_FILE_OURS;
    return store_seal_check(path, err);
}

bool store_file_journal(const char *path)
{
    char *name = store_path_join(path, "-journal");
    bool there = name != NULL && access(name, F_OK) == 0;
    free(name);
    return there;
}

/* Every page must be in the file or in the WAL. SQLite checks this itself only while the WAL is empty. */
static enum sg_status check_size(struct store_connection *c, int64_t *database_bytes, struct sg_error *err)
{
    int64_t page_count = 0;
    int64_t page_bytes = 0;
    struct store_sizes sizes;
    enum sg_status status = store_query_int(c, "PRAGMA page_count", &page_count, err);
    if (status == SG_OK)
        status = store_query_int(c, "PRAGMA page_size", &page_bytes, err);
    if (status != SG_OK)
        return status;
    store_sizes(c->path, &sizes);
    if (sizes.database_bytes < 0 || sizes.wal_bytes < 0)
        return sg_fail(err, SG_STORAGE, "cannot see how large %s is: %s", c->path, strerror(errno));
    int64_t frames = sizes.wal_bytes / (page_bytes + WAL_FRAME_HEADER_BYTES);
    if (sizes.database_bytes / page_bytes + frames < page_count)
        return sg_fail(err, SG_CORRUPT, "%s is cut short: %lld bytes, expected %lld pages of %lld", c->path,
                       (long long)sizes.database_bytes, (long long)page_count, (long long)page_bytes);
    *database_bytes = sizes.database_bytes;
    return SG_OK;
}

/* Down each edge of every tree: finds roots and inner pages that were overwritten. */
static enum sg_status check_edges(struct store_connection *c, struct sg_error *err)
{
    static const char *const queries[] = {
        "SELECT count(*) + coalesce(sum(length(name) + length(gaps)), 0) FROM streams",
        "SELECT count(*) + coalesce(sum(length(epoch) + length(gaps)), 0) FROM growing",
        "SELECT count(*) + coalesce(sum(length(name) + entities), 0) FROM collections",
        "SELECT count(*) FROM (SELECT version FROM entities ORDER BY number LIMIT 1)",
        "SELECT count(*) FROM (SELECT version FROM entities ORDER BY number DESC LIMIT 1)",
        "SELECT count(*) FROM (SELECT version FROM entities ORDER BY collection, id LIMIT 1)",
        "SELECT count(*) FROM (SELECT version FROM entities ORDER BY collection DESC, id DESC LIMIT 1)",
        "SELECT count(*) FROM (SELECT sequence FROM rejected ORDER BY number LIMIT 1)",
        "SELECT count(*) FROM (SELECT sequence FROM rejected ORDER BY number DESC LIMIT 1)",
        "SELECT count(*) FROM (SELECT reason FROM rejected ORDER BY stream, build, reason LIMIT 1)",
    };
    enum sg_status status = SG_OK;
    int64_t ignored = 0;
    for (size_t i = 0; status == SG_OK && i < sizeof queries / sizeof queries[0]; i++)
        status = store_query_int(c, queries[i], &ignored, err);
    return status;
}

/* The whole check tells a page that could not be read as it tells damage, sometimes with the reason. */
static int read_failure(const struct store_connection *c, const char *answer)
{
    static const char told[] = "unable to get the page. error code=";
    const char *at = strstr(answer, told);
    if (at != NULL)
        return (int)strtol(at + sizeof told - 1, NULL, 10);
    bool noted = store_checksum_damage(store_checksum_database(c->db)) != NULL;
    return strstr(answer, "failed to get page") != NULL && !noted ? SQLITE_IOERR_READ : SQLITE_OK;
}

static enum sg_status check_whole(struct store_connection *c, const char *pragma, struct sg_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db, pragma, -1, &s, NULL);
    if (rc != SQLITE_OK)
        return store_fail(c, rc, "check the database", err);
    enum sg_status status = store_step(c, s, SQLITE_OK, "check the database", err);
    if (status == SG_OK) {
        const char *answer = (const char *)sqlite3_column_text(s, 0);
        int failure = answer != NULL ? read_failure(c, answer) : SQLITE_OK;
        if ((failure & 0xff) == SQLITE_IOERR || (failure & 0xff) == SQLITE_NOMEM)
            status = store_fail(c, failure, "check the database", err);
        else if (answer == NULL || strcmp(answer, "ok") != 0)
            status = sg_fail(err, SG_CORRUPT, "%s is damaged: %s", c->path, answer != NULL ? answer : "no answer");
    }
    (void)sqlite3_finalize(s);
    return status;
}

enum sg_status store_file_check(struct store_connection *c, bool clean, struct sg_error *err)
{
    int64_t bytes = 0;
    enum sg_status status = check_size(c, &bytes, err);
    if (status == SG_OK)
        status = check_edges(c, err);
    if (status != SG_OK)
        return status;
    if (store_suspect_get(c->path)) {
        status = check_whole(c, "PRAGMA integrity_check(1)", err);
        if (status == SG_OK)
            store_suspect_clear(c->path);
        return status;
    }
    if (bytes <= (clean ? STORE_CHECK_BYTES_MAX : STORE_CHECK_UNCLEAN_BYTES_MAX))
        return check_whole(c, "PRAGMA quick_check(1)", err);
    return SG_OK;
}

/* A name that is free: a second database may go aside within one second. */
static char *aside_name(const char *path)
{
    time_t now = (time_t)(time_wall_ns() / NS_PER_S);
    struct tm parts = {0};
    char stamp[32] = "";
    (void)gmtime_r(&now, &parts);
    (void)strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &parts);
    for (int attempt = 1; attempt < 1000; attempt++) {
        char suffix[64];
        (void)snprintf(suffix, sizeof suffix, attempt == 1 ? ".corrupt-%s" : ".corrupt-%s-%d", stamp, attempt);
        char *name = store_path_join(path, suffix);
        if (name == NULL || access(name, F_OK) != 0)
            return name;
        free(name);
    }
    return NULL;
}

static enum sg_status move_one(const char *path, const char *aside, const char *suffix, struct sg_error *err)
{
    enum sg_status status = SG_OK;
    char *from = store_path_join(path, suffix);
    char *to = store_path_join(aside, suffix);
    if (from == NULL || to == NULL)
        status = sg_fail(err, SG_MEMORY, "out of memory");
    else if (rename(from, to) != 0 && errno != ENOENT)
        status = sg_fail(err, SG_STORAGE, "cannot move %s aside: %s", from, strerror(errno));
    free(from);
    free(to);
    return status;
}

enum sg_status store_file_move_aside(const char *path, char *moved_aside, size_t moved_aside_bytes,
                                     struct sg_error *err)
{
    static const char *const suffixes[] = {"-wal", "-shm", "-journal", ""}; /* the database last: a retry finds it */
    enum sg_status status = SG_OK;
    char *aside = aside_name(path);
    if (aside == NULL)
        return sg_fail(err, SG_STORAGE, "cannot find a free name to move %s aside", path);
    for (size_t i = 0; status == SG_OK && i < sizeof suffixes / sizeof suffixes[0]; i++)
        status = move_one(path, aside, suffixes[i], err);
    if (status == SG_OK) {
        store_suspect_clear(path);
        (void)snprintf(moved_aside, moved_aside_bytes, "%s", aside);
    }
    free(aside);
    return status;
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
