/* send_log between two real threads. The owner sends numbered messages, some of them not, and pauses between
 * reservation and mark now and then; the control thread takes slots in order, takes over those that it finds reserved
 * for long, and moves the limit. Every message is seen once, in order, with its own bytes; the owner never sends beyond
 * the limit that the control thread allowed, nor anything behind a message that TCP had to send.
 *
 * Bounded by the number of messages; a thread that hangs ends the program through an alarm. Exit 0 or 1.
 *
 *   race_send_log [messages] */
#include "ring/send_log.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define HANG_S 100u
#define WINDOW 4096u
#define PATIENCE 200u /* looks at a reserved slot before it is taken over */

static struct send_log send_log;
static uint64_t message_count = 2000000;
static uint32_t acknowledged;   /* control thread's; the limit is this plus the window */

static uint32_t dice(uint64_t *state, uint32_t bound)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % bound;
}

static uint32_t message_make(uint64_t number, uint8_t ret_bytes[SEND_LOG_BYTES])
{
    const uint32_t len = 8 + (uint32_t)(number * 7 % (SEND_LOG_BYTES - 8));

    memset(ret_bytes, (int)(number % 251), len);
    memcpy(ret_bytes, &number, sizeof(number));
    return len;
}

static void *own(void *unused)
{
    uint64_t state = 9;
    uint8_t bytes[SEND_LOG_BYTES];

    (void)unused;
    send_log_begin(&send_log, 1, 0);
    for (uint64_t number = 0; number < message_count; number++) {
        const uint32_t len = message_make(number, bytes);
        uint32_t ack;
        while (!send_log_room(&send_log))
            sched_yield();
        const bool slow = dice(&state, 100) == 0;
        while (!slow && !send_log_may(&send_log, len, &ack))
            sched_yield();
        struct send_log_slot *slot = send_log_reserve_copy(&send_log, bytes, len);
        if (dice(&state, 5000) == 0)
            usleep(300);
        send_log_mark(&send_log, slot, !slow);
    }
    return NULL;
}

static int wrong(const char *what, uint64_t number)
{
    printf("message %llu: %s\n", (unsigned long long)number, what);
    return 1;
}

int main(int argc, char **argv)
{
    uint64_t taken_over = 0, slow = 0, number = 0;
    uint32_t seq = 0, looks = 0;
    uint8_t bytes[SEND_LOG_BYTES];
    pthread_t owner;

    if (argc > 1)
        message_count = strtoull(argv[1], NULL, 10);
    signal(SIGALRM, SIG_DFL);
    alarm(HANG_S);
    send_log_init(&send_log);
    pthread_create(&owner, NULL, own, NULL);
    send_log_limit(&send_log, 0, WINDOW);
    while (number < message_count) {
        enum send_log_state state;
        const struct send_log_slot *slot = send_log_peek(&send_log, 0, &state);
        if (!slot || (state == SEND_LOG_RESERVED && looks++ < PATIENCE)) {
            sched_yield();
            continue;
        }
        looks = 0;
        const uint32_t len = message_make(number, bytes);
        if (slot->seq != seq || slot->len != len || slot->epoch != 1)
            return wrong("another one came", number);
        if (memcmp(slot->bytes, bytes, len) != 0)
            return wrong("its bytes are not its own", number);
        seq += len;
        if (state == SEND_LOG_SENT && (int32_t)(acknowledged + WINDOW - seq) < 0)
            return wrong("sent beyond the limit", number);
        taken_over += state == SEND_LOG_RESERVED;
        slow += state == SEND_LOG_NOT_SENT;
        acknowledged = seq;
        send_log_taken(&send_log, 1, 0, acknowledged + WINDOW);
        number++;
    }
    pthread_join(owner, NULL);
    printf("%llu messages, %llu taken over, %llu slow\n", (unsigned long long)number, (unsigned long long)taken_over,
           (unsigned long long)slow);
    return slow > 0 ? 0 : wrong("no message took the slow path: nothing was shown", number);
}
