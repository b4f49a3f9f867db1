"""The telemetry socket of a gateway that runs: every command answers with a dictionary in which no name stands twice, and numbers that grow.
And what counts losses counts them: causes that the journal came too late for."""
import json
import os
import socket
import subprocess

import gateway as g

g.need_two_cpus()
work = g.Work()
captures = work.session("told", 20000, "--symbols", "20")


def config(**changes):
    path = work.config(mode="two-core", **changes)
    text = open(path).read().replace("telemetry: {enabled: false}", "telemetry: {enabled: true}")
    with open(path, "w") as file:
        file.write(text)
    return path


class Told:
    """The socket of one gateway, from the moment that it is there."""

    def __init__(self, process, name):
        directory = os.environ.get("XDG_RUNTIME_DIR") if os.geteuid() else "/var/run"
        path = os.path.join(directory or "/tmp", "dpdk", f"tickgate-{name}-{process.pid}", "dpdk_telemetry.v2")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        while True:
            g.check(process.poll() is None, "the gateway runs", quiet=True)
            try:
                self.socket.connect(path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                continue
        self.socket.recv(65536)

    def ask(self, command):
        self.socket.send(command.encode())
        return json.loads(self.socket.recv(65536), object_pairs_hook=self.once)[command.split(",")[0]]

    @staticmethod
    def once(pairs):
        names = [name for name, _ in pairs]
        g.check(len(set(names)) == len(names), f"each name once: {names}", quiet=len(set(names)) == len(names))
        return dict(pairs)


gateway = subprocess.Popen([g.TICKGATE, "replay", config(name="told"), "--capture", captures[0], "--speed", "20", "--venue", "sim",
                            "--journal", work.path("journal")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
told = Told(gateway, "told")
while (told.ask("/tickgate/journal") or {"records": 0})["records"] == 0: # no order has gone out yet
    g.check(gateway.poll() is None, "it goes on", quiet=True)
commands = [command for command in told.ask("/") if command.startswith("/tickgate/")]
answers = {command: told.ask(command) for command in commands}
empty = {command for command, answer in answers.items() if answer is None}
g.check(empty == {"/tickgate/orders", "/tickgate/membership", "/tickgate/xdp"}, f"{len(commands)} commands, none of them empty but for {empty}")
g.check(answers["/tickgate/strategies"]["orders"] > 0 and answers["/tickgate/rx"]["asks_lost"] == 0, "what an lcore did, and lost")
g.check(answers["/tickgate/answers"]["positions_unknown"] == answers["/tickgate/answers"]["overflow_cancels"] == 0, "what the venue answered")
g.check(answers["/tickgate/journal"]["causes_lost"] == answers["/tickgate/journal"]["records_lost"] == 0, "what the journal has")
for command in ("rx", "ports", "feeds", "strategies", "answers", "latency"):
    for nobody in ("7", "told", "-1", "4294967296", "0,1", "0x0", " 0"):
        g.check(told.ask(f"/tickgate/{command},{nobody}") is None, f"there is no {command} {nobody}", quiet=True)
    g.check(told.ask(f"/tickgate/{command},0") is not None, f"there is {command} 0", quiet=True)
gateway.terminate()
g.check(gateway.wait(timeout=60) is not None, "it ends", quiet=True)

report = g.replay(config(name="late", ring_slots=64, every=1, rate_per_s=10000000), captures, "--speed", "max", "--journal", work.path("journal"))
lost = sum("cause=lost" in line for line in open(work.path("journal"), encoding="ascii"))
g.check(report["causes_lost"] == lost > 0, f"of {report['strategies'][0]['orders']} orders {lost} had lost their cause when the journal came to them")
