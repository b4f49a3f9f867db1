"""Wire to wire: the exchange offers its feed at several rates, each on a schedule of its own, and measures by the kernel's timestamps
from the packet of a tick to the order that names it. No time is asserted: every order is measured, and what the wire sees is never
less than what the gateway sees of itself. Needs root, iproute2 and two CPUs; removes what it makes."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import network as n
from network import g
import desk as d

RATES, RATE_S = (200, 1000, 4000), 2


def sweep(work, name, **config):
    path = d.config_orders(work, name, **config)
    bridge = d.Impair()
    desk = d.Desk(work.path(name + ".log"), "--messages", "100000", "--symbols", str(d.SYMBOLS), "--seed", str(d.SEED),
                       "--wire-to-wire", "--rates", ",".join(map(str, RATES)), "--rate-s", str(RATE_S))
    gateway = n.gateway_start(path)
    desk.wait("order_login")
    desk.wait("order_login") # the gateway probes once for what it has missed
    desk.go_on()
    end = desk.finish()
    report = n.gateway_stop(gateway)
    bridge.finish()
    return end, report, desk


def probe(work):
    """Every order has a tick: the probe acts on changes of the best prices alone."""
    end, report, desk = sweep(work, "wire", strategies="", every=3)
    wire, entered = end["wire"], sum(record["type"] in "OU" for record in d.requests_of(desk))
    measured = sum(row["kernel"]["count"] for row in wire["rates"])
    g.check(entered > 300 and measured == entered, f"wire: {measured} of {entered} orders measured")
    for key in ("tickless", "unknown_tick", "untimed"):
        g.check(wire[key] == 0, f"wire: no order is {key}", quiet=True)
    for line in end["lines"]:
        g.check(line["packets"] >= RATE_S * sum(RATES) and line["errors"] == 0, f"wire: {line['packets']} packets were offered")
    inside = report["strategies"][0]["latency"]["tick_to_trade"]
    least = min(row["kernel"]["min_ns"] for row in wire["rates"])
    g.check(inside["count"] >= measured and least >= inside["min_ns"], "wire: outside is never less than inside")
    for rate, row in zip(RATES, wire["rates"]):
        kernel = row["kernel"]
        g.check(row["packets_per_s"] == rate and row["messages"] >= rate * RATE_S and kernel["count"] > 0,
                f"wire: at {rate} packets/s p50 {kernel['p50_ns']} p99 {kernel['p99_ns']} max {kernel['max_ns']} ns of {kernel['count']} orders")
        order = [kernel[key] for key in ("min_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")]
        g.check(order == sorted(order) and order[0] > 0, "wire: quantiles ascend", quiet=True)


def maker(work):
    """Orders that answers lead to, not ticks, say so, and are not taken for fast or slow ones."""
    end, _, desk = sweep(work, "wire-maker")
    wire = end["wire"]
    entered = sum(record["type"] in "OU" for record in d.requests_of(desk))
    measured = sum(row["kernel"]["count"] for row in wire["rates"])
    g.check(measured > 50 and measured + wire["tickless"] == entered,
            f"wire: of a maker {measured} orders come from ticks, {wire['tickless']} from answers, {entered} in all")


if __name__ == "__main__":
    d.main((probe, maker))
