#!/usr/bin/env python3
"""A plug-in that faults in the middle of trading: the process dies of that signal and says which strategy and which file it was; its
connection is reset, so the venue empties the book at once. Needs what test_orders.py needs."""
import os
import resource
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import desk as d
import network as n
from network import g

RESTING = 200
PLUGIN = os.path.realpath(os.path.join(os.environ["PLUGIN_DIR"], "crash.so"))
TIMEOUT_S = 15 # of the venue, for a client that has fallen silent


def crash(work, carrier, how, signal_nr, place):
    name = f"{carrier}, {how}"
    strategies = (f"  - {{name: bad, plugin: {PLUGIN}, lcore: LCORE, feed: itch, "
                  f"params: {{orders: {RESTING}, distance: 100000, after: 1000, how: {how}}}}}\n")
    path = d.config_orders(work, f"crash-{how}", carrier=carrier, strategies=strategies)
    address = ["addr", "add", d.KERNEL_IP + "/24", "dev", "vo"]
    if carrier == "kernel":
        n.ip("-n", n.GATEWAY, *address)
    bridge = d.Impair()
    desk = d.Desk(work.path(name + ".log"), "--messages", "10000", "--symbols", str(d.SYMBOLS), "--seed", str(d.SEED), "--rate", "5000",
                  "--cancel-on-disconnect")
    gateway = n.gateway_start(path)
    desk.wait("order_login")
    desk.go_on()
    out, said = gateway.communicate(timeout=60)
    for _ in range(2): # of the probe, and of the session
        desk.wait("order_closed")
    end = desk.end()
    bridge.finish()
    if carrier == "kernel":
        n.ip("-n", n.GATEWAY, "addr", "del", *address[2:])

    g.check(gateway.returncode == -signal_nr, f"{name}: the process died of {signal.Signals(signal_nr).name}")
    words = [line for line in said.splitlines() if "died of" in line]
    g.check(len(words) == 1 and words[0].startswith(f"tickgate: died of {signal.Signals(signal_nr).name} on lcore rx0: strategy bad was in "
                                                    f"on_event, plug-in {PLUGIN}; the instruction is {place}"), f"{name}: {words}")
    g.check(out == "", f"{name}: no report of a life that did not end well", quiet=True)
    venue = end["orders"]
    g.check(venue["disconnect_cancels"] >= RESTING and venue["open"] == 0, f"{name}: {venue['disconnect_cancels']} orders were cancelled by the "
            "venue, none is open")
    records = desk.records()
    last_ns = max(record["ns"] for record in records if record["dir"] == "in" and record["type"] in "OUX")
    closed_ns = [record["ns"] for record in records if record["dir"] == "event" and record["event"] == "closed"][-1]
    g.check(closed_ns - last_ns < TIMEOUT_S * 10**9 // 3, f"{name}: the connection ended {(closed_ns - last_ns) / 10**6:.1f} ms behind the last "
            "request, not by silence")


def cases(work):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    crash(work, "tcp", "write", signal.SIGSEGV, f"in {PLUGIN}+0x")
    crash(work, "tcp", "divide", signal.SIGFPE, f"in {PLUGIN}+0x")
    crash(work, "tcp", "deep", signal.SIGSEGV, f"in {PLUGIN}+0x")
    crash(work, "tcp", "jump", signal.SIGSEGV, "outside of every plug-in")
    crash(work, "kernel", "abort", signal.SIGABRT, "outside of every plug-in")


d.main([cases])
