/* disturb: differences of what a made-up kernel tells, what it does not tell, what nobody would expect of it; and this
 * host's kernel about this very thread. */
#include "gateway/disturb.h"

#include "tests/unit/sysfile_rig.h"

#include <sched.h>
#include <sys/mman.h>
#include <time.h>

static struct disturb disturb;

#define TASK "/proc/self/task/77/"

static void kernel_says(unsigned voluntary, unsigned involuntary, unsigned migrations, unsigned minor, unsigned major,
                        unsigned steal)
{
    char text[512];

    snprintf(text, sizeof(text), "Name:\trx ) voluntary_ctxt_switches 9\nvoluntary_ctxt_switches:\t%u\n"
             "nonvoluntary_ctxt_switches:\t%u\n", voluntary, involuntary);
    rig_file(TASK "status", text);
    snprintf(text, sizeof(text), "x (77, #threads: 2)\n---\nse.nr_migrations          :         %u\nnr_switches : 5\n",
             migrations);
    rig_file(TASK "sched", text);
    snprintf(text, sizeof(text), "77 (a ) b) R 1 77 77 0 -1 4194304 %u 0 %u 0 1 1\n", minor, major);
    rig_file(TASK "stat", text);
    snprintf(text, sizeof(text), "cpu  9 9 9 9 9 9 9 9 0 0\ncpu1 1 2 3 4 5 6 7 %u 0 0\ncpu12 1 2 3 4 5 6 7 99 0 0\n",
             steal);
    rig_file("/proc/stat", text);
}

static void start(void)
{
    rig_open();
    kernel_says(10, 20, 3, 100, 1, 5);
    rig_file("/proc/interrupts", "           CPU0       CPU1      CPU12\n"
                                 " 36:          0        100          7  PCI-MSIX 1-edge      virtio1-req.0\n"
                                 "LOC:        500       1000          9  Local timer interrupts\n"
                                 "RES:          5          6          7  Rescheduling interrupts\n"
                                 "ERR:          0\n");
    cr_assert_eq(disturb_open(&disturb, rig_root), 0);
    disturb_add(&disturb, "rx0", 1, 77);
    disturb_begin(&disturb);
}

static void stop(void)
{
    disturb_close(&disturb);
    rig_close();
}

TestSuite(disturb, .init = start, .fini = stop, .timeout = 60);

static const char *text_of(void)
{
    static char text[2048];
    FILE *out = fmemopen(text, sizeof(text), "w");

    disturb_text(&disturb, out);
    fclose(out);
    return text;
}

Test(disturb, nothing_happened_is_said_in_a_word)
{
    disturb_end(&disturb);
    cr_assert_eq(disturb_verdict(&disturb.thread[0]), DISTURB_NONE);
    cr_assert_str_eq(text_of(), "\nwhat disturbed the hot lcores, from armed to the end, as the kernel counted it\n"
                                "  rx0       CPU 1: undisturbed\n");
}

Test(disturb, what_happened_is_counted_from_armed_on_by_kind)
{
    kernel_says(11, 22, 4, 110, 3, 9);
    rig_file("/proc/interrupts", "           CPU0       CPU1      CPU12\n"
                                 " 36:         50        102          7  PCI-MSIX 1-edge      virtio1-req.0\n"
                                 " 37:          0          1          0  PCI-MSIX 1-edge      eth0-rx-1\n"
                                 "LOC:        900       1250          9  Local timer interrupts\n"
                                 "RES:          9          6          7  Rescheduling interrupts\n"
                                 "ERR:          0\n");
    disturb_end(&disturb);
    cr_assert_eq(disturb_verdict(&disturb.thread[0]), DISTURB_SOME);
    cr_assert(strstr(text_of(), "  rx0       CPU 1: 2 involuntary switches, 1 voluntary switch, 1 migration, 2 major "
                                "page faults, 10 minor page faults, 253 interrupts (LOC 250, virtio1-req.0 (IRQ 36) "
                                "2, eth0-rx-1 (IRQ 37) 1), 40 ms stolen by the hypervisor\n"), "%s", text_of());
}

Test(disturb, what_the_kernel_does_not_tell_is_unknown_not_zero)
{
    rig_delete(TASK "sched");
    rig_delete("/proc/interrupts");
    disturb_end(&disturb);
    cr_assert_eq(disturb.thread[0].between.migrations, DISTURB_UNKNOWN);
    cr_assert_eq(disturb.thread[0].interrupts, DISTURB_UNKNOWN);
    cr_assert_eq(disturb_verdict(&disturb.thread[0]), DISTURB_NONE_KNOWN);
    cr_assert(strstr(text_of(), "CPU 1: undisturbed as far as is known; unknown: migrations, interrupts\n"), "%s",
              text_of());
}

