/* crash: leaves orders in the book, then does what ends a process. Parameters: rest.h, and
 *
 *   how   write (to address 8), divide (by zero), abort, illegal (instruction), jump (to nowhere), deep (recursion
 *         until the stack has ended) */
#include "tests/plugin/rest.h"

#include <stdlib.h>
#include <string.h>

static const char *const ways[] = {"write", "divide", "abort", "illegal", "jump", "deep"};
enum { WRITE, DIVIDE, ABORT, ILLEGAL, JUMP, DEEP, WAYS };

/* The rest comes last, with its blocks behind it. */
struct crash { uint64_t how; struct rest rest; };

static size_t state_size(const struct strategy_setup *setup)
{
    return sizeof(struct crash) + rest_state_size(setup);
}

static int init(void *state, const struct strategy_setup *setup, char ret_error[STRATEGY_ERROR_MAX])
{
    struct crash *crash = state;

    for (uint32_t i = 0; i < setup->param_count; i++)
        for (uint64_t way = 0; way < WAYS; way++)
            if (strcmp(setup->params[i].key, "how") == 0 && strcmp(setup->params[i].value, ways[way]) == 0)
                crash->how = way;
    return rest_init(&crash->rest, setup, ret_error);
}

static uint64_t deep(volatile uint64_t *above)
{
    volatile uint64_t here[512];

    here[0] = *above + 1;
    return here[0] == UINT64_MAX ? 0 : deep(here) + here[0];
}

static void on_event(void *state, const struct md_event *event, uint64_t now_ns, struct strategy_out *out)
{
    struct crash *crash = state;
    volatile uint64_t zero = 0;

    if (!rest_event(&crash->rest, event, out))
        return;
    switch (crash->how) {
    case WRITE:
        *(volatile uint64_t *)(8 + zero) = now_ns;
        break;
    case DIVIDE:
        out->count = (uint32_t)(now_ns / zero);
        break;
    case ABORT:
        abort();
    case ILLEGAL:
        __asm__ volatile("ud2");
        break;
    case JUMP:
        ((void (*)(void))(uintptr_t)zero)();
        break;
    default:
        out->count = (uint32_t)deep(&zero);
        break;
    }
}

static void on_order(void *state, const struct order_event *event, struct strategy_out *out)
{
    struct crash *crash = state;

    (void)out;
    rest_order(&crash->rest, event);
}

static void on_lost(void *state, uint32_t channels, uint64_t lost_count)
{
    (void)state, (void)channels, (void)lost_count;
}

const struct strategy_ops tickgate_strategy = {
    STRATEGY_ABI,
    .name = "crash",
    .summary = "leaves orders in the book, then ends the process (orders, distance, after, how)",
    .state_size = state_size,
    .init = init,
    .on_event = on_event,
    .on_order = on_order,
    .on_lost = on_lost,
};
