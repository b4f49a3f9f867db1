/* sysfile: files that are there, that are not, and that hold what nobody would expect; lists of CPUs. */
#include "gateway/sysfile.h"

#include "tests/unit/sysfile_rig.h"

#include <errno.h>

TestSuite(sysfile, .init = rig_open, .fini = rig_close, .timeout = 60);

Test(sysfile, a_file_is_read_whole_or_as_far_as_there_is_room)
{
    char text[8];

    rig_file("/proc/x/y", "0123456789");
    cr_assert_eq(sysfile_read(rig_root, text, sizeof(text), "/proc/%s/y", "x"), 7);
    cr_assert_str_eq(text, "0123456");
    rig_file("/proc/x/y", "01\n");
    cr_assert_eq(sysfile_read(rig_root, text, sizeof(text), "/proc/x/y"), 3);
    cr_assert_str_eq(text, "01\n");
}

Test(sysfile, what_is_not_there_is_an_error_and_an_empty_text)
{
    char text[8] = "before";
    uint64_t value = 7;

    cr_assert_eq(sysfile_read(rig_root, text, sizeof(text), "/none"), -ENOENT);
    cr_assert_str_eq(text, "");
    cr_assert_not(sysfile_line(rig_root, text, sizeof(text), "/none"));
    cr_assert_not(sysfile_u64(rig_root, &value, "/none"));
    cr_assert_eq(value, 7);
    cr_assert_not(sysfile_exists(rig_root, "/none"));
    cr_assert(sysfile_exists(rig_root, "/"));
    rig_file("/sys/dir/file", "1");
    cr_assert_not(sysfile_u64(rig_root, &value, "/sys/dir"), "a directory is no number");
    cr_assert_eq(sysfile_read(rig_root, text, sizeof(text), "/%0600d", 1), -ENAMETOOLONG);
}

Test(sysfile, a_line_has_no_blanks_at_its_ends_and_nothing_that_a_terminal_obeys)
{
    char text[32];

    rig_file("/a", " \t perfor\x1b[31m mance \t\nsecond");
    cr_assert(sysfile_line(rig_root, text, sizeof(text), "/a"));
    cr_assert_str_eq(text, "perfor?[31m mance");
    rig_file("/a", "");
    cr_assert(sysfile_line(rig_root, text, sizeof(text), "/a"));
    cr_assert_str_eq(text, "");
}

Test(sysfile, a_number_begins_the_file)
{
    static const struct { const char *text; bool good; uint64_t value; } rows[] = {
        {"12\n", true, 12}, {"0", true, 0}, {"18446744073709551615", true, UINT64_MAX}, {"12 and more", true, 12},
        {"18446744073709551616", false, 0}, {"-1", false, 0}, {"", false, 0}, {"\n", false, 0}, {"x", false, 0},
        {" 1", false, 0}};

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value = 0;
        rig_file("/n", rows[i].text);
        cr_expect_eq(sysfile_u64(rig_root, &value, "/n"), rows[i].good, "'%s'", rows[i].text);
        cr_expect_eq(value, rows[i].value);
    }
}

Test(sysfile, lists_of_cpus_are_read_and_written)
{
    static const struct { const char *text, *again; uint32_t count; } rows[] = {
        {"0", "0", 1}, {"0-3,8\n", "0-3,8", 5}, {"1,0", "0-1", 2}, {"3-1", "none", 0}, {"", "none", 0},
        {"(null)\n", "none", 0}, {"4095", "4095", 1}, {"4096", "none", 0}, {"4094-99999999999", "4094-4095", 2},
        {"2-", "2", 1}, {"2,,3", "2", 1}, {"18446744073709551615", "none", 0}, {"63-64", "63-64", 2}};
    char text[64];

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sysfile_cpus cpus;
        cr_expect_eq(sysfile_cpus_parse(rows[i].text, &cpus), rows[i].count > 0, "'%s'", rows[i].text);
        cr_expect_eq(sysfile_cpus_count(&cpus), rows[i].count, "'%s'", rows[i].text);
        cr_expect_str_eq(sysfile_cpus_text(&cpus, text, sizeof(text)), rows[i].again);
    }
}

Test(sysfile, a_list_longer_than_its_text_is_cut_off_not_written_beyond)
{
    struct sysfile_cpus cpus = {0};
    char text[16];

    memset(text, 'x', sizeof(text));
    for (uint32_t cpu = 0; cpu < SYSFILE_CPUS_MAX; cpu += 2)
        sysfile_cpus_add(&cpus, cpu);
    sysfile_cpus_add(&cpus, UINT32_MAX);
    sysfile_cpus_text(&cpus, text, 12);
    cr_assert_str_eq(text, "0,2,4,6,8,1");
    cr_assert_eq(text[12], 'x');
    cr_assert_not(sysfile_cpus_has(&cpus, UINT32_MAX));
}
