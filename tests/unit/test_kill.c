/* kill: gates shut at once, nothing counts as cancelled before everybody has seen it and nothing is open anywhere,
 * arming is refused by whatever is open or unknown. In virtual time, with lcores that are told when to turn. */
#include "gateway/kill.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define MS UINT64_C(1000000)

/* Two lcores: the owner of the session, and one that only receives. */
struct rig {
    struct kill kill;
    struct kill_look look;
    struct risk risk;
    struct kill_line line;
    uint64_t turns, rx_turns;
    uint32_t calling, open, inherited;
    uint64_t now_ns;
    uint32_t rounds; /* that the owner has begun */
};

static void rig_open(struct rig *rig, bool killed)
{
    static const struct risk_limits limits = {.rate_per_s = 1};
    static const struct kill_params params = {
        .watchdog_ns = 500 * MS, .repeat_ns = 10 * MS, .confirm_ns = 1000 * MS};

    *rig = (struct rig){.look = {.session = true, .up = true}, .now_ns = 1000 * MS};
    risk_init(&rig->risk, &limits, false);
    kill_init(&rig->kill, &params, killed, rig->now_ns);
    kill_lcore_add(&rig->kill, &(struct kill_lcore){.name = "trade0",
                                                    .turn_count = &rig->turns,
                                                    .risk = &rig->risk,
                                                    .line = &rig->line,
                                                    .calling = &rig->calling,
                                                    .open_count = &rig->open,
                                                    .inherited_count = &rig->inherited,
                                                    .strategy_name = {"maker", "taker"},
                                                    .strategy_count = 2,
                                                    .owner = true});
    kill_lcore_add(&rig->kill, &(struct kill_lcore){.name = "rx0", .turn_count = &rig->rx_turns});
}

static void turn(struct rig *rig)
{
    rig->turns++;
    rig->rx_turns++;
    if (kill_lcore_turn(&rig->line) && rig->risk.killed)
        rig->rounds++;
}

/* `ms` later. */
static enum kill_want step(struct rig *rig, uint64_t ms)
{
    rig->now_ns += ms * MS;
    kill_watch(&rig->kill, rig->now_ns);
    return kill_step(&rig->kill, &rig->look, rig->now_ns);
}

static void request(struct rig *rig)
{
    kill_request(&rig->kill, KILL_COMMAND, "somebody", rig->now_ns);
}

static bool open_says(struct rig *rig, const char *what)
{
    char text[KILL_ERROR_MAX];

    return strstr(kill_open_text(&rig->kill, text), what) != NULL;
}

static bool arm_refused(struct rig *rig, const char *why)
{
    char text[KILL_ERROR_MAX] = "";
    const int error = kill_arm(&rig->kill, "somebody", text);

    return error == -EBUSY && strstr(text, why) != NULL && rig->risk.killed && rig->kill.state != KILL_ARMED;
}

/* Killed and confirmed. */
static void rig_killed(struct rig *rig)
{
    rig_open(rig, false);
    step(rig, 1);
    request(rig);
    turn(rig);
    step(rig, 1);
    cr_assert_eq(rig->kill.state, KILL_KILLED);
}

Test(kill, request_shuts_the_gates_before_it_returns)
{
    struct rig rig;

    rig_open(&rig, false);
    step(&rig, 1);
    cr_assert_eq(rig.risk.killed, 0);
    request(&rig);
    cr_assert_eq(rig.risk.killed, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLING);
    cr_assert_str_eq(rig.kill.who, "somebody");
    cr_assert_eq(rig.line.round, 1u);
}

