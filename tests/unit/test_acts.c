/* acts: a change is checked, then on disk, then in force; a kill is in force whatever becomes of the log. */
#include "gateway/acts.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char folder[] = "/tmp/tickgate-acts-XXXXXX";
static char log_path[64];
static struct config config = {.gateway.name = "lab", .admin = {.present = true, .audit_file = log_path}};
static struct topology topology = {.config = &config};
static struct strategy_lcore lcores[2];
static struct orders orders;
static struct acts acts;
static struct kill killing;
static char error[TOPOLOGY_ERROR_MAX];

/* A life of the process, gates open. */
static void live(void)
{
    acts_init(&acts);
    static const struct kill_params params = {.repeat_ns = 1000, .confirm_ns = 1000000};
    kill_init(&killing, &params, false, 1);
    for (uint32_t i = 0; i < 2; i++)
        kill_lcore_add(&killing, &(struct kill_lcore){.name = lcores[i].name,
                                                      .turn_count = &lcores[i].turn_count,
                                                      .risk = &lcores[i].risk,
                                                      .line = &lcores[i].kill,
                                                      .open_count = &lcores[i].open.count,
                                                      .inherited_count = &lcores[i].open.inherited_count});
    cr_assert_eq(acts_open(&acts, &topology, &orders, &killing, error), 0, "%s", error);
}

static void start(void)
{
    static char config_path[] = "/dev/null";
    const struct risk_limits limits = {
        .order_qty_max = 100, .order_notional_max = 1000, .collar_bps = 50, .rate_per_s = 10, .rate_burst = 5};

    cr_assert_not_null(mkdtemp(folder));
    snprintf(log_path, sizeof(log_path), "%s/audit", folder);
    config.path = config_path;
    topology.strategies_count = 2;
    for (uint32_t i = 0; i < 2; i++) {
        risk_init(&lcores[i].risk, &limits, false);
        topology.strategies[i] = &lcores[i];
    }
    lcores[0].name = "trade0";
    lcores[0].strategy_count = 2;
    lcores[0].strategy[0].name = "taker";
    lcores[0].strategy[1].name = "quoter";
    lcores[1].name = "trade1";
    lcores[1].strategy_count = 1;
    lcores[1].strategy[0].name = "probe";
    live();
}

static void end(void)
{
    acts_close(&acts, "done");
    unlink(log_path);
    rmdir(folder);
}

TestSuite(acts, .init = start, .fini = end, .timeout = 60);

static const struct admin_peer peer = {.uid = 0, .pid = 7, .who = "uid:0,pid:7"};
static char reply[ADMIN_REPLY_MAX], why[ADMIN_ERROR_MAX];

static enum admin_outcome outcome;

static bool say(const char *text)
{
    struct admin_line line;
    struct json json;

    cr_assert(admin_line_parse(text, (uint32_t)strlen(text), &line, why), "%s", why);
    memset(reply, 0, sizeof(reply));
    why[0] = '\0';
    FILE *out = fmemopen(reply, sizeof(reply), "w");
    json_init(&json, out);
    json_open(&json, NULL, '{');
    outcome = acts_do(&acts, &line, &peer, &json, why);
    json_close(&json, '}');
    fclose(out);
    return outcome == ADMIN_DONE;
}

static void done_is(const char *text, const char *wanted)
{
    cr_assert(say(text), "%s: %s", text, why);
    cr_assert_not_null(strstr(reply, wanted), "%s: %s", text, reply);
}

static void refused_is(const char *text, const char *wanted)
{
    cr_assert_not(say(text), "%s: %s", text, reply);
    cr_assert_not_null(strstr(why, wanted), "%s: %s", text, why);
}

static char logged[1 << 16];

static const char *log_text(void)
{
    FILE *file = fopen(log_path, "r");

    cr_assert_not_null(file);
    logged[fread(logged, 1, sizeof(logged) - 1, file)] = '\0';
    fclose(file);
    return logged;
}

