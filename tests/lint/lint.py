#!/usr/bin/env python3
"""Rules of the tree that no compiler checks: lint.py layers|headers|text|stems|symbols|clash|tx SOURCE_ROOT [BUILD_ROOT] [COMPILER...]

layers: no room includes or calls what it must not know. headers: each header compiles alone. text: no forgotten marks,
machine paths, large files. stems: each pure source has its unit test. symbols: what the objects of the pure rooms refer to,
and that they hold no variables. clash: no function of a
library is replaced by one of ours. tx: one object transmits orders, one requests.
Standard library only; exit code 77 means skipped."""
import concurrent.futures
import os
import re
import subprocess
import sys

SKIP = 77
FILE_MAX_BYTES = 1 << 20
ROOMS = ("ring", "feed", "config", "gateway", "tests", "tools")

LIBC_PURE = {"assert.h", "errno.h", "inttypes.h", "limits.h", "stdalign.h", "stdbool.h", "stddef.h", "stdint.h", "string.h"}
INTRINSICS = {"tmmintrin.h", "smmintrin.h", "emmintrin.h", "immintrin.h", "x86intrin.h", "cpuid.h"}
DPDK, CK = r"rte_\w+\.h", r"ck_\w+\.h"

# Room (longest prefix wins): our headers that it may include, foreign headers that it may not, calls that it may not make.
PURE_CALLS = (r"malloc|calloc|realloc|free|posix_memalign|aligned_alloc|printf|fprintf|puts|fputs|fopen|open|read|write|"
              r"clock_gettime|time|gettimeofday|rdtsc|__rdtsc|rte_\w+|ck_\w+|numa_\w+|abort|exit|getenv|sleep|usleep|nanosleep")
RULES = {
    "ring/": (r"ring/", lambda h: re.fullmatch(DPDK, h), r"rte_\w+|clock_gettime|malloc|calloc|free"),
    "feed/": (r"(ring|feed)/", lambda h: h not in LIBC_PURE | INTRINSICS, PURE_CALLS),
    "config/": (r"config/", lambda h: re.fullmatch(DPDK, h) or re.fullmatch(CK, h), r"rte_\w+|ck_\w+"),
    "gateway/strategy/": (r"(ring|gateway/strategy)/", lambda h: re.fullmatch(f"{DPDK}|{CK}", h),
                          r"rte_\w+|ck_\w+|clock_gettime|malloc|calloc|free"),
    "gateway/order/": (r"(ring/|feed/(wire|soup)\.h|gateway/order/)", lambda h: re.fullmatch(f"{DPDK}|{CK}", h),
                       r"rte_\w+|ck_\w+|clock_gettime|malloc|calloc|free"),
    "gateway/order/order_tx": (r"(ring/|feed/wire\.h|gateway/order/)", lambda h: re.fullmatch(CK, h), r"malloc|calloc|free"),
    "gateway/venue/": (r"(ring|feed|gateway/order|gateway/venue)/", lambda h: re.fullmatch(f"{DPDK}|{CK}", h), PURE_CALLS),
    "gateway/capture/": (r"(ring|feed|gateway/capture)/", lambda h: re.fullmatch(f"{DPDK}|{CK}", h), r"rte_\w+|ck_\w+"),
    "gateway/xdp/": (r"(config|gateway/xdp)/", lambda h: re.fullmatch(f"{DPDK}|{CK}", h), r"rte_\w+|ck_\w+|clock_gettime"),
    "gateway/hooks/": (r"gateway/(hooks/|cmd/cmd\.h)", lambda h: re.fullmatch(f"{DPDK}|{CK}", h), r"rte_\w+|ck_\w+"),
    "gateway/port/": (r"(ring|feed|config|gateway/port)/", lambda h: False, None),
    "gateway/admin/": (r"(config|gateway/admin)/|gateway/json\.h", lambda h: re.fullmatch(f"{DPDK}|{CK}", h), r"rte_\w+|ck_\w+"),
    "gateway/": (r"(ring|feed|config)/|gateway/(?!cmd/)", lambda h: False, None),
    "gateway/cmd/": (r"(ring|feed|config|gateway)/", lambda h: False, None),
    "gateway/main": (r"gateway/", lambda h: False, None),
    "tests/": (r"(ring|feed|config|gateway|tests|tools)/", lambda h: False, None),
    "tools/": (r"(ring|feed|config|gateway|tools)/", lambda h: False, None),
}
# ring/ may say which impossible state it found (ring/check.h), and nothing else in the pure rooms may.
ALLOWED_CALLS = {"ring/check.h": {"fprintf", "abort"}}