Test(kill, is_confirmed_only_when_the_lcore_has_seen_it_and_nothing_is_open_anywhere)
{
    struct rig rig;

    rig_open(&rig, false);
    rig.open = 1;
    rig.look.open_count = 1;
    rig.look.in_flight = true;
    step(&rig, 1);
    request(&rig);
    step(&rig, 1);
    cr_assert(open_says(&rig, "lcore trade0 has not seen it"));
    turn(&rig);
    cr_assert_eq(rig.rounds, 1u);
    step(&rig, 1);
    cr_assert(open_says(&rig, "1 open on lcore trade0"));
    rig.open = 0;
    rig.inherited = 1;
    step(&rig, 1);
    cr_assert(open_says(&rig, "1 open on lcore trade0"));
    rig.inherited = 0;
    step(&rig, 1);
    cr_assert(open_says(&rig, "1 open at the venue"));
    cr_assert_eq(rig.kill.state, KILL_KILLING);
    rig.look.open_count = 0;
    step(&rig, 1);
    cr_assert(open_says(&rig, "on their way"));
    cr_assert_eq(rig.kill.state, KILL_KILLING);
    rig.look.in_flight = false;
    rig.look.up = false;
    step(&rig, 1);
    cr_assert(open_says(&rig, "not up"));
    cr_assert_eq(rig.kill.state, KILL_KILLING);
    rig.look.up = true;
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLED);
    cr_assert_eq(rig.kill.confirmed_ns, 7 * MS);
}

/* What the lcore saw of the kill before says nothing of this one: between the two it may have sent. */
Test(kill, what_was_seen_of_an_earlier_kill_does_not_count)
{
    char text[KILL_ERROR_MAX];
    struct rig rig;

    rig_killed(&rig);
    cr_assert_eq(kill_arm(&rig.kill, "somebody", text), 0);
    request(&rig); /* before the lcore has made a turn */
    step(&rig, 1);
    cr_assert(open_says(&rig, "has not seen it"));
    cr_assert_eq(rig.kill.state, KILL_KILLING);
    turn(&rig);
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLED);
}

Test(kill, rounds_are_repeated_until_it_is_confirmed_and_not_after)
{
    struct rig rig;

    rig_open(&rig, false);
    rig.look.open_count = 3;
    step(&rig, 1);
    request(&rig);
    for (int i = 0; i < 50; i++) {
        turn(&rig);
        step(&rig, 1);
    }
    cr_assert_eq(rig.rounds, 5u);
    rig.look.open_count = 0;
    for (int i = 0; i < 50; i++) {
        turn(&rig);
        step(&rig, 1);
    }
    cr_assert_eq(rig.kill.state, KILL_KILLED);
    cr_assert_leq(rig.rounds, 6u);
}

Test(kill, what_is_not_confirmed_in_time_has_the_session_taken_over_again_and_again)
{
    struct rig rig;

    rig_open(&rig, false);
    rig.look.open_count = 3;
    step(&rig, 1);
    request(&rig);
    turn(&rig);
    for (int wait = 0; wait < 1000; wait++) {
        cr_assert_eq(step(&rig, 1), KILL_NOTHING);
        turn(&rig);
    }
    cr_assert_eq(step(&rig, 1), KILL_TAKE_OVER);
    cr_assert_eq(rig.kill.counters.overdue_count, 1u);
    rig.look.up = false; /* aborted: the time of a session that is down does not count */
    for (int wait = 0; wait < 3000; wait++) {
        turn(&rig);
        cr_assert_eq(step(&rig, 1), KILL_NOTHING);
    }
    rig.look.up = rig.look.taken_over = true;
    for (int wait = 0; wait < 1000; wait++) {
        turn(&rig);
        cr_assert_eq(step(&rig, 1), KILL_NOTHING);
    }
    turn(&rig);
    cr_assert_eq(step(&rig, 1), KILL_TAKE_OVER);
}

/* The owner's table may hold an order that the venue has never had: behind a login and its replay the book of record
 * says all. */
Test(kill, a_session_that_was_taken_over_asks_the_book_of_record_alone)
{
    struct rig rig;

    rig_open(&rig, false);
    rig.open = 1;
    step(&rig, 1);
    request(&rig);
    turn(&rig);
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLING);
    rig.look.taken_over = true;
    rig.look.open_count = 2;
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLING);
    rig.look.open_count = 0;
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLED);
}

