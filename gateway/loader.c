/* See loader.h. */
#include "gateway/loader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FAULT_QUEUE_BYTES (64u << 20) /* some 400,000 small frames that are late at the same time */

_Static_assert(CONFIG_FAULT_PARTS == FAULT_PARTS, "shares of the config are shares of faults");
_Static_assert(CONFIG_FEEDS_MAX * CONFIG_LINES_MAX <= FAULT_LINES_MAX, "every line can have faults");

static struct fault_line_params fault_params(const struct config_fault *fault)
{
    return (struct fault_line_params){
        .loss = fault->loss,
        .duplicate = fault->duplicate,
        .reorder = fault->reorder,
        .corrupt = fault->corrupt,
        .truncate = fault->truncate,
        .skew_ns = (uint64_t)fault->skew_us * 1000,
        .jitter_ns = (uint64_t)fault->jitter_us * 1000,
        .stall_every_ns = (uint64_t)fault->stall_every_ms * 1000000,
        .stall_ns = (uint64_t)fault->stall_ms * 1000000,
        .restart_at = fault->restart_at,
    };
}

/* "FEED/LINE", "FEED/" and a star, or a star alone. */
static bool names_line(const char *text, size_t len, const char *feed, const char *line)
{
    const size_t feed_len = strlen(feed);

    if (len == 1 && text[0] == '*')
        return true;
    if (len <= feed_len + 1 || memcmp(text, feed, feed_len) != 0 || text[feed_len] != '/')
        return false;
    text += feed_len + 1;
    len -= feed_len + 1;
    return (len == 1 && text[0] == '*') || (len == strlen(line) && memcmp(text, line, len) == 0);
}

static int fault_option(const struct config *config, const char *option, struct loader_faults *faults,
                        char ret_error[CAPTURE_ERROR_MAX])
{
    const char *colon = strrchr(option, ':');
    char error[FAULT_ERROR_MAX];
    uint32_t line = 0;
    bool found = false;

    for (uint32_t i = 0; colon && i < config->feed_count; i++)
        for (uint32_t j = 0; j < config->feed[i].line_count; j++, line++) {
            if (!names_line(option, (size_t)(colon - option), config->feed[i].name, config->feed[i].line_list[j].name))
                continue;
            found = true;
            if (fault_parse(colon + 1, &faults->line[line], error) == 0)
                continue;
            snprintf(ret_error, CAPTURE_ERROR_MAX, "--fault %.128s: %s", option, error);
            return -EINVAL;
        }
    if (found)
        return 0;
    if (!colon)
        snprintf(ret_error, CAPTURE_ERROR_MAX, "--fault %.128s: not FEED/LINE:KEY=VALUE", option);
    else
        snprintf(ret_error, CAPTURE_ERROR_MAX,
                 "--fault %.128s: no line '%.*s' in %.128s; write FEED/LINE as they are named there, FEED/*, or *",
                 option, (int)(colon - option < 128 ? colon - option : 128), option, config->path);
    return -EINVAL;
}

int loader_faults(const struct config *config, char *const *options, uint32_t option_count,
                  struct loader_faults *ret_faults, char ret_error[CAPTURE_ERROR_MAX])
{
    struct loader_faults faults = {.present = config->fault_count + option_count > 0, .seed = config->fault_seed};

    for (uint32_t i = 0; i < config->feed_count; i++)
        for (uint32_t j = 0; j < config->feed[i].line_count; j++, faults.line_count++)
            for (uint32_t k = 0; k < config->fault_count; k++)
                if (config->fault_list[k].feed_idx == i && config->fault_list[k].line_idx == j)
                    faults.line[faults.line_count] = fault_params(&config->fault_list[k]);
    for (uint32_t i = 0; i < option_count; i++)
        if (fault_option(config, options[i], &faults, ret_error) != 0)
            return -EINVAL;
    *ret_faults = faults;
    return 0;
}

int loader_open(struct loader *loader, const struct config *config, const struct loader_faults *faults,
                char *const *paths, uint32_t path_count, char ret_error[CAPTURE_ERROR_MAX])
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
    if (!faults->present)
        return 0;
    loader->fault_seed = faults->seed;
    loader->fault = fault_open(faults->seed, faults->line, faults->line_count, FAULT_QUEUE_BYTES);
    if (!loader->fault) {
        snprintf(ret_error, CAPTURE_ERROR_MAX, "no memory for the faults");
        return -EINVAL;
    }
    loader->next_ready = capture_merge_next(&loader->merge, &loader->next) == CAPTURE_FRAME;
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

/* Which line has the faults of a frame, as it came from the capture. */
static uint32_t fault_line(const struct config *config, const struct capture_frame *frame)
{
    struct frame_view view;
    uint32_t fault_idx = 0;

    if (frame_parse(frame->data, frame->len, &view) != FRAME_UDP)
        return FAULT_LINE_NONE;
    for (uint32_t i = 0; i < config->feed_count; i++)
        for (uint32_t j = 0; j < config->feed[i].line_count; j++, fault_idx++) {
            const struct config_line *line = &config->feed[i].line_list[j];
            if (line->group == view.dst_ip && line->udp_port == view.dst_port)
                return fault_idx;
        }
    return FAULT_LINE_NONE;
}

/* The next frame to be played. False: there are no more. */
static bool frame_next(struct loader *loader, const struct config *config)
{
    if (!loader->fault)
        return capture_merge_next(&loader->merge, &loader->frame) == CAPTURE_FRAME;
    while (!fault_take(loader->fault, loader->next_ready ? loader->next.ts_ns : UINT64_MAX, &loader->frame)) {
        if (!loader->next_ready)
            return false;
        fault_put(loader->fault, fault_line(config, &loader->next), &loader->next);
        loader->next_ready = capture_merge_next(&loader->merge, &loader->next) == CAPTURE_FRAME;
    }
    return true;
}

bool loader_step(struct loader *loader, struct topology *topology, uint32_t frame_max)
{
    uint32_t count = 0;

    while (!loader->ended && count < frame_max) {
        if (!loader->frame_pending && !frame_next(loader, topology->config)) {
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
    fault_close(loader->fault);
    loader->fault = NULL;
}
