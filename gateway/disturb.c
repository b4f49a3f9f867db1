/* See disturb.h. */
#include "gateway/disturb.h"

#include "gateway/sysfile.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_BYTES 8192u
#define INTERRUPTS_MIN (UINT32_C(1) << 16) /* bytes of /proc/interrupts that there is room for */
#define INTERRUPTS_MAX (UINT32_C(1) << 24)
#define STAT_STEAL 7u        /* /proc/stat: columns of a cpu line, from user = 0 */
#define STAT_MINOR_FAULTS 7u /* /proc/PID/stat: fields behind the name, from state = 0 */
#define STAT_MAJOR_FAULTS 9u

/* Where row `label` of a table begins; NULL. A label stands at the beginning of a line, behind blanks. */
static const char *row_find(const char *text, const char *label)
{
    const size_t len = strlen(label);

    for (const char *line = text; *line; line = strchrnul(line, '\n'), line += *line == '\n') {
        const char *at = line + strspn(line, " \t");
        if (strncmp(at, label, len) == 0)
            return at + len;
    }
    return NULL;
}

/* The number that follows, behind blanks and a colon. */
static uint64_t number_at(const char *text)
{
    if (!text)
        return DISTURB_UNKNOWN;
    text += strspn(text, " \t:");
    return isdigit((unsigned char)*text) ? strtoull(text, NULL, 10) : DISTURB_UNKNOWN;
}

/* Column `idx` of what follows, separated by blanks. */
static uint64_t column_at(const char *text, uint32_t idx)
{
    for (uint32_t i = 0; text && i < idx; i++) {
        text += strspn(text, " \t");
        text += strcspn(text, " \t\n");
    }
    return number_at(text);
}

static uint64_t stolen_ms(const char *root, uint32_t cpu, char *text)
{
    char label[16];
    const long hz = sysconf(_SC_CLK_TCK);

    snprintf(label, sizeof(label), "cpu%u ", cpu);
    if (sysfile_read(root, text, TEXT_BYTES, "/proc/stat") < 0 || hz <= 0)
        return DISTURB_UNKNOWN;
    const uint64_t ticks = column_at(row_find(text, label), STAT_STEAL);
    return ticks == DISTURB_UNKNOWN ? ticks : ticks * 1000 / (uint64_t)hz;
}

static struct disturb_counts counts_read(const char *root, const struct disturb_thread *thread)
{
    struct disturb_counts counts = {DISTURB_UNKNOWN, DISTURB_UNKNOWN, DISTURB_UNKNOWN,
                                    DISTURB_UNKNOWN, DISTURB_UNKNOWN, DISTURB_UNKNOWN};
    char text[TEXT_BYTES];

    counts.stolen_ms = stolen_ms(root, thread->cpu, text);
    if (thread->tid == 0)
        return counts;
    if (sysfile_read(root, text, sizeof(text), "/proc/self/task/%u/status", thread->tid) > 0) {
        counts.voluntary = number_at(row_find(text, "voluntary_ctxt_switches"));
        counts.involuntary = number_at(row_find(text, "nonvoluntary_ctxt_switches"));
    }
    if (sysfile_read(root, text, sizeof(text), "/proc/self/task/%u/sched", thread->tid) > 0)
        counts.migrations = number_at(row_find(text, "se.nr_migrations"));
    if (sysfile_read(root, text, sizeof(text), "/proc/self/task/%u/stat", thread->tid) > 0) {
        const char *name_end = strrchr(text, ')'); /* the name may hold anything */
        counts.minor_faults = column_at(name_end ? name_end + 1 : NULL, STAT_MINOR_FAULTS);
        counts.major_faults = column_at(name_end ? name_end + 1 : NULL, STAT_MAJOR_FAULTS);
    }
    return counts;
}

static uint64_t since(uint64_t begin, uint64_t end)
{
    return begin == DISTURB_UNKNOWN || end == DISTURB_UNKNOWN || end < begin ? DISTURB_UNKNOWN : end - begin;
}

/* --- interrupts: a row for each kind, a column for each CPU that is online */

/* Which column is that of `cpu`, by the heading; UINT32_MAX. */
static uint32_t column_of_cpu(const char *text, uint32_t cpu)
{
    const char *end = strchrnul(text, '\n');
    uint32_t column = 0;

    for (const char *at = text; at < end; column++) {
        at += strspn(at, " \t");
        if (strncmp(at, "CPU", 3) != 0)
            break;
        char *after;
        if (isdigit((unsigned char)at[3]) && strtoul(at + 3, &after, 10) == cpu)
            return column;
        at += strcspn(at, " \t\n");
    }
    return UINT32_MAX;
}

