"""A gateway that trades on a real network: namespaces for it, for the exchange with its order desk and for the bridge between them that
may harm the order path; the checks that hold of every session; main, which runs cases on such a network."""
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import network as n
from network import g

BRIDGE = n.TAG + "b"
ORDER_IP, DESK_IP, DESK_PORT, KERNEL_IP = "10.78.0.1", "10.78.0.2", 26000, "10.78.0.3"
IMPAIR = os.environ["IMPAIR"]
SYMBOLS, SEED = 20, 11
OFFLOAD_OFF = """
import ctypes, fcntl, socket, struct, sys
for command in (0x17, 0x15, 0x1f, 0x24, 0x2c): # ETHTOOL_STXCSUM SRXCSUM STSO SGSO SGRO: frames as a wire has them
    value = ctypes.create_string_buffer(struct.pack("II", command, 0))
    request = struct.pack("16sP", sys.argv[1].encode(), ctypes.addressof(value)) + bytes(16)
    try:
        fcntl.ioctl(socket.socket(), 0x8946, request) # SIOCETHTOOL
    except OSError as error:
        if command in (0x17, 0x1f, 0x24):
            raise error
"""


def inside(namespace, *command):
    return subprocess.run(["ip", "netns", "exec", namespace, *command], check=True, capture_output=True, text=True).stdout


def offload_off(namespace, device):
    inside(namespace, sys.executable, "-c", OFFLOAD_OFF, device)