/* The last line, without its time and hash. */
static void last_line_is(const char *who, const char *rest)
{
    char wanted[512];
    char *text = (char *)(uintptr_t)log_text();

    text[strlen(text) - 1] = '\0';
    const char *line = strrchr(text, '\n');
    snprintf(wanted, sizeof(wanted), "\"who\":\"%s\",%s,\"hash\":\"", who, rest);
    cr_assert_not_null(strstr(line, wanted), "%s", line);
}

static void take_all(void)
{
    for (uint32_t i = 0; i < 2; i++)
        risk_take(&lcores[i].risk);
}

Test(acts, a_start_writes_down_the_config_and_the_limits_of_each_scope)
{
    const char *text = log_text();

    cr_assert_not_null(strstr(text, "\"who\":\"gateway\",\"what\":\"start\",\"old\":null,\"new\":\"gateway lab, pid "));
    cr_assert_not_null(strstr(text, "config /dev/null, SHA-256 "
                                    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\""));
    const char *scopes[] = {"trade0", "taker", "quoter", "trade1", "probe"};
    for (uint32_t i = 0; i < 5; i++) {
        char what[64];
        snprintf(what, sizeof(what), "\"what\":\"limits %s\",\"old\":null,\"new\":\"order_qty_max=100 ", scopes[i]);
        cr_assert_not_null(strstr(text, what), "%s", what);
    }
    cr_assert_eq(acts.audit.seq, 6u);
}

Test(acts, a_limit_holds_from_the_next_order_on)
{
    done_is("set trade0 order_qty_max 70", "\"scope\":\"trade0\",\"limit\":\"order_qty_max\",\"old\":100,\"new\":70,"
                                           "\"by\":\"uid:0,pid:7\",\"audit_seq\":7}");
    last_line_is("uid:0,pid:7",
                 "\"what\":\"set trade0 order_qty_max\",\"old\":\"100\",\"new\":\"70\",\"result\":\"done\"");
    cr_assert_eq(lcores[0].risk.limits.order_qty_max, 100u, "the owner has made no turn");
    take_all();
    cr_assert_eq(lcores[0].risk.limits.order_qty_max, 70u);
    cr_assert_eq(lcores[0].risk.limits.collar_bps, 50u, "the others are as they were");
    cr_assert_eq(lcores[1].risk.limits.order_qty_max, 100u, "so is the other lcore");
    done_is("set trade0 collar_bps 0", "\"old\":50,\"new\":0");
    take_all();
    cr_assert_eq(lcores[0].risk.limits.order_qty_max, 70u, "a change builds on the one before");
    done_is("limits trade0", "{\"limits\":{\"trade0\":{\"kind\":\"lcore\",\"order_qty_max\":70,");
    done_is("limits", "\"probe\":{\"kind\":\"strategy\",\"order_qty_max\":100,");
}

Test(acts, a_limit_of_a_strategy_is_its_own)
{
    done_is("set quoter order_qty_max 30", "\"scope\":\"quoter\",\"limit\":\"order_qty_max\",\"old\":100,\"new\":30");
    take_all();
    done_is("limits quoter", "\"quoter\":{\"kind\":\"strategy\",\"order_qty_max\":30,");
    done_is("limits taker", "\"order_qty_max\":100,");
    cr_assert_eq(risk_shown(&lcores[0].risk, RISK_STRATEGY(1))->order_qty_max, 30u);
    cr_assert_eq(lcores[0].risk.limits.order_qty_max, 100u);
}

