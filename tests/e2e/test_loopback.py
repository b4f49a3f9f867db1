"""config/loopback.yaml: the commands at its head do what they say, on a loopback of their own. EXCHANGE and TICKGATE say where the programs
are. Standard library only."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

SKIP = 77
CONFIG = os.path.join(os.environ["SOURCE_ROOT"], "config/loopback.yaml")
PROGRAMS = {"build/tools/exchange": os.environ["EXCHANGE"], "build/tickgate": os.environ["TICKGATE"]}

if os.geteuid() != 0:
    print("skipped: a network namespace needs root")
    sys.exit(SKIP)
if "--inside" not in sys.argv: # others may use the same ports on this host's loopback
    done = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    if done.returncode != 0:
        print("skipped: network namespaces cannot be used here:", done.stderr.strip())
        sys.exit(SKIP)
    os.execvp("unshare", ["unshare", "--net", sys.executable, os.path.abspath(__file__), "--inside"])
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def check(condition, text):
    print("ok:" if condition else "FAILED:", text, flush=True)
    if not condition:
        sys.exit(1)


with open(CONFIG, encoding="ascii") as file:
    text = file.read()
commands = [line[1:].split() for line in text.splitlines() if line.startswith("#   build/")]
check([command[0].rsplit("/")[-1] for command in commands] == ["exchange", "tickgate", "tickgate"], f"{len(commands)} commands at its head")
venue, run, admin = ([PROGRAMS[command[0]], *command[1:]] for command in commands)

with tempfile.TemporaryDirectory(prefix="tickgate-loopback-") as work:
    os.mkdir(os.path.join(work, "config"))
    with open(os.path.join(work, "config/loopback.yaml"), "w", encoding="ascii") as file:
        file.write(text.replace("cpu: 0}", f"cpu: {min(os.sched_getaffinity(0))}}}"))
    with open(os.path.join(work, "venue"), "w", encoding="ascii") as events, open(os.path.join(work, "said"), "w+", encoding="ascii") as said:
        processes = []
        try:
            processes.append(subprocess.Popen(venue, cwd=work, stdout=events))
            processes.append(subprocess.Popen([*run, "--json"], cwd=work, stdout=subprocess.PIPE, stderr=said, text=True))
            status, until = {}, time.monotonic() + 60
            while time.monotonic() < until and processes[1].poll() is None:
                done = subprocess.run(admin, cwd=work, capture_output=True, text=True)
                status = json.loads(done.stdout) if done.returncode == 0 else {}
                if status and status["session"] == "up" and not status["feeds"]["itch"]["stale"] and status["lcores"]["rx0"]["orders"] > 0:
                    break
                time.sleep(0.1)
            said.seek(0)
            check(status and status["session"] == "up" and status["feeds"]["itch"] | {"next_seq": 0} == {"heard": True, "stale": False, "next_seq": 0},
                  f"the feed is whole, and the session up: {status or said.read()}")
            check(status["lcores"]["rx0"]["orders"] > 0, f"{status['lcores']['rx0']['orders']} orders so far")
            processes[1].send_signal(signal.SIGINT)
            report = json.loads(processes[1].communicate(timeout=60)[0])
            check(processes[1].returncode == 0, "Ctrl-C ends it")
            check(report["session"]["fills"] == report["strategies"][0]["fills"] > 0, f"{report['session']['fills']} fills")
            check(report["feeds"][0]["recovery"]["spliced"] == 1, "it began with a snapshot")
            check(subprocess.run([run[0], "audit", os.path.join(work, "loopback.audit")], stdout=subprocess.DEVNULL).returncode == 0,
                  "its audit log is whole")
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                process.wait()