root = os.path.abspath(sys.argv[2])
findings = []


def find(path, line, text):
    findings.append(f"{path}:{line}: {text}" if line else f"{path}: {text}")


def tracked():
    """Files of the repository; in a tree without git, all but build folders."""
    done = subprocess.run(["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-co", "--exclude-standard"],
                          capture_output=True, text=True) if os.path.exists(os.path.join(root, ".git")) and _has("git") else None
    if done is not None and done.returncode == 0:
        return sorted(path for path in set(done.stdout.splitlines()) if os.path.isfile(os.path.join(root, path)))
    paths = []
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if not name.startswith("build") and name not in (".git", ".cache", "__pycache__")]
        paths += [os.path.relpath(os.path.join(directory, file), root) for file in files]
    return sorted(paths)


def _has(program):
    return any(os.access(os.path.join(d, program), os.X_OK) for d in os.environ.get("PATH", "").split(os.pathsep))


def sources(suffixes):
    return [path for path in tracked() if path.split("/")[0] in ROOMS and path.endswith(suffixes)]


def text_of(path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def code_of(path):
    """The text of a source without comments and the insides of strings, lines kept."""
    def blank(match):
        return match[0][0] + "\n" * match[0].count("\n") + match[0][-1] if match[0][0] in "\"'" else "\n" * match[0].count("\n")
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text_of(path), flags=re.S)


def layers():
    for path in sources((".c", ".h")):
        rule = max((prefix for prefix in RULES if path.startswith(prefix)), key=len)
        ours, foreign_forbidden, calls = RULES[rule]
        for number, line in enumerate(text_of(path).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', line)
            if match and match[1] and not re.match(ours, match[1]):
                find(path, number, f"{rule} must not know {match[1]}")
            if match and match[2] and foreign_forbidden(match[2]):
                find(path, number, f"{rule} must not know <{match[2]}>")
        if calls:
            for number, line in enumerate(code_of(path).splitlines(), 1):
                for match in re.finditer(rf"(?<![\w.>])({calls})\s*\(", line):
                    if match[1] not in ALLOWED_CALLS.get(path, ()):
                        find(path, number, f"{rule} must not call {match[1]}")


def headers():
    compiler = sys.argv[4:]
    flags = subprocess.run(["pkg-config", "--cflags", "libdpdk", "ck", "lwip", "libcyaml", "criterion"], capture_output=True, text=True)
    if flags.returncode != 0:
        print("skipped: pkg-config does not know the dependencies")
        sys.exit(SKIP)
    system = flags.stdout.replace("-I", "-isystem ").split()
    options = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", root, *system,
               "-I", os.path.join(sys.argv[3], "gateway/strategy"), # the header of plug-ins, made there
               "-march=x86-64-v2", "-x", "c", "-"]

    def compile_alone(path):
        source = f'#include "{path}"\n#include "{path}"\n'
        done = subprocess.run([*compiler, *options], input=source, capture_output=True, text=True)
        return path, done

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path, done in pool.map(compile_alone, sources((".h",))):
            if done.returncode != 0:
                find(path, 0, "does not compile alone: " + done.stderr.strip()[:600])


