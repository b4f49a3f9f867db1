#!/usr/bin/env python3
"""maker live against tools/exchange: its limit is never exceeded, from what the venue has read and executed and by other code than the
gateway's; positions, cash and profit are the venue's. --minutes N for a longer session. Needs what test_orders.py needs."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import desk as d
import network as n
from network import g
import account as a

MINUTES = float(sys.argv[sys.argv.index("--minutes") + 1]) if "--minutes" in sys.argv else 0.25
RATE, LIMIT = 2000, 300
MESSAGES = max(int(MINUTES * 60 * RATE), d.MESSAGES)
MAKER = (f"  - {{name: maker, kind: maker, lcore: LCORE, feed: itch, "
         f"params: {{quantity: 100, position_max: {LIMIT}, skew: 100, pause_us: 5000}}}}\n")


def of_venue(desk):
    """The account as the venue's log has it: what it has read, what it has executed; an order is done when it says so."""
    account = a.Account()
    for record in desk.records():
        kind = record.get("type")
        if record["dir"] == "in" and kind == "O":
            account.enter(record["user_ref"], record["symbol"], record["side"], record["qty"])
        elif record["dir"] == "in" and kind == "U" and record["orig_user_ref"] in account.orders:
            account.replace(record["user_ref"], record["orig_user_ref"], record["qty"])
        elif record["dir"] == "out" and kind == "E":
            account.fill(record["user_ref"], record["qty"], record["price"])
        elif record["dir"] == "out" and kind in "CJ":
            account.done(record["user_ref"])
        elif record["dir"] == "out" and kind == "U":
            account.done(record["orig_user_ref"])
    return account


def maker(work):
    pauses = ("--pause-at", str(MESSAGES - 1000), "--pause-at", str(MESSAGES - 10))
    path = d.config_orders(work, "maker", strategies=MAKER, every=10**9, position_max=LIMIT, self_cross="refuse")
    with open(path) as file: # the maker alone trades
        text = file.read().replace("params: {threshold: 100, quantity: 100}", "params: {threshold: 1000000000}")
    with open(path, "w") as file:
        file.write(text)
    bridge = d.Impair()
    desk = d.Desk(work.path("maker.log"), "--messages", str(MESSAGES), "--symbols", str(d.SYMBOLS), "--seed", str(d.SEED), "--rate", str(RATE),
                  "--cancel-on-disconnect", *pauses)
    gateway = n.gateway_start(path)
    desk.wait("order_login")
    for _ in range(2):
        desk.go_on()
        desk.wait("paused")
    report = n.gateway_stop(gateway)
    end = desk.end()
    bridge.finish()

    venue, lcore = end["orders"], report["strategies"][0]
    ours = of_venue(desk)
    d.states_agree(end, report, "maker")
    seconds = (desk.records()[-1]["ns"] - desk.records()[0]["ns"]) / 1e9
    g.check(venue["fills"] > 50 and venue["replaces"] > 100, f"maker: {venue['enters']} orders, {venue['replaces']} replaces, "
            f"{venue['cancels']} cancels, {venue['fills']} fills in {seconds:.0f} s")
    g.check(0 < ours.reach() <= LIMIT, f"maker: no position went, or could have gone, beyond {LIMIT}: {ours.reach()} at most, open orders counted in")
    g.check(not {"position", "self_cross"} & set(lcore["refused"]), "maker: the gate, whose limit is the same and which refuses what meets our "
            f"own, had nothing to refuse: {lcore['refused']}")
    positions, cash = ours.flat_free()
    g.check(ours.fills == venue["fills"] == lcore["answers"]["fills"], f"maker: {ours.fills} fills on both sides", quiet=True)
    g.check(positions == venue["positions"] == lcore["positions"], f"maker: positions in {len(positions)} symbols are the venue's")
    account = lcore["account"]
    g.check(cash == venue["cash"] and sum(cash.values()) == account["cash"] and account["profit"] == account["cash"] + account["value"],
            f"maker: so are cash and profit: {account['profit'] / 10000:.2f}")
    g.check(ours.unmarked == 0, "maker: no short sale was unmarked", quiet=True)


d.main([maker])
