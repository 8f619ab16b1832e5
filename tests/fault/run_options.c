/* Arguments and folders of the fault programs. */
#include "run_options.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t number(const char *name, const char *text)
{
    char *end = NULL;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0') {
        (void)fprintf(stderr, "%s must be a number, not %s\n", name, text);
        exit(2);
    }
    return value;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? number(name, text) : otherwise;
}

struct run_options run_options_read(int argc, char **argv, uint64_t count_default)
{
    struct run_options o = {.seed = setting("SEED", 1), .count = setting("COUNT", count_default)};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--seed") == 0) {
            o.seed = number(argv[i++], value);
        } else if (strcmp(argv[i], "--count") == 0) {
            o.count = number(argv[i++], value);
        } else {
            (void)fprintf(stderr, "usage: %s [--seed N] [--count N]\n", argv[0]);
            exit(2);
        }
    }
    return o;
}

void run_folder_make(char out[64])
{
    (void)snprintf(out, 64, "%s/stategate-fault-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(out) == NULL) {
        perror(out);
        exit(2);
    }
}

void run_folder_remove(const char *folder)
{
    char name[512];
    DIR *directory = opendir(folder);
    if (directory == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        (void)snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
        (void)unlink(name);
    }
    (void)closedir(directory);
    (void)rmdir(folder);
}

double run_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
