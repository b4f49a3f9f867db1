"""What the recovery of one channel costs another on the same rx lcore: tick-to-trade of a strategy on a healthy feed, while a second feed
loses packets on both lines and is recovered by retransmission and snapshots, and while it does not. Live, in network namespaces: two
venues, kernel multicast, UDP and TCP, AF_PACKET, the gateway inline. Alternated; medians over the rounds. Needs root.
  usage: recovery_neighbour.py [--rounds N] [--messages N] [--json]"""
import argparse
import json
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import network as n
from network import g

QUANTILES = ("count", "min_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns")

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--messages", type=int, default=60000)
parser.add_argument("--json", action="store_true")
options = parser.parse_args()

g.need_two_cpus()
SECOND_FEED = """
  - name: sick
    protocol: itch50
    lcore: rx0
    session_date: "2026-01-05"
    time_zone: America/New_York
    instruments_max: 65535
    orders_max: 262144
    levels_max: 131072
    reorder_us: 2000
    lines:
      - {name: A, port: feed, group: 239.192.3.1, udp_port: 26477}
      - {name: B, port: feed, group: 239.192.4.1, udp_port: 26478}
strategies:
"""


def config_write(work):
    path = work.config(name="neighbour", mode="inline", every=10, reorder_us=2000, stages="false")
    text = open(path).read().replace("\nstrategies:\n", SECOND_FEED, 1)
    text = "\n".join(line for line in text.splitlines() if "kind: taker" not in line) + "\n"
    capture = work.session("names", 3000, "--symbols", "40", "--seed", "1", both=False)
    books = json.loads(subprocess.run([g.TICKGATE, "inspect", "--json", "--books", *capture], capture_output=True, text=True,
                                      check=True).stdout)["books"]
    text = text.replace("feed: itch, params", f"feed: itch, symbols: [{', '.join(sorted(books))}], params", 1)
    with open(path, "w") as file:
        file.write(text)
    return n.config_live(path, [n.recovery(), n.recovery(venue=1)])


def run(config, *faults):
    """Tick-to-trade of the probe on the healthy feed, and what became of the other."""
    common = ("--messages", str(options.messages), "--symbols", "40")
    venues = [n.Venue(*common, "--seed", "1"), n.Venue(*common, "--seed", "2", *faults, venue=1)]
    process = n.gateway_start(config)
    for venue in venues:
        venue.go_on()
    for venue in venues:
        venue.finish()
    report = n.gateway_stop(process)
    healthy, sick = report["feeds"]
    g.check(not healthy["stale"] and not sick["stale"], f"both whole in the end: {healthy['stale']} {sick['stale']} {sick['next_seq']}",
            quiet=True)
    if healthy["recovery"]["requests"]:
        print(f"(the healthy feed lost packets too: {healthy['recovery']['requests']} requests)", file=sys.stderr)
    return report["strategies"][0]["latency"]["tick_to_trade"], sick["recovery"]


n.network_make()
try:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    except PermissionError:
        pass
    work = g.Work()
    config = config_write(work)
    # Holes of all sizes all the time, and two that only a snapshot bridges.
    faults = ["--loss-both", "2"] + [argument for first in (15000, 35000)
                                     for argument in ("--drop-both", f"{first}-{first + 20001}")]
    cases = {"both feeds healthy": [], "the other recovering": faults}
    columns = {name: {quantile: [] for quantile in QUANTILES} for name in cases}
    last = {}
    for _ in range(options.rounds):
        for name, wanted in cases.items():
            latency, last[name] = run(config, *wanted)
            for quantile in QUANTILES:
                columns[name][quantile].append(latency[quantile])
    what = last["the other recovering"]
    g.check(what["requests"] > 0 and what["spliced"] > 0, "the other feed was recovered both ways", quiet=True)
    result = {name: {quantile: int(statistics.median(values)) for quantile, values in column.items()}
              for name, column in columns.items()}
    print(f"tick-to-trade on a healthy feed, ns, inline, medians of {options.rounds} rounds of {options.messages} messages on each feed; "
          f"the other: {what['requests']} requests, {what['spliced']} snapshots, {what['snapshot_messages']} messages in them",
          file=sys.stderr)
    print(f"{'':24}" + " ".join(f"{quantile.removesuffix('_ns'):>9}" for quantile in QUANTILES), file=sys.stderr)
    for name, row in result.items():
        print(f"{name:24}" + " ".join(f"{row[quantile]:9}" for quantile in QUANTILES), file=sys.stderr)
    ratios = {quantile: statistics.median(on / off for on, off in zip(columns["the other recovering"][quantile],
                                                                      columns["both feeds healthy"][quantile]))
              for quantile in QUANTILES}
    print(f"{'ratio':24}" + " ".join(f"{ratios[quantile]:9.2f}" for quantile in QUANTILES), file=sys.stderr)
    if options.json:
        print(json.dumps({**result, "ratio": ratios}))
finally:
    n.network_remove()
