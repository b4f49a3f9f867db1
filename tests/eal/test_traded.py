"""books: traded: the same orders, each for the same reason, as with books of all; what is passed over is counted."""
import subprocess

import gateway as g

g.need_two_cpus()
work = g.Work()
MESSAGES = 8000 if g.SANITIZED else 60000

captures = work.session("session", MESSAGES, "--symbols", "50", "--loss-a", "1", "--loss-b", "1", "--skew-ns", "3000")
symbols = g.symbols_of(frame for path in captures for _, frame in g.pcap_read(path))
g.check(len(symbols) == 50, "the directory names 50 instruments")
listed = [symbols[locate] for locate in sorted(symbols)[::5]]


def config(books, mode):
    """Two strategies, whose lists overlap. Room for every event: the control thread, which finds the causes, is never too late."""
    path = work.config(mode=mode, ring_slots=262144)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text = text.replace("    join:", f"    books: {books}\n    join:")
    text = text.replace("kind: probe,", f"kind: probe, symbols: [{', '.join(listed[:6])}],")
    text = text.replace("kind: taker,", f"kind: taker, symbols: [{', '.join(listed[4:])}],")
    path = work.path(f"{books}-{mode}.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def run(books, mode, *options):
    journal = work.path(f"{books}-{mode}.journal")
    report = g.replay(config(books, mode), captures, "--speed", "max", "--journal", journal, *options)
    with open(journal, encoding="utf-8") as file:
        return report, file.read()


def hash_of(report):
    return g.hashes(report)[2:]


everything, all_journal = run("all", "two-core")
g.check(hash_of(everything)[1] > 10, f"{hash_of(everything)[1]} orders with books of all 50 instruments")
g.check(everything["feeds"][0]["untraded"] == 0, "nothing is passed over")
for mode, options in (("two-core", []), ("inline", []), ("inline", ["--burst", "1"])):
    traded, journal = run("traded", mode, *options)
    text = " ".join(["books: traded,", mode, *options])
    g.check(hash_of(traded) == hash_of(everything), f"{text}: the same orders, hash {hash_of(traded)[0]}")
    g.check(journal == all_journal, f"{text}: each caused by the same message")
    feed, full = traded["feeds"][0], everything["feeds"][0]
    g.check(feed["messages"] == full["messages"] and feed["total"] == full["total"], f"{text}: all are counted by type")
    g.check(feed["untraded"] > MESSAGES / 10 and feed["live_orders"] < full["live_orders"],
            f"{text}: {feed['untraded']} of {feed['total']} passed over")
    g.check(feed["orphans"] == full["orphans"] == {}, f"{text}: none is taken for an unknown order")

said = subprocess.run([g.TICKGATE, "check", config("traded", "inline")], capture_output=True, text=True)
g.check(said.returncode == 0 and "books of the 10 instruments that strategies list alone" in said.stdout, "check says so")

# Whoever lists nothing wants all.
path = config("traded", "inline")
with open(path, encoding="utf-8") as file:
    broken = file.read().replace(f"symbols: [{', '.join(listed[4:])}],", "")
path = work.path("broken.yaml")
with open(path, "w", encoding="utf-8") as file:
    file.write(broken)
report = g.replay(path, captures, expect=None)
g.check(report["exit_code"] != 0 and "strategy 'taker'" in report["stderr"] and "books: all" in report["stderr"],
        "a strategy without symbols is refused, with the fix")
