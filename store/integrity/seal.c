/* The seal: its records, and the judgement over a file and a WAL that were found together. */
#include "store/integrity/seal.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "store/integrity/checksum.h"
#include "store/integrity/os_file.h"
#include "store/integrity/wal.h"

/* Where the records lie in the page: in sectors of their own, within the row that SQLite sees. */
#define SLOT_AT(which) (1024 + 1024 * (which))
#define ID_AT 3072
#define SEED_SLOT UINT64_C(0x7365616c2d736c6f)
#define SEED_ID UINT64_C(0x7365616c2d69640a)

static uint64_t get_64(const unsigned char *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof value);
    return le64toh(value);
}

static void put_64(unsigned char *p, uint64_t value)
{
    value = htole64(value);
    memcpy(p, &value, sizeof value);
}

static bool slot_read(const unsigned char *p, struct store_seal *out)
{
    if (get_64(p + 24) != store_checksum(p, 24, SEED_SLOT))
        return false;
    uint64_t frames = get_64(p + 16);
    *out = (struct store_seal){.number = get_64(p), .frames = (uint32_t)frames, .torn = frames >> 32 != 0};
    memcpy(&out->salts, p + 8, sizeof out->salts);
    return true;
}

int64_t store_seal_format(const struct store_seal *seal, unsigned char out[STORE_SEAL_BYTES])
{
    put_64(out, seal->number);
    memcpy(out + 8, &seal->salts, sizeof seal->salts);
    put_64(out + 16, (uint64_t)seal->torn << 32 | seal->frames);
    put_64(out + 24, store_checksum(out, 24, SEED_SLOT));
    return STORE_SEAL_OFFSET + SLOT_AT((int64_t)(seal->number % 2));
}

void store_seal_page_init(unsigned char page[STORE_PAGE_BYTES], uint64_t id)
{
    for (uint64_t number = 0; number < 2; number++) {
        struct store_seal seal = {.number = number};
        (void)store_seal_format(&seal, page + SLOT_AT(number));
    }
    put_64(page + ID_AT, id);
    put_64(page + ID_AT + 8, store_checksum(page + ID_AT, 8, SEED_ID));
}

void store_seal_page_read(const unsigned char page[STORE_PAGE_BYTES], struct store_seal_page *out)
{
    for (int i = 0; i < 2; i++) {
        out->good[i] = slot_read(page + SLOT_AT(i), &out->seals[i]) && out->seals[i].number % 2 == (uint64_t)i;
    }
    out->id = get_64(page + ID_AT);
    out->id_good = get_64(page + ID_AT + 8) == store_checksum(page + ID_AT, 8, SEED_ID);
}

const struct store_seal *store_seal_newer(const struct store_seal_page *p)
{
    if (p->good[0] && p->good[1])
        return p->seals[1].number > p->seals[0].number ? &p->seals[1] : &p->seals[0];
    return p->good[0] ? &p->seals[0] : p->good[1] ? &p->seals[1] : NULL;
}

/* Is there all of the WAL that this record speaks of? */
static bool fits(const struct store_seal *seal, const struct wal_facts *wal)
{
    return wal->salts == seal->salts && wal->frames >= seal->frames;
}

/* What does not fit, in words; NULL = all does.
 *
 * A WAL without a commit is none: the file stands alone. It need not be there: the commits in it are then lost, rows
 * and position together. One that is there will be recovered from its beginning, so it must be the file's own, and
 * reach as far as pages of it were written back; or be the one before, all of which is in the file, when the next one
 * was announced and not begun. Where a record is spoilt, by a power cut while it was written, it was not needed yet. */
static const char *judge(const struct store_seal_page *p, const struct wal_facts *wal)
{
    const struct store_seal *newer = store_seal_newer(p);
    const struct store_seal *older = newer == &p->seals[0] ? &p->seals[1] : &p->seals[0];
    bool both = p->good[0] && p->good[1];
    if (!p->id_good || newer == NULL)
        return "its seal is damaged";
    if (wal->frames == 0)
        return newer->torn ? "the write-ahead log that belongs to it is missing or damaged" : NULL;
    if (fits(newer, wal))
        return NULL;
    if (both && !newer->torn && newer->frames == 0 && fits(older, wal))
        return NULL;
    return wal->salts == newer->salts ? "its write-ahead log is cut short or damaged"
                                      : "the write-ahead log beside it belongs to another database or another time";
}

static enum sg_status page_read(const char *path, unsigned char page[STORE_PAGE_BYTES], struct sg_error *err)
{
    sqlite3_file *file = store_beneath_open(path, SQLITE_OPEN_MAIN_DB);
    int rc = file != NULL ? file->pMethods->xRead(file, page, STORE_PAGE_BYTES, STORE_SEAL_OFFSET) : SQLITE_CANTOPEN;
    if (file != NULL)
        store_beneath_close(file);
    if (rc == SQLITE_IOERR_SHORT_READ)
        return sg_fail(err, SG_CORRUPT, "%s is cut short", path);
    return rc == SQLITE_OK ? SG_OK : sg_fail(err, SG_STORAGE, "cannot read the database %s", path);
}

enum sg_status store_seal_check(const char *path, struct sg_error *err)
{
    unsigned char page[STORE_PAGE_BYTES];
    struct store_seal_page seal;
    struct wal_facts wal;
    if (!store_checksum_checking())
        return SG_OK;
    char *log = store_path_join(path, "-wal");
    enum sg_status status = page_read(path, page, err);
    if (status == SG_OK)
        status = log != NULL ? store_wal_scan(log, &wal, err) : sg_fail(err, SG_MEMORY, "out of memory");
    if (status == SG_OK) {
        store_seal_page_read(page, &seal);
        const char *why = judge(&seal, &wal);
        if (why != NULL)
            status = sg_fail(err, SG_CORRUPT, "%s is damaged: %s", path, why);
    }
    free(log);
    return status;
}
