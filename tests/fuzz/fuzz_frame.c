/* Fuzz target of feed/frame: the input is one frame. */
#include <string.h>

#include "feed/frame.h"
#include "ring/check.h"
#include "tests/fuzz/fuzz.h"

static enum frame_verdict check_frame(const uint8_t *frame, uint32_t len)
{
    struct frame_view view, before;
    memset(&view, 0x5a, sizeof(view));
    before = view;
    const enum frame_verdict verdict = frame_parse(frame, len, &view);
    CHECK((unsigned)verdict < FRAME_VERDICT_COUNT);
    if (verdict != FRAME_UDP) {
        CHECK(view.payload == before.payload && view.payload_len == before.payload_len);
        CHECK(view.src_ip == before.src_ip && view.dst_ip == before.dst_ip);
        CHECK(view.src_port == before.src_port && view.dst_port == before.dst_port);
        return verdict;
    }
    CHECK(view.payload >= frame + 14 + 20 + 8);
    CHECK(view.payload_len <= 65507);
    CHECK(view.payload_len <= (size_t)(frame + len - view.payload));
    fuzz_read_all(view.payload, view.payload_len);
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len > FUZZ_GUARDED_MAX)
        return 0;
    uint8_t *exact = fuzz_copy_exact(data, len);
    const enum frame_verdict verdict = check_frame(exact, (uint32_t)len);
    free(exact);
    CHECK(check_frame(fuzz_copy_guarded(data, len), (uint32_t)len) == verdict);
    return 0;
}