Test(kill, an_owner_that_makes_no_turn_is_killed_by_the_watchdog_which_names_who_was_called)
{
    struct rig rig;

    rig_open(&rig, false);
    turn(&rig);
    step(&rig, 1);
    kill_called(&rig.calling, KILL_CALL_EVENT, 0);
    for (int wait = 0; wait < 500; wait++) {
        cr_assert_eq(rig.kill.state, KILL_ARMED);
        cr_assert_eq(step(&rig, 1), wait < 499 ? KILL_NOTHING : KILL_OWNER_LOST);
        rig.rx_turns++;
    }
    cr_assert_eq(rig.kill.state, KILL_KILLING);
    cr_assert_eq(rig.kill.cause, KILL_WATCHDOG);
    cr_assert_str_eq(rig.kill.who, "lcore trade0, strategy maker was in on_event");
    rig.look.owner_lost = true;
    rig.look.up = false;
    cr_assert_eq(step(&rig, 1), KILL_NOTHING);
    rig.look.up = rig.look.taken_over = true;
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLED);
    cr_assert(arm_refused(&rig, "restart"));
    turn(&rig); /* it goes on: too late */
    step(&rig, 1);
    cr_assert(arm_refused(&rig, "restart"));
}

Test(kill, an_lcore_that_only_receives_is_watched_too)
{
    char text[KILL_ERROR_MAX];
    struct rig rig;

    rig_open(&rig, false);
    step(&rig, 1);
    for (int wait = 0; wait < 501; wait++) {
        rig.turns++;
        kill_lcore_turn(&rig.line);
        cr_assert_eq(step(&rig, 1), KILL_NOTHING);
    }
    cr_assert_eq(rig.kill.cause, KILL_WATCHDOG);
    cr_assert_str_eq(rig.kill.who, "lcore rx0");
    turn(&rig);
    rig.rx_turns--;
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLED, "it has no orders: nobody waits for it");
    cr_assert(arm_refused(&rig, "lcore rx0 makes no turn"));
    turn(&rig);
    step(&rig, 1);
    cr_assert_eq(kill_arm(&rig.kill, "somebody", text), 0);
}

/* Killed by command while the owner hangs, before the watchdog or without one. */
Test(kill, an_owner_that_has_not_seen_a_kill_in_time_is_lost)
{
    struct rig rig;

    rig_open(&rig, false);
    rig.kill.params.watchdog_ns = 0;
    step(&rig, 1);
    request(&rig);
    for (int wait = 0; wait < 1000; wait++)
        cr_assert_eq(step(&rig, 1), KILL_NOTHING);
    cr_assert_eq(step(&rig, 1), KILL_OWNER_LOST);
}

Test(kill, arming_is_refused_while_anything_is_open_or_unknown_and_says_what)
{
    char text[KILL_ERROR_MAX];
    struct rig rig;

    rig_open(&rig, false);
    rig.look.open_count = 3;
    step(&rig, 1);
    cr_assert_eq(kill_arm(&rig.kill, "somebody", text), -EALREADY);
    request(&rig);
    cr_assert(arm_refused(&rig, "has not seen it"));
    turn(&rig);
    step(&rig, 1);
    cr_assert(arm_refused(&rig, "3 open at the venue"));
    rig.look.open_count = 0;
    cr_assert(arm_refused(&rig, "3 open at the venue"), "the newest look is what counts");
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLED);
    rig.look.up = false;
    step(&rig, 1);
    cr_assert(arm_refused(&rig, "not up"));
    rig.look.up = true;
    rig.look.full_count = 2;
    step(&rig, 1);
    cr_assert(arm_refused(&rig, "2 orders found no room"));
    rig.look.full_count = 0;
    rig.risk.lost = 1;
    step(&rig, 1);
    cr_assert(arm_refused(&rig, "lcore trade0 is beyond a loss limit"));
    rig.risk.lost = 0;
    cr_assert_eq(rig.kill.counters.arm_refused_count, 6u);
    cr_assert_eq(kill_arm(&rig.kill, "somebody", text), 0);
    cr_assert_eq(rig.risk.killed, 0);
    cr_assert_eq(rig.kill.state, KILL_ARMED);
    cr_assert(kill_lcore_turn(&rig.line), "the lcore hears of it: its sweep ends");
}

