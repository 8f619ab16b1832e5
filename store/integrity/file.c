/* The database as a file: whose it is, and where a damaged one goes. */
#include "store/integrity/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/time.h"
#include "store/integrity/os_file.h"
#include "store/integrity/seal.h"

#define ASIDE_MARK ".corrupt-"
#define ASIDE_STAMP_BYTES 16 /* 20261127T224659Z */

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

enum sg_status store_file_inspect(const char *path, unsigned version_min, unsigned version_max, enum store_file *out,
                                  struct sg_error *err)
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
    if (version > version_max)
        return sg_fail(err, SG_INVALID, "%s has schema version %u, newer than version %u of this program", path,
                       version, version_max);
    if (version < version_min)
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
        (void)snprintf(suffix, sizeof suffix, attempt == 1 ? ASIDE_MARK "%s" : ASIDE_MARK "%s-%d", stamp, attempt);
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

/* ---- those that were moved aside before ---- */

/* A database that was moved aside: when, and which of that second. */
struct aside {
    char stamp[ASIDE_STAMP_BYTES + 1];
    unsigned attempt;
};

/* Is `name` a file of ours that was moved aside, the database `base` or what belonged to it? Nothing else is
 * touched. */
static bool aside_parse(const char *name, const char *base, struct aside *out)
{
    static const char form[] = "ddddddddTddddddZ";
    size_t base_bytes = strlen(base);
    char *end = NULL;
    if (strncmp(name, base, base_bytes) != 0 || strncmp(name + base_bytes, ASIDE_MARK, sizeof ASIDE_MARK - 1) != 0)
        return false;
    name += base_bytes + sizeof ASIDE_MARK - 1;
    for (size_t i = 0; i < ASIDE_STAMP_BYTES; i++) {
        if (form[i] == 'd' ? name[i] < '0' || name[i] > '9' : name[i] != form[i])
            return false;
    }
    memcpy(out->stamp, name, ASIDE_STAMP_BYTES);
    out->stamp[ASIDE_STAMP_BYTES] = '\0';
    out->attempt = 1;
    name += ASIDE_STAMP_BYTES;
    if (name[0] == '-' && name[1] >= '1' && name[1] <= '9') {
        out->attempt = (unsigned)strtoul(name + 1, &end, 10);
        name = end;
    }
    return name[0] == '\0' || strcmp(name, "-wal") == 0 || strcmp(name, "-shm") == 0 || strcmp(name, "-journal") == 0;
}

static int aside_compare(const struct aside *a, const struct aside *b)
{
    int order = strcmp(a->stamp, b->stamp);
    return order != 0 ? order : (a->attempt > b->attempt) - (a->attempt < b->attempt);
}

/* One pass over the folder: the newest but `kept`; or, with `other`, remove what is neither. */
static void aside_pass(DIR *folder, const char *base, const struct aside *kept, struct aside *other, bool remove)
{
    struct aside one;
    rewinddir(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (!aside_parse(entry->d_name, base, &one) || aside_compare(&one, kept) == 0)
            continue;
        if (!remove && aside_compare(&one, other) > 0)
            *other = one;
        else if (remove && aside_compare(&one, other) != 0)
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
    }
}

/* Keep `aside`, which was made just now, and the newest of the others: a file that is damaged again and again must not
 * fill the disk. What cannot be removed stays. */
static void aside_limit(const char *aside)
{
    struct aside kept = {.stamp = ""};
    struct aside other = {.stamp = ""};
    const char *slash = strrchr(aside, '/');
    const char *name = slash != NULL ? slash + 1 : aside;
    const char *mark = strstr(name, ASIDE_MARK);
    for (const char *next = mark; next != NULL; next = strstr(next + 1, ASIDE_MARK))
        mark = next;
    char *base = mark != NULL ? strndup(name, (size_t)(mark - name)) : NULL;
    char *path = slash != NULL ? strndup(aside, (size_t)(slash - aside) + 1) : strdup(".");
    DIR *folder = path != NULL ? opendir(path) : NULL;
    if (base != NULL && folder != NULL && aside_parse(name, base, &kept)) {
        aside_pass(folder, base, &kept, &other, false);
        aside_pass(folder, base, &kept, &other, true);
    }
    if (folder != NULL)
        (void)closedir(folder);
    free(path);
    free(base);
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
        aside_limit(aside);
    }
    free(aside);
    return status;
}
