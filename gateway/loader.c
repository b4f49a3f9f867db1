/* See loader.h. */
#include "gateway/loader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int loader_open(struct loader *loader, const struct config *config, char *const *paths, uint32_t path_count,
                char ret_error[CAPTURE_ERROR_MAX])
{
    const struct config_feed *feed = &config->feed[0];
    const struct config_line *line = &feed->line_list[0];
    const struct capture_wrap wrap = {
        .group = line->group,
        .source = line->source ? line->source : 0x0a000001,
        .udp_port = line->udp_port,
        .midnight_ns = feed->midnight_ns,
        .session = {'R', 'E', 'P', 'L', 'A', 'Y', ' ', ' ', ' ', ' '},
        .first_seq = 1,
    };

    memset(loader, 0, sizeof(*loader));
    for (uint32_t i = 0; i < path_count; i++) {
        loader->path[i] = paths[i];
        loader->capture[i] = capture_open(paths[i], &wrap, ret_error);
        if (!loader->capture[i])
            return -EINVAL;
        loader->capture_count++;
    }
    capture_merge_init(&loader->merge, loader->capture, loader->capture_count);
    return 0;
}

/* Whose frame is it? With several rx lcores, the one that has its line; what belongs to nobody goes to the first, which
 * counts it. */
static struct rx *route(const struct topology *topology, const struct capture_frame *frame)
{
    struct frame_view view;

    if (topology->rx_count == 1 || frame_parse(frame->data, frame->len, &view) != FRAME_UDP)
        return topology->rx[0];
    for (uint32_t i = 0; i < topology->config->feed_count; i++)
        for (uint32_t j = 0; j < topology->config->feed[i].line_count; j++) {
            const struct config_line *line = &topology->config->feed[i].line_list[j];
            if (line->group == view.dst_ip && line->udp_port == view.dst_port)
                return topology->channel_rx[i];
        }
    return topology->rx[0];
}

bool loader_step(struct loader *loader, struct topology *topology, uint32_t frame_max)
{
    uint32_t count = 0;

    while (!loader->ended && count < frame_max) {
        if (!loader->frame_pending && capture_merge_next(&loader->merge, &loader->frame) == CAPTURE_END) {
            loader->ended = true;
            break;
        }
        loader->frame_pending = true;
        if (!replay_source_add(route(topology, &loader->frame)->replay, &loader->frame))
            return count > 0; /* no block is free: the rx lcore gives one back when it has played it */
        loader->frame_pending = false;
        if (loader->frame_count == 0)
            loader->first_ts_ns = loader->frame.ts_ns;
        loader->last_ts_ns = loader->frame.ts_ns;
        loader->frame_count++;
        count++;
    }
    while (loader->ended && loader->finished_count < topology->rx_count) {
        if (!replay_source_finish(topology->rx[loader->finished_count]->replay))
            break;
        loader->finished_count++;
        count++;
    }
    return count > 0;
}

uint32_t loader_complain(const struct loader *loader)
{
    uint32_t damaged = 0;

    for (uint32_t i = 0; i < loader->capture_count; i++) {
        const char *error = capture_error(loader->capture[i]);
        if (!error || !error[0])
            continue;
        fprintf(stderr, "tickgate: %s: %s\n", loader->path[i], error);
        damaged++;
    }
    return damaged;
}

void loader_close(struct loader *loader)
{
    for (uint32_t i = 0; i < loader->capture_count; i++)
        capture_close(loader->capture[i]);
    loader->capture_count = 0;
}
