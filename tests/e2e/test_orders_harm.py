"""A venue that misbehaves, one way at a time: it rejects, answers late, closes, says what is no SoupBinTCP, falls silent, does not read
any more. The gateway names what happened, comes back, and in the end both sides agree on every order, fill and position. Needs what
test_orders.py needs."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import desk as d
import network as n
from network import g

RETRY_NS = 50 * 10**6 # of config_orders


def entered(desk):
    """New orders and replaces as they arrived."""
    return [record for record in d.requests_of(desk) if record["type"] in "OU"]


def agree(report, end, desk, text):
    """What both sides know at the end is the same, and no order was entered twice."""
    d.each_once_in_order(desk, text, gaps=True)
    d.states_agree(end, report, text)
    venue, session, answers = end["orders"], report["session"], report["strategies"][0]["answers"]
    shares = sum(order[5] for order in venue["orders"])
    for ours in (session, answers):
        g.check(ours["fills"] == venue["fills"] > 50 and ours["filled_shares"] == shares,
                f"{text}: {venue['fills']} fills of {shares} shares", quiet=True)
        g.check(ours["rejects"] == venue["rejected"], f"{text}: the venue has rejected {venue['rejected']}, we know of {ours['rejects']}", quiet=True)
    g.check(venue["repeated"] == 0 and venue["malformed"] == 0, f"{text}: no number came twice, every request was one", quiet=True)
    g.check(session["state"] == "stopped" and session["connection"]["broken"] == 0 and session["connection"]["beyond"] == 0 and
            session["counters"]["owner_lost"] == 0, f"{text}: TCP and log were of one mind to the end", quiet=True)


def lost_once(report, reason, text):
    """One connection was lost, for this reason, and trading went on on the next one."""
    session = report["session"]
    g.check(session["lost"] == {reason: 1}, f"{text}: one connection was lost: {session['lost']}")
    g.check(session["counters"]["breaks"] == 1 and session["counters"]["logins"] == 2, f"{text}: one break, two logins", quiet=True)


def connections(desk, text, least):
    """Requests of new orders on each connection that was logged in, without the probes."""
    counts = []
    for record in desk.records():
        if record["dir"] == "event" and record["event"] == "login":
            counts.append(0)
        elif record["dir"] == "in" and record["type"] in "OU":
            counts[-1] += 1
    counts = [count for count in counts if count]
    g.check(len(counts) == 2 and min(counts) >= least, f"{text}: orders on the two connections: {counts}")


def never_received(report, desk, text):
    """Orders that the venue did not read: their numbers are used up, none of them is open, none was sent again."""
    given, arrived = report["session"]["next_user_ref"] - 1, len(entered(desk))
    never = report["strategies"][0]["answers"]["never_received"]
    g.check(0 < never <= given - arrived, f"{text}: of {given} orders and replaces {arrived} arrived, {never} were never received")


def rejects(work):
    """Reservations of rejected orders come back: those that stayed would soon go beyond the limit of a position."""
    report, end, desk, _, _ = d.run(work, "rejects", exchange=("--reject", "40"), position_max=2000)
    said = [record["user_ref"] for record in desk.records() if record["dir"] == "out" and record["type"] == "J"]
    kinds = {record["user_ref"]: record["type"] for record in entered(desk)}
    fresh = sum(kinds[user_ref] == "O" for user_ref in said)
    g.check(fresh > 100 and len(said) - fresh > 20, f"rejects: {fresh} new orders and {len(said) - fresh} replaces were rejected")
    lcore = report["strategies"][0]
    g.check(lcore["answers"]["rejects"] == len(said), f"rejects: the strategy lcore has heard of all {len(said)}")
    g.check(report["session"]["rejected"] == {"0x000f": len(said)}, f"rejects: and the report why: {report['session']['rejected']}")
    g.check("position" not in lcore["refused"], "rejects: no reservation has stayed")
    g.check(report["session"]["lost"] == {}, "rejects: one connection", quiet=True)
    agree(report, end, desk, "rejects")


def delayed(work):
    """Answers are late; those of a connection that broke come with the replay of the next one."""
    def middle(desk):
        time.sleep(2) # orders are under way; the feed has its own time
        desk.tell("disconnect")
    delay_ns = 300 * 10**6
    report, end, desk, _, _ = d.run(work, "delayed", exchange=("--answer-delay-us", str(delay_ns // 1000)), middle=middle)
    arrived_ns = {record["user_ref"]: record["ns"] for record in entered(desk)}
    waits_ns = [record["ns"] - arrived_ns[record["orig_user_ref"]] for record in entered(desk) if record["type"] == "U"]
    g.check(len(waits_ns) > 50 and min(waits_ns) >= delay_ns,
            f"delayed: each of {len(waits_ns)} replaces waited for the answer to its order, the least for {min(waits_ns) // 10**6} ms")
    lost_once(report, "closed", "delayed")
    g.check(report["session"]["counters"]["late"] == 0, "delayed: late is not never", quiet=True)
    agree(report, end, desk, "delayed")


def closed(work):
    """The venue closes. What it has said meanwhile comes on the next connection, from the sequence where the last one ended."""
    report, end, desk, _, _ = d.run(work, "closed", exchange=("--close-after", "200"))
    lost_once(report, "closed", "closed")
    connections(desk, "closed", 100)
    events = [record for record in desk.records() if record["dir"] == "event"]
    wait_ns = max(b["ns"] - a["ns"] for a, b in zip(events, events[1:]) if (a["event"], b["event"]) == ("closed", "connected"))
    g.check(wait_ns >= RETRY_NS, f"closed: the gateway waited for {wait_ns // 10**6} ms before it came back")
    g.check(end["orders"]["disconnect_cancels"] > 0, f"closed: {end['orders']['disconnect_cancels']} orders were cancelled by the venue")
    g.check(report["session"]["counters"]["messages"] == end["orders"]["next_seq"] - 1, "closed: each message was taken once", quiet=True)
    agree(report, end, desk, "closed")


def garbage(work):
    report, end, desk, _, _ = d.run(work, "garbage", exchange=("--garbage-after", "200"))
    lost_once(report, "bad bytes", "garbage")
    connections(desk, "garbage", 100)
    g.check(report["session"]["counters"]["malformed"] == 0, "garbage: none of it was taken for a message", quiet=True)
    agree(report, end, desk, "garbage")


def silent(work):
    """Half-open: the venue's kernel takes what we send, and nobody is there. The new connection takes the place of the old one."""
    report, end, desk, _, _ = d.run(work, "silent", exchange=("--silent-after", "150", "--rate", "2500"))
    lost_once(report, "silence", "silent")
    connections(desk, "silent", 100)
    never_received(report, desk, "silent")
    agree(report, end, desk, "silent")