/* Until it has some: then they begin with what is in force, not with what the config said in the morning. */
Test(acts, a_strategy_without_limits_of_its_own_has_those_of_its_lcore)
{
    done_is("set quoter order_qty_max 30", "\"new\":30");
    take_all();
    done_is("set trade0 rate_per_s 1000", "\"old\":10,\"new\":1000");
    take_all();
    done_is("limits taker", "\"rate_per_s\":1000,");
    done_is("set taker collar_bps 40", "\"old\":50,\"new\":40");
    take_all();
    cr_assert_eq(lcores[0].risk.strategy[0].limits.rate_per_s, 1000u, "an act about a collar is about that alone");
    cr_assert_eq(lcores[0].risk.strategy[0].limits.collar_bps, 40u);
    done_is("limits quoter", "\"rate_per_s\":10,");
    done_is("limits probe", "\"rate_per_s\":10,");
}

Test(acts, a_strategy_with_an_account_has_limits_on_what_it_holds)
{
    lcores[0].market.account.shared = 1u << 1;
    refused_is("set taker position_max 10", "to which the config gives no section risk of its own");
    done_is("set quoter position_max 10", "\"limit\":\"position_max\",\"old\":0,\"new\":10");
    take_all();
    cr_assert_eq(lcores[0].risk.strategy[1].limits.position_max, 10u);
    done_is("limits quoter", "\"position_max\":10,");
    cr_assert(say("limits taker") && !strstr(reply, "position_max"));
}

Test(acts, limits_of_the_gateway_are_divided_among_its_lcores)
{
    acts_close(&acts, "done");
    config.risk.gateway.present = true;
    config.risk.gateway.position_max = 1000;
    config.risk.gateway.rate_per_s = 100;
    config.risk.gateway.rate_burst = 10;
    config.orders.carrier = CONFIG_CARRIER_UDP;
    config.gateway.mode = CONFIG_TWO_CORE;
    config.lcore_count = 2;
    config.lcore[0].role = config.lcore[1].role = CONFIG_STRATEGY;
    for (uint32_t i = 0; i < 2; i++)
        risk_limit_share(&lcores[i].risk,
                         &(struct risk_limits){.position_max = 500, .rate_per_s = 50, .rate_burst = 5});
    acts_init(&acts);
    cr_assert_eq(acts_open(&acts, &topology, &orders, &killing, error), 0, "%s", error);
    cr_assert_not_null(strstr(log_text(), "\"what\":\"limits gateway\",\"old\":null,\"new\":\"position_max=1000 "));
    done_is("set gateway position_max 701",
            "\"scope\":\"gateway\",\"limit\":\"position_max\",\"old\":1000,\"new\":701");
    refused_is("set gateway position_max 1", "position_max is divided among 2 lcores, so 1 would leave nothing");
    refused_is("set gateway order_qty_max 1", "order_qty_max is no limit of gateway 'gateway'; limits gateway lists");
    cr_assert_not(say("set gateway gross_max 0"));
    cr_assert_eq(outcome, ADMIN_LATER, "one lcore that has not taken it is enough");
    risk_take(&lcores[0].risk);
    cr_assert_not(say("set gateway gross_max 0"));
    cr_assert_eq(outcome, ADMIN_LATER);
    take_all();
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(lcores[i].risk.share.position_max, 350u, "rounded down");
        cr_assert_eq(lcores[i].risk.share.rate_per_s, 50u);
    }
    done_is("set gateway gross_max 9", "\"old\":0,\"new\":9");
    take_all();
    cr_assert_eq(lcores[1].risk.share.gross_max, 4u);
    cr_assert_eq(lcores[1].risk.share.position_max, 350u);
    done_is("limits", "{\"limits\":{\"gateway\":{\"kind\":\"gateway\",\"position_max\":701,");
    config.risk.gateway.present = false;
    config.lcore_count = 0;
}

