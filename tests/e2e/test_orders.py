"""Orders over a real network: `exchange` in one namespace multicasts a session and takes orders over the kernel's TCP, the gateway in
another trades on it over a second veth pair by delegated send, on AF_PACKET, AF_XDP and a kernel socket; a third namespace between
the two harms the order path. Each case ends with both sides agreeing on every order, fill and position. Needs root, iproute2 and two
CPUs; tshark for its word on retransmissions; removes what it makes."""
import ctypes
import os
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import network as n
from network import g
from desk import MESSAGES, ORDER_IP, PAUSES, SEED, SYMBOLS, Desk, Impair, config_orders, each_once_in_order, main, requests_of, run, states_agree


def trade(work, device, carrier="tcp"):
    """The whole chain on one carrier and device."""
    name = f"{carrier}-{device}"
    report, end, desk, _, _ = run(work, name, device, carrier)
    each_once_in_order(desk, name)
    states_agree(end, report, name)
    g.check(report["session"]["fills"] > 50, f"{name}: {report['session']['fills']} fills of {report['session']['filled_shares']} shares came back")
    kinds = {record["type"] for record in requests_of(desk)}
    g.check({"O", "U", "X", "Q"} <= kinds, f"{name}: orders, replaces, cancels and the query")
    g.check(report["feeds"][0]["holes"] == 0 and report["feeds"][0]["total"] > MESSAGES - 20,
            f"{name}: {report['feeds'][0]['total']} messages of the feed, our own orders in it, no hole")
    if carrier == "tcp":
        connection = report["session"]["connection"]
        g.check(connection["delegated"] > 100 and connection["delegated"] > 20 * connection["slow"],
                f"{name}: {connection['delegated']} messages by delegated send, {connection['slow']} by the slow path")
        g.check(connection["broken"] == 0 and connection["beyond"] == 0, f"{name}: TCP and log were of one mind", quiet=True)


def harmed_path(work):
    """Loss, reordering, duplication and delay on both ways of the order path."""
    harm = ("--fault", "loss=3,duplicate=1,reorder=2,jitter_us=300", "--back", "loss=3,duplicate=1,reorder=2,jitter_us=300")
    report, end, desk, harmed, sniffed = run(work, "harmed", harm=harm, capture=shutil.which("tshark"))
    lost = harmed["lines"][0]["lost"], harmed["back"][0]["lost"]
    g.check(min(lost) > 5, f"harmed: {lost[0]} of our segments and {lost[1]} of the venue's were lost")
    each_once_in_order(desk, "harmed")
    states_agree(end, report, "harmed")
    connection, resends = report["session"]["connection"], report["session"]["resends"]
    again = sum(connection[key] for key in ("resend_probe", "resend_fast", "resend_timeout", "resend_taken_over"))
    g.check(again == len(resends) > 0, f"harmed: {again} segments were sent again, and the log names each")
    if not sniffed:
        print("skipped: tshark is not installed; the retransmissions were not compared with its analysis")
        return
    ours = sorted((resend["seq"], resend["len"]) for resend in resends)
    seen = sorted((int(seq), int(length)) for seq, length in sniffed.fields(
        f"ip.src=={ORDER_IP} && tcp.len>0 && (tcp.analysis.retransmission || tcp.analysis.fast_retransmission || "
        "tcp.analysis.spurious_retransmission || tcp.analysis.out_of_order)", "tcp.seq", "tcp.len"))
    g.check(seen == ours, f"harmed: tshark sees the same {len(seen)} retransmissions" if seen == ours else
            f"harmed: tshark sees {seen}, the log says {ours}")


def order_states(end):
    return {order[0]: order for order in end["orders"]["orders"]}


