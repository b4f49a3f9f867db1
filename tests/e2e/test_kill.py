"""The kill against a venue that keeps what it is not told to cancel: with a thousand resting orders and a lossy order path, of a strategy
that spins for ever, by signal and by command, while the connection is broken, while the replay of an earlier life's orders is under
way, with replaces in flight, on a socket of the kernel and in a replay. Each time nothing is open at the venue, both sides agree, and
nothing is armed before that is known. Needs root, iproute2 and two CPUs; tshark for its look at the wire."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import desk as d
import network as n
from network import g

SPIN = os.path.join(os.environ["PLUGIN_DIR"], "spin.so")
NEVER = 10**15 # market events
CONFIRM_MS = 5000 # of desk.config_orders: what is not confirmed in this time counts as overdue


def resting(orders, after=NEVER):
    """Leaves so many orders in the book; `after` market events behind the last of them it does not return."""
    return (f"  - {{name: rest, plugin: {SPIN}, lcore: LCORE, feed: itch, "
            f"params: {{orders: {orders}, distance: 50000, after: {after}}}}}\n")


MAKER = "  - {name: maker, kind: maker, lcore: LCORE, feed: itch, params: {quantity: 100, position_max: 100000, skew: 0, pause_us: 2000}}\n"


class Killable:
    """A gateway with an admin socket, a venue that cancels nothing by itself, and the bridge between them."""

    def __init__(self, work, name, strategies, harm=(), exchange=(), carrier="tcp", capture=False, messages=d.MESSAGES,
                 **config):
        self.name, self.socket = name, work.path(name + ".sock")
        more = f"admin: {{socket: {self.socket}, audit_file: {work.path(name + '.audit')}}}\n"
        self.config = d.config_orders(work, name, carrier=carrier, strategies=strategies, **config)
        with open(self.config, "a") as file:
            file.write(more)
        self.address = ["addr", "add", d.KERNEL_IP + "/24", "dev", "vo"] if carrier == "kernel" else None
        if self.address:
            n.ip("-n", n.GATEWAY, *self.address)
        self.bridge = d.Impair(*harm)
        self.desk = d.Desk(work.path(name + ".log"), "--messages", str(messages), "--symbols", str(d.SYMBOLS), "--seed", str(d.SEED),
                           "--rate", "5000", "--pause-at", str(messages - 1000), "--pause-at", str(messages - 10), *exchange)
        self.sniffed = d.Capture(work.path(name + ".pcap")) if capture else None
        self.start()

    def start(self):
        self.gateway = n.gateway_start(self.config)

    def logged_in(self):
        """The first login of a life is the probe."""
        self.desk.wait("order_login")
        self.desk.wait("order_login")

    def admin(self, *words, refused=False):
        done = subprocess.run([g.TICKGATE, "admin", self.socket, *words], capture_output=True, text=True)
        g.check((done.returncode != 0) == refused, f"{self.name}: admin {' '.join(words)}: {done.stdout}{done.stderr}", quiet=True)
        return json.loads(done.stdout) if done.returncode == 0 else done.stdout + done.stderr

    def until(self, condition, what, seconds=60):
        """The status that fulfils `condition`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status = self.admin("status")
            if condition(status):
                return status
            time.sleep(0.02)
        g.check(False, f"{self.name}: {what}: {status}")
        return None

    def killed(self):
        return self.until(lambda status: status["kill"]["state"] == "killed", "the kill is confirmed")["kill"]

    def records(self):
        """What the venue's log has by now; its last line may be half written."""
        with open(self.desk.log, encoding="ascii") as file:
            return [json.loads(line) for line in file.read().splitlines(True) if line.endswith("\n")]

    def open_at_venue(self):
        """UserRefNums that are in the venue's book, by its own log."""
        alive = {}
        for record in self.records():
            if record["dir"] != "out":
                continue
            ref, kind = record.get("user_ref"), record["type"]
            if kind == "A" and record.get("state", "L") == "L":
                alive[ref] = record["qty"]
            elif kind == "U":
                alive.pop(record["orig_user_ref"], None)
                alive[ref] = record["qty"]
            elif kind in "CDE" and ref in alive:
                alive[ref] -= record["qty"]
                if alive[ref] <= 0:
                    del alive[ref]
        return alive

    def nothing_entered_since(self, at):
        entered = [record for record in self.records()[at:] if record["dir"] == "in" and record["type"] in "OU"]
        g.check(not entered, f"{self.name}: no order reached the venue after the kill was confirmed", quiet=True)

    def finish(self, stopped=True):
        self.desk.wait("paused")
        self.desk.go_on()
        self.desk.wait("paused")
        report = n.gateway_stop(self.gateway) if stopped else None
        end = self.desk.end()
        harmed = self.bridge.finish()
        if self.sniffed:
            self.sniffed.finish()
        if self.address:
            n.ip("-n", n.GATEWAY, "addr", "del", *self.address[2:])
        return report, end, harmed