def order_path_make():
    """vo (gateway) - b0, impair or nothing, b1 - vp (venue). Two queues at the gateway: the strategy lcore's and the control thread's."""
    n.ip("netns", "add", BRIDGE)
    n.ip("-n", n.GATEWAY, "link", "add", "vo", "numtxqueues", "2", "numrxqueues", "2", "type", "veth", "peer", "name", "b0", "netns", BRIDGE)
    n.ip("-n", n.VENUE, "link", "add", "vp", "type", "veth", "peer", "name", "b1", "netns", BRIDGE)
    for namespace, device in ((n.GATEWAY, "vo"), (BRIDGE, "b0"), (BRIDGE, "b1"), (n.VENUE, "vp")):
        inside(namespace, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        offload_off(namespace, device)
        n.ip("-n", namespace, "link", "set", device, "up")
    n.ip("-n", n.VENUE, "addr", "add", DESK_IP + "/24", "dev", "vp")


class Impair:
    """The bridge between the two halves of the order path, harmful or not."""

    def __init__(self, *options):
        self.process = subprocess.Popen(["ip", "netns", "exec", BRIDGE, IMPAIR, "--in", "b0", "--out", "b1", "--tcp", *options],
                                        stdout=subprocess.PIPE, text=True)
        g.check(self.process.stdout.readline() == "ready\n", "the bridge carries", quiet=True)

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        said = self.process.communicate(timeout=30)[0]
        return json.loads(said)


class Capture:
    """What crosses the gateway's end of the order path, seen from the other end of its veth: taps of an interface do not see what AF_XDP
    and AF_PACKET without a queueing discipline send on it."""

    def __init__(self, path):
        self.path = path
        self.process = subprocess.Popen(["ip", "netns", "exec", BRIDGE, "tshark", "-q", "-i", "b0", "-w", path, "-F", "pcap", "-s", "200"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "Capturing on" in line:
                break

    def finish(self):
        time.sleep(0.5) # dumpcap hands its packets over four times a second
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=30)

    def fields(self, display_filter, *fields):
        command = ["tshark", "-r", self.path, "-Y", display_filter, "-T", "fields", *(a for field in fields for a in ("-e", field))]
        return [line.split("\t") for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()]


class Desk(n.Venue):
    """The exchange with its order desk."""

    def __init__(self, log, *options):
        self.log = log
        super().__init__("--orders", f"{DESK_IP}:{DESK_PORT}", "--order-username", "desk", "--order-password", "gate",
                         "--order-log", log, *options)

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def records(self):
        with open(self.log, encoding="ascii") as file:
            return [json.loads(line) for line in file]


DEVICES = {
    "af_packet": ("net_af_packet,iface=vo,qpairs=2,blocksz=4096,framesz=2048,framecnt=4096", None),
    "af_xdp": ("net_af_xdp,iface=vo,start_queue=0,queue_count=1", "net_af_xdp,iface=vo,start_queue=1,queue_count=1"),
    "tap": ("net_tap,iface=tgo", None), # bridged with vo by whoever runs it
}


def config_orders(work, name, device="af_packet", carrier="tcp", more="", strategies=None, refs=None, join="start", watchdog_ms=10000, every=25,
                  answer_timeout_ms=5000, position_max=1000000, confirm_ms=5000, feed=n.FEED_DEVICE, self_cross="allow"):
    """A live config with an order session. Its strategies are many and meet each other's orders."""
    strategies = strategies if strategies is not None else (
        "  - {name: maker, kind: maker, lcore: LCORE, feed: itch, params: {quantity: 100, position_max: 100000, skew: 0, pause_us: 2000}}\n")
    config = work.config(name=name, mode="inline", every=every, reorder_us=50000, join=join, more_strategies=strategies)
    text = open(config).read()
    head, rest = text.split("orders:\n  port: orders\n", 1)
    risk = rest[rest.index("risk:"):].replace("position_max: 100000", f"position_max: {position_max}\n  self_cross: {self_cross}")
    order_device, control_device = DEVICES.get(device, (None, None))
    ports = ""
    if carrier == "tcp":
        ports = f"  - {{name: orders, device: '{order_device}'}}\n"
        if control_device:
            ports += f"  - {{name: control, device: '{control_device}'}}\n"
    head = head.replace("  - {name: orders, device: net_ring}\n", ports)
    head = head.replace("{name: feed, device: net_ring}", f"{{name: feed, device: '{feed}'}}")
    session = f"""orders:
  carrier: {carrier}
  peer_ip: {DESK_IP}
  peer_port: {DESK_PORT}
  username: desk
  password: gate
  heartbeat_ms: 200
  timeout_ms: 3000
  retry_ms: 50
  retry_max_ms: 400
  answer_timeout_ms: {answer_timeout_ms}
  refs_file: {refs or work.path(name + ".refs")}
  refs_headroom: 1000
  cancel_on_disconnect: true
  open_orders_max: 4096
"""
    if carrier == "tcp":
        session += f"  port: orders\n  local_ip: {ORDER_IP}\n" + ("  control_port: control\n" if control_device else "")
    kill = f"kill: {{watchdog_ms: {watchdog_ms}, confirm_ms: {confirm_ms}}}\n"
    with open(config, "w") as file:
        file.write(head + session + more + risk + kill)
    return config


def states_agree(desk_end, report, text):
    """The venue's book of record and the gateway's two are one."""
    venue = desk_end["orders"]
    venue_positions = {symbol: shares for symbol, shares in venue["positions"].items() if shares != 0}
    session_positions = {symbol: shares for symbol, shares in report["session"]["positions"].items() if shares != 0}
    lcore = report["strategies"][0]
    g.check(session_positions == venue_positions, f"{text}: positions of the session are the venue's ({len(venue_positions)} symbols)")
    g.check(lcore["positions"] == venue_positions, f"{text}: positions of the strategy lcore are the venue's")
    g.check(report["session"]["next_seq"] == venue["next_seq"], f"{text}: {venue['next_seq'] - 1} sequenced messages on both sides")
    g.check(venue["open"] == 0 and lcore["answers"]["open"] == 0 and report["session"]["open"] == 0, f"{text}: nothing is open on either side")
    for key in ("unknown_order", "unknown_trade", "excess", "impossible", "full"):
        g.check(lcore["answers"][key] == 0, f"{text}: no answer was {key}", quiet=True)


def requests_of(desk):
    return [record for record in desk.records() if record["dir"] == "in"]


def each_once_in_order(desk, text, gaps=False):
    """User references of what was entered grow by one; none came twice. `gaps`: some were lost with a connection."""
    refs = [record["user_ref"] for record in requests_of(desk) if record["type"] in "OU"]
    good = all(b > a if gaps else b == a + 1 for a, b in zip(refs, refs[1:]))
    g.check(len(refs) > 100 and good, f"{text}: {len(refs)} new orders and replaces arrived, each once, in order")
    return refs


MESSAGES = 20000
PAUSES = ("--pause-at", str(MESSAGES - 1000), "--pause-at", str(MESSAGES - 10))


def run(work, name, device="af_packet", carrier="tcp", exchange=(), harm=(), middle=None, seconds=None, capture=None, path=None,
        started=None, **config):
    """One session: the venue publishes it in real time and takes orders, the gateway trades; near its end the venue pauses, the gateway
    is stopped, and both sides report. `middle(desk)` is called while orders are under way, `started(gateway)` when it is armed.
    `path`: a config that is made already."""
    path = path or config_orders(work, name, device, carrier, **config)
    address = ["addr", "add", KERNEL_IP + "/24", "dev", "vo"]
    if carrier == "kernel":
        n.ip("-n", n.GATEWAY, *address)
    bridge = Impair(*harm)
    desk = Desk(work.path(name + ".log"), "--messages", str(MESSAGES), "--symbols", str(SYMBOLS), "--seed", str(SEED), "--rate", "5000",
                "--cancel-on-disconnect", *PAUSES, *exchange)
    sniffed = Capture(work.path(name + ".pcap")) if capture else None
    gateway = n.gateway_start(path)
    if started:
        started(gateway)
    desk.wait("order_login")
    desk.go_on()
    if middle:
        middle(desk)
    desk.wait("paused")
    desk.go_on()
    desk.wait("paused") # the last orders have had a second for their answers
    report = n.gateway_stop(gateway)
    end = desk.end()
    harmed = bridge.finish()
    if sniffed:
        sniffed.finish()
    if carrier == "kernel":
        n.ip("-n", n.GATEWAY, "addr", "del", *address[2:])
    return report, end, desk, harmed, sniffed


def main(cases):
    """Run the cases, each a function of the work directory, on a network that is removed afterwards."""
    n.network_make()
    try:
        g.need_two_cpus()
        order_path_make()
        work = g.Work()
        for case in cases:
            case(work)
        left = n.ip("-n", n.GATEWAY, "-d", "link", "show", "vo")
        g.check("prog/xdp" not in left, "no XDP program is left on the interface")
    finally:
        n.network_remove()
        subprocess.run(["ip", "netns", "del", BRIDGE], capture_output=True)
