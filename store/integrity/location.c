/* Where the files of a database lie. */
#include "store/integrity/location.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/integrity/os_file.h"
#include "store/writer.h"

#define LINKS_MAX 40 /* the kernel's own limit */

/* ---- the real path ---- */

/* `folder of path` + "/" + `name`; NULL when out of memory. */
static char *beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    size_t bytes = slash != NULL && name[0] != '/' ? (size_t)(slash - path) + 1 : 0;
    char *joined = malloc(bytes + strlen(name) + 1);
    if (joined == NULL)
        return NULL;
    memcpy(joined, path, bytes);
    memcpy(joined + bytes, name, strlen(name) + 1);
    return joined;
}

/* Follow the links at the end of `path`, as far as they lead to links. NULL with errno. */
static char *follow(const char *path)
{
    char target[PATH_MAX];
    char *at = strdup(path);
    for (int links = 0; at != NULL; links++) {
        ssize_t bytes = readlink(at, target, sizeof target - 1);
        if (bytes < 0)
            return at; /* no link, or nothing there */
        target[bytes] = '\0';
        char *next = links < LINKS_MAX ? beside(at, target) : NULL;
        if (links >= LINKS_MAX)
            errno = ELOOP;
        free(at);
        at = next;
    }
    return NULL;
}

/* The real folder of a path, with the last part as it is: the file need not be there. NULL with errno. */
static char *real_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    char *found = folder != NULL ? realpath(folder, NULL) : NULL;
    free(folder);
    if (found == NULL)
        return NULL;
    char *with_slash = store_path_join(found, strcmp(found, "/") == 0 ? "" : "/");
    char *whole = with_slash != NULL ? store_path_join(with_slash, slash != NULL ? slash + 1 : path) : NULL;
    free(with_slash);
    free(found);
    return whole;
}

enum sg_status store_resolve(const char *path, char **out, struct sg_error *err)
{
    char *end = follow(path);
    char *found = end != NULL ? real_folder(end) : NULL;
    int reason = errno;
    free(end);
    if (found == NULL)
        return reason == ENOMEM ? sg_fail(err, SG_MEMORY, "out of memory")
                                : sg_fail(err, SG_STORAGE, "cannot find the database %s: %s", path, strerror(reason));
    if (strlen(found) > STORE_PATH_BYTES_MAX) {
        enum sg_status status = sg_fail(err, SG_INVALID, "the database %s lies at a path of more than %d bytes", path,
                                        STORE_PATH_BYTES_MAX);
        free(found);
        return status;
    }
    *out = found;
    return SG_OK;
}

/* ---- is it still there ---- */

void location_note(struct location *l, const char *path, const char *suffix)
{
    struct stat file;
    char *name = store_path_join(path, suffix);
    *l = (struct location){0};
    if (name == NULL || stat(name, &file) != 0) {
        free(name);
        return;
    }
    *l = (struct location){.path = name, .device = file.st_dev, .inode = file.st_ino};
}

bool location_lost(const struct location *l)
{
    struct stat file;
    if (l->path == NULL)
        return false;
    if (stat(l->path, &file) != 0)
        return errno == ENOENT || errno == ENOTDIR;
    return file.st_dev != l->device || file.st_ino != l->inode;
}

void location_free(struct location *l)
{
    free(l->path);
    *l = (struct location){0};
}

/* ---- the lock ---- */

enum sg_status location_lock(const char *path, int *fd, struct sg_error *err)
{
    struct stat file;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* of a pipe, it would wait for who writes to it */
    if (*fd < 0 && errno == ENOENT)
        return SG_OK;
    if (*fd < 0 || fstat(*fd, &file) != 0)
        return sg_fail(err, SG_STORAGE, "cannot read the database %s: %s", path, strerror(errno));
    if (S_ISREG(file.st_mode) && flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return SG_OK;
    enum sg_status status =
        !S_ISREG(file.st_mode) ? sg_fail(err, SG_INVALID, "the database %s is not a file", path)
        : errno == EWOULDBLOCK
            ? sg_fail(err, SG_LOCKED, "another process has the database %s open, by another name or without its .lock",
                      path)
            : sg_fail(err, SG_STORAGE, "cannot lock %s: %s", path, strerror(errno));
    (void)close(*fd);
    *fd = -1;
    return status;
}