def text():
    # Put together here, so that this file does not find itself.
    marks = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "X" "XX")) + r")\b")
    machine = re.compile(r"(?<![\w.$}/])/(" + "|".join(("wo" "rk", "ho" "me", "ro" "ot")) + r")/\w|/tmp/b-\w")
    for path in tracked():
        if os.path.getsize(os.path.join(root, path)) > FILE_MAX_BYTES:
            find(path, 0, "larger than 1 MiB")
        try:
            content = text_of(path)
        except UnicodeDecodeError:
            continue # the corpus of the fuzz targets and the like
        if content and not content.endswith("\n") and not path.startswith("tests/fuzz/corpus/"):
            find(path, 0, "no newline at the end")
        for number, line in enumerate(content.splitlines(), 1):
            if marks.search(line):
                find(path, number, "says that something is left to do: " + line.strip())
            if machine.search(line):
                find(path, number, "names a path of one machine: " + line.strip())
            if path.endswith((".c", ".h", "meson.build")):
                if line != line.rstrip() or "\t" in line:
                    find(path, number, "tab or trailing blanks")
                if "__builtin_prefetch(" in line and not path.startswith(("tests/", "ring/prefetch.h")):
                    find(path, number, "GCC 12 deletes a function that does nothing else: take those of ring/prefetch.h")
                if len(line) > 120:
                    find(path, number, f"{len(line)} columns, 120 are allowed")
        if path.endswith((".c", ".h")) and not content.startswith("/*"):
            find(path, 0, "no comment at its head: which room, who calls it, what it never does")


def stems():
    registered = text_of("tests/unit/meson.build") + text_of("tests/eal/meson.build")
    # Headers without a .c file are stems too. These have no test of their own name, for the reason given.
    excused = {
        "ring/check.h": "macros", "ring/prefetch.h": "nothing to be seen", "ring/order_intent.h": "a record", "feed/wire.h": "covered by itch, mold, ouch",
        "feed/instrument.h": "covered by channel", "feed/channel_state.h": "the insides of channel",
        "feed/book_look.h": "inside of book: test_book has it",
        "feed/book_state.h": "the insides of book",
    }
    rooms = ("ring/", "feed/", "gateway/order/", "gateway/strategy/")
    for path in sources((".h",)) + [path for path in sources((".c",)) if path.startswith("gateway/strategy/")]:
        if not path.startswith(rooms) or path in excused:
            continue
        stem = os.path.splitext(os.path.basename(path))[0]
        if not re.search(rf"^\s*'{stem}'", registered, re.M):
            find(path, 0, f"no test_{stem}.c in tests/unit or tests/eal")
    for path in sources((".c",)):
        match = re.fullmatch(r"tests/(unit|eal)/test_(\w+)\.c", path)
        if match and not re.search(rf"^\s*'{match[2]}'", text_of(f"tests/{match[1]}/meson.build"), re.M):
            find(path, 0, "is not in meson.build, so it never runs")
        if match and not re.search(r"^(Test|ParameterizedTest|Theory)\(", text_of(path), re.M):
            find(path, 0, "has no test")


def objects_under(folder):
    objects = []
    for directory, _, files in os.walk(os.path.join(sys.argv[3], folder)):
        objects += [os.path.join(directory, file) for file in files if file.endswith(".o")]
    return sorted(objects)


def nm(path, *options):
    return subprocess.run(["nm", *options, path], capture_output=True, text=True, check=True).stdout


# What the compiler itself calls, the sanitizers, and what ring/check.h needs to name an impossible state.
COMPILER_SYMBOLS = re.compile(r"mem(cpy|set|cmp|move)|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__\w*(asan|ubsan|tsan|sancov|gcov)\w*|"
                              r"abort|fprintf|fwrite|stderr|__fprintf_chk")
IMPURE_SYMBOLS = re.compile(r"malloc|calloc|realloc|free|posix_memalign|aligned_alloc|mmap|printf|puts|fopen|open|read|write|"
                            r"clock_gettime|gettimeofday|time|nanosleep|getenv|pthread_\w+|rte_\w+|numa_\w+")


