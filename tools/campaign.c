/* campaign: many seeded runs of tools/world, each a session with mixed faults on both lines and lossy servers; says how
 * many converged to the books of the run without faults, and how often each path ran. */
#include "tools/world.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS_DEFAULT 1000u
#define MESSAGES_DEFAULT 100000u
#define MESSAGES_LEAST 4000u
#define JOBS_MAX 64u

static const char *const help =
    "usage: tools/campaign [options]\n"
    "Runs of a feed with faults: loss of 0.1 to 20 %, duplicates, reordering, corruption, truncation, skew and\n"
    "stalls on both lines; re-request and snapshot servers that lose, break off and lie; late joins and session\n"
    "changes. Each run must end with the books of the run without faults, and no event that is not marked stale\n"
    "may carry another BBO.\n\n"
    "  --runs N       runs (default 1000)\n"
    "  --seed S       seed of the first run (default 1); run i has seed S + i\n"
    "  --messages N   messages of a run (default 100000)\n"
    "  --jobs N       processes (default: the CPUs)\n"
    "  --help         this text\n\n"
    "exit code: 0 every run converged and every path ran, 1 otherwise, 2 arguments are wrong\n";

struct options { uint64_t runs, seed, messages; uint32_t jobs; };

/* What a process sends back, once. */
struct result { struct world_counters counters; uint64_t converged_count, diverged_count; };

static uint64_t number(const char *name, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && text[0] != '-' && value >= min && value <= max)
        return value;
    fprintf(stderr, "campaign: --%s is a whole number, %" PRIu64 " ... %" PRIu64 ", not %s\n", name, min, max, text);
    exit(2);
}

static void counters_add(struct world_counters *into, const struct world_counters *from)
{
    uint64_t *to = (uint64_t *)into;
    const uint64_t *add = (const uint64_t *)from;

    for (size_t i = 0; i < sizeof(*into) / sizeof(uint64_t); i++)
        to[i] += add[i];
}

/* Runs first, first + step, ...; sentences go to stdout as they come, each one write. */
static void runs_do(const struct options *options, uint64_t first, uint64_t step, struct result *result)
{
    char sentence[WORLD_SENTENCE_MAX];

    for (uint64_t run = first; run < options->runs; run += step) {
        const struct world_params params = {.seed = options->seed + run, .messages = options->messages};
        if (world_run(&params, &result->counters, sentence)) {
            result->converged_count++;
            continue;
        }
        result->diverged_count++;
        printf("seed %" PRIu64 ": %s\n", params.seed, sentence);
        fflush(stdout);
    }
}

/* One process for each job; false: one of them did not come to its end. */
static bool jobs_run(const struct options *options, struct result *result)
{
    int fds[JOBS_MAX][2];
    pid_t pids[JOBS_MAX];
    bool good = true;

    for (uint32_t i = 0; i < options->jobs; i++) {
        if (pipe(fds[i]) != 0 || (pids[i] = fork()) < 0) {
            perror("campaign");
            exit(1);
        }
        if (pids[i] == 0) {
            struct result mine = {.converged_count = 0};
            runs_do(options, i, options->jobs, &mine);
            _exit(write(fds[i][1], &mine, sizeof(mine)) == (ssize_t)sizeof(mine) ? 0 : 1);
        }
        close(fds[i][1]);
    }
    for (uint32_t i = 0; i < options->jobs; i++) {
        struct result part;
        int status = 0;
        const bool whole = read(fds[i][0], &part, sizeof(part)) == (ssize_t)sizeof(part);
        close(fds[i][0]);
        waitpid(pids[i], &status, 0);
        if (!whole || status != 0) {
            fprintf(stderr, "campaign: process %u of %u ended before its runs did\n", i + 1, options->jobs);
            good = false;
            continue;
        }
        counters_add(&result->counters, &part.counters);
        result->converged_count += part.converged_count;
        result->diverged_count += part.diverged_count;
    }
    return good;
}

/* Every path must have run at least once: else the campaign shows less than it says. */
static bool paths_print(const struct world_counters *counters)
{
    const struct { const char *name; uint64_t count; bool needed; } paths[] = {
        {"messages", counters->message_count, false},
        {"events", counters->event_count, false},
        {"events not stale, compared", counters->fresh_event_count, true},
        {"frames lost", counters->lost_frame_count, true},
        {"frames duplicated", counters->duplicate_frame_count, true},
        {"frames reordered", counters->reordered_frame_count, true},
        {"frames corrupted", counters->corrupt_frame_count, true},
        {"frames truncated", counters->truncated_frame_count, true},
        {"frames stalled", counters->stalled_frame_count, true},
        {"times stale", counters->stale_count, true},
        {"silence", counters->silent_count, true},
        {"other line", counters->other_line_count, true},
        {"retransmission", counters->retransmission_count, true},
        {"requests", counters->request_count, false},
        {"back-off", counters->back_off_count, true},
        {"snapshot", counters->snapshot_count, true},
        {"spin restart", counters->spin_restart_count, true},
        {"overflow", counters->overflow_count, true},
        {"session change", counters->session_change_count, true},
        {"late join", counters->late_join_count, true},
    };
    bool all = true;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const bool missing = paths[i].needed && paths[i].count == 0;
        printf("%-28s %12" PRIu64 "%s\n", paths[i].name, paths[i].count, missing ? "  never ran" : "");
        all = all && !missing;
    }
    return all;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"runs", required_argument, NULL, 'r'},     {"seed", required_argument, NULL, 's'},
        {"messages", required_argument, NULL, 'm'}, {"jobs", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
    };
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct options options = {.runs = RUNS_DEFAULT,
                              .seed = 1,
                              .messages = MESSAGES_DEFAULT,
                              .jobs = cpus > 0 && cpus <= (long)JOBS_MAX ? (uint32_t)cpus : 1};
    struct result result = {.converged_count = 0};
    int option;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'r': options.runs = number("runs", optarg, 1, UINT32_MAX); break;
        case 's': options.seed = number("seed", optarg, 0, UINT64_MAX / 2); break;
        case 'm': options.messages = number("messages", optarg, MESSAGES_LEAST, UINT64_C(1) << 32); break;
        case 'j': options.jobs = (uint32_t)number("jobs", optarg, 1, JOBS_MAX); break;
        case 'h': fputs(help, stdout); return 0;
        default: return 2;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "campaign: there is no argument %s; see --help\n", argv[optind]);
        return 2;
    }
    const bool ended = jobs_run(&options, &result);
    const bool all = paths_print(&result.counters);
    printf("%" PRIu64 " runs, %" PRIu64 " converged, %" PRIu64 " diverged\n", options.runs, result.converged_count,
           result.diverged_count);
    return ended && all && result.diverged_count == 0 ? 0 : 1;
}
