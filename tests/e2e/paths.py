"""Every kind of port on the same network: A and B on interfaces of their own, the order session on a third. Configs for a kind, taps
bridged to their interfaces, and what a gateway must not leave behind."""
import json
import os
import subprocess

import network as n
from network import g
import desk as d

B_GATEWAY_IP, B_VENUE_IP = "10.79.0.1", "10.79.0.2"
KINDS = ("af_xdp", "af_packet", "tap")
FEED_DEVICES = {
    "af_xdp": ("net_af_xdp,iface=vg", "net_af_xdp,iface=vh"),
    "af_packet": ("net_af_packet,iface=vg,blocksz=4096,framesz=2048,framecnt=8192", "net_af_packet,iface=vh,blocksz=4096,framesz=2048,framecnt=8192"),
    "tap": ("net_tap,iface=tga", "net_tap,iface=tgb"),
}
TAPS = {"tga": "vg", "tgb": "vh", "tgo": "vo"}
INTERFACES = ("vg", "vh", "vo")


def network_make():
    """Beside what network.py and desk.py make: vh (gateway) - vw (venue), for line B."""
    n.network_make()
    d.order_path_make()
    n.ip("-n", n.GATEWAY, "link", "add", "vh", "type", "veth", "peer", "name", "vw", "netns", n.VENUE)
    for namespace, device, address in ((n.GATEWAY, "vh", B_GATEWAY_IP), (n.VENUE, "vw", B_VENUE_IP)):
        n.ip("-n", namespace, "addr", "add", address + "/24", "dev", device)
        n.ip("-n", namespace, "link", "set", device, "up")
    for namespace, device in ((n.GATEWAY, "vg"), (n.GATEWAY, "vh"), (n.VENUE, "vv"), (n.VENUE, "vw")):
        d.offload_off(namespace, device)


def network_remove():
    n.network_remove()
    subprocess.run(["ip", "netns", "del", d.BRIDGE], capture_output=True)


def config(work, name, kind, **changes):
    """A trading config: feed ports a and b, order port(s), all of one kind."""
    path = d.config_orders(work, name, device=kind, **changes)
    a, b = FEED_DEVICES[kind]
    text = open(path).read()
    head, rest = text.split("  - {name: feed, device:", 1)
    rest = rest.split("\n", 1)[1]
    # As many descriptors as AF_XDP has frames in its fill ring: a second of this feed, for a hot thread that is not run for a while.
    text = head + f"  - {{name: a, device: '{a}', rx_descriptors: 2048}}\n  - {{name: b, device: '{b}', rx_descriptors: 2048}}\n" + rest
    text = text.replace("{name: A, port: feed,", "{name: A, port: a,").replace("{name: B, port: feed,", "{name: B, port: b,")
    if kind == "tap": # a bridge keeps frames for the address of one of its own ports to itself
        text = text.replace("orders:\n", "orders:\n  local_mac: '02:00:00:00:00:0a'\n", 1)
    text = text.replace("memory: no-huge, memory_mb: 128", "memory: auto, memory_mb: 256")
    with open(path, "w") as file:
        file.write(text)
    return path


def bridges_make():
    """For taps: each interface of the network in a bridge of the gateway's namespace, which its tap joins when it is there."""
    for tap, device in TAPS.items():
        n.ip("-n", n.GATEWAY, "link", "add", "br" + device, "type", "bridge", "mcast_snooping", "0")
        n.ip("-n", n.GATEWAY, "addr", "flush", "dev", device)
        n.ip("-n", n.GATEWAY, "link", "set", device, "master", "br" + device)
        n.ip("-n", n.GATEWAY, "link", "set", "br" + device, "up")


def taps_join(_gateway=None):
    for tap, device in TAPS.items():
        d.offload_off(n.GATEWAY, tap)
        n.ip("-n", n.GATEWAY, "link", "set", tap, "master", "br" + device)
        n.ip("-n", n.GATEWAY, "link", "set", tap, "up")


def left_behind(name):
    """XDP programs, interfaces, run directories, hugepage files of a gateway that is gone."""
    left = []
    for link in json.loads(n.ip("-n", n.GATEWAY, "-d", "-j", "link", "show")):
        if link.get("xdp"):
            left.append(f"XDP program {link['xdp']['prog']['name']} on {link['ifname']}")
        if link["ifname"] in TAPS:
            left.append("interface " + link["ifname"])
    for directory in ("/var/run/dpdk", "/dev/hugepages"):
        if os.path.isdir(directory):
            left += [f"{directory}/{entry}" for entry in os.listdir(directory) if f"tickgate-{name}-" in entry]
    return left
