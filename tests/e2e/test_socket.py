"""Lines through sockets of the kernel: A and B are joined by the gateway itself and received, spinning and blocking, as root and as an
ordinary user; it trades by carrier kernel, asks for what both lines lost, and ends with the book of a replay of the same session.
Needs root, iproute2 and two CPUs; removes what it makes."""
import json
import os
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import network as n
from network import g
import desk as d

MESSAGES, SYMBOLS, SEED = 40000, 40, 7
SPIN, BLOCK = "socket,iface=vg", "socket,iface=vg,wait=block"
NOBODY = 65534


def sockets_of(report, name):
    """Both lines came, nothing was lost on the way, and the report says how they came."""
    sockets = report["rx"][0]["sockets"]
    lines = sockets["lines"]
    g.check([line["line"] for line in lines] == ["A", "B"] and all(line["datagrams"] > 1000 for line in lines),
            f"{name}: {lines[0]['datagrams']} and {lines[1]['datagrams']} datagrams in {lines[0]['calls']} and {lines[1]['calls']} calls")
    g.check(all(line["dropped"] == 0 and line["errors"] == 0 for line in lines), f"{name}: none dropped by the kernel")
    waited = sockets["waited"]
    g.check(waited["count"] > 1000 and 0 < waited["min_ns"] <= waited["p50_ns"] <= waited["max_ns"],
            f"{name}: {waited['p50_ns']} ns (p50) from the kernel's stamp to ours")
    return sockets


def memberships():
    """Groups that are joined on the gateway's interface, as the kernel writes them."""
    text = d.inside(n.GATEWAY, "cat", "/proc/net/igmp")
    words = [line.split() for line in text.splitlines()[1:]]
    device, groups = None, set()
    for line in words:
        if line[0].isdigit():
            device = line[1]
        elif device == "vg":
            groups.add(line[0])
    return groups


def whole(work):
    captures = work.session("whole", MESSAGES, "--symbols", str(SYMBOLS), "--seed", str(SEED))
    return g.replay(work.config(name="whole", mode="inline"), captures, "--speed", "max")["feeds"][0]


def feed_case(work, name, device, expected, *options, user=False):
    """A session with losses on both lines: joined, received, asked for, whole."""
    config = n.config_live(work.config(name=name, mode="inline", every=1000000, reorder_us=20000), [n.recovery()], orders_too=False,
                           device=device)
    text = open(config).read()
    head, rest = text.split("orders:\n  port: orders\n", 1) # sockets receive only, and this case does not trade
    with open(config, "w") as file:
        file.write(head.replace("  - {name: orders, device: net_ring}\n", "") + rest[rest.index("risk:"):])
    os.chmod(config, 0o644)
    os.chmod(os.path.dirname(config), 0o755)
    joined = {"0101C0EF", "0102C0EF"} # 239.192.1.1 and 239.192.2.1
    venue = n.Venue("--messages", str(MESSAGES), "--symbols", str(SYMBOLS), "--seed", str(SEED), *options)
    g.check(not joined & memberships(), f"{name}: nobody has joined", quiet=True)
    gateway = user_start(config) if user else n.gateway_start(config)
    g.check(joined <= memberships(), f"{name}: both groups are joined by the gateway")
    venue.go_on()
    venue.finish()
    report = n.gateway_stop(gateway)
    feed = report["feeds"][0]
    g.check(not joined & memberships(), f"{name}: left on exit")
    g.check(feed["book_hash"] == expected["book_hash"] and feed["live_orders"] == expected["live_orders"],
            f"{name}: the book of a replay, {feed['live_orders']} orders")
    g.check(not feed["stale"] and feed["next_seq"] == MESSAGES + 1 and feed["holes"] == 0, f"{name}: whole at the end")
    return report, sockets_of(report, name)


