#!/usr/bin/env python3
"""A plug-in from outside the tree: installed header, archive and pkg-config file alone, a copy of tests/plugin/momentum.c;
in a replay it gives the orders of the built-in strategy that decides alike. And what a gateway says of those that it does
not take. Standard library only."""
import glob
import json
import os
import resource
import shutil
import signal
import subprocess
import gateway as g

g.need_two_cpus()
work = g.Work()
SOURCE = os.path.join(os.environ["SOURCE_ROOT"], "tests", "plugin")
BUILT = os.environ["PLUGIN_DIR"]

# --- installed, moved, and built from there with cc and pkg-config alone
root = work.path("root")
subprocess.run(["meson", "install", "-C", os.environ["BUILD_ROOT"], "--no-rebuild", "--quiet", "--destdir", root], check=True,
               stdout=subprocess.DEVNULL)
pc = glob.glob(root + "/**/tickgate-strategy.pc", recursive=True)
g.check(len(pc) == 1 and len(glob.glob(root + "/**/include/tickgate_strategy.h", recursive=True)) == 1 and
        len(glob.glob(root + "/**/libtickgate-strategy.a", recursive=True)) == 1, "header, archive and pkg-config file are installed")
outside = work.path("outside")
os.mkdir(outside)
for name in ("momentum.c", "beat.cc", "Makefile"):
    shutil.copy(os.path.join(SOURCE, name), outside)
env = {"PATH": os.environ["PATH"], "PKG_CONFIG_PATH": os.path.dirname(pc[0]), "PKG_CONFIG_SYSROOT_DIR": root}


def make(target, **variables):
    return subprocess.run(["make", "-C", outside, target, *(f"{key}={value}" for key, value in variables.items())], env=env,
                          capture_output=True, text=True)


def pkg_config(*options):
    return subprocess.run(["pkg-config", *options, "tickgate-strategy"], env=env, check=True, capture_output=True, text=True).stdout


done = make("momentum.so", CFLAGS="-O2 -g -Wall -Wextra -Werror -Wpedantic")
g.check(done.returncode == 0 and not done.stderr, "momentum.so is built with cc and pkg-config, no warning " + done.stderr)
if shutil.which("c++"):
    done = make("beat.so", CXX="c++", CXXFLAGS="-O2 -g -Wall -Wextra -Werror -Wno-missing-field-initializers")
    g.check(done.returncode == 0 and not done.stderr, "beat.so is built with c++, no warning " + done.stderr)
momentum = os.path.join(outside, "momentum.so")
with open(os.path.join(root, glob.glob(root + "/**/tickgate_strategy.h", recursive=True)[0])) as file:
    header = file.read()
g.check('#include "' not in header and "enum risk_verdict" in header, "the header stands alone")
major, minor = (header.split(f"STRATEGY_ABI_{which} ")[1].split("u")[0] for which in ("MAJOR", "MINOR"))
g.check(pkg_config("--variable=abi").strip() == f"{major}.{minor}", "pkg-config names the version of the interface that the header has")

# --- the same orders as the built-in one
captures = work.session("day", 100000, "--symbols", "40")


def config(mode, plugin=None, name="plugin"):
    path = work.config(name, mode)
    with open(path) as file: # what a strategy may send must not depend on its neighbour's orders here
        text = file.read().replace("  position_max: 100000\n", "  position_max: 100000\n  self_cross: allow\n")
    if plugin:
        path = path.replace(".yaml", f"-{os.path.basename(plugin)}.yaml")
        text = text.replace("kind: taker", "plugin: " + plugin)
    with open(path, "w") as file:
        file.write(text)
    return path


built_in = g.replay(config("two-core"), captures)
orders = g.hashes(built_in)
g.check(orders[3] > 400 and built_in["strategies"][0]["strategies"][1]["orders"] > 100,
        f"{orders[3]} orders, {built_in['strategies'][0]['strategies'][1]['orders']} of them the built-in taker's")
for mode in ("two-core", "inline"):
    loaded = g.replay(config(mode, momentum), captures)
    g.check(g.hashes(loaded) == orders, f"{mode}: the plug-in's orders are the same bytes: hash {orders[2]}")
if not g.SANITIZED:
    proof = g.replay(config("two-core", momentum), captures, "--prove")
    g.check(g.hashes(proof) == orders, "under the proof: no system call, the same orders")