def confirmed(killable, kill):
    g.check(kill["open"] == "" and not killable.open_at_venue(), f"{killable.name}: killed by {kill['cause']} ({kill['who']}), confirmed "
            f"{kill['confirmed_ns'] / 1e6:.1f} ms later: nothing is open at the venue")
    g.check(kill["counters"]["overdue"] == 0, f"{killable.name}: within the {CONFIRM_MS} ms that the config allows")


def thousand(work):
    """A thousand resting orders, a twentieth of all segments lost each way; armed again it trades."""
    killable = Killable(work, "thousand", resting(1000) + MAKER, harm=("--fault", "loss=5", "--back", "loss=5"),
                        messages=100000) # the market goes on while it is killed, and after
    killable.logged_in()
    killable.desk.go_on()
    killable.until(lambda status: status["open"] >= 1000, "a thousand orders rest")
    before = len(killable.open_at_venue())
    killable.admin("kill", "a test")
    killable.admin("arm", refused=True)
    kill = killable.killed()
    at = len(killable.records())
    g.check(before >= 1000 and kill["cause"] == "command", f"thousand: {before} orders were open at the venue when it was killed")
    confirmed(killable, kill)
    killable.nothing_entered_since(at)
    killable.admin("arm")
    killable.until(lambda status: status["open"] > 0, "it trades again")
    report, end, harmed = killable.finish()
    lost = harmed["lines"][0]["lost"], harmed["back"][0]["lost"]
    g.check(min(lost) > 5, f"thousand: {lost[0]} of our segments and {lost[1]} of the venue's were lost")
    again = [record for record in killable.records()[at:] if record["dir"] == "in" and record["type"] == "O"]
    g.check(len(again) > 10, f"thousand: armed again it has entered {len(again)} orders")
    d.each_once_in_order(killable.desk, "thousand")
    d.states_agree(end, report, "thousand")
    g.check(report["kill"]["counters"]["arm_refused"] == 1 and report["kill"]["state"] == "armed", "thousand: arming was refused before that")


def stream_of(sniffed, port):
    """What the gateway said on one connection, as SoupBinTCP packets."""
    segments = {}
    for seq, payload in sniffed.fields(f"ip.src=={d.ORDER_IP} && tcp.srcport=={port} && tcp.len>0", "tcp.seq", "tcp.payload"):
        segments[int(seq)] = bytes.fromhex(payload.replace(":", ""))
    stream, at = b"", min(segments)
    for seq in sorted(segments):
        if seq + len(segments[seq]) > at:
            stream += segments[seq][max(at - seq, 0):]
            at = seq + len(segments[seq])
    packets = []
    while len(stream) >= 3:
        length = int.from_bytes(stream[:2], "big")
        packets.append(stream[2:2 + length])
        stream = stream[2 + length:]
    return packets


def spins(work):
    """A strategy that never returns, with a hundred orders in the book."""
    look = shutil.which("tshark")
    killable = Killable(work, "spins", resting(100, after=3000) + MAKER, watchdog_ms=1000, capture=look)
    killable.logged_in()
    killable.desk.go_on()
    kill = killable.killed()
    at = len(killable.records())
    g.check(kill["cause"] == "watchdog" and kill["who"] == "lcore rx0, strategy rest was in on_event", f"spins: {kill['who']}")
    confirmed(killable, kill)
    refusal = killable.admin("arm", refused=True)
    g.check("restart" in refusal, "spins: it is not armed again: " + refusal.strip())
    killable.gateway.send_signal(signal.SIGINT)
    out, err = killable.gateway.communicate(timeout=60)
    report = json.loads(out)
    g.check(killable.gateway.returncode == 1 and "does not end" in err, "spins: a stop leaves the lcore behind and says so")
    _, end, _ = killable.finish(stopped=False)
    killable.nothing_entered_since(at)
    own = report["session"]["counters"]["own_cancels"]
    g.check(end["orders"]["open"] == 0 and end["orders"]["disconnect_cancels"] == 0 and own >= 100,
            f"spins: the control thread cancelled {own} orders, the venue none by itself")
    if not look:
        print("skipped: tshark is not installed; the wire was not looked at")
        return
    ports = list(dict.fromkeys(int(port) for port, in killable.sniffed.fields(
        f"ip.src=={d.ORDER_IP} && tcp.flags.syn==1", "tcp.srcport")))
    packets = stream_of(killable.sniffed, ports[-1])
    kinds = [packet[:1] + packet[1:2] if packet[:1] == b"U" else packet[:1] for packet in packets]
    g.check(kinds[0] == b"L" and set(kinds[1:]) <= {b"UQ", b"UX", b"R", b"O"} and kinds.count(b"UX") == own,
            f"spins: on the new connection a login, the query, {kinds.count(b'UX')} cancels, {kinds.count(b'R')} heartbeats, and no byte "
            "of the owner's")