/* "LOC" for a kind of the kernel's own, "eth0-rx-1 (IRQ 41)" for a device's: the last word of its row. */
static void kind_name(const char *label, size_t label_len, const char *row, char ret_name[32])
{
    const char *end = strchrnul(row, '\n'), *word = end;

    if (!isdigit((unsigned char)label[0])) {
        snprintf(ret_name, 32, "%.*s", (int)(label_len < 31 ? label_len : 31), label);
        return;
    }
    while (word > row && !isblank((unsigned char)word[-1]))
        word--;
    snprintf(ret_name, 32, "%.*s (IRQ %.*s)", (int)(end - word < 16 ? end - word : 16), word,
             (int)(label_len < 6 ? label_len : 6), label);
    for (char *c = ret_name; *c; c++)
        if (!isprint((unsigned char)*c))
            *c = '?';
}

static void kind_add(struct disturb_thread *thread, const char *name, uint64_t count)
{
    uint32_t at = thread->kind_count;

    thread->interrupts += count;
    while (at > 0 && thread->kind[at - 1].count < count)
        at--;
    if (at == DISTURB_KINDS_MAX)
        return;
    const uint32_t kept = thread->kind_count < DISTURB_KINDS_MAX ? thread->kind_count : DISTURB_KINDS_MAX - 1;
    memmove(&thread->kind[at + 1], &thread->kind[at], (kept - at) * sizeof(thread->kind[0]));
    snprintf(thread->kind[at].name, sizeof(thread->kind[at].name), "%s", name);
    thread->kind[at].count = count;
    thread->kind_count = kept + 1;
}

static void interrupts_count(const struct disturb *disturb, struct disturb_thread *thread)
{
    const uint32_t column = column_of_cpu(disturb->after, thread->cpu);

    thread->interrupts = thread->kind_count = 0;
    if (column == UINT32_MAX || column_of_cpu(disturb->before, thread->cpu) != column) {
        thread->interrupts = DISTURB_UNKNOWN;
        return;
    }
    for (const char *line = strchrnul(disturb->after, '\n'); *line; line = strchrnul(line, '\n')) {
        char label[16], name[32];
        line++;
        const char *at = line + strspn(line, " \t");
        const size_t len = strcspn(at, ": \t\n");
        if (at[len] != ':' || len == 0 || len + 2 > sizeof(label))
            continue;
        memcpy(label, at, len + 1);
        label[len + 1] = '\0';
        const uint64_t now = column_at(at + len + 1, column);
        const char *row = row_find(disturb->before, label);
        const uint64_t then = row ? column_at(row, column) : 0; /* a new kind began at none */
        const uint64_t count = since(then, now);
        if (count == 0 || count == DISTURB_UNKNOWN)
            continue;
        kind_name(at, len, at + len + 1, name);
        kind_add(thread, name, count);
    }
}

/* --- life cycle */

int disturb_open(struct disturb *disturb, const char *root)
{
    long len;

    *disturb = (struct disturb){.root = root};
    /* A row has eleven letters for each CPU: how long the text is, and some to spare for what is added meanwhile. */
    for (disturb->text_max = INTERRUPTS_MIN; disturb->text_max < INTERRUPTS_MAX; disturb->text_max *= 2) {
        free(disturb->before);
        disturb->before = malloc(disturb->text_max);
        if (!disturb->before)
            return -ENOMEM;
        len = sysfile_read(root, disturb->before, disturb->text_max, "/proc/interrupts");
        if (len < (long)(disturb->text_max - disturb->text_max / 4))
            break;
    }
    disturb->after = malloc(disturb->text_max);
    if (!disturb->after)
        return -ENOMEM;
    disturb->before[0] = disturb->after[0] = '\0';
    return 0;
}

void disturb_close(struct disturb *disturb)
{
    free(disturb->before);
    free(disturb->after);
    *disturb = (struct disturb){0};
}

void disturb_add(struct disturb *disturb, const char *name, uint32_t cpu, uint32_t tid)
{
    if (disturb->count < DISTURB_THREADS_MAX)
        disturb->thread[disturb->count++] = (struct disturb_thread){.name = name, .cpu = cpu, .tid = tid};
}

void disturb_begin(struct disturb *disturb)
{
    sysfile_read(disturb->root, disturb->before, disturb->text_max, "/proc/interrupts");
    for (uint32_t i = 0; i < disturb->count; i++)
        disturb->thread[i].begin = counts_read(disturb->root, &disturb->thread[i]);
}

void disturb_end(struct disturb *disturb)
{
    sysfile_read(disturb->root, disturb->after, disturb->text_max, "/proc/interrupts");
    for (uint32_t i = 0; i < disturb->count; i++) {
        struct disturb_thread *thread = &disturb->thread[i];
        const struct disturb_counts begin = thread->begin, end = counts_read(disturb->root, thread);
        thread->between = (struct disturb_counts){.voluntary = since(begin.voluntary, end.voluntary),
                                                  .involuntary = since(begin.involuntary, end.involuntary),
                                                  .migrations = since(begin.migrations, end.migrations),
                                                  .minor_faults = since(begin.minor_faults, end.minor_faults),
                                                  .major_faults = since(begin.major_faults, end.major_faults),
                                                  .stolen_ms = since(begin.stolen_ms, end.stolen_ms)};
        interrupts_count(disturb, thread);
    }
    disturb->ended = true;
}