def deaf(work, slow_path):
    """The venue goes on talking and reads nothing: its window shuts, soon, as it has little memory. Orders wait for the window, or are
    refused, and the connection is given up when they have no answers."""
    text = f"deaf, {slow_path}"
    memory = d.inside(n.VENUE, "sysctl", "-n", "net.ipv4.tcp_rmem").strip()
    d.inside(n.VENUE, "sysctl", "-qw", "net.ipv4.tcp_rmem=4096 4096 4096")
    report, end, desk, _, _ = d.run(work, f"deaf-{slow_path}", exchange=("--deaf-after", "100", "--rate", "3000"), every=3,
                                    answer_timeout_ms=2500, more=f"  slow_path: {slow_path}\n")
    d.inside(n.VENUE, "sysctl", "-qw", f"net.ipv4.tcp_rmem={memory}")
    lost_once(report, "aborted", text)
    g.check(report["session"]["counters"]["late"] == 1, f"{text}: it was given up for want of answers", quiet=True)
    slow, refused = report["session"]["connection"]["slow"], report["strategies"][0]["refused"].get("window", 0)
    good = slow > 10 and refused == 0 if slow_path == "send" else refused > 10
    g.check(good, f"{text}: with the window shut {slow} messages took the slow path, {refused} orders were refused")
    connections(desk, text, 80)
    never_received(report, desk, text)
    agree(report, end, desk, text)


if __name__ == "__main__":
    d.main((rejects, delayed, closed, garbage, silent, lambda work: deaf(work, "send"), lambda work: deaf(work, "refuse")))