Test(kill, something_open_after_the_confirmation_is_cancelled_too)
{
    struct rig rig;

    rig_killed(&rig);
    const uint32_t rounds = rig.rounds;
    rig.look.up = false;
    rig.look.open_count = 1; /* of a replay that is not over */
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLED);
    rig.look.up = true;
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLING);
    cr_assert_eq(rig.kill.counters.reopened_count, 1u);
    turn(&rig);
    cr_assert_eq(rig.rounds, rounds + 1);
    cr_assert(arm_refused(&rig, "1 open at the venue"));
    rig.look.open_count = 0;
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLED);
}

Test(kill, how_long_it_took_is_of_the_newest_kill_alone)
{
    char text[KILL_ERROR_MAX];
    struct rig rig;

    rig_killed(&rig);
    cr_assert_eq(rig.kill.confirmed_ns, MS);
    cr_assert_eq(kill_arm(&rig.kill, "somebody", text), 0);
    cr_assert_eq(rig.kill.counters.arm_count, 1u);
    step(&rig, 500);
    turn(&rig);
    request(&rig);
    cr_assert_eq(rig.kill.confirmed_ns, 0u, "nobody knows yet");
    turn(&rig);
    step(&rig, 3);
    cr_assert_eq(rig.kill.confirmed_ns, 3 * MS);
    rig.look.open_count = 1;
    step(&rig, 400);
    cr_assert_eq(rig.kill.state, KILL_KILLING);
    turn(&rig);
    rig.look.open_count = 0;
    step(&rig, 2);
    cr_assert_eq(rig.kill.confirmed_ns, 2 * MS, "from when something was open after all");
}

Test(kill, all_that_stands_against_arming_is_said_at_once)
{
    char text[KILL_ERROR_MAX];
    struct rig rig;

    rig_open(&rig, false);
    step(&rig, 1);
    request(&rig);
    turn(&rig);
    rig.open = 2;
    rig.inherited = 1;
    rig.look.open_count = 4;
    rig.look.in_flight = true;
    rig.look.full_count = 5;
    step(&rig, 1);
    cr_assert_str_eq(kill_open_text(&rig.kill, text),
                     "3 open on lcore trade0; 4 open at the venue; orders are on their way; "
                     "5 orders found no room in the book of record");
    rig.look.owner_lost = true;
    rig.look.up = false;
    rig.look.full_count = 0;
    step(&rig, 1);
    cr_assert_str_eq(kill_open_text(&rig.kill, text),
                     "lcore trade0 makes no turn; 4 open at the venue; "
                     "the order session is not up, so what is open is not known");
}

Test(kill, an_answer_that_could_not_be_read_kills_and_is_never_armed_again)
{
    struct rig rig;

    rig_open(&rig, false);
    rig.look.unreadable_count = 1;
    step(&rig, 1);
    cr_assert_eq(rig.kill.cause, KILL_UNDECODABLE);
    cr_assert_eq(rig.risk.killed, 1);
    step(&rig, 1);
    cr_assert_eq(rig.kill.counters.cause[KILL_UNDECODABLE], 1u, "one answer, one request");
    turn(&rig);
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLED);
    cr_assert(arm_refused(&rig, "1 answers of the venue could not be read"));
}

Test(kill, a_loss_limit_kills_and_names_its_lcore)
{
    struct rig rig;

    rig_open(&rig, false);
    rig.risk.lost = 1;
    step(&rig, 1);
    cr_assert_eq(rig.kill.cause, KILL_LOSS_LIMIT);
    cr_assert_str_eq(rig.kill.who, "lcore trade0");
    cr_assert_eq(rig.risk.killed, 1);
}