def disconnect(work):
    """The connection breaks twice in the middle of a burst of orders, once in the orderly way, once with a reset."""
    def middle(desk):
        for command in ("disconnect", "reset"):
            time.sleep(1.4) # orders are under way; the feed has its own time
            desk.tell(command)
            desk.wait("order_login")
    report, end, desk, _, _ = run(work, "disconnect", middle=middle)
    each_known = each_once_in_order(desk, "disconnect", gaps=True)
    states_agree(end, report, "disconnect")
    lcore = report["strategies"][0]
    g.check(report["session"]["counters"]["breaks"] == 2 and report["session"]["counters"]["logins"] == 3,
            "disconnect: two breaks, three logins")
    g.check(end["orders"]["disconnect_cancels"] > 0, f"disconnect: {end['orders']['disconnect_cancels']} orders were cancelled by the venue")
    g.check(end["orders"]["repeated"] == 0, f"disconnect: none of {len(each_known)} was entered twice")
    g.check(lcore["answers"]["fills"] == end["orders"]["fills"], f"disconnect: {end['orders']['fills']} fills on both sides, "
            f"{lcore['answers']['never_received']} orders were never received")


def killed(work):
    """kill -9 in the middle of trading: the venue empties the book, the next life has higher numbers and the true positions."""
    refs = work.path("killed.refs")
    path = config_orders(work, "killed", refs=refs, join="anywhere") # the second life comes in the middle of the session
    bridge = Impair()
    desk = Desk(work.path("killed.log"), "--messages", str(MESSAGES), "--symbols", str(SYMBOLS), "--seed", str(SEED), "--rate", "2000",
                "--cancel-on-disconnect", *PAUSES)
    first = n.gateway_start(path)
    desk.wait("order_login")
    desk.go_on()
    time.sleep(3) # it trades
    first.kill()
    first.communicate()
    desk.tell("break") # the second life hears of the trade, and that it is none
    desk.wait("order_broken")
    second = n.gateway_start(path)
    desk.wait("order_login") # the venue has seen the new connection: the old one is gone
    desk.wait("order_login") # the first one was the probe
    desk.wait("paused")
    desk.go_on()
    desk.wait("paused")
    report = n.gateway_stop(second)
    end = desk.end()
    bridge.finish()
    logins = [index for index, record in enumerate(desk.records()) if record["dir"] == "event" and record["event"] == "connected"]
    records = desk.records()
    before = [record["user_ref"] for record in records[:logins[2]] if record["dir"] == "in" and record["type"] in "OU"]
    after = [record["user_ref"] for record in records[logins[2]:] if record["dir"] == "in" and record["type"] in "OU"]
    g.check(before and after and min(after) > max(before), f"killed: {len(before)} numbers up to {max(before)} before, from {min(after)} on after")
    g.check(end["orders"]["disconnect_cancels"] > 0 and end["orders"]["repeated"] == 0,
            f"killed: the venue cancelled {end['orders']['disconnect_cancels']} orders of the first life")
    rx, feed = report["rx"][0], report["feeds"][0]
    g.check(rx["early"] > 0 and feed["holes"] == 0, f"killed: {rx['early']} frames of before it was armed were not taken for news")
    states_agree(end, report, "killed")
    g.check(report["strategies"][0]["answers"]["inherited"] > 0,
            f"killed: {report['strategies'][0]['answers']['inherited']} answers about orders of the first life were applied")


def broken_trades(work):
    """The venue breaks trades while more are made: positions and cash on both sides are then as if they had not been."""
    def middle(desk):
        time.sleep(1.4) # there are some
        for _ in range(5):
            time.sleep(0.3)
            desk.tell("break")
            g.check(desk.wait("order_broken")["done"], "broken trades: there was one", quiet=True)
    report, end, desk, _, _ = run(work, "broken", middle=middle)
    states_agree(end, report, "broken trades")
    lcore, venue = report["strategies"][0], end["orders"]
    g.check(report["session"]["counters"]["broken_trades"] == venue["broken"] == 5 and lcore["answers"]["fills"] == venue["fills"],
            f"broken trades: {venue['broken']} of {venue['fills']}")
    g.check(lcore["account"]["cash"] == sum(venue["cash"].values()), f"broken trades: the cash is the venue's, {lcore['account']['cash'] / 10000:.2f}")
    g.check(report["session"]["counters"]["unreadable"] == 0 and report["kill"]["state"] == "armed", "broken trades: and nothing was killed", quiet=True)


