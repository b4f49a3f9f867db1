#!/usr/bin/env python3
"""tickgate firewall in a namespace of its own, with real connections through it: what is let through, what is not, and that a change
which nobody confirms ends by itself - with its parent killed, with its guard killed too."""
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../eal"))
import gateway as g
import namespaces

namespaces.need()
if not shutil.which("nft", path=os.environ.get("PATH", "") + ":/usr/sbin"):
    print("skipped: needs the program nft")
    sys.exit(g.SKIP)

libc = ctypes.CDLL(None, use_errno=True)
TAG = f"tg{os.getpid()}"
HOST, PEER = TAG + "h", TAG + "p"
CONFIG = """\
gateway: {mode: inline}
lcores: [{name: rx0, role: rx, cpu: 0}]
ports: [{name: md, device: net_ring}]
feeds:
  - name: itch
    session_date: 2023-08-22
    time_zone: UTC
    lines: [{name: A, group: 239.192.1.1, udp_port: 26477, source: 10.78.2.2}]
orders: {carrier: kernel, peer_ip: 10.78.1.2, peer_port: 4000, username: a, refs_file: x.refs, cancel_on_disconnect: true}
firewall:
  management:
    - {interface: mg, sources: [10.78.0.2], tcp_ports: [22]}
  order_interfaces: [og]
  feed_interfaces: [fg]
"""
LINKS = ("mg", "og", "fg")


def ip(*arguments):
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


def inside(namespace, *command, check=True):
    return subprocess.run(["ip", "netns", "exec", namespace, *command], check=check, capture_output=True, text=True)


def firewall(*arguments, check=True):
    done = inside(HOST, g.TICKGATE, "firewall", *arguments, check=False)
    if check:
        g.check(done.returncode == 0, f"firewall {' '.join(arguments)}: {done.stderr.strip()}", quiet=True)
    return done


def ruleset():
    """Everything nft knows here, without counters."""
    return re.sub(r"packets \d+ bytes \d+", "", inside(HOST, "nft", "list", "ruleset").stdout)


def open_socket(namespace, kind):
    """A socket of another namespace: the thread that makes it enters that one."""
    made = []

    def make():
        fd = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
        libc.setns(fd, 0)
        os.close(fd)
        made.append(socket.socket(socket.AF_INET, kind))
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return made[0]