Test(kill, the_first_cause_stands_and_later_ones_are_counted)
{
    struct rig rig;

    rig_killed(&rig);
    kill_request(&rig.kill, KILL_SIGNAL, "SIGUSR1", rig.now_ns);
    cr_assert_eq(rig.kill.cause, KILL_COMMAND);
    cr_assert_eq(rig.kill.counters.cause[KILL_SIGNAL], 1u);
    cr_assert_eq(rig.kill.counters.kill_count, 1u);
    cr_assert_eq(rig.kill.state, KILL_KILLED);
}

Test(kill, by_config_it_starts_killed_and_waits_for_the_venues_word)
{
    char text[KILL_ERROR_MAX];
    struct rig rig;

    rig_open(&rig, true);
    cr_assert_eq(rig.risk.killed, 1);
    cr_assert(rig.kill.cause == KILL_CONFIG && strcmp(rig.kill.who, "risk.kill") == 0);
    rig.look.up = false;
    turn(&rig);
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLING);
    cr_assert(arm_refused(&rig, "not up"));
    rig.look.up = true;
    rig.look.open_count = rig.inherited = 1; /* of an earlier life */
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLING);
    rig.look.open_count = rig.inherited = 0;
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLED);
    cr_assert_eq(kill_arm(&rig.kill, "somebody", text), 0);
}

/* udp, replay: only the lcores' tables say what is open, and nobody has a session to take over. */
Test(kill, without_a_session_the_lcores_tables_decide)
{
    struct rig rig;

    rig_open(&rig, false);
    rig.look = (struct kill_look){.session = false};
    rig.open = 2;
    step(&rig, 1);
    request(&rig);
    turn(&rig);
    for (int wait = 0; wait < 1500; wait++) {
        turn(&rig);
        cr_assert_eq(step(&rig, 1), KILL_NOTHING);
    }
    cr_assert_eq(rig.kill.counters.overdue_count, 1u);
    cr_assert(arm_refused(&rig, "2 open on lcore trade0"));
    rig.open = 0;
    step(&rig, 1);
    cr_assert_eq(rig.kill.state, KILL_KILLED);
}

Test(kill, nobody_is_watched_without_a_watchdog)
{
    struct rig rig;

    rig_open(&rig, false);
    rig.kill.params.watchdog_ns = 0;
    for (int wait = 0; wait < 100; wait++)
        step(&rig, 1000);
    cr_assert_eq(rig.kill.state, KILL_ARMED);
}

Test(kill, calling_text_names_the_strategy_and_survives_nonsense)
{
    static const char *const names[] = {"maker"};
    char text[KILL_WHO_MAX], longest[KILL_WHO_MAX * 2];
    const char *const long_names[] = {longest};
    static const char nobody[] = "no strategy was being called";

    cr_assert_str_eq(kill_calling_text(kill_calling(KILL_CALL_ORDER, 0), names, 1, text),
                     "strategy maker was in on_order");
    cr_assert_str_eq(kill_calling_text(kill_calling(KILL_CALL_LOST, 0), names, 1, text),
                     "strategy maker was in on_lost");
    cr_assert_str_eq(kill_calling_text(0, names, 1, text), nobody);
    cr_assert_str_eq(kill_calling_text(kill_calling(KILL_CALL_EVENT, 1), names, 1, text), nobody);
    cr_assert_str_eq(kill_calling_text(UINT32_MAX, names, 1, text), nobody);
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    cr_assert_eq(strlen(kill_calling_text(kill_calling(KILL_CALL_EVENT, 0), long_names, 1, text)), KILL_WHO_MAX - 1);
}

Test(kill, names_are_told_apart)
{
    for (int i = 0; i < KILL_CAUSE_COUNT; i++)
        for (int j = 0; j < i; j++)
            cr_assert_str_neq(kill_cause_name((enum kill_cause)i), kill_cause_name((enum kill_cause)j));
    cr_assert_str_eq(kill_cause_name(KILL_CAUSE_COUNT), "unknown");
    cr_assert_str_eq(kill_state_name(KILL_STATE_COUNT), "unknown");
}
