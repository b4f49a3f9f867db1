"""Decode and books beside other programs: on the same bytes, round by round in turn, on one CPU; ratios are medians of the rounds' own.
  usage: peers.py [--itch FILE] [--rounds N] [--cpu N] [--json] [--build DIR] [--book NAME=PROGRAM]... [--decode NAME=PROGRAM]...

FILE is a Nasdaq BinaryFILE, without it the generated day of bench_book, which it writes itself (--write). PROGRAM is whatever you have built
around the code that you compare with; nothing is fetched or built here. It is run as `PROGRAM FILE WARM COUNT` and
  1. takes the file into memory; a book enters the first WARM messages;
  2. says `ready` and, on the same line, what it keeps and checks;
  3. for each line that it reads on stdin makes one round, and says how many ns a message took: a book of the next COUNT messages, a decoder
     of the COUNT messages behind the first WARM, the same each time; all fields of a message are in memory and must be thought of as used;
  4. at the end of stdin says what it has found, so that it can be seen that it did the work, of these what it can:
     books    orders=HEX  alive;  tops=HEX  a hash of the best price and quantity of each side (say_found in bench_book.c)
     decoders refs=HEX times=HEX  sums of the (first) references of A F E C X D U P, and of the times of all messages, modulo 2^64.
Ours are bench_book and bench_decode (--turns). All run with malloc on huge pages (glibc.malloc.hugetlb), where those ask for them too."""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools"))
from bench import prefer

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OURS = { # by work: our rows; those that others are divided into; the first ones are what a ratio is for
    "book": (("book_burst_ns", "book_single_ns", "channel_burst_ns", "channel_single_ns", "limit_line_ahead_ns", "limit_miss_ns"), 4),
    "decode": (("decode_ns", "limit_walk_ns"), 1),
}


def refuse(sentence):
    sys.exit(f"peers.py: {sentence}")


def options_parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS)
    parser.add_argument("--itch", metavar="FILE")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--build", default=os.path.join(SOURCE, "build"), metavar="DIR")
    for work in OURS:
        parser.add_argument("--" + work, action="append", default=[], metavar="NAME=PROGRAM")
    options = parser.parse_args()
    if not 9 <= options.rounds <= 1001:
        refuse("--rounds: 9 to 1001")
    if options.cpu not in os.sched_getaffinity(0):
        refuse(f"--cpu: of {', '.join(map(str, sorted(os.sched_getaffinity(0))))}")
    if options.itch and not os.path.isfile(options.itch):
        refuse(f"--itch: {options.itch} is not there")
    if not options.book and not options.decode:
        refuse("nobody to compare with: give --book NAME=PROGRAM or --decode NAME=PROGRAM, see --help")
    for work in OURS:
        named = [argument.partition("=") for argument in getattr(options, work)]
        for name, _, path in named:
            if not name or not os.access(path, os.X_OK) or os.path.isdir(path):
                refuse(f"--{work} {name}={path}: a name and a program that can be run, as NAME=PROGRAM")
        if len({name for name, _, _ in named}) < len(named):
            refuse(f"--{work}: two programs of one name")
        setattr(options, work, [(name, os.path.abspath(path)) for name, _, path in named])
        if named and not os.access(os.path.join(options.build, "tests/bench/bench_" + work), os.X_OK):
            refuse(f"bench_{work} is not in {options.build}: build it, or name the build directory with --build")
    return options


