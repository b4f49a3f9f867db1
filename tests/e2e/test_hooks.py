#!/usr/bin/env python3
"""tickgate hooks between three namespaces: what is sent, routed and received is counted at the hook where it passes, what shall be
dropped is dropped there, and nothing stays when the process is killed."""
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../eal"))
import gateway as g
import namespaces

namespaces.need()

TAG = f"tg{os.getpid()}"
SENDER, ROUTER, RECEIVER = TAG + "s", TAG + "r", TAG + "e"
FORWARDED, LOCAL = "10.79.2.2", "10.79.1.1" # addresses of the receiver and of the router


def ip(*arguments):
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


def hooks(*options):
    """Started, and at its hooks."""
    process = subprocess.Popen(["ip", "netns", "exec", ROUTER, g.TICKGATE, "hooks", "--json", *options], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    said = process.stderr.readline()
    if "counting" not in said:
        process.wait()
        if "this build has no program" in said or "this kernel has no BPF programs" in said:
            print("skipped:", said.strip())
            sys.exit(g.SKIP)
        g.check(False, f"hooks did not start: {said}{process.stderr.read()}")
    return process


def stop(process):
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    g.check(process.returncode == 0, f"clean stop {err}", quiet=True)
    return {(row["hook"], row["protocol"], row["port"]): row for row in json.loads(out)["hooks"]}


def send(address, port, count):
    """From a process in the sender's namespace; returns when the kernel has taken them: on veth they are through then."""
    subprocess.run(["ip", "netns", "exec", SENDER, sys.executable, "-c",
                    f"import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                    f"for i in range({count}): s.sendto(b'tick', ('{address}', {port}))"], check=True)


def received(namespace, address, port, action):
    """How many datagrams a socket of that namespace gets out of what `action` sends: it counts up to an end mark of another port's."""
    listener = subprocess.Popen(["ip", "netns", "exec", namespace, sys.executable, "-c", f"""
import select, socket
data, mark = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
data.bind(('{address}', {port})); mark.bind(('{address}', 9))
print('ready', flush=True)
mark.recv(16)
count = 0
while select.select([data], [], [], 0.5)[0]: # the mark may have overtaken some on another CPU
    data.recv(16); count += 1
print(count)
"""], stdout=subprocess.PIPE, text=True)
    listener.stdout.readline()
    action()
    send(address, 9, 1)
    return int(listener.communicate(timeout=30)[0])


try:
    for namespace in (SENDER, ROUTER, RECEIVER):
        ip("netns", "add", namespace)
        ip("-n", namespace, "link", "set", "lo", "up")
    for idx, (namespace, device) in enumerate(((SENDER, "r1"), (RECEIVER, "r2")), 1):
        ip("-n", ROUTER, "link", "add", device, "type", "veth", "peer", "name", "wire", "netns", namespace)
        ip("-n", ROUTER, "addr", "add", f"10.79.{idx}.1/24", "dev", device)
        ip("-n", namespace, "addr", "add", f"10.79.{idx}.2/24", "dev", "wire")
        ip("-n", ROUTER, "link", "set", device, "up")
        ip("-n", namespace, "link", "set", "wire", "up")
        ip("-n", namespace, "route", "add", "default", "via", f"10.79.{idx}.1")
    subprocess.run(["ip", "netns", "exec", ROUTER, "sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)

    process = hooks("--port", "udp:5000")
    other = subprocess.run(["ip", "netns", "exec", ROUTER, g.TICKGATE, "hooks", "--seconds", "1"], capture_output=True, text=True)
    g.check(other.returncode == 1 and "another" in other.stderr, "a second one at the same hooks is refused in a sentence")
    g.check(received(RECEIVER, FORWARDED, 5000, lambda: send(FORWARDED, 5000, 40)) == 40, "40 datagrams were routed", quiet=True)
    g.check(received(ROUTER, LOCAL, 5000, lambda: send(LOCAL, 5000, 7)) == 7, "7 datagrams were received", quiet=True)
    rows = stop(process)
    g.check([rows[hook, "udp", 5000]["packets"] for hook in ("prerouting", "input", "forward", "output", "postrouting")]
            == [47, 7, 40, 0, 40], "routed and received packets are counted where they pass: 47, 7, 40, 0, 40")
    g.check(rows["forward", "udp", 5000]["bytes"] == 40 * 32 and rows["input", "udp", 0]["packets"] == 8,
            "with their bytes, and all of the protocol")

    process = hooks("--drop", "forward:udp:5000", "--drop", "input:udp:5001")
    g.check(received(RECEIVER, FORWARDED, 5000, lambda: send(FORWARDED, 5000, 11)) == 0, "dropped at forward")
    g.check(received(ROUTER, LOCAL, 5000, lambda: send(LOCAL, 5000, 5)) == 5, "the same port at another hook is not")
    g.check(received(ROUTER, LOCAL, 5001, lambda: send(LOCAL, 5001, 6)) == 0, "dropped at input")
    rows = stop(process)
    g.check(rows["forward", "udp", 5000]["dropped"] == 11 and rows["input", "udp", 5001]["dropped"] == 6
            and rows["input", "udp", 5000]["dropped"] == 0 and rows["postrouting", "udp", 5000]["packets"] == 0,
            "what was dropped is counted there, and is not seen behind it")

    process = hooks("--drop", "input:udp:5000")
    process.kill()
    process.communicate()
    g.check(received(ROUTER, LOCAL, 5000, lambda: send(LOCAL, 5000, 3)) == 3, "killed: nothing of it stays at the hooks")

    for options, text in ((["--port", "udp"], "--port is PROTOCOL:PORT"), (["--drop", "udp:1"], "--drop is HOOK:PROTOCOL:PORT"),
                          (["--seconds", "0"], "--seconds is a whole number"), (["x"], "takes no argument")):
        done = subprocess.run([g.TICKGATE, "hooks", *options], capture_output=True, text=True)
        g.check(done.returncode == 2 and text in done.stderr, f"{' '.join(options)}: refused in a sentence", quiet=True)
finally:
    for namespace in (SENDER, ROUTER, RECEIVER):
        subprocess.run(["ip", "netns", "del", namespace], capture_output=True)
