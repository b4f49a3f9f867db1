"""The admin socket and the audit log of a running gateway: commands and exit codes, two clients at once, one that never reads, another
user, a socket left by a kill -9, kill -9 in the middle of changes, a disk that is full. Ports are net_ring: nothing is traded here."""
import atexit
import grp
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

import gateway as g

work = g.Work()
os.chmod(work.directory.name, 0o755)
SOCKET, AUDIT = work.path("sock"), work.path("audit")


def config_admin(name="admin", mode=None, group=None, audit=AUDIT):
    path = work.config(name=name, mode="inline")
    with open(path, "a") as file:
        file.write(f"admin: {{socket: {SOCKET}, audit_file: {audit}" + (f", mode: {mode}" if mode else "") +
                   (f", group: {group}" if group else "") + "}\n")
    return path


class Gateway:
    """One that runs until it is stopped or killed."""

    def __init__(self, config, *prefix):
        self.process = subprocess.Popen([*prefix, g.TICKGATE, "run", config, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        atexit.register(self.process.kill) # a test that fails leaves nobody spinning on a CPU
        self.said = ""
        for line in self.process.stderr:
            self.said += line
            if "armed;" in line:
                break
        else:
            self.process.wait()

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.wait()

    def wait(self):
        _, err = self.process.communicate(timeout=30)
        self.said += err
        return self.process.returncode


def tickgate(*arguments, prefix=()):
    return subprocess.run([*prefix, g.TICKGATE, *arguments], capture_output=True, text=True, timeout=60)


def admin(*words, expect=0, prefix=()):
    done = tickgate("admin", SOCKET, *words, prefix=prefix)
    g.check(done.returncode == expect, f"admin {' '.join(words)}: exit {done.returncode} {done.stdout} {done.stderr}", quiet=done.returncode == expect)
    return json.loads(done.stdout) if done.stdout else done.stderr


def arm():
    """Arm, as soon as the kill is confirmed."""
    while True:
        done = tickgate("admin", SOCKET, "arm")
        if done.returncode == 0 or "cannot be written" in done.stdout:
            return json.loads(done.stdout)
        g.check(any(why in done.stdout for why in ("has not seen it yet", "not confirmed")), f"arm: {done.stdout}{done.stderr}", quiet=True)


def audit_lines():
    with open(AUDIT, encoding="ascii") as file:
        return [json.loads(line) for line in file]


def audit_whole(*options, path=AUDIT):
    done = tickgate("audit", path, *options)
    return done.returncode == 0 and done.stdout.endswith("whole\n"), done.stdout + done.stderr


def commands():
    gateway = Gateway(config_admin())
    g.check("audit log" in gateway.said and "line 4, hash " in gateway.said, "the gateway says the last line of its log when it starts")
    status = admin("status")
    g.check(status["feeds"] == {"itch": {"heard": False, "stale": False, "next_seq": 1}}, f"status: nothing has come of the feed: {status['feeds']}")
    g.check(status["gateway"] == "admin" and status["pid"] == gateway.process.pid and status["audit"]["seq"] == 4,
            "status: name, pid, four lines in the log")
    changed = admin("set", "rx0", "order_qty_max", "300")
    g.check((changed["old"], changed["new"]) == (1000, 300) and changed["by"].startswith("uid:0,pid:" if os.getuid() == 0 else "uid:"),
            f"set: old, new, by whom: {changed}")
    g.check(admin("limits", "rx0")["limits"]["rx0"]["order_qty_max"] == 300, "limits: the new one")
    for words, sentence in ((("set", "rx0", "order_qty_max", "0"), "write a whole number from 1 to 999999"),
                            (("set", "nobody", "order_qty_max", "1"), "there is no lcore and no strategy 'nobody'"),
                            (("arm",), "it is armed already"), (("orders",), "there is no order session")):
        g.check(sentence in admin(*words, expect=1)["error"], f"admin {' '.join(words)}: exit 1, {sentence!r}")
    for words, sentence in ((("fly",), "there is no command 'fly'"), (("set", "rx0"), "a word is missing"), (("status", "x"), "too many words"),
                            (("limits", "x" * 600), "longer than a line may be")):
        g.check(sentence in admin(*words, expect=2), f"admin {' '.join(words)[:20]}: exit 2, {sentence!r}")
    killed = admin("kill", "fat\nfinger", "x" * 1000)
    g.check(killed["old"] == "armed" and killed["new"] in ("killing", "killed"), "kill: with a reason that is longer than a line")
    g.check(arm()["new"] == "armed", "arm, when it is confirmed that nothing is open")
    g.check(admin("stop")["ok"], "stop")
    g.check(gateway.wait() == 0, "the gateway ended well", quiet=True)
    lines = audit_lines()
    acts = [(line["what"], line["old"], line["new"], line["result"][:8]) for line in lines if not line["what"].startswith(("limits", "start"))]
    done = [act for act in acts if act[3] == "done"]
    g.check(done[0] == ("set rx0 order_qty_max", "1000", "300", "done") and [act[0] for act in done[1:]] == ["kill", "kill", "arm", "stop", "end"],
            f"the log has {len(lines)} lines: start, limits, set, {sum(act[3] == 'refused:' for act in acts)} refusals, kill, its confirmation, arm, stop, end")
    g.check(done[1][2].startswith("killed: fat finger xxx"), "the reason of the kill, in one line", quiet=True)
    g.check(done[2][2].startswith("nothing is open, "), "that it is confirmed", quiet=True)
    g.check(audit_whole()[0], "tickgate audit: whole")
    anchor = f"{lines[-1]['seq']}:{lines[-1]['hash']}"
    g.check(f"line {lines[-1]['seq']}, hash {lines[-1]['hash']}" in gateway.said, "the gateway says its last line when it ends")
    g.check(audit_whole("--expect", anchor)[0], "tickgate audit --expect that line: whole")
    with open(AUDIT, "rb") as file:
        bytes_ = file.read()
    with open(work.path("cut"), "wb") as file:
        file.write(bytes_[:bytes_[:-1].rindex(b"\n") + 1])
    with open(work.path("edited"), "wb") as file:
        file.write(bytes_.replace(b'"new":"300"', b'"new":"200"'))
    whole, said = audit_whole("--expect", anchor, path=work.path("cut"))
    g.check(not whole and "CUT" in said, f"a log without its last line: {said.splitlines()[-1]}")
    whole, said = audit_whole(path=work.path("edited"))
    g.check(not whole and "DAMAGED: line 5 does not have the hash" in said, f"a log with another number in it: {said.splitlines()[-1][:60]}")
    done = tickgate("admin", SOCKET, "status")
    g.check(done.returncode == 2 and "no gateway is running there" in done.stderr and not os.path.exists(SOCKET), "admin without a gateway: exit 2")


def clients_at_once():
    """Eight that change limits as fast as they can, one that never reads, one that asks."""
    gateway = Gateway(config_admin())
    deaf = socket.socket(socket.AF_UNIX)
    deaf.connect(SOCKET)
    deaf.settimeout(0.2)
    try:
        while True:
            deaf.send(b"limits\n" * 1000)
    except (TimeoutError, BlockingIOError):
        pass # its answers fill the socket, then its questions do

    done = {}

    def change(limit):
        done[limit] = []
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(SOCKET)
            answers = peer.makefile("r")
            for value in range(1, 101):
                peer.sendall(f"set rx0 {limit} {value}\n".encode())
                done[limit].append(json.loads(answers.readline()))

    threads = [threading.Thread(target=change, args=(limit,)) for limit in ("order_qty_max", "collar_bps", "position_max")]
    for thread in threads:
        thread.start()
    slowest = 0
    while any(thread.is_alive() for thread in threads):
        begin = time.monotonic()
        admin("status")
        slowest = max(slowest, time.monotonic() - begin)
    for thread in threads:
        thread.join()
    refused = [answer for answers in done.values() for answer in answers if not answer["ok"]]
    g.check(not refused, f"no change was refused: {refused[:3]}", quiet=True)
    g.check(all(answer["ok"] and answer["new"] == value for answers in done.values() for value, answer in enumerate(answers, 1)),
            f"3 clients made 100 changes each, one asked for the status (slowest answer {slowest * 1000:.0f} ms), one never read")
    g.check(all(a["new"] == b["old"] for answers in done.values() for a, b in zip(answers, answers[1:])), "no change was lost under another", quiet=True)
    deaf.close()
    g.check(gateway.stop() == 0, "clean stop", quiet=True)
    lines = audit_lines()
    g.check(audit_whole()[0] and sum(line["what"].startswith("set rx0") for line in lines) >= 300, f"the log is whole, {lines[-1]['seq']} lines")
    g.check(lines[-2]["who"].startswith("signal:SIGTERM,uid:") and lines[-2]["who"].endswith(f"pid:{os.getpid()}"), f"stopped by {lines[-2]['who']}")


def killed():
    """kill -9 in the middle of changes: what was answered is in the log, and at most one line more; the next life goes on."""
    config = config_admin()
    chance = random.Random(7)
    repaired = 0
    for life in range(8):
        gateway = Gateway(config)
        repaired += "unfinished last line" in gateway.said
        g.check(gateway.process.poll() is None, f"life {life} runs: {gateway.said}", quiet=True)
        acted, lock = [], threading.Lock()

        def change(limit):
            try:
                with socket.socket(socket.AF_UNIX) as peer:
                    peer.connect(SOCKET)
                    answers = peer.makefile("r")
                    for value in range(1, 10000):
                        peer.sendall(f"set rx0 {limit} {value}\n".encode())
                        answer = json.loads(answers.readline())
                        with lock:
                            acted.append(answer)
            except (OSError, ValueError):
                pass

        threads = [threading.Thread(target=change, args=(limit,)) for limit in ("order_qty_max", "collar_bps")]
        for thread in threads:
            thread.start()
        while len(acted) < 3 + chance.randrange(40):
            time.sleep(0.001)
        gateway.process.kill()
        gateway.wait()
        for thread in threads:
            thread.join()
        g.check(os.path.exists(SOCKET), "the socket's file is left", quiet=True)
        whole, said = audit_whole()
        lines = audit_lines() if "unfinished" not in said else [json.loads(line) for line in open(AUDIT).read().split("\n")[:-1]]
        newest = max(answer["audit_seq"] for answer in acted)
        behind = lines[-1]["seq"] - newest
        g.check(whole and 0 <= behind <= 1, f"life {life}: {len(acted)} changes were answered, the newest is line {newest} of {lines[-1]['seq']}")
        line = lines[newest - 1]
        answer = next(answer for answer in acted if answer["audit_seq"] == newest)
        g.check(line["what"] == f"set rx0 {answer['limit']}" and line["new"] == str(answer["new"]), "and that line is that change", quiet=True)
    with open(AUDIT, "ab") as file:
        file.write(b'{"seq":99999,"time":"2026')
    gateway = Gateway(config)
    g.check("25 bytes of an unfinished last line were cut off" in gateway.said, "a torn last line is said at the start")
    g.check(gateway.stop() == 0 and audit_whole()[0] and any(line["what"] == "repair" for line in audit_lines()), "and in the log, which is whole again")


def other_users():
    if os.getuid() != 0:
        print("skipped: other users need root")
        return
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    member = ("setpriv", "--reuid=65534", "--regid=65534", f"--groups={grp.getgrnam('daemon').gr_gid}")
    if tickgate("--version", prefix=nobody).returncode != 0:
        print("skipped: another user cannot run the program where it was built")
        return
    gateway = Gateway(config_admin())
    g.check("permissions" in admin("status", expect=2, prefix=nobody), "mode 0600: nobody is kept out by the file's permissions, exit 2")
    gateway.stop()
    gateway = Gateway(config_admin(mode="0666"))
    before = len(audit_lines())
    g.check("may not speak" in admin("kill", expect=1, prefix=nobody)["error"], "mode 0666: nobody is told that he may not speak, exit 1")
    g.check(admin("status")["admin"]["refused_peers"] == 1, "it is counted", quiet=True)
    lines = audit_lines()[before:]
    g.check([(line["what"], line["who"][:10], line["result"][:7]) for line in lines] == [("connect", "uid:65534,", "refused")],
            f"and it is in the log: {lines}")
    gateway.stop()
    gateway = Gateway(config_admin(group="daemon"))
    g.check("permissions" in admin("status", expect=2, prefix=nobody), "group daemon: nobody is kept out")
    g.check(admin("kill", prefix=member)["by"].startswith("uid:65534,"), "group daemon: a member may")
    gateway.process.kill()
    gateway.wait()
    gateway = Gateway(config_admin())
    g.check("killed by earlier_kill (line " in gateway.said and admin("status")["kill"]["state"] != "armed" and arm()["new"] == "armed",
            "a kill holds in the next life, behind a kill -9 too, until somebody arms")
    gateway.stop()
    gateway = Gateway(config_admin())
    g.check("earlier_kill" not in gateway.said and admin("status")["kill"]["state"] == "armed", "then no longer")
    g.check(gateway.stop() == 0, "clean stop", quiet=True)


def sockets():
    gateway = Gateway(config_admin())
    second = Gateway(config_admin(name="second", audit=work.path("second.audit")))
    g.check(second.process.returncode == 1 and "another process listens there" in second.said, "a second gateway on the same socket does not start")
    second = Gateway(config_admin(name="second"))
    g.check(second.process.returncode == 1 and "another gateway has it" in second.said, "nor on the same log")
    g.check(admin("status")["pid"] == gateway.process.pid, "the first one goes on", quiet=True)
    gateway.stop()


def full_disk():
    """A file system of 64 KiB for the log, in a mount namespace of its own."""
    if os.getuid() != 0:
        print("skipped: file systems of one's own need root")
        return
    disk = work.path("disk")
    os.mkdir(disk)
    script = f'mount -t tmpfs -o size=64k tmpfs {disk} && exec "$@"'
    gateway = Gateway(config_admin(audit=disk + "/audit"), "unshare", "-m", "sh", "-c", script, "sh")
    if "unshare:" in gateway.said: # a container that may not, a chroot whose root is no mount
        print("skipped: a file system of one's own: " + gateway.said.strip())
        return
    inside = ("nsenter", "-m", "-r", "-t", str(gateway.process.pid))
    def fill(value=1):
        subprocess.run([*inside, "sh", "-c", f"cat /dev/zero > {disk}/filler"], stderr=subprocess.DEVNULL)
        while tickgate("admin", SOCKET, "set", "rx0", "order_qty_max", str(value)).returncode == 0:
            value += 1 # what the last page holds
        return value
    value = fill()
    error = admin("set", "rx0", "order_qty_max", "999", expect=1)["error"]
    g.check("the audit log cannot be written: No space left on device; nothing was changed" in error, "disk full: a change is refused")
    g.check(admin("limits", "rx0")["limits"]["rx0"]["order_qty_max"] == value - 1, "and the limit is as it was")
    killed = admin("kill", "all the same")
    g.check(killed["old"] == "armed" and killed["audit_error"] == "No space left on device", "a kill acts all the same, and says that the log has failed")
    g.check("cannot be written" in arm()["error"], "arming is refused")
    audit = admin("status")["audit"]
    g.check(audit["unlogged"] == 2 and audit["kill_missing"], "status says that the kill and its confirmation are not in the log")
    subprocess.run([*inside, "rm", disk + "/filler"], check=True)
    deadline = time.monotonic() + 20
    while admin("status")["audit"]["kill_missing"] and time.monotonic() < deadline:
        time.sleep(0.1)
    text = subprocess.run([*inside, "cat", disk + "/audit"], capture_output=True, text=True, check=True).stdout
    acts = [json.loads(line) for line in text.splitlines()]
    g.check(acts[-2]["what"] == "unlogged acts" and acts[-2]["new"] == "2" and acts[-1]["what"] == "kill" and acts[-1]["new"] == "killed: all the same",
            "room again: the kill is in the log by itself, behind how much is missing")
    g.check(arm()["ok"], "and arming is done")
    g.check(tickgate("audit", disk + "/audit", prefix=inside).returncode == 0, "and is whole")
    fill()
    admin("kill")
    g.check(gateway.stop() == 1 and "the kill is not in the audit log" in gateway.said, "where there is no room up to the end, that is said, and the exit code is 1")


def unread():
    """Nobody reads what the gateway says: neither a pipe that is full holds it, nor one without a reader ends it."""
    reader, writer = os.pipe()
    process = subprocess.Popen([g.TICKGATE, "run", config_admin()], stdout=subprocess.DEVNULL, stderr=writer)
    atexit.register(process.kill)
    os.close(writer)
    said = b""
    while b"armed;" not in said:
        more = os.read(reader, 4096)
        g.check(more, f"it starts: {said.decode()}", quiet=True)
        said += more
    writer = os.open(f"/proc/self/fd/{reader}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        pass
    os.close(writer)
    g.check(admin("kill")["ok"] and arm()["new"] == "armed" and admin("status")["ok"], "a full pipe: kill, arm and status as ever")
    said = os.read(reader, 1 << 20)
    admin("kill") # something to be said, and room for it
    while b"killed by command" not in said:
        said += os.read(reader, 4096)
    g.check(b"lines were dropped here: nobody read them\n" in said, "what was lost is said when there is room")
    arm()
    os.close(reader)
    g.check(admin("kill")["ok"] and arm()["new"] == "armed" and admin("status")["ok"], "a pipe without a reader: the same")
    process.send_signal(signal.SIGTERM)
    g.check(process.wait(timeout=30) == 0 and audit_whole()[0], "and a clean stop")


def hung_up():
    """A terminal that goes: a stop, however often it is said, and nothing at all to one that nohup has started."""
    gateway = Gateway(config_admin(), "nohup")
    gateway.process.send_signal(signal.SIGHUP)
    g.check(admin("status")["ok"] and admin("status")["ok"], "nohup: SIGHUP does nothing")
    g.check(gateway.stop() == 0 and audit_lines()[-2]["who"].startswith("signal:SIGTERM"), "until it is stopped", quiet=True)
    gateway = Gateway(config_admin())
    g.check(gateway.stop(signal.SIGHUP) == 0 and audit_whole()[0], "SIGHUP: a clean stop")
    g.check(audit_lines()[-2]["who"].startswith("signal:SIGHUP"), "by whom", quiet=True)


for case in (commands, clients_at_once, killed, other_users, sockets, full_disk, unread, hung_up):
    case()
