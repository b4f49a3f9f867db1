/* A directory that looks like the root of a host, for tests of what reads /proc and /sys: files are written into it,
 * and it is removed at the end. */
#ifndef TESTS_UNIT_SYSFILE_RIG_H
#define TESTS_UNIT_SYSFILE_RIG_H

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char rig_root[64];

static inline void rig_open(void)
{
    snprintf(rig_root, sizeof(rig_root), "/tmp/tickgate-rig-XXXXXX");
    cr_assert(mkdtemp(rig_root));
}

static inline int rig_remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)stat;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void rig_close(void)
{
    nftw(rig_root, rig_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The file `path` below the root holds these bytes, whatever was there before. */
static inline void rig_bytes(const char *path, const void *bytes, size_t len)
{
    char whole[512];

    snprintf(whole, sizeof(whole), "%s%s", rig_root, path);
    for (char *slash = strchr(whole + strlen(rig_root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(whole, 0755);
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    cr_assert(file, "%s", whole);
    cr_assert_eq(fwrite(bytes, 1, len, file), len);
    fclose(file);
}

static inline void rig_file(const char *path, const char *text)
{
    rig_bytes(path, text, strlen(text));
}

static inline void rig_delete(const char *path)
{
    char whole[512];

    snprintf(whole, sizeof(whole), "%s%s", rig_root, path);
    cr_assert_eq(unlink(whole), 0, "%s", whole);
}

#endif
