"""A venue and a gateway in network namespaces of their own, joined by a veth pair; kernel sockets at the venue. For end-to-end tests and
benchmarks: root, iproute2. Whoever calls network_make calls network_remove."""
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../eal"))
import gateway as g
import namespaces

namespaces.need()

EXCHANGE = os.environ["EXCHANGE"]
TAG = f"tg{os.getpid()}"
GATEWAY, VENUE = TAG + "g", TAG + "v"
GATEWAY_IP, VENUE_IP = "10.77.0.1", "10.77.0.2"
PORT_IP = "10.77.0.9" # of a gateway that asks through its own port: the kernel does not have it
FEED_DEVICE = "net_af_packet,iface=vg,blocksz=4096,framesz=2048,framecnt=8192" # room for a hot thread that is not run for a while
REQUEST_PORTS, GLIMPSE_PORT = (17001, 17002), 18001
REQUEST_MESSAGES, RATE_PER_S, RATE_BURST, TIMEOUT_US, TIMEOUT_MAX_US = 50, 400, 40, 20000, 160000


def recovery(transport="transport: kernel", venue=0):
    """The recovery part of a feed's config. A second venue has its servers ten ports further."""
    ports = [port + 10 * venue for port in REQUEST_PORTS]
    return f"""\
    stale: at-once
    hold_messages: 65536
    retransmission:
      {transport}
      servers:
        - {{address: {VENUE_IP}, udp_port: {ports[0]}}}
        - {{address: {VENUE_IP}, udp_port: {ports[1]}}}
      request_messages: {REQUEST_MESSAGES}
      in_flight: 4
      rate_per_s: {RATE_PER_S}
      rate_burst: {RATE_BURST}
      timeout_us: {TIMEOUT_US}
      timeout_max_us: {TIMEOUT_MAX_US}
      attempts: 5
      gap_max: 20000
    snapshot:
      servers:
        - {{address: {VENUE_IP}, tcp_port: {GLIMPSE_PORT + 10 * venue}}}
      username: tick
      password: gate
      timeout_ms: 2000
      retry_ms: 20
      retry_max_ms: 200
"""


def ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode != 0: # by its own words: a host without veth, a chroot that is no mount ...
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def raw_socket(namespace, device):
    """A raw socket inside a namespace; a thread of its own enters it for a moment."""
    result = []

    def enter():
        descriptor = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) == 0: # CLONE_NEWNET
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
            raw.bind((device, 0x0800))
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            result.append(raw)
        os.close(descriptor)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return result[0]


def mac(namespace, device):
    return json.loads(ip("-n", namespace, "-j", "link", "show", device))[0]["address"]


def network_make():
    for namespace in (GATEWAY, VENUE):
        ip("netns", "add", namespace)
    ip("-n", GATEWAY, "link", "add", "vg", "type", "veth", "peer", "name", "vv", "netns", VENUE)
    for namespace, device, address in ((GATEWAY, "vg", GATEWAY_IP), (VENUE, "vv", VENUE_IP)):
        subprocess.run(["ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"], check=False)
        ip("-n", namespace, "addr", "add", address + "/24", "dev", device)
        ip("-n", namespace, "link", "set", device, "up")
        ip("-n", namespace, "link", "set", "lo", "up")
    ip("-n", VENUE, "neigh", "add", PORT_IP, "lladdr", mac(GATEWAY, "vg"), "dev", "vv") # nobody answers ARP for it


def network_remove():
    for namespace in (GATEWAY, VENUE):
        subprocess.run(["ip", "netns", "del", namespace], capture_output=True)


def config_live(config, recoveries, orders_too=True, device=FEED_DEVICE):
    """A config of the harness, put on the veth and given servers: one recovery text for each feed. The driver has one transmit queue:
    it is for orders (orders_too), or for requests."""
    text = open(config).read().replace("{name: feed, device: net_ring}", f"{{name: feed, device: '{device}'}}")
    if orders_too:
        text = text.replace("  - {name: orders, device: net_ring}\n", "").replace("port: orders", "port: feed")
    head, *feeds = text.split("    lines:\n")
    text = head + "".join(recovery_text + "    lines:\n" + feed for recovery_text, feed in zip(recoveries, feeds))
    with open(config, "w") as file:
        file.write(text)
    return config


class Venue:
    """One exchange. It begins when go_on is called, and says what happens as JSON lines."""

    def __init__(self, *options, venue=0):
        groups = [f"239.192.{1 + 2 * venue}.1:26477", f"239.192.{2 + 2 * venue}.1:26478"]
        command = ["ip", "netns", "exec", VENUE, EXCHANGE, "--interface-a", VENUE_IP, "--interface-b", VENUE_IP,
                   "--group-a", groups[0], "--group-b", groups[1],
                   *(argument for port in REQUEST_PORTS for argument in ("--request", f"{VENUE_IP}:{port + 10 * venue}")),
                   "--glimpse", f"{VENUE_IP}:{GLIMPSE_PORT + 10 * venue}", "--username", "tick", "--password", "gate",
                   "--end-s", "3", "--wait-start", *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = []
        self.pauses = 0 # that came while something else was waited for: the venue says each once, and waits
        self.wait("ready")

    def wait(self, event):
        if event == "paused" and self.pauses > 0:
            self.pauses -= 1
            return self.events("paused")[-1]
        for line in self.process.stdout:
            said = json.loads(line)
            self.said.append(said)
            if said.get("event") == event:
                return said
            self.pauses += said.get("event") == "paused"
        g.check(False, f"the exchange ended before it said '{event}'")
        return None

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def finish(self):
        last = self.wait("end")
        self.process.stdout.read()
        g.check(self.process.wait(timeout=60) == 0, "the exchange ended well", quiet=True)
        self.process.stdout.close()
        self.process.stdin.close()
        return last

    def end(self):
        """End it where it is: the rest of its session would be for nobody."""
        self.process.send_signal(signal.SIGINT)
        return self.finish()

    def events(self, name):
        return [said for said in self.said if said.get("event") == name]


def gateway_start(config):
    process = subprocess.Popen(["ip", "netns", "exec", GATEWAY, g.TICKGATE, "run", config, "--json"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    said = ""
    for line in process.stderr:
        said += line
        if "armed" in line:
            return process
    g.check(False, f"the gateway did not start: {said}")
    return None


def gateway_stop(process):
    """The report."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    g.check(process.returncode == 0, f"clean stop {err.strip()}", quiet=True)
    return json.loads(out)
