"""The work of tools/bench: runs the programs of tests/bench one after another and puts their rows together. With --from it only puts
together what earlier runs have kept.

What is made of the figures is in tools/bench_table.py."""
import argparse
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import bench_table as t

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = ("stamp", "ring", "arb", "decode", "book", "gate", "send", "warm", "t2t", "line_rate")
ROUNDS = dict.fromkeys(("ring", "arb", "decode", "gate", "send", "warm"), 31) # others: the programs' own 15
MESSAGES_IN = ("decode", "book")  # that take --itch
ROOT = ("send", "t2t", "line_rate", "warm", "paths")
PATH_RATE = 5000

parser = argparse.ArgumentParser(prog="tools/bench",
                                 description="Every figure of docs/PERFORMANCE.md, beside its limit or its peer, from one run.")
parser.add_argument("--json", action="store_true", help="one JSON object instead of tables")
parser.add_argument("--markdown", action="store_true", help="the tables of docs/PERFORMANCE.md")
parser.add_argument("--docs", nargs="?", const=os.path.join(SOURCE, "docs"), metavar="DIR",
                    help="write the tables into DIR/PERFORMANCE.md, and the pictures beside it (default: docs)")
parser.add_argument("--short", action="store_true", help="about a minute instead of several: does it work, and roughly how fast?")
parser.add_argument("--itch", metavar="FILE", help="messages of a Nasdaq BinaryFILE, as it is or gzipped, for decode and book")
parser.add_argument("--warm", metavar="N", help="with --itch: so many messages first, which only fill the books")
parser.add_argument("--repeat", type=int, default=1, metavar="N", help="N runs, and how far their ratios are apart")
parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="at most so long before each program until the host is "
                    f"within {t.HOST_NEAR * 100 - 100:.0f} %% of the fastest seen; it runs in any case")
parser.add_argument("--only", metavar="NAME,...", help="of: " + ", ".join((*PROGRAMS, "paths")))
parser.add_argument("--keep", metavar="DIR", help="what the programs said, for --from")
parser.add_argument("--from", metavar="DIR", dest="kept", help="no run: put together what --keep has kept")
parser.add_argument("--build", default=os.path.join(SOURCE, "build"), help=argparse.SUPPRESS)

# --- runs

