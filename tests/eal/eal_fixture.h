/* An EAL for one Criterion test process: no hugepages, no devices, nothing left behind. */
#ifndef TESTS_EAL_EAL_FIXTURE_H
#define TESTS_EAL_EAL_FIXTURE_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <rte_eal.h>
#include <stdio.h>
#include <unistd.h>

static char eal_directory[128];

static inline void eal_fixture_start(const char *name)
{
    char prefix[64];
    snprintf(prefix, sizeof(prefix), "--file-prefix=test-%s-%d", name, (int)getpid());
    char *argv[] = {(char[]){"test"},
                    prefix,
                    (char[]){"--no-huge"},
                    (char[]){"-m"},
                    (char[]){"64"},
                    (char[]){"--no-pci"},
                    (char[]){"--no-telemetry"},
                    (char[]){"--no-shconf"},
                    (char[]){"--log-level=*:error"},
                    (char[]){"-l"},
                    (char[]){"0"}};
    cr_assert(rte_eal_init(sizeof(argv) / sizeof(argv[0]), argv) >= 0);
    snprintf(eal_directory, sizeof(eal_directory), "%s", rte_eal_get_runtime_dir());
}

static inline void eal_fixture_stop(void)
{
    DIR *directory = opendir(eal_directory);
    const struct dirent *entry;

    rte_eal_cleanup();
    while (directory && (entry = readdir(directory)))
        unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory)
        closedir(directory);
    rmdir(eal_directory);
}

#endif
