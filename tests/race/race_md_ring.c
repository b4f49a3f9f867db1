/* md_ring between real threads: one producer, one to three readers. Every word of an event follows from its sequence,
 * so that a reader checks each value it gets, the order, and that what it received and what it was told it lost add up
 * to what was published, exactly.
 *
 * Small rings are overrun all the time, which is where a torn copy would show; a throttled case shows that md_ring_room
 * keeps its word. Bounded by the number of events; a reader that hangs ends the program through an alarm. Exit 0 or 1.
 *
 *   race_md_ring [events per case] */
#include "ring/md_ring.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define READERS_MAX 3u
#define SLOTS_MAX 65536u
#define HANG_S 100u

enum pace {
    PACE_FLOOD,    /* as fast as it goes: readers are lapped */
    PACE_BURSTS,   /* bursts with pauses: readers reach the head, find EMPTY, and are overrun now and then */
    PACE_THROTTLE, /* never beyond md_ring_room of any reader: nothing may be lost */
};

struct race_case {
    const char *name;
    uint32_t slot_count;
    uint32_t reader_count;
    enum pace pace;
    bool late;          /* readers join while the producer runs */
    uint64_t first_seq; /* 0: so that the last event is the last sequence there is */
};

struct race_reader {
    struct md_ring_reader reader;
    pthread_t thread;
    uint64_t first_seq;
    uint64_t received_count;
    uint64_t skipped_count; /* by the sequences received, to be compared with reader.lost_count */
    uint64_t bad_count;
    char fault[160];        /* the first one */
};

static const struct race_case *current;
static struct md_ring ring;
static struct md_slot slots[SLOTS_MAX];
static struct race_reader readers[READERS_MAX];
static uint64_t event_count = 2000000;
static uint64_t end_seq;       /* one past the last event of the case */
static uint32_t started_count; /* readers that have joined; producer waits for it unless `late` */

static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static struct md_event event_of(uint64_t seq)
{
    uint64_t word[MD_EVENT_WORDS];
    struct md_event event;
    for (unsigned i = 0; i < MD_EVENT_WORDS; i++) /* laps differ in every word; cheap: the producer shall overtake */
        word[i] = (seq + i) * 0x9e3779b97f4a7c15u;
    memcpy(&event, word, sizeof(event));
    return event;
}

static void *produce(void *unused)
{
    (void)unused;
    const uint32_t wait_for = current->late ? 0 : current->reader_count;
    while (__atomic_load_n(&started_count, __ATOMIC_ACQUIRE) < wait_for)
        sched_yield();

    uint64_t burst_left = 0;
    while (ring.head != end_seq) {
        if (current->pace == PACE_THROTTLE && burst_left-- == 0) { /* all of the room is used before asking again */
            uint64_t room = UINT64_MAX;
            for (uint32_t i = 0; i < current->reader_count; i++) {
                const uint64_t here = md_ring_room(&ring, &readers[i].reader.position);
                room = here < room ? here : room;
            }
            burst_left = room;
            if (room == 0) {
                sched_yield();
                continue;
            }
            burst_left--;
        }
        if (current->pace == PACE_BURSTS && burst_left-- == 0) {
            const uint64_t dice = mix(ring.head);
            burst_left = dice % (current->slot_count + current->slot_count / 2);
            if (dice >> 60 == 0)
                sched_yield();
            for (uint64_t i = 0; i < (dice >> 32) % 2048; i++)
                ck_pr_stall();
        }
        const struct md_event event = event_of(ring.head);
        (void)md_ring_push(&ring, &event);
    }
    return NULL;
}

static void fault(struct race_reader *self, const char *what, uint64_t seq)
{
    if (self->bad_count++ == 0)
        snprintf(self->fault, sizeof(self->fault), "%s at sequence %llu (%llu after the first)", what,
                 (unsigned long long)seq, (unsigned long long)(seq - self->first_seq));
}

static void *consume(void *arg)
{
    struct race_reader *self = arg;
    struct md_ring_reader *reader = &self->reader;
    if (current->late)
        md_ring_reader_init(reader, &ring);
    self->first_seq = reader->next;
    __atomic_fetch_add(&started_count, 1, __ATOMIC_RELEASE);

    uint64_t last_seq = reader->next - 1;
    uint32_t empty_count = 0;
    while (reader->next != end_seq) {
        const uint64_t wanted_seq = reader->next;
        struct md_event event;
        switch (md_ring_pop(reader, &event)) {
        case MD_RING_EMPTY:
            if (++empty_count % 64 == 0)
                sched_yield(); /* more threads than cores */
            break;
        case MD_RING_OVERRUN:
            if (reader->next == wanted_seq || (reader->next - wanted_seq) % current->slot_count != 0)
                fault(self, "an overrun that is not whole laps", wanted_seq);
            if (reader->next - self->first_seq >= end_seq - self->first_seq)
                fault(self, "an overrun beyond the last event", wanted_seq);
            break;
        case MD_RING_EVENT: {
            const struct md_event wanted = event_of(wanted_seq);
            if (memcmp(&event, &wanted, sizeof(event)) != 0)
                fault(self, "a torn or foreign event", wanted_seq);
            if ((int64_t)(wanted_seq - last_seq) <= 0)
                fault(self, "an event twice or backwards", wanted_seq);
            if (reader->next != wanted_seq + 1)
                fault(self, "a step that is not one", wanted_seq);
            self->skipped_count += wanted_seq - last_seq - 1;
            last_seq = wanted_seq;
            self->received_count++;
            if (current->pace == PACE_FLOOD) { /* fall behind, so that the producer passes again and again */
                const uint64_t dice = mix(wanted_seq);
                for (uint64_t i = 0; dice % 8 == 0 && i < (dice >> 32) % 32; i++)
                    ck_pr_stall();
            }
            break;
        }
        }
        if (current->pace != PACE_THROTTLE || self->received_count % 16 == 0 || empty_count > 0)
            md_ring_reader_export(reader);
    }
    return NULL;
}