Test(acts, every_limit_takes_its_range_and_nothing_beyond)
{
    char text[128];

    for (uint32_t i = 0; i < risk_limits_count(); i++) {
        const struct risk_limits_row *row = risk_limits_row(i);
        if (!(row->scopes & RISK_SCOPE_LCORE))
            continue;
        for (uint32_t end = 0; end < 2; end++) {
            const uint64_t value = end ? row->max : row->min;
            snprintf(text, sizeof(text), "set trade1 %s %llu", row->name, (unsigned long long)value);
            cr_assert(say(text), "%s: %s", text, why);
            take_all();
            cr_assert_eq(risk_limits_get(&lcores[1].risk.limits, i), value, "%s", text);
        }
        snprintf(text, sizeof(text), "set trade1 %s %llu", row->name, (unsigned long long)row->max + 1);
        refused_is(text, "write a whole number from");
        if (row->min > 0) {
            snprintf(text, sizeof(text), "set trade1 %s %llu", row->name, (unsigned long long)row->min - 1);
            refused_is(text, "write a whole number from");
        }
        cr_assert_eq(risk_limits_get(risk_shown(&lcores[1].risk, RISK_LCORE), i), row->max);
    }
}

Test(acts, what_cannot_be_changed_is_said_and_written_down)
{
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        {"set nobody order_qty_max 1",
         "there is no lcore and no strategy 'nobody'; write one of: trade0 taker quoter trade1"},
        {"set gateway position_max 1", "the config has no limits of the whole 'gateway'; write one of: trade0 taker"},
        {"set taker position_max 1",
         "position_max is no limit of strategy 'taker', to which the config gives no section risk of its own; limits "
         "taker lists"},
        {"set trade0 no_such 1", "there is no limit 'no_such'; limits lists them"},
        {"set taker messages_per_s 1",
         "messages_per_s is no limit of strategy 'taker'; limits taker lists those that are"},
        {"set trade0 order_qty_max 0", "order_qty_max is '0'; write a whole number from 1 to 999999 (shares)"},
        {"set trade0 order_qty_max 1000000", "write a whole number from 1 to 999999"},
        {"set trade0 order_qty_max -1", "write a whole number"},
        {"set trade0 order_qty_max 010", "write a whole number"},
        {"set trade0 order_qty_max 1e3", "write a whole number"},
        {"set trade0 order_qty_max 18446744073709551617", "write a whole number"},
        {"set trade0 order_qty_max x", "write a whole number"},
        {"arm", "it is armed already"},
    };

    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char rest[512], escaped[256];
        refused_is(rows[i].text, rows[i].sentence);
        snprintf(escaped, sizeof(escaped), "%s", why);
        snprintf(rest, sizeof(rest), "\"what\":\"%s\",\"old\":null,\"new\":null,\"result\":\"refused: %s\"",
                 rows[i].text, escaped);
        last_line_is("uid:0,pid:7", rest);
    }
    refused_is("limits nobody", "there is no lcore and no strategy 'nobody'");
    take_all();
    cr_assert_eq(lcores[0].risk.limits.order_qty_max, 100u);
}

Test(acts, an_lcore_that_does_not_turn_takes_no_second_change)
{
    done_is("set trade0 order_qty_max 70", "\"new\":70");
    const uint64_t seq = acts.audit.seq;
    cr_assert_not(say("set trade0 order_qty_max 60"));
    cr_assert_eq(outcome, ADMIN_LATER, "its turn may end in a moment");
    cr_assert_eq(acts.audit.seq, seq);
    acts.posted_ns -= 2000000000;
    refused_is("set trade0 order_qty_max 60", "the lcore has not taken the change before yet");
    last_line_is("uid:0,pid:7",
                 "\"what\":\"set trade0 order_qty_max 60\",\"old\":null,\"new\":null,\"result\":\"refused: "
                 "the lcore has not taken the change before yet; try again, and if this stays so it has "
                 "stopped turning\"");
    cr_assert_eq(acts.audit.seq, seq + 1);
    done_is("status", "\"change_pending\":true");
    done_is("set trade1 order_qty_max 60", "\"new\":60");
    take_all();
    cr_assert_eq(lcores[0].risk.limits.order_qty_max, 70u);
    done_is("set trade0 order_qty_max 60", "\"old\":70,\"new\":60");
}

