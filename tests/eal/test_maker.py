#!/usr/bin/env python3
"""maker for an hour of session time in virtual time: a generated hour, a simulated venue. The limit is never exceeded, from the journal
and by other code than the gateway's; positions, cash and profit are the venue's, which knows its own trades alone; the same in every
mode. Standard library only; --minutes N for another length."""
import sys
import account as a
import gateway as g

g.need_two_cpus()
work = g.Work()
MINUTES = int(sys.argv[sys.argv.index("--minutes") + 1]) if "--minutes" in sys.argv else 60
LIMIT, RATE = 200, 100
MAKER = f"{{name: maker, kind: maker, lcore: LCORE, feed: itch, params: {{quantity: 100, position_max: {LIMIT}, skew: 100, pause_us: 5000}}}}"
captures = work.session("hour", MINUTES * 60 * RATE, "--symbols", "20", "--rate", str(RATE))
first_ns, last_ns = (g.pcap_read(captures[0])[i][0] for i in (0, -1))


def config(mode):
    """The maker alone trades: positions are its own."""
    path = work.config("maker", mode, every=10**9, more_strategies=f"  - {MAKER}\n")
    with open(path) as file:
        text = file.read().replace("params: {threshold: 100, quantity: 100}", "params: {threshold: 1000000000}")
    with open(path, "w") as file:
        file.write(text.replace("position_max: 100000", f"position_max: {LIMIT}"))
    return path


def hour(mode):
    journal = work.path(mode + ".journal")
    report = g.replay(config(mode), captures, "--speed", "max", "--venue", "sim", "--journal", journal)
    return report, journal


report, journal = hour("two-core")
lcore = report["strategies"][0]
venue, answers = lcore["venue"], lcore["answers"]
ours = a.journal(journal, "maker")
g.check((last_ns - first_ns) / 60e9 > MINUTES * 0.9, f"{(last_ns - first_ns) / 60e9:.1f} minutes of session time")
g.check(venue["fills"] > MINUTES * 10 and ours.counts["enter"] > MINUTES * 10 and ours.counts["replace"] > MINUTES * 10,
        f"{ours.counts['enter']} orders, {ours.counts['replace']} replaces, {ours.counts.get('cancel', 0)} cancels, {venue['fills']} fills "
        f"of {venue['filled_shares']} shares")
g.check(max(abs(least) for least, _ in ours.furthest.values()) == LIMIT or max(most for _, most in ours.furthest.values()) == LIMIT,
        "the limit was reached")
g.check(venue["overflow_cancels"] == 0, "the venue had room for all answers")
g.check(ours.reach() <= LIMIT, f"and never exceeded: {ours.reach()} of {LIMIT} shares, open orders counted in")
g.check("position" not in lcore["refused"], f"the gate, whose limit is the same, has refused nothing for it: {lcore['refused']}")
for key in ("unknown_order", "excess", "impossible", "full"):
    g.check(answers[key] == 0, f"no answer was {key}", quiet=True)
g.check((ours.fills, ours.filled_shares) == (venue["fills"], venue["filled_shares"]) == (answers["fills"], answers["filled_shares"]),
        f"{ours.fills} fills on both sides")
positions, cash = ours.flat_free()
g.check(positions == lcore["positions"] == venue["positions"], f"positions in {len(positions)} symbols are the venue's")
g.check(cash == venue["cash"], "what was paid and received, symbol by symbol, is the venue's")
account = lcore["account"]
g.check(account["cash"] == sum(venue["cash"].values()) and account["profit"] == account["cash"] + account["value"],
        f"so is the gateway's account: profit {account['profit'] / 10000:.2f}, {account['realised'] / 10000:.2f} of it realised")
g.check(ours.unmarked == 0 and {"S", "T"} <= ours.sides, "sales of what is held are sales, all others are short sales")
again, other = hour("inline")
g.check(g.hashes(again) == g.hashes(report) and again["strategies"][0]["venue"] == venue, f"inline: the same, order hash {g.hashes(report)[2]}")
# At full speed causes may be gone before they are looked up ("lost"): the rest of each line is the same.
lines = [[line.split(" cause=")[0] for line in open(path, encoding="ascii")] for path in (journal, other)]
g.check(lines[0] == lines[1], f"inline: the same journal, {len(lines[0])} lines")
