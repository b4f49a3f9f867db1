/* The EAL of a benchmark: one lcore, this thread on the CPU that it measures on; no devices, and no files left. */
#ifndef TESTS_BENCH_BENCH_EAL_H
#define TESTS_BENCH_BENCH_EAL_H

#include "tests/bench/bench.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BENCH_EAL_PAGE_MB 2u

/* Of 2 MiB: "nr" that there are, "free". */
static inline unsigned long bench_eal_pages(const char *which)
{
    char path[96];
    unsigned long pages = 0;

    snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s_hugepages", which);
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%lu", &pages) != 1)
            pages = 0;
        fclose(file);
    }
    return pages;
}

/* Start it behind bench_open, with `mb` MiB for everything of DPDK's, taken at once: on huge pages where `huge`, as the
 * gateway has it, and so many are free; otherwise on pages of 4 KiB, which is said. Exits with 2 where there is no
 * EAL. */
static inline void bench_eal_start(const char *program, const struct bench_options *options, uint32_t mb, bool huge)
{
    const unsigned long wanted = mb / BENCH_EAL_PAGE_MB, free_now = huge ? bench_eal_pages("free") : 0;
    const bool enough = huge && free_now >= wanted;
    char lcores[32], memory_mb[16];

    if (huge && !enough)
        fprintf(stderr,
                "%s: %lu hugepages of 2 MiB are wanted and %lu are free: frames lie on pages of 4 KiB and take longer; "
                "as root: echo %lu > /proc/sys/vm/nr_hugepages\n",
                program, wanted, free_now, bench_eal_pages("nr") - free_now + wanted);
    snprintf(lcores, sizeof(lcores), "--lcores=0@%d", options->cpu);
    snprintf(memory_mb, sizeof(memory_mb), "%u", mb);
    char *arguments[] = {(char *)(uintptr_t)program, enough ? (char[]){"--in-memory"} : (char[]){"--no-huge"},
                         (char[]){"-m"}, memory_mb, (char[]){"--no-pci"}, (char[]){"--no-telemetry"},
                         (char[]){"--no-shconf"}, (char[]){"--log-level=*:error"}, lcores};
    if (rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) < 0) {
        fprintf(stderr, "%s: DPDK does not start (%s): %u MiB of %s on CPU %d are wanted\n", program,
                rte_strerror(rte_errno), mb, enough ? "hugepages" : "memory", options->cpu);
        exit(2);
    }
}

#endif