/* The log takes nothing more. */
static struct rlimit log_limit;
static void log_fails(void)
{
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &log_limit);
    const struct rlimit none = {.rlim_cur = (rlim_t)acts.audit.len, .rlim_max = log_limit.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
}

static void log_works(void)
{
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &log_limit), 0);
}

static bool killed(uint32_t lcore)
{
    return __atomic_load_n(&lcores[lcore].risk.killed, __ATOMIC_RELAXED) != 0;
}

Test(acts, a_change_that_cannot_be_written_down_is_refused)
{
    log_fails();
    refused_is("set trade0 order_qty_max 70", "the audit log cannot be written: File too large; nothing was changed");
    take_all();
    cr_assert_eq(lcores[0].risk.limits.order_qty_max, 100u);
    cr_assert_eq(risk_shown(&lcores[0].risk, RISK_LCORE)->order_qty_max, 100u);
    done_is("status", "\"failed\":2,\"unlogged\":0,\"kill_missing\":false,\"error\":\"File too large\"");
    log_works();
    done_is("set trade0 order_qty_max 70", "\"old\":100,\"new\":70");
    done_is("status", "\"error\":null");
}

/* Both lcores have seen it, and the control thread has looked. */
static void turn(void)
{
    static const struct kill_look nobody_answers;

    for (uint32_t i = 0; i < 2; i++)
        kill_lcore_turn(&lcores[i].kill);
    kill_step(&killing, &nobody_answers, killing.now_ns + 1);
    acts_kill(&acts);
}

Test(acts, a_kill_is_never_refused)
{
    done_is("kill fat finger", "\"old\":\"armed\",\"new\":\"killing\",\"by\":\"uid:0,pid:7\",\"audit_seq\":7");
    cr_assert(killed(0) && killed(1));
    last_line_is("uid:0,pid:7",
                 "\"what\":\"kill\",\"old\":\"armed\",\"new\":\"killed: fat finger\",\"result\":\"done\"");
    refused_is("arm", "has not seen it yet");
    turn();
    last_line_is("gateway", "\"what\":\"kill\",\"old\":\"killing\",\"new\":\"nothing is open, 0 us later\","
                            "\"result\":\"done\"");
    done_is("kill", "\"old\":\"killed\",\"new\":\"killed\"");
    done_is("arm", "\"old\":\"killed\",\"new\":\"armed\"");
    cr_assert(!killed(0) && !killed(1));
    last_line_is("uid:0,pid:7", "\"what\":\"arm\",\"old\":\"killed\",\"new\":\"armed\",\"result\":\"done\"");
    log_fails();
    done_is("kill", "\"audit_error\":\"File too large\"");
    cr_assert(killed(0) && killed(1));
    turn();
    refused_is("arm", "the audit log cannot be written");
    cr_assert(killed(0) && killed(1));
    log_works();
    done_is("arm", "\"new\":\"armed\"");
    cr_assert_not_null(strstr(log_text(), "\"what\":\"unlogged acts\",\"old\":null,\"new\":\"2\""));
}

Test(acts, a_kill_holds_in_the_next_life_until_somebody_arms)
{
    done_is("kill", "\"by\":\"uid:0,pid:7\"");
    acts_close(&acts, "done");
    for (uint32_t i = 0; i < 2; i++) { /* and in the one behind it */
        live();
        cr_assert(killed(0) && killed(1));
        cr_assert_not_null(
            strstr(log_text(), "\"what\":\"start killed\",\"old\":null,\"new\":\"line 7 of the audit log, 2"));
        done_is("status", "\"cause\":\"earlier_kill\"");
        acts_close(&acts, "done");
    }
    live();
    turn();
    done_is("arm", "\"new\":\"armed\"");
    acts_close(&acts, "done");
    live();
    cr_assert(!killed(0) && !killed(1));
    done_is("status", "\"state\":\"armed\"");
}