if shutil.which("c++"):
    beat = config("inline", os.path.join(outside, "beat.so"))
    with open(beat) as file:
        text = file.read()
    with open(beat, "w") as file:
        file.write(text.replace("params: {threshold: 100, quantity: 100}", "params: {every: 300}"))
    report = g.replay(beat, captures)
    g.check(report["strategies"][0]["strategies"][1]["orders"] > 50, "the one in C++ trades")

# --- check says what a plug-in is; and what it is not
done = subprocess.run([g.TICKGATE, "check", "--no-host", config("two-core", momentum)], capture_output=True, text=True)
g.check(done.returncode == 0 and f"plug-in {os.path.realpath(momentum)}, strategy interface {major}.{minor}" in done.stdout, "check names file and version")
done = subprocess.run([g.TICKGATE, "check", "--no-host", "--json", config("two-core", momentum)], capture_output=True, text=True)
strategy = json.loads(done.stdout)["strategies"][1]
g.check(strategy["kind"] == "momentum" and strategy["plugin"] == os.path.realpath(momentum), "so does its JSON")


def refused(plugin, sentence):
    path = config("two-core", plugin)
    with open(path) as file:
        line = 1 + file.read().split("plugin: ")[0].count("\n")
    for command in ("check", "replay"):
        arguments = ["--no-host"] if command == "check" else ["--capture", captures[0]]
        done = subprocess.run([g.TICKGATE, command, path, *arguments], capture_output=True, text=True)
        g.check(done.returncode == 2 and f"{path}:{line}: strategies[1]." in done.stderr and sentence in done.stderr,
                f"{command} {os.path.basename(plugin)}: {sentence}", quiet=command == "replay")


refused(work.path("nobody.so"), "No such file or directory")
refused(f"{BUILT}/wrong_major.so", "version 2.0 of the strategy interface, this gateway has 1.0; build it anew")
refused(f"{BUILT}/wrong_symbol.so", "does not define tickgate_strategy")
refused(f"{BUILT}/wrong_name_builtin.so", "a strategy called taker is built in")
refused(f"{BUILT}/wrong_state.so", "no memory for 1125899906842624 bytes of state")
os.chmod(momentum, 0o777)
refused(momentum, "can be changed by others than root and this user")
os.chmod(momentum, 0o755)

# --- more intents than there is room for: dropped and counted, the neighbour trades on
flood = config("two-core", f"{BUILT}/flood.so")
with open(flood) as file:
    text = file.read()
with open(flood, "w") as file:
    file.write(text.replace("params: {threshold: 100, quantity: 100}", "params: {}"))
report = g.replay(flood, captures)["strategies"][0]
g.check(report["strategies"][1]["intents"] == 4 * report["events"][0]["count"] and report["intents_dropped"] > 10**9,
        f"flood: four intents an event are looked at, {report['intents_dropped']} dropped")
g.check(report["strategies"][0]["orders"] == built_in["strategies"][0]["strategies"][0]["orders"], "its neighbour's orders are all there")

# --- one that faults ends the process, under proof as well, where the thread itself can say nothing any more
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
crash = config("two-core", f"{BUILT}/crash.so")
with open(crash) as file:
    text = file.read()
with open(crash, "w") as file:
    file.write(text.replace("params: {threshold: 100, quantity: 100}", "params: {how: write, after: 5000}"))
for options in ([], ["--prove"]) if not g.SANITIZED else ():
    done = subprocess.run([g.TICKGATE, "replay", crash, "--capture", captures[0], *options], capture_output=True, text=True)
    g.check(done.returncode == -signal.SIGSEGV and
            done.stderr.count(f"tickgate: died of SIGSEGV on lcore strategy0: strategy taker was in on_event, plug-in {os.path.realpath(BUILT)}/crash.so") == 1,
            f"crash {options}: " + done.stderr.strip())

# Nobody reads its last words: it dies all the same.
reader, writer = os.pipe()
filler = os.open(f"/proc/self/fd/{reader}", os.O_WRONLY | os.O_NONBLOCK)
try:
    while True:
        os.write(filler, b"x" * 4096)
except BlockingIOError:
    pass
if not g.SANITIZED:
    done = subprocess.run([g.TICKGATE, "replay", crash, "--capture", captures[0]], stdout=subprocess.DEVNULL, stderr=writer, timeout=60)
    g.check(done.returncode == -signal.SIGSEGV, "crash with a full pipe for stderr: it dies of its signal, and does not hang")
for end in (reader, writer, filler):
    os.close(end)