class Program:
    """One that makes a round when it is asked to."""

    def __init__(self, name, command, cpu):
        def alone():
            os.sched_setaffinity(0, {cpu})
            prefer()

        self.name = name
        tunables = ":".join(word for word in (os.environ.get("GLIBC_TUNABLES"), "glibc.malloc.hugetlb=1") if word)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace", preexec_fn=alone,
                                        start_new_session=True, env={**os.environ, "GLIBC_TUNABLES": tunables})

    def ready(self):
        """What it has said besides."""
        word, _, text = self.line().partition(" ")
        if word != "ready":
            refuse(f"{self.name} said '{word}' and not 'ready'")
        return text

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            refuse(f"{self.name} has ended too early, exit code {self.process.wait()}")
        return line.strip()

    def round(self, row="round"):
        try:
            self.process.stdin.write(row + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass # the line says it
        line = self.line()
        try:
            return float(line)
        except ValueError:
            refuse(f"{self.name} said '{line}' and not ns a message")

    def switches(self):
        """How often it was put off the CPU against its will."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("nonvoluntary_ctxt_switches"))

    def finish(self):
        """What it has found."""
        said, _ = self.process.communicate()
        if self.process.returncode != 0:
            refuse(f"{self.name} ended with exit code {self.process.returncode}")
        return dict(word.partition("=")[::2] for word in said.split() if "=" in word)

    def kill(self):
        self.process.kill()
        self.process.communicate()


def measure(work, options, itch, cpu):
    """Ours and others, round by round; round 0 warms up."""
    rows, base_count = OURS[work]
    programs = []
    try:
        programs.append(Program("tickgate", [os.path.join(options.build, "tests/bench/bench_" + work), "--turns", "--itch", itch,
                                             "--rounds", str(options.rounds), "--cpu", str(cpu)], cpu))
        warm, count = programs[0].ready().split()
        keeps = []
        for name, path in getattr(options, work):
            programs.append(Program(name, [path, itch, warm, count], cpu))
            keeps.append(programs[-1].ready())
        rounds = {name: [] for name in (*rows, *(program.name for program in programs[1:]))}
        for number in range(options.rounds + 1):
            if number == 1:
                before = sum(program.switches() for program in programs)
            for name, ns in (*((row, programs[0].round(row)) for row in rows),
                             *((program.name, program.round()) for program in programs[1:])):
                if number > 0:
                    rounds[name].append(ns)
        switches = sum(program.switches() for program in programs) - before
        found = [program.finish() for program in programs]
    finally:
        for program in programs:
            program.kill()
    peers = {}
    for program, kept, its in zip(programs[1:], keeps, found[1:]):
        ns = rounds[program.name]
        peers[program.name] = {
            "median_ns": statistics.median(ns), "rounds_ns": ns, "keeps": kept,
            "ratios": {row: statistics.median(map(lambda ours, peer: ours / peer, rounds[row], ns)) for row in rows[:base_count]},
            "agrees": sorted(key for key in its if its[key] == found[0].get(key)),
            "differs": sorted(key for key in its if its[key] != found[0].get(key)),
        }
    return {"warm": int(warm), "count": int(count), "switches": switches, "peers": peers,
            "ours": {row: {"median_ns": statistics.median(rounds[row]), "rounds_ns": rounds[row]} for row in rows}}


def table(work, said):
    rows = list(said["ours"])[:OURS[work][1]]
    lines = [f"{work}: {said['count']} messages a round behind {said['warm']}, {said['switches']} times off the CPU meanwhile; "
             "ours divided by theirs, below 1 is faster"]
    for row, ours in said["ours"].items():
        lines.append(f"  {row:<22} {ours['median_ns']:8.1f} ns a message   {min(ours['rounds_ns']):.1f} … {max(ours['rounds_ns']):.1f}")
    lines += ["", f"  {'':<22} {'ns':>8}  {'rounds':<17}" + "".join(f" {row.removesuffix('_ns'):>14}" for row in rows) + "  same as ours; keeps"]
    for name, peer in said["peers"].items():
        same = " ".join([*peer["agrees"], *(f"NOT {key}" for key in peer["differs"])]) or "not told"
        span = f"{min(peer['rounds_ns']):.1f} … {max(peer['rounds_ns']):.1f}"
        lines.append(f"  {name:<22} {peer['median_ns']:8.1f}  {span:<17}" + "".join(f" {peer['ratios'][row]:14.2f}" for row in rows) +
                     f"  {same}; {peer['keeps']}")
    return "\n".join(lines)


def main():
    options = options_parse()
    work_dir = tempfile.mkdtemp(prefix="tickgate-peers-")
    said = {"rounds": options.rounds, "load": open("/proc/loadavg").read().strip()}
    try:
        itch = options.itch
        if not itch:
            itch = os.path.join(work_dir, "day.itch")
            program = "bench_book" if options.book else "bench_decode"
            subprocess.run([os.path.join(options.build, "tests/bench", program), "--rounds", str(options.rounds), "--write", itch],
                           check=True, stdout=subprocess.DEVNULL)
        for work in OURS:
            if getattr(options, work):
                said[work] = measure(work, options, os.path.abspath(itch), options.cpu)
    finally:
        shutil.rmtree(work_dir)
    if options.json:
        print(json.dumps(said, indent=1))
        return
    print(f"{options.rounds} rounds, CPU {options.cpu}, load before {said['load']}\n")
    print("\n\n".join(table(work, said[work]) for work in OURS if work in said))


if __name__ == "__main__":
    main()