def prefer():
    """Whatever else runs here would be measured. Where the scheduler groups by session, niceness counts inside a session only."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        with open("/proc/self/autogroup", "w") as file:
            file.write("-20")
    except OSError:
        pass # not root, or a kernel without such groups


def run(command, log):
    """Exit code; 77: skipped. Its stdout goes to `log`. A session of its own, ended with us."""
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, start_new_session=True, preexec_fn=prefer)
        try:
            return process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=SOURCE, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def first_of(path, pattern):
    try:
        with open(path) as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
            return found[1].strip() if found else "unknown"
    except OSError:
        return "unknown"


def host_of(options):
    info = os.path.join(options.build, "meson-info")
    flags = "unknown"
    try:
        with open(os.path.join(info, "intro-buildoptions.json")) as file:
            built = {option["name"]: option["value"] for option in json.load(file)}
        flags = f"-O{built['optimization']} -march={built['march']}"
    except (OSError, KeyError, ValueError):
        pass
    dirty = output_of("git", "status", "--porcelain", "--untracked-files=no")
    return {
        "cpu": first_of("/proc/cpuinfo", r"^model name\s*: (.*)$"), "cpus": len(os.sched_getaffinity(0)),
        "cpu_family": first_of("/proc/cpuinfo", r"^cpu family\s*: (.*)$"), "cpu_model": first_of("/proc/cpuinfo", r"^model\s*: (.*)$"),
        "hypervisor": " hypervisor " in first_of("/proc/cpuinfo", r"^flags\s*: (.*)$") + " ",
        "isolated": first_of("/sys/devices/system/cpu/isolated", r"^(.*)$") or "none",
        "hugepages_free": first_of("/proc/meminfo", r"^HugePages_Free:\s*(\d+)"), "load": first_of("/proc/loadavg", r"^(.*)$"),
        "kernel": platform.release(), "compiler": "gcc " + output_of("gcc", "-dumpfullversion"), "flags": flags,
        "dpdk": output_of("pkg-config", "--modversion", "libdpdk"),
        "commit": output_of("git", "rev-parse", "--short=12", "HEAD") + (", changed" if dirty not in ("", "unknown") else ""),
    }


def command_of(options):
    """What was asked for, without where it was to be put."""
    words = ["tools/bench", *(["--short"] if options.short else []), *(["--only", options.only] if options.only else []),
             *(["--itch", os.path.basename(options.itch)] if options.itch else []), *(["--warm", options.warm] if options.warm else []),
             *(["--repeat", str(options.repeat)] if options.repeat > 1 else []), *(["--wait", f"{options.wait:g}"] if options.wait else [])]
    return " ".join(words)


def probe(options):
    """How fast the host is at this moment, in ns; None: not told."""
    try:
        return float(subprocess.run([os.path.join(options.build, "tests/bench/bench_stamp"), "--probe"], capture_output=True, text=True,
                                    start_new_session=True, preexec_fn=prefer).stdout)
    except (OSError, ValueError):
        return None


def wait(options, name, fastest_ns):
    """Until the host is nearly as fast as it was seen to be, but no longer than was asked for: seconds, and the newest probe."""
    begin = time.monotonic()
    while True:
        now_ns, waited_s = probe(options), time.monotonic() - begin
        slow = now_ns / min(now_ns, fastest_ns) if now_ns else 1
        if slow <= t.HOST_NEAR or waited_s >= options.wait:
            break
        time.sleep(min(1, options.wait - waited_s))
    if waited_s >= 1:
        print(f"bench: {name}: waited {waited_s:.0f} s, the host takes {slow:.2f} times the fastest probe", file=sys.stderr)
    return waited_s if waited_s >= 1 else 0, now_ns


def run_all(options, directory, names, fastest_ns):
    """Returns the fastest probe of all."""
    probes, waited = {}, {}
    for name in names:
        if name in ROOT and os.geteuid() != 0:
            print(f"bench: {name}: skipped, it needs root", file=sys.stderr)
            continue
        log = os.path.join(directory, name + ".json")
        if name == "paths":
            command = [os.path.join(SOURCE, "tools/latency_paths"), "--build", options.build, "--paths", "socket,memif", "--ramp", "",
                       "--rates", str(PATH_RATE), "--json", log, *(("--rounds", "1", "--rate-s", "2") if options.short else
                                                                 ("--rounds", "5", "--rate-s", "3"))]
            log += ".txt"
        else:
            command = [os.path.join(options.build, "tests/bench/bench_" + name), "--json"]
            command += ["--short"] if options.short else ["--rounds", str(ROUNDS.get(name, 15))]
            if options.itch and name in MESSAGES_IN:
                command += ["--itch", options.itch, *(("--warm", options.warm) if options.warm else ())]
        before_ns = None
        if options.wait > 0 or name == "paths":
            waited[name], before_ns = wait(options, name, fastest_ns)
        print(f"bench: {name}", file=sys.stderr)
        code = run(command, log)
        if name == "paths":
            probes[name] = [ns for ns in (before_ns, probe(options)) if ns]
        elif code == 0:
            with open(log) as file:
                probes[name] = json.load(file)["host_speed"]
        fastest_ns = min([fastest_ns, *([before_ns] if before_ns else []), *probes.get(name, [])])
        if code != 0:
            print(f"bench: {name}: " + ("skipped" if code == 77 else f"failed, exit code {code}: {' '.join(command)}"), file=sys.stderr)
            with open(log, encoding="utf-8", errors="replace") as file:
                print("".join(file.readlines()[-3:]), end="", file=sys.stderr) # why, where it said so
            os.unlink(log)
    with open(os.path.join(directory, "host.json"), "w") as file:
        json.dump({**host_of(options), "command": command_of(options), "probes": probes, "waited": waited}, file)
    return fastest_ns


# --- putting together

def load(directory):
    """Rows by name, and what else was said."""
    rows, host, watch, tsc_hz, round_probes = {}, {}, {}, None, {}
    for name in (*PROGRAMS, "paths", "host"):
        path = os.path.join(directory, name + ".json")
        if not os.path.exists(path):
            continue
        with open(path) as file:
            said = json.load(file)
        if name == "host":
            host = said
        elif name == "paths":
            for row in said["rows"]:
                if row["orders"] == 0 or row["path"] not in ("socket", "memif"):
                    continue
                path_name = "dpdk" if row["path"] == "memif" else row["path"]
                for quantile in ("min", "p50", "p99", "max"):
                    rows[f"{path_name}_path_{quantile}_ns"] = {"median_ns": row[quantile + "_ns"], "program": name}
                rows[f"{path_name}_path_p50_ns"]["orders"] = row["orders"]
        else:
            watch[name], tsc_hz = said["watch"]["disturbances"], said["tsc_hz"]
            round_probes[name] = said.get("host_speed", [])
            for row in said["rows"]:
                rows[row["name"]] = {**row, "program": name}
    probes, waited = host.pop("probes", {}), host.pop("waited", {})
    return {"rows": rows, "host": {**host, "tsc_hz": tsc_hz}, "disturbances": watch, "probes": probes, "waited": waited,
            "round_probes": round_probes}


# --- the whole

def directories_of(options, work):
    """One for each run."""
    if options.kept:
        inner = sorted(os.path.join(options.kept, name) for name in os.listdir(options.kept) if name.startswith("run"))
        return inner or [options.kept]
    names = options.only.split(",") if options.only else (*PROGRAMS, "paths")
    if not set(names) <= {*PROGRAMS, "paths"}:
        parser.error(f"--only: of {', '.join((*PROGRAMS, 'paths'))}")
    made = [os.path.join(options.keep or work, f"run{i + 1}") for i in range(options.repeat)]
    fastest_ns = float("inf")
    for directory in made:
        os.makedirs(directory, exist_ok=True)
        fastest_ns = run_all(options, directory, names, fastest_ns)
    return made


def main():
    options = parser.parse_args()
    if options.wait < 0 or options.repeat < 1 or (options.warm and not options.itch):
        parser.error("--repeat is at least 1, --wait at least 0, and --warm goes with --itch")
    if options.itch and not os.path.exists(options.itch):
        parser.error(f"--itch: {options.itch} is not there")
    work = tempfile.mkdtemp(prefix="tickgate-bench-")
    try:
        runs = [load(directory) for directory in directories_of(options, work)]
    finally:
        shutil.rmtree(work)
    t.host_speeds(runs)
    merged = [t.together(run_) for run_ in runs]
    fast = t.fast_of(runs)
    if not runs[-1]["rows"]:
        sys.exit("bench: no program gave a figure")
    spread = t.spread_of(runs, merged) if len(runs) > 1 else {}
    if options.json:
        print(json.dumps({**merged[-1], "fast": fast, **({"spread": spread} if spread else {})}, indent=1))
        return
    if options.docs:
        t.docs_write(t.sections(runs[-1], spread, fast, True), os.path.join(options.docs, "PERFORMANCE.md"))
        t.rates_picture(runs[-1]["rows"], os.path.join(options.docs, "bench_rates.svg"))
        t.ratios_picture(runs[-1]["rows"], os.path.join(options.docs, "bench_ratios.svg"))
        return
    for _, heading, body in t.sections(runs[-1], spread, fast, options.markdown):
        if body:
            print(f"**{heading}**\n\n{body}\n" if options.markdown else f"{heading}\n{body}\n")


if __name__ == "__main__":
    main()