def stopped_in_a_break(work):
    """A stop that comes while the connection is gone, at a venue that does not cancel on a disconnect: nothing outlives the gateway."""
    bridge = Impair()
    desk = Desk(work.path("stopped.log"), "--messages", str(MESSAGES), "--symbols", str(SYMBOLS), "--seed", str(SEED), "--rate", "5000", *PAUSES)
    gateway = n.gateway_start(config_orders(work, "stopped"))
    desk.wait("order_login")
    desk.wait("order_login")
    desk.go_on()
    time.sleep(2) # it trades, and has quotes in the book
    desk.tell("reset")
    desk.wait("order_closed")
    report = n.gateway_stop(gateway)
    end = desk.end()
    bridge.finish()
    cancels = report["session"]["counters"]["own_cancels"]
    g.check(end["orders"]["open"] == 0 and end["orders"]["disconnect_cancels"] == 0 and cancels > 0,
            f"stopped in a break: the control thread logged in for {cancels} cancels, {end['orders']['open']} orders are open at the venue")
    g.check(report["session"]["open"] == 0, "stopped in a break: and it knows", quiet=True)


class Held:
    """One thread of a process, held where it is: the others go on."""
    SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000

    def __init__(self, tid):
        self.tid, self.libc = tid, ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        for request in (self.SEIZE, self.INTERRUPT):
            g.check(self.libc.ptrace(request, tid, None, None) == 0, "the thread is held", quiet=True)
        os.waitpid(tid, self.WALL)

    def release(self):
        self.libc.ptrace(self.DETACH, self.tid, None, None)


def threads_of(pid):
    return {open(f"/proc/{pid}/task/{tid}/comm").read().strip(): int(tid) for tid in os.listdir(f"/proc/{pid}/task")}


def hung(work):
    """The lcore that owns the session hangs: the control thread shuts its session, logs in itself and cancels what is open, at a venue
    that does not cancel on a disconnect. The lcore that goes on later sends nothing more."""
    path = config_orders(work, "hung", watchdog_ms=500)
    bridge = Impair()
    desk = Desk(work.path("hung.log"), "--messages", str(MESSAGES), "--symbols", str(SYMBOLS), "--seed", str(SEED), "--rate", "5000", *PAUSES)
    gateway = n.gateway_start(path)
    desk.wait("order_login")
    desk.wait("order_login")
    desk.go_on()
    time.sleep(2) # it trades, and has quotes in the book
    threads = threads_of(gateway.pid)
    held = Held(next(tid for name, tid in threads.items() if name.startswith(("lcore-worker", "rte-worker"))))
    desk.wait("order_login") # the control thread
    time.sleep(1) # its cancels are answered
    held_at = len(desk.records())
    held.release()
    desk.wait("paused")
    desk.go_on()
    desk.wait("paused")
    report = n.gateway_stop(gateway)
    end = desk.end()
    bridge.finish()
    counters = report["session"]["counters"]
    g.check(counters["owner_lost"] == 1 and counters["own_cancels"] > 0, f"hung: the control thread cancelled {counters['own_cancels']} orders")
    g.check(end["orders"]["open"] == 0 and end["orders"]["disconnect_cancels"] == 0, "hung: nothing is open at the venue")
    entered = [record for record in desk.records()[held_at:] if record["dir"] == "in" and record["type"] in "OU"]
    g.check(not entered, "hung: the lcore that went on has sent nothing more")
    venue = {symbol: shares for symbol, shares in end["orders"]["positions"].items() if shares}
    g.check({s: p for s, p in report["session"]["positions"].items() if p} == venue, "hung: the book of record knows the positions")



if __name__ == "__main__":
    main((lambda work: trade(work, "af_packet"), lambda work: trade(work, "af_xdp"), lambda work: trade(work, "socket", "kernel"),
          harmed_path, disconnect, broken_trades, killed, stopped_in_a_break, hung))