def listener(namespace, address, port):
    sock = open_socket(namespace, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen()
    return sock


def connects(source_namespace, source_address, address, port):
    """True: connected. False: nothing answered for half a second, the kernel's SYN and none of its repetitions included."""
    sock = open_socket(source_namespace, socket.SOCK_STREAM)
    sock.settimeout(0.5)
    try:
        sock.bind((source_address, 0))
        sock.connect((address, port))
        return True
    except (TimeoutError, PermissionError): # on the way out netfilter says so to the sender
        return False
    finally:
        sock.close()


def feed_arrives(receiver, source_address, token):
    sender = open_socket(PEER, socket.SOCK_DGRAM)
    sender.bind((source_address, 0))
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.78.2.2"))
    sender.sendto(token, ("239.192.1.1", 26477))
    sender.close()
    try:
        return receiver.recv(64) == token
    except TimeoutError:
        return False


def reachable():
    """What passes, as one word a path."""
    passes = set()
    for name, arguments in {
        "ssh": (PEER, "10.78.0.2", "10.78.0.1", 22), "ssh-stranger": (PEER, "10.78.0.3", "10.78.0.1", 22),
        "telnet": (PEER, "10.78.0.2", "10.78.0.1", 23), "orders": (HOST, "10.78.1.1", "10.78.1.2", 4000),
        "other-venue": (HOST, "10.78.1.1", "10.78.1.2", 4001), "in-by-order-port": (PEER, "10.78.1.2", "10.78.1.1", 22),
        "out-by-management": (HOST, "10.78.0.1", "10.78.0.2", 4000)}.items():
        if connects(*arguments):
            passes.add(name)
    if feed_arrives(receiver, "10.78.2.2", os.urandom(8)):
        passes.add("feed")
    if feed_arrives(receiver, "10.78.2.3", os.urandom(8)):
        passes.add("feed-stranger")
    return passes


EVERYTHING = {"ssh", "ssh-stranger", "telnet", "orders", "other-venue", "in-by-order-port", "out-by-management", "feed", "feed-stranger"}
GUARDED = {"ssh", "orders", "out-by-management", "feed"}


def wait_until(what, text, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            g.check(True, text)
            return
        time.sleep(0.1)
    g.check(False, text)


def guards(): # processes of ours without a parent: the guard keeps the name of what it came from
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
            if g.TICKGATE.encode() in words and b"firewall" in words and os.readlink(f"/proc/{pid}/ns/net") == netns:
                found.append(int(pid))
        except OSError:
            pass
    return found


work = tempfile.mkdtemp(prefix="tickgate-firewall-")
try:
    for namespace in (HOST, PEER):
        ip("netns", "add", namespace)
        ip("-n", namespace, "link", "set", "lo", "up")
    for idx, link in enumerate(LINKS):
        ip("-n", HOST, "link", "add", link, "type", "veth", "peer", "name", link, "netns", PEER)
        ip("-n", HOST, "addr", "add", f"10.78.{idx}.1/24", "dev", link)
        for host in (2, 3):
            ip("-n", PEER, "addr", "add", f"10.78.{idx}.{host}/24", "dev", link)
        for namespace in (HOST, PEER):
            ip("-n", namespace, "link", "set", link, "up")
    netns = inside(HOST, "readlink", "/proc/self/ns/net").stdout.strip()
    config = os.path.join(work, "host.yaml")
    open(config, "w").write(CONFIG)
    inside(HOST, "nft", "add", "table", "ip", "theirs") # somebody else's: must stay as it is
    inside(HOST, "nft", "add", "chain", "ip", "theirs", "input", "{ type filter hook input priority 10; policy accept; }")
    inside(HOST, "nft", "add", "rule", "ip", "theirs", "input", "tcp", "dport", "9", "drop")

    listeners = [listener(HOST, "0.0.0.0", 22), listener(HOST, "0.0.0.0", 23), listener(PEER, "0.0.0.0", 4000),
                 listener(PEER, "0.0.0.0", 4001)]
    receiver = open_socket(HOST, socket.SOCK_DGRAM)
    receiver.bind(("239.192.1.1", 26477))
    receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.192.1.1") + socket.inet_aton("10.78.2.1"))
    receiver.settimeout(0.5)
    before = ruleset()
    g.check(reachable() == EVERYTHING, "without rules everything passes")

    done = firewall("apply", config, "--dry-run")
    g.check("chain input_a" in done.stdout and ruleset() == before, "a dry run shows the rules and changes nothing")
    g.check(done.stderr == "", f"and has nothing to warn of: {done.stderr}", quiet=True)
    misspelt = config + ".misspelt"
    with open(config, encoding="ascii") as file, open(misspelt, "w", encoding="ascii") as copy:
        copy.write(file.read().replace("feed_interfaces: [fg]", "feed_interfaces: [gf]"))
    done = firewall("apply", misspelt, "--dry-run")
    g.check("warning: firewall.feed_interfaces: there is no interface 'gf'" in done.stderr and done.stderr.count("\n") == 1,
            f"an interface that is not there is said: {done.stderr.strip()}")

    firewall("apply", config, "--seconds", "30")
    g.check(reachable() == GUARDED, "behind the rules passes what the config names, and nothing besides")
    g.check(firewall("apply", config, check=False).returncode == 1, "a second change is refused while one waits")
    firewall("rollback")
    g.check(ruleset() == before and reachable() == EVERYTHING, "rollback: everything is as before")

    firewall("apply", config, "--seconds", "2")
    g.check(ruleset() != before, "applied", quiet=True)
    wait_until(lambda: ruleset() == before, "nobody confirmed: the rules before are back by themselves", 8)
    g.check(firewall("confirm", check=False).returncode == 1, "a confirmation that comes too late is refused")

    # The terminal goes away: the shell and all of its processes are killed the moment the rules are in force.
    shell = subprocess.Popen(["ip", "netns", "exec", HOST, "sh", "-c", f"'{g.TICKGATE}' firewall apply '{config}' --seconds 2; exec sleep 600"],
                             stdout=subprocess.PIPE, text=True, start_new_session=True)
    shell.stdout.readline()
    g.check(ruleset() != before, "applied", quiet=True)
    os.killpg(shell.pid, signal.SIGHUP)
    os.killpg(shell.pid, signal.SIGKILL)
    shell.wait()
    wait_until(lambda: ruleset() == before, "its parent was killed: the rules before are back all the same", 8)

    for pid in guards(): # of the change that was rolled back: it would find nothing to do, in 30 s
        os.kill(pid, signal.SIGKILL)
    firewall("apply", config, "--seconds", "2")
    g.check(len(guards()) == 1, "one guard waits", quiet=True)
    for pid in guards():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: reachable() == EVERYTHING, "its guard was killed too: the kernel lets everything pass again", 12)
    g.check(firewall("confirm", check=False).returncode == 1 and "out of force" in firewall("show").stdout,
            "what is left of it cannot be confirmed, and says so")
    firewall("rollback")
    g.check(ruleset() == before, "and is removed by rollback")

    firewall("apply", config, "--seconds", "2")
    firewall("confirm")
    confirmed = ruleset()
    wait_until(lambda: not guards(), "the guard ends without doing anything", 8)
    g.check(ruleset() == confirmed and reachable() == GUARDED, "confirmed: the rules stay")

    wider = os.path.join(work, "wider.yaml")
    open(wider, "w").write(CONFIG.replace("tcp_ports: [22]", "tcp_ports: [22, 23]"))
    firewall("apply", wider, "--seconds", "3")
    g.check(reachable() == GUARDED | {"telnet"}, "a second set of rules takes over while it waits")
    wait_until(lambda: ruleset() == confirmed, "and when nobody confirms it, the confirmed one before it is back", 10)
    g.check(reachable() == GUARDED, "in force, too")
    firewall("apply", wider, "--now")
    g.check(reachable() == GUARDED | {"telnet"} and not guards(), "--now: in force at once, nobody waits")

    bad = os.path.join(work, "bad.yaml")
    open(bad, "w").write(CONFIG.replace("sources: [10.78.0.2]", "sources: [10.78.0.300]"))
    now = ruleset()
    done = firewall("apply", bad, check=False)
    g.check(done.returncode == 2 and f"{bad}:12: firewall.management[0].sources[0]" in done.stderr and ruleset() == now,
            "a config that is wrong names file, line and key, and changes nothing")
    firewall("remove")
    g.check(ruleset() == before and "dport 9" in ruleset(), "removed; somebody else's table has stayed as it was")
finally:
    for namespace in (HOST, PEER):
        subprocess.run(["ip", "netns", "del", namespace], capture_output=True)
    shutil.rmtree(work)