Test(acts, a_kill_that_could_not_be_written_down_is_as_soon_as_it_can)
{
    log_fails();
    done_is("kill fat finger", "\"audit_error\":\"File too large\"");
    turn();
    done_is("status", "\"unlogged\":2,\"kill_missing\":true,\"error\":\"File too large\"");
    log_works();
    turn();
    done_is("status", "\"kill_missing\":true"); /* not at every step */
    acts.missing_ns -= 1000000000;
    turn();
    last_line_is("uid:0,pid:7", "\"what\":\"kill\",\"old\":null,\"new\":\"killed: fat finger\",\"result\":\"done\"");
    const uint64_t seq = acts.audit.seq;
    done_is("status", "\"unlogged\":0,\"kill_missing\":false,\"error\":null");
    acts.missing_ns -= 1000000000;
    turn();
    cr_assert_eq(acts.audit.seq, seq);
    audit_close(&acts.audit); /* kill -9 */
    live();
    cr_assert(killed(0) && killed(1));
}

Test(acts, a_kill_that_is_not_written_down_by_the_end_is_then_or_is_said)
{
    log_fails();
    kill_request(&killing, KILL_SIGNAL, "signal:SIGUSR1,uid:0,pid:9", killing.now_ns);
    acts_kill(&acts);
    cr_assert(acts.kill_missing);
    log_works();
    acts_close(&acts, "done");
    cr_assert_not(acts.kill_missing);
    live();
    cr_assert(killed(0) && killed(1));
    turn();
    done_is("arm", "\"new\":\"armed\"");
    log_fails();
    kill_request(&killing, KILL_SIGNAL, "signal:SIGUSR1,uid:0,pid:9", killing.now_ns);
    acts_kill(&acts);
    acts_close(&acts, "done");
    cr_assert(acts.kill_missing);
    log_works();
    live();
    cr_assert_not(killed(0), "so whoever ends the process has to know");
}

Test(acts, a_kill_that_nobody_commanded_is_written_down_once)
{
    kill_request(&killing, KILL_SIGNAL, "signal:SIGUSR1,uid:0,pid:9", killing.now_ns);
    acts_kill(&acts);
    last_line_is("signal:SIGUSR1,uid:0,pid:9",
                 "\"what\":\"kill\",\"old\":\"armed\",\"new\":\"killed by signal\",\"result\":\"done\"");
    const uint64_t seq = acts.audit.seq;
    acts_kill(&acts);
    cr_assert_eq(acts.audit.seq, seq);
    done_is("status", "\"state\":\"killing\",\"cause\":\"signal\"");
    turn();
    cr_assert_eq(acts.audit.seq, seq + 1);
    done_is("status", "\"state\":\"killed\"");
}

Test(acts, a_loss_is_forgiven_where_it_has_closed_something)
{
    refused_is("forgive taker", "'taker' is not closed by a loss limit; status lists those that are");
    refused_is("forgive nobody", "there is no lcore and no strategy 'nobody'");
    lcores[0].risk.lost = 1u << RISK_STRATEGY(1);
    done_is("status", "\"closed_by_loss\":[\"quoter\"]");
    refused_is("forgive trade0", "'trade0' is not closed by a loss limit");
    log_fails();
    refused_is("forgive quoter", "the audit log cannot be written");
    log_works();
    take_all();
    cr_assert_eq(lcores[0].risk.rearming, 0u);
    done_is("forgive quoter", "\"scope\":\"quoter\",\"by\":\"uid:0,pid:7\"");
    last_line_is("uid:0,pid:7",
                 "\"what\":\"forgive quoter\",\"old\":\"closed by its loss\",\"new\":\"open\",\"result\":"
                 "\"done\"");
    take_all();
    cr_assert_eq(lcores[0].risk.rearming, 1u << RISK_STRATEGY(1), "the gate opens it at its next look at losses");
    lcores[0].risk.lost = lcores[1].risk.lost = 1u << RISK_GATEWAY;
    acts.shares = 2;
    done_is("forgive gateway", "\"scope\":\"gateway\"");
    take_all();
    cr_assert(lcores[0].risk.rearming >> RISK_GATEWAY & 1);
    cr_assert(lcores[1].risk.rearming >> RISK_GATEWAY & 1);
}

