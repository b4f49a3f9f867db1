/* The loader of a replay: captures, merged by time, into the frame sources of the rx lcores. Control thread; a step
 * at a time, so that signals and records are served between. */
#ifndef GATEWAY_LOADER_H
#define GATEWAY_LOADER_H

#include "gateway/capture/capture.h"
#include "gateway/topology.h"

struct loader {
    struct capture *capture[CAPTURE_MERGE_MAX];
    const char *path[CAPTURE_MERGE_MAX];
    uint32_t capture_count;
    struct capture_merge merge;
    struct capture_frame frame;  /* read, not yet added */
    bool frame_pending;
    bool ended;                  /* everything is with the sources */
    uint32_t finished_count;     /* sources that know it */
    uint64_t frame_count;
    uint64_t first_ts_ns, last_ts_ns;
};

/* Open the captures. 0, or -EINVAL and one sentence. BinaryFILE captures are wrapped for the first line of the first
 * feed. */
int loader_open(struct loader *loader, const struct config *config, char *const *paths, uint32_t path_count,
                char ret_error[CAPTURE_ERROR_MAX]);
/* Load until no block is free, at most `frame_max` frames. True: something was loaded. */
bool loader_step(struct loader *loader, struct topology *topology, uint32_t frame_max);
/* Say on stderr which captures were damaged; how many. */
uint32_t loader_complain(const struct loader *loader);
void loader_close(struct loader *loader);

#endif