Test(disturb, a_thread_that_nobody_knows_is_unknown)
{
    disturb_add(&disturb, "gone", 1, 0);
    disturb_begin(&disturb);
    disturb_end(&disturb);
    cr_assert_eq(disturb.thread[1].between.voluntary, DISTURB_UNKNOWN);
    cr_assert_eq(disturb.thread[1].interrupts, 0, "its CPU is known all the same");
}

Test(disturb, hostile_files_lead_to_unknown)
{
    static const char *const hostile[] = {
        "", "\n", ":", "voluntary_ctxt_switches", "voluntary_ctxt_switches:\t-5", "77 (", ")", "CPU", "CPU1",
        "CPU1\n:\n::",
        "           CPU1\nLOC", "           CPU1\nLOC:", "           CPU1\nLOC: x", "cpu1 ", "se.nr_migrations : x",
        "           CPU1\nAVERYVERYLONGLABELTHATISNONE: 1 2 3\n"};

    for (unsigned i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        rig_file(TASK "status", hostile[i]);
        rig_file(TASK "sched", hostile[i]);
        rig_file(TASK "stat", hostile[i]);
        rig_file("/proc/stat", hostile[i]);
        rig_file("/proc/interrupts", hostile[i]);
        disturb_end(&disturb);
        const struct disturb_counts *counts = &disturb.thread[0].between;
        cr_expect_eq(counts->voluntary, DISTURB_UNKNOWN, "%s", hostile[i]);
        cr_expect_eq(counts->involuntary, DISTURB_UNKNOWN);
        cr_expect_eq(counts->migrations, DISTURB_UNKNOWN);
        cr_expect_eq(counts->minor_faults, DISTURB_UNKNOWN);
        cr_expect_eq(counts->stolen_ms, DISTURB_UNKNOWN);
        cr_expect_neq(disturb_verdict(&disturb.thread[0]), DISTURB_NONE);
    }
}

Test(disturb, counters_that_run_backwards_are_unknown)
{
    kernel_says(1, 1, 1, 1, 0, 0);
    disturb_end(&disturb);
    cr_assert_eq(disturb.thread[0].between.voluntary, DISTURB_UNKNOWN);
    cr_assert_eq(disturb.thread[0].between.stolen_ms, DISTURB_UNKNOWN);
}

Test(disturb, more_kinds_than_are_named_are_summed_as_others)
{
    char text[4096];
    size_t len = (size_t)snprintf(text, sizeof(text), "  CPU0 CPU1 CPU12\n");

    for (unsigned i = 0; i < 40; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%3u: 0 %u 0 edge dev%u\n", 100 + i, i + 1, i);
    rig_file("/proc/interrupts", text);
    disturb_end(&disturb);
    cr_assert_eq(disturb.thread[0].interrupts, 40 * 41 / 2);
    cr_assert_eq(disturb.thread[0].kind_count, DISTURB_KINDS_MAX);
    cr_assert_eq(disturb.thread[0].kind[0].count, 40, "the most frequent first");
    cr_assert_eq(disturb.thread[0].kind[DISTURB_KINDS_MAX - 1].count, 25);
    cr_assert(strstr(text_of(), "others 300)"), "%s", text_of());
}

Test(disturb, json_has_null_for_what_is_unknown)
{
    static char text[2048];
    struct json json;
    FILE *out = fmemopen(text, sizeof(text), "w");

    rig_delete(TASK "sched");
    kernel_says(10, 21, 3, 100, 1, 5);
    rig_delete(TASK "sched");
    disturb_end(&disturb);
    json_init(&json, out);
    json_open(&json, NULL, '{');
    disturb_json(&json, &disturb);
    json_close(&json, '}');
    fclose(out);
    cr_assert(strstr(text, "\"verdict\":\"disturbed\""), "%s", text);
    cr_assert(strstr(text, "\"migrations\":null"), "%s", text);
    cr_assert(strstr(text, "\"involuntary\":1,"), "%s", text);
}

/* This kernel about this thread: what it is made to do is what is counted, at least. */
Test(disturb, this_kernel_counts_what_this_thread_does)
{
    struct disturb here;
    const struct timespec nap = {.tv_nsec = 1000};

    cr_assert_eq(disturb_open(&here, ""), 0);
    disturb_add(&here, "test", 0, (uint32_t)gettid());
    disturb_begin(&here);
    for (unsigned i = 0; i < 10; i++)
        nanosleep(&nap, NULL);
    char *pages = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(pages, MAP_FAILED);
    madvise(pages, 64 * 4096, MADV_NOHUGEPAGE);
    for (unsigned i = 0; i < 64; i++)
        ((volatile char *)pages)[i * 4096] = 1;
    disturb_end(&here);
    cr_assert_geq(here.thread[0].between.voluntary, 10);
    cr_assert_neq(here.thread[0].between.voluntary, DISTURB_UNKNOWN);
    cr_assert_geq(here.thread[0].between.minor_faults, 64);
    cr_assert_eq(disturb_verdict(&here.thread[0]), DISTURB_SOME);
    munmap(pages, 64 * 4096);
    disturb_close(&here);
}
