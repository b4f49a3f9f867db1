/* The loader of a replay: captures, merged by time, into the frame sources of the rx lcores; faults, where there are
 * any, between the two. Control thread; a step at a time, so that signals and records are served between. */
#ifndef GATEWAY_LOADER_H
#define GATEWAY_LOADER_H

#include "gateway/capture/capture.h"
#include "gateway/fault.h"
#include "gateway/topology.h"

/* Faults of all lines of a config, in their order there: those of the first feed, then those of the next. */
struct loader_faults {
    bool present;
    uint64_t seed;
    uint32_t line_count;
    struct fault_line_params line[FAULT_LINES_MAX];
};

struct loader {
    struct capture *capture[CAPTURE_MERGE_MAX];
    const char *path[CAPTURE_MERGE_MAX];
    uint32_t capture_count;
    struct capture_merge merge;
    struct fault *fault;         /* NULL: none */
    uint64_t fault_seed;
    struct capture_frame next;   /* with faults: read, not yet put into them ... */
    bool next_ready;             /* ... unless the captures have ended */
    struct capture_frame frame;  /* as it will be played, not yet added */
    bool frame_pending;
    bool ended;                  /* everything is with the sources */
    uint32_t finished_count;     /* sources that know it */
    uint64_t frame_count;        /* added */
    uint64_t first_ts_ns, last_ts_ns;
};

/* The faults of the config, and on top of them `options`, each "FEED/LINE:KEY=VALUE[,KEY=VALUE ...]" with * for every
 * line. 0, or -EINVAL and one sentence. */
int loader_faults(const struct config *config, char *const *options, uint32_t option_count,
                  struct loader_faults *ret_faults, char ret_error[CAPTURE_ERROR_MAX]);

/* Open the captures. 0, or -EINVAL and one sentence. BinaryFILE captures are wrapped for the first line of the first
 * feed. */
int loader_open(struct loader *loader, const struct config *config, const struct loader_faults *faults,
                char *const *paths, uint32_t path_count, char ret_error[CAPTURE_ERROR_MAX]);
/* Load until no block is free, at most `frame_max` frames. True: something was loaded. */
bool loader_step(struct loader *loader, struct topology *topology, uint32_t frame_max);
/* Say on stderr which captures were damaged; how many. */
uint32_t loader_complain(const struct loader *loader);
void loader_close(struct loader *loader);

#endif