def by_signal(work):
    """SIGUSR1 with quotes in the book and replaces in flight: the venue's answers come 30 ms late."""
    killable = Killable(work, "signal", MAKER, exchange=("--answer-delay-us", "30000"))
    killable.logged_in()
    killable.desk.go_on()
    killable.until(lambda status: status["open"] > 10, "it trades")
    killable.gateway.send_signal(signal.SIGUSR2) # does nothing
    killable.gateway.send_signal(signal.SIGUSR1)
    kill = killable.killed()
    at = len(killable.records())
    g.check(kill["cause"] == "signal" and "SIGUSR1" in kill["who"], "signal: " + kill["who"])
    confirmed(killable, kill)
    report, end, _ = killable.finish()
    killable.nothing_entered_since(at)
    d.states_agree(end, report, "signal")
    refused = report["strategies"][0]["refused"].get("killed", 0)
    g.check(refused > 0, f"signal: {refused} orders and replaces were refused since")


def in_a_break(work):
    """Killed while the connection is gone: its orders outlive it at this venue, and are cancelled on the next one."""
    killable = Killable(work, "break", resting(50) + MAKER)
    killable.logged_in()
    killable.desk.go_on()
    killable.until(lambda status: status["open"] > 50, "it trades")
    killable.desk.tell("reset")
    killable.desk.wait("order_closed")
    killable.admin("kill")
    killable.desk.wait("order_login")
    kill = killable.killed()
    at = len(killable.records())
    confirmed(killable, kill)
    report, end, _ = killable.finish()
    killable.nothing_entered_since(at)
    d.states_agree(end, report, "break")
    g.check(end["orders"]["disconnect_cancels"] == 0, "break: the venue cancelled none by itself")


def in_a_replay(work):
    """The next life is killed before its login is over: orders of the life before are cancelled."""
    killable = Killable(work, "replay", resting(200) + MAKER, join="anywhere")
    killable.logged_in()
    killable.desk.go_on()
    killable.until(lambda status: status["open"] > 200, "it trades")
    killable.gateway.kill()
    killable.gateway.communicate()
    before = len(killable.open_at_venue())
    killable.start()
    killable.gateway.send_signal(signal.SIGUSR1)
    killable.logged_in()
    kill = killable.killed()
    g.check(before >= 200, f"replay: {before} orders had outlived the gateway")
    confirmed(killable, kill)
    report, end, _ = killable.finish()
    d.states_agree(end, report, "replay")
    own = report["strategies"][0]["answers"]["own_cancels"]
    g.check(end["orders"]["disconnect_cancels"] == 0 and own >= 200, f"replay: by {own} cancels of ours, none of the venue's")


def kernel(work):
    """On a socket of the kernel."""
    killable = Killable(work, "kernel", MAKER, carrier="kernel")
    killable.logged_in()
    killable.desk.go_on()
    killable.until(lambda status: status["open"] > 10, "it trades")
    killable.admin("kill")
    confirmed(killable, killable.killed())
    killable.admin("arm")
    report, end, _ = killable.finish()
    d.states_agree(end, report, "kernel")


def without_session(work):
    """A replay, and the laboratory carrier: nobody to log in to."""
    captures = work.session("killed", 200000, "--symbols", "40")
    for options, text in ((("--venue", "sim"), "replay with a simulated venue"), ((), "replay without one")):
        config = work.config("killed", more_strategies=MAKER, every=25)
        process = subprocess.Popen([g.TICKGATE, "replay", config, "--json", "--speed", "1.0", *options,
                                    *(word for capture in captures for word in ("--capture", capture))],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(3) # it trades, at the capture's own pace
        process.send_signal(signal.SIGUSR1)
        out, err = process.communicate(timeout=120)
        report = json.loads(out)
        g.check(report["kill"]["state"] == "killed" and report["kill"]["cause"] == "signal", f"{text}: killed by {report['kill']['who']}, "
                f"confirmed {report['kill']['confirmed_ns'] / 1e6:.1f} ms later {err[-200:] if report['kill']['state'] != 'killed' else ''}")
        refused = report["strategies"][0]["refused"].get("killed", 0)
        g.check(refused > 0, f"{text}: {refused} orders were refused since")


if __name__ == "__main__":
    d.main((thousand, spins, by_signal, in_a_break, in_a_replay, kernel, without_session))