def user_start(config):
    """As an ordinary user without any capability: no hugepages, no device, no run directory of root's."""
    program = shutil.copy(g.TICKGATE, os.path.dirname(config)) # the tree may lie where only root may look
    process = subprocess.Popen(["ip", "netns", "exec", n.GATEWAY, "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                                "--bounding-set=-all", "--no-new-privs", "env", "-u", "XDG_RUNTIME_DIR", program, "run", config, "--json"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = ""
    for line in process.stderr:
        said += line
        if "armed" in line:
            return process
    g.check(False, f"the gateway did not start as a user: {said}")
    return None


def feeds(work):
    expected = whole(work)
    loss = ("--drop-a", "5000-5400", "--drop-b", "12000-12500", "--drop-both", "20000-20100")
    report, sockets = feed_case(work, "spin", SPIN, expected, *loss)
    g.check(report["feeds"][0]["recovery"]["filled_by_retransmission"] > 0, "spin: what both lines lost was asked for")
    g.check(not sockets["block"] and sockets["sleeps"] == 0, "spin: never slept")
    _, sockets = feed_case(work, "block", BLOCK, expected, *loss)
    g.check(sockets["block"] and sockets["sleeps"] > 0, f"block: slept {sockets['sleeps']} times")
    calls = [line["calls"] for line in sockets["lines"]]
    g.check(max(calls) < 20 * MESSAGES, "block: does not ask again and again")
    _, sockets = feed_case(work, "busy", SPIN + ",busy_poll_us=50", expected)
    g.check(all(line["napi_id"] == 0 and line["busy_poll_us"] == 50 for line in sockets["lines"]),
            "busy poll: veth as it comes gives its queue no NAPI id, and the report says so")
    feed_case(work, "user", SPIN, expected, *loss, user=True)


def trade(work):
    """A session that trades by a kernel socket too, its feed spinning and blocking: both sides agree on everything."""
    for device in (SPIN, BLOCK):
        name = "trade-" + ("block" if device is BLOCK else "spin")
        report, end, desk, _, _ = d.run(work, name, carrier="kernel", feed=device)
        d.each_once_in_order(desk, name)
        d.states_agree(end, report, name)
        g.check(report["session"]["fills"] > 50, f"{name}: {report['session']['fills']} fills came back")
        g.check(report["feeds"][0]["holes"] == 0, f"{name}: no hole")
        sockets_of(report, name)


def sources(work):
    """A line with a source takes nothing of another one: the kernel joins for the source alone."""
    config = d.config_orders(work, "source", carrier="kernel", feed=SPIN)
    text = open(config).read()
    with open(config, "w") as file:
        file.write(text.replace("udp_port: 26477}", f"udp_port: 26477, source: {n.VENUE_IP}}}").replace(
            "udp_port: 26478}", "udp_port: 26478, source: 10.77.0.99}"))
    venue = n.Venue("--messages", "5000", "--symbols", "10", "--seed", "3", "--rate", "20000")
    gateway = n.gateway_start(config)
    venue.go_on()
    venue.finish()
    a, b = n.gateway_stop(gateway)["rx"][0]["sockets"]["lines"]
    g.check(a["datagrams"] > 100, f"source: {a['datagrams']} datagrams of the right one")
    g.check(b["datagrams"] == 0, "source: none of another")


def restarts(work):
    """Starts and stops leave nothing behind; what is wrong with an interface is said before anything starts."""
    config = d.config_orders(work, "restarts", carrier="kernel", feed=SPIN)
    for _ in range(5):
        n.gateway_stop(n.gateway_start(config))
    process = n.gateway_start(config)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    n.gateway_stop(n.gateway_start(config))
    g.check(not {"0101C0EF", "0102C0EF"} & memberships(), "restarts: six stops and a kill, nothing is left joined")
    wrong = d.config_orders(work, "wrong", carrier="kernel", feed="socket,iface=vgx")
    done = subprocess.run(["ip", "netns", "exec", n.GATEWAY, g.TICKGATE, "run", wrong], capture_output=True, text=True)
    g.check(done.returncode == 1 and "socket on vgx: there is no such interface" in done.stderr, "restarts: a wrong interface is named")


def checked(work):
    config = d.config_orders(work, "check", carrier="kernel", feed=BLOCK + ",busy_poll_us=20")
    done = subprocess.run([g.TICKGATE, "check", config], capture_output=True, text=True)
    g.check(done.returncode == 0 and "port feed: a socket for each line on vg, blocking, busy poll 20 us, buffers of 8192 KiB" in done.stdout,
            "check: says what the port is")
    json.loads(subprocess.run([g.TICKGATE, "check", "--json", config], capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    d.main((checked, feeds, trade, sources, restarts))