static bool run_case(const struct race_case *race)
{
    current = race;
    started_count = 0;
    const uint64_t first_seq = race->first_seq != 0 ? race->first_seq : UINT64_MAX - event_count;
    end_seq = first_seq + event_count;
    md_ring_init(&ring, slots, race->slot_count, first_seq);
    for (uint32_t i = 0; i < race->reader_count; i++) {
        readers[i] = (struct race_reader){.first_seq = first_seq};
        md_ring_reader_init(&readers[i].reader, &ring);
    }

    pthread_t producer;
    CHECK(pthread_create(&producer, NULL, produce, NULL) == 0);
    for (uint32_t i = 0; i < race->reader_count; i++)
        CHECK(pthread_create(&readers[i].thread, NULL, consume, &readers[i]) == 0);
    CHECK(pthread_join(producer, NULL) == 0);

    bool good = true;
    for (uint32_t i = 0; i < race->reader_count; i++) {
        struct race_reader *self = &readers[i];
        CHECK(pthread_join(self->thread, NULL) == 0);
        const uint64_t published_count = end_seq - self->first_seq;
        const uint64_t lost_count = self->reader.lost_count;
        if (self->received_count + lost_count != published_count)
            fault(self, "received + lost is not published", end_seq);
        if (self->skipped_count != lost_count)
            fault(self, "lost_count is not what was skipped", end_seq);
        if ((lost_count > 0) != (self->reader.overrun_count > 0))
            fault(self, "loss without overrun, or overrun without loss", end_seq);
        if (race->pace == PACE_THROTTLE && lost_count != 0)
            fault(self, "a throttled producer overran its reader", end_seq);
        printf("%s %-34s reader %u: %8llu received + %8llu lost in %7llu overruns = %8llu\n",
               self->bad_count == 0 ? "ok  " : "FAIL", race->name, i, (unsigned long long)self->received_count,
               (unsigned long long)lost_count, (unsigned long long)self->reader.overrun_count,
               (unsigned long long)published_count);
        if (self->bad_count > 0) {
            printf("     first of %llu faults: %s\n", (unsigned long long)self->bad_count, self->fault);
            good = false;
        }
    }
    fflush(stdout);
    return good;
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    static const char text[] = "FAIL race_md_ring: a reader never came to the end of the ring\n";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(1);
}

int main(int argc, char **argv)
{
    static const struct race_case cases[] = {
        {"flood, 64 slots", 64, 1, PACE_FLOOD, false, 1},
        {"flood, 64 slots, past 2^32", 64, 2, PACE_FLOOD, false, UINT32_MAX - 1000u},
        {"flood, 64 slots, past 2^63", 64, 3, PACE_FLOOD, false, (uint64_t)INT64_MAX - 1000u},
        {"flood, 64 slots, to the last", 64, 1, PACE_FLOOD, false, 0},
        {"flood, 128 slots, joined late", 128, 2, PACE_FLOOD, true, 1},
        {"bursts, 64 slots", 64, 1, PACE_BURSTS, false, 63},
        {"bursts, 64 slots, joined late", 64, 3, PACE_BURSTS, true, UINT32_MAX},
        {"bursts, 65536 slots", 65536, 2, PACE_BURSTS, false, 1},
        {"throttled, 64 slots", 64, 1, PACE_THROTTLE, false, (uint64_t)INT64_MAX - 1000u},
        {"throttled, 64 slots, two readers", 64, 2, PACE_THROTTLE, false, 0},
        {"throttled, 65536 slots", 65536, 3, PACE_THROTTLE, false, UINT32_MAX - 1000u},
    };
#ifdef TICKGATE_TSAN
    event_count /= 32; /* each access costs some ten times as much */
#endif
    if (argc > 1)
        event_count = strtoull(argv[1], NULL, 10);
    if (argc > 2 || event_count < 1) {
        fprintf(stderr, "usage: race_md_ring [events per case]\n");
        return 2;
    }
    signal(SIGALRM, on_alarm);
    alarm(HANG_S);

    bool good = true;
    uint64_t lost_count = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        good = run_case(&cases[i]) && good;
        for (uint32_t k = 0; k < cases[i].reader_count; k++)
            lost_count += readers[k].reader.lost_count;
    }
    if (lost_count == 0) {
        printf("FAIL no reader was ever overrun: the race did not happen\n");
        good = false;
    }
    printf("%s\n", good ? "race_md_ring: all good" : "race_md_ring: FAILED");
    return good ? 0 : 1;
}
