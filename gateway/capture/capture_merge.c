/* Several captures as one, by time. Contract in capture.h.
 *
 * Called by replay's loader and `tickgate inspect`. Holds one frame of each capture, so the order within a capture is
 * never changed: a frame that is older than its predecessor follows it at once. */
#include "gateway/capture/capture.h"

#include <string.h>

#include "ring/check.h"

void capture_merge_init(struct capture_merge *merge, struct capture *const *captures, uint32_t count)
{
    CHECK(count <= CAPTURE_MERGE_MAX);
    memset(merge, 0, sizeof(*merge));
    for (uint32_t i = 0; i < count; i++)
        merge->capture[i] = captures[i];
    merge->count = count;
    merge->last = count;
}

/* A frame's bytes live until the next call on its capture: so a capture is asked again only once its frame was used. */
static void refill(struct capture_merge *merge, uint32_t i)
{
    if (merge->ready[i] || merge->ended[i])
        return;
    const enum capture_status status = capture_next(merge->capture[i], &merge->frame[i]);
    merge->ready[i] = status == CAPTURE_FRAME;
    merge->ended[i] = status != CAPTURE_FRAME;
    merge->broken_count += status == CAPTURE_BROKEN;
}

enum capture_status capture_merge_next(struct capture_merge *merge, struct capture_frame *ret_frame)
{
    uint32_t oldest = merge->count;
    for (uint32_t i = 0; i < merge->count; i++) {
        refill(merge, i);
        if (merge->ready[i] && (oldest == merge->count || merge->frame[i].ts_ns < merge->frame[oldest].ts_ns))
            oldest = i;
    }
    merge->last = oldest;
    if (oldest == merge->count)
        return CAPTURE_END;
    merge->ready[oldest] = false;
    *ret_frame = merge->frame[oldest];
    return CAPTURE_FRAME;
}