def symbols():
    """Pure rooms: ring/ and feed/ refer to themselves and to memcpy and its like; orders and strategies to nothing that
    allocates, waits, prints or reads a clock. None of them has a variable that outlives a call."""
    folders = ("ring", "feed", "gateway/order", "gateway/venue", "gateway/strategy")
    objects = {folder: [path for path in objects_under(folder) if "order_tx" not in path] for folder in folders}
    if not all(objects.values()) or not _has("nm"):
        print("skipped: objects are not built, or no nm")
        sys.exit(SKIP)
    own = set()
    for folder in ("ring", "feed"):
        for path in objects[folder]:
            own |= {line.split()[-1] for line in nm(path, "--defined-only").splitlines() if line}
    for folder, paths in objects.items():
        for path in paths:
            name = os.path.relpath(path, sys.argv[3])
            for line in nm(path, "--undefined-only").splitlines():
                symbol = line.split()[-1]
                allowed = symbol in own or COMPILER_SYMBOLS.fullmatch(symbol)
                if (not allowed) if folder in ("ring", "feed") else IMPURE_SYMBOLS.fullmatch(symbol):
                    find(name, 0, f"refers to {symbol}")
            for line in nm(path, "-f", "sysv").splitlines():
                columns = [column.strip() for column in line.split("|")]
                if len(columns) == 7 and re.fullmatch(r"\.t?(bss|data)(\.(?!rel\.ro)\S*)?|\*COM\*", columns[6]) and \
                        not re.match(r"__\w*(asan|ubsan|tsan)|\.Lubsan|\.?L", columns[0]):
                    find(name, 0, f"has a variable of its own: {columns[0]}")


def clash():
    """The program's functions take the place of those of its libraries with the same name: none may, but sys_now, which is lwIP's
    clock and meant to be ours. All are looked up when the program starts, none by its first call on a hot lcore."""
    program = os.path.join(sys.argv[3], "gateway/tickgate")
    if not os.path.exists(program) or not _has("nm") or not _has("ldd") or not _has("readelf"):
        print("skipped: the program is not built, or no nm, ldd or readelf")
        sys.exit(SKIP)
    if not re.search(r"FLAGS.*\bNOW\b", subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout):
        find("gateway", 0, "tickgate looks its symbols up when they are first called; link with -Wl,-z,now")
    ours = {line.split()[-1] for line in nm(program, "-D", "--defined-only").splitlines() if " T " in line}
    for line in subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.splitlines():
        path = re.search(r"=> (/\S+)", line)
        if not path or re.search(r"lib(c|m)\.so|sanitizer|libasan|libubsan|libtsan", path[1]):
            continue
        theirs = {symbol.split()[-1].split("@")[0] for symbol in nm(path[1], "-D", "--defined-only").splitlines() if " T " in symbol}
        for symbol in sorted(ours & theirs - {"sys_now", "_init", "_fini"}):
            find("gateway", 0, f"{symbol} is also a function of {os.path.basename(path[1])}, which would call ours; rename it")


def tx():
    """rte_eth_tx_burst is inline: the objects that transmit are those that refer to what its body refers to. Orders leave
    through order_tx alone; request_tx sends retransmission requests, stack what the control thread's TCP has to send (again), membership
    IGMP, ARP and answers to pings, and none of them is ever given a strategy lcore's queue."""
    objects = objects_under("gateway")
    if not any("order_tx" in path for path in objects) or not _has("nm"):
        print("skipped: no object of gateway/order/order_tx.c, or no nm")
        sys.exit(SKIP)
    users = [os.path.relpath(path, sys.argv[3]) for path in objects
             if re.search(r"\brte_eth_call_tx_callbacks\b", nm(path, "--undefined-only"))]
    if sorted(os.path.basename(path) for path in users) != ["membership.c.o", "order_tx.c.o", "request_tx.c.o", "stack.c.o"]:
        find("gateway", 0, f"exactly order_tx.c (orders), request_tx.c (requests), stack.c (TCP) and membership.c (IGMP, ARP, "
             f"pings) may transmit, not: {users}")


{"layers": layers, "headers": headers, "text": text, "stems": stems, "symbols": symbols, "clash": clash, "tx": tx}[sys.argv[1]]()
for finding in findings:
    print(finding)
print(f"{sys.argv[1]}: {len(findings)} findings")
sys.exit(1 if findings else 0)