/* --- what is said of it */

#define ROWS 7u
struct row { const char *key, *one, *many; uint64_t count; };

static void rows_of(const struct disturb_thread *thread, struct row ret_rows[ROWS])
{
    const struct disturb_counts *counts = &thread->between;
    const struct row rows[ROWS] = {
        {"involuntary", "involuntary switch", "involuntary switches", counts->involuntary},
        {"voluntary", "voluntary switch", "voluntary switches", counts->voluntary},
        {"migrations", "migration", "migrations", counts->migrations},
        {"major_faults", "major page fault", "major page faults", counts->major_faults},
        {"minor_faults", "minor page fault", "minor page faults", counts->minor_faults},
        {"interrupts", "interrupt", "interrupts", thread->interrupts},
        {"stolen_ms", "ms stolen by the hypervisor", "ms stolen by the hypervisor", counts->stolen_ms},
    };
    memcpy(ret_rows, rows, sizeof(rows));
}

enum disturb_verdict disturb_verdict(const struct disturb_thread *thread)
{
    enum disturb_verdict verdict = DISTURB_NONE;
    struct row rows[ROWS];

    rows_of(thread, rows);
    for (uint32_t i = 0; i < ROWS; i++) {
        if (rows[i].count != 0 && rows[i].count != DISTURB_UNKNOWN)
            return DISTURB_SOME;
        if (rows[i].count == DISTURB_UNKNOWN)
            verdict = DISTURB_NONE_KNOWN;
    }
    return verdict;
}

static void kinds_text(const struct disturb_thread *thread, FILE *out)
{
    const char *separator = " (";
    uint64_t shown = 0;

    for (uint32_t i = 0; i < thread->kind_count; i++) {
        fprintf(out, "%s%s %" PRIu64, separator, thread->kind[i].name, thread->kind[i].count);
        shown += thread->kind[i].count;
        separator = ", ";
    }
    if (shown < thread->interrupts)
        fprintf(out, "%sothers %" PRIu64, separator, thread->interrupts - shown);
    if (separator[0] == ',' || shown < thread->interrupts)
        fputc(')', out);
}

static void thread_text(const struct disturb_thread *thread, FILE *out)
{
    static const char *const verdicts[] = {
        [DISTURB_NONE] = "undisturbed", [DISTURB_NONE_KNOWN] = "undisturbed as far as is known", [DISTURB_SOME] = ""};
    const enum disturb_verdict verdict = disturb_verdict(thread);
    const char *separator = "";
    struct row rows[ROWS];

    fprintf(out, "  %-9s CPU %u: %s", thread->name, thread->cpu, verdicts[verdict]);
    rows_of(thread, rows);
    for (uint32_t i = 0; i < ROWS; i++) {
        if (rows[i].count == 0 || rows[i].count == DISTURB_UNKNOWN)
            continue;
        fprintf(out, "%s%" PRIu64 " %s", separator, rows[i].count, rows[i].count == 1 ? rows[i].one : rows[i].many);
        if (strcmp(rows[i].key, "interrupts") == 0)
            kinds_text(thread, out);
        separator = ", ";
    }
    separator = "; unknown: ";
    for (uint32_t i = 0; i < ROWS; i++)
        if (rows[i].count == DISTURB_UNKNOWN) {
            fprintf(out, "%s%s", separator, rows[i].many);
            separator = ", ";
        }
    fputc('\n', out);
}

void disturb_text(const struct disturb *disturb, FILE *out)
{
    if (!disturb->ended || disturb->count == 0)
        return;
    fprintf(out, "\nwhat disturbed the hot lcores, from armed to the end, as the kernel counted it\n");
    for (uint32_t i = 0; i < disturb->count; i++)
        thread_text(&disturb->thread[i], out);
}

void disturb_json(struct json *json, const struct disturb *disturb)
{
    static const char *const verdicts[] = {
        [DISTURB_NONE] = "undisturbed", [DISTURB_NONE_KNOWN] = "undisturbed-as-known", [DISTURB_SOME] = "disturbed"};
    struct row rows[ROWS];

    json_open(json, "disturbances", '[');
    for (uint32_t i = 0; disturb->ended && i < disturb->count; i++) {
        const struct disturb_thread *thread = &disturb->thread[i];
        json_open(json, NULL, '{');
        json_text(json, "name", thread->name);
        json_u64(json, "cpu", thread->cpu);
        json_text(json, "verdict", verdicts[disturb_verdict(thread)]);
        rows_of(thread, rows);
        for (uint32_t j = 0; j < ROWS; j++)
            if (rows[j].count == DISTURB_UNKNOWN)
                json_null(json, rows[j].key);
            else
                json_u64(json, rows[j].key, rows[j].count);
        json_open(json, "kinds", '{');
        for (uint32_t j = 0; j < thread->kind_count; j++)
            json_u64(json, thread->kind[j].name, thread->kind[j].count);
        json_close(json, '}');
        json_close(json, '}');
    }
    json_close(json, ']');
}
