"""replay --venue sim: a matching engine on the captured flow answers orders in virtual time, so that fills are part of a replay: the
same in every mode, at every burst and speed; other latencies give other fills; positions are what was filled."""
import gateway as g

MAKER = ("  - {name: maker, kind: maker, lcore: LCORE, feed: itch, "
         "params: {quantity: 100, position_max: 100000, skew: 0, pause_us: 100}}\n")

g.need_two_cpus()
work = g.Work()
captures = work.session("sim", 30000 if g.SANITIZED else 60000, "--symbols", "30", "--loss-a", "3", "--loss-b", "3")


def config(mode, order_us=50, answer_us=50, **changes):
    path = work.config(name=f"sim{order_us}-{answer_us}", mode=mode, more_strategies=MAKER, every=20, **changes)
    text = open(path).read().replace("  fills: none\n", f"  fills: none\n  sim: {{order_us: {order_us}, answer_us: {answer_us}}}\n")
    with open(path, "w") as file:
        file.write(text)
    return path


def outcome(report):
    lcore = report["strategies"][0]
    return g.hashes(report), lcore["answers"], lcore["positions"]


first = g.replay(config("two-core"), captures, "--speed", "max", "--venue", "sim")
lcore = first["strategies"][0]
answers = lcore["answers"]
g.check(answers["fills"] > 100 and answers["filled_shares"] > 1000, f"{answers['fills']} fills of {answers['filled_shares']} shares")
g.check(lcore["fills"] == answers["fills"], f"the lcore's own count of fills says the same: {lcore['fills']}", quiet=True)
g.check(answers["applied"] > answers["fills"], f"{answers['applied']} answers")
for key in ("unknown_order", "excess", "impossible", "full", "inherited"):
    g.check(answers[key] == 0, f"no answer was {key}")
g.check(lcore["venue"]["cancelled"].get("U", 0) > 10 and lcore["venue"]["rejected"] == {}, f"why the venue cancelled: {lcore['venue']['cancelled']}")
g.check(len(lcore["positions"]) > 0, f"positions in {len(lcore['positions'])} symbols")

for name, mode, options in (("inline", "inline", []), ("burst 1", "two-core", ["--burst", "1"]), ("inline, burst 1", "inline", ["--burst", "1"]),
                            ("small buffer", "two-core", ["--buffer-mb", "2"])):
    again = g.replay(config(mode), captures, "--speed", "max", "--venue", "sim", *options)
    g.check(outcome(again) == outcome(first), f"{name}: the same events, orders, fills and positions")
paced = g.replay(config("two-core"), captures, "--speed", "50", "--venue", "sim")
g.check(outcome(paced) == outcome(first), "paced: the same")
slow = g.replay(config("two-core", order_us=20000), captures, "--speed", "max", "--venue", "sim")
g.check(outcome(slow)[0][:2] == outcome(first)[0][:2] and outcome(slow)[1] != answers, "a slower way to the venue: the same events, other fills")
silent = g.replay(config("two-core"), captures, "--speed", "max")
g.check(silent["strategies"][0]["answers"]["fills"] == 0, "without a venue nobody answers")