Test(acts, without_a_session_there_is_no_book)
{
    refused_is("positions", "there is no order session");
    refused_is("orders", "there is no order session");
}

Test(acts, positions_and_orders_come_from_the_book_of_record_in_pages)
{
    enum { ORDERS = 1024, EACH = 600 };
    static struct config with_session;
    void *memory = aligned_alloc(64, open_footprint(ORDERS));
    char text[64];

    orders.config = &with_session;
    memset(memory, 0, open_footprint(ORDERS));
    open_init(&orders.book, memory, ORDERS, UINT32_MAX, 0);
    for (uint32_t i = 0; i < EACH; i++) {
        snprintf(text, sizeof(text), "S%u", i);
        struct open_order *order = open_inherit(&orders.book, i + 1);
        cr_assert_not_null(order);
        order->symbol = md_symbol(text);
        order->side = 'B';
        order->price = 123400;
        order->qty = i + 1;
        cr_assert(market_carry(&orders.positions, md_symbol(text), (int64_t)i - 300, 123400, i + 1, 0));
    }
    const char *const lists[] = {"orders", "positions"};
    for (uint32_t list = 0; list < 2; list++) {
        uint32_t count = 0, pages = 0;
        snprintf(text, sizeof(text), "%s", lists[list]);
        for (;;) {
            cr_assert(say(text), "%s", why);
            cr_assert_lt(strlen(reply), ADMIN_REPLY_MAX - 10000);
            for (const char *at = reply; (at = strstr(at, "\"symbol\":")); at++)
                count++;
            pages++;
            const char *next = strstr(reply, "\"next\":");
            cr_assert_not_null(next);
            if (strncmp(next, "\"next\":null", 11) == 0)
                break;
            snprintf(text, sizeof(text), "%s %d", lists[list], atoi(next + 7));
        }
        cr_assert_eq(count, EACH, "%s: %u", lists[list], count);
        cr_assert_eq(pages, 3u);
    }
    done_is("orders", "{\"open\":600,\"orders\":[{\"ref\":");
    cr_assert_not_null(strstr(reply, "\"symbol\":\"S"));
    cr_assert_not_null(strstr(reply, "\"side\":\"B\",\"price\":123400,\"qty\":"));
    refused_is("orders x", "'x' is no place in the list; write the 'next' of the answer before");
    refused_is("orders 4294967296", "is no place in the list");
    done_is("orders 4294967295", "\"orders\":[],\"next\":null");
    done_is("positions 4294967295", "\"positions\":[],\"next\":null");
    free(memory);
}

Test(acts, help_says_what_can_be_said)
{
    done_is("help", "\"set SCOPE LIMIT VALUE\":\"");
}

Test(acts, a_stop_is_written_down_once_with_who_asked)
{
    done_is("stop", "\"by\":\"uid:0,pid:7\"");
    cr_assert(acts.stop_asked);
    acts_stop(&acts, "gateway");
    last_line_is("uid:0,pid:7", "\"what\":\"stop\",\"old\":null,\"new\":null,\"result\":\"done\"");
    const uint64_t seq = acts.audit.seq;
    acts_stop(&acts, "gateway");
    cr_assert_eq(acts.audit.seq, seq);
    acts_close(&acts, "done");
    last_line_is("gateway", "\"what\":\"end\",\"old\":null,\"new\":null,\"result\":\"done\"");
}

Test(acts, a_second_gateway_with_the_same_log_writes_nothing)
{
    struct acts second;

    acts_init(&second);
    const size_t len = strlen(log_text());
    cr_assert_eq(acts_open(&second, &topology, &orders, &killing, error), -EBUSY);
    acts_close(&second, "failed");
    cr_assert_eq(strlen(log_text()), len);
}
