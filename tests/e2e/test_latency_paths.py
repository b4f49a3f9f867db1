"""tools/latency_paths in its short form: every receive path carries the session and its orders, the numbers are whole, table and picture
hold what was measured. No time is asserted. Needs root, iproute2 and two CPUs; removes what it makes."""
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import namespaces

SKIP = 77
PATHS = ["socket", "busy-poll", "af_packet", "af_xdp", "memif"]
QUANTILES = ("min_ns", "p50_ns", "p99_ns", "max_ns")


def check(condition, text):
    if not condition:
        print("FAILED:", text)
        sys.exit(1)
    print("ok:", text)


def measure(directory):
    """The rows, what was printed, and the picture's words."""
    numbers, picture = os.path.join(directory, "paths.json"), os.path.join(directory, "paths.svg")
    done = subprocess.run([sys.executable, os.path.join(os.environ["SOURCE_ROOT"], "tools/latency_paths"), "--short", "--build",
                           os.environ["BUILD_ROOT"], "--json", numbers, "--svg", picture], capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout, done.stderr)
    check(done.returncode == 0, "latency_paths --short ends well")
    with open(numbers) as file:
        result = json.load(file)
    words = [element.text for element in xml.etree.ElementTree.parse(picture).iter() if element.tag.endswith("text")]
    return result, done.stdout, words


if os.environ["SANITIZE"] != "none":
    print("skipped: a sanitizer's build is not compared with anything, and its exchange is too slow to offer a rate")
    sys.exit(SKIP)
namespaces.need()
if len(os.sched_getaffinity(0)) < 2:
    print("skipped: the comparison needs two CPUs")
    sys.exit(SKIP)
with tempfile.TemporaryDirectory(prefix="tickgate-test-") as directory:
    for attempt in range(3): # a lcore that is not run for long loses packets of both lines, and a stale feed trades nothing
        result, printed, words = measure(directory)
        rows = result["rows"]
        if all(row["orders"] > 0 for row in rows):
            break
    check([row["path"] for row in rows] == PATHS, "every path has its row")
    for row in rows:
        times = [row[quantile] for quantile in QUANTILES]
        check(row["orders"] > 0 and times == sorted(times) and times[0] > 0, f"{row['path']}: {row['orders']} orders, quantiles ascend")
        check(row["clock"] == ("tsc" if row["path"] == "memif" else "kernel"), f"{row['path']}: the clock is named")
        check(row["cpu_share"] > 0, f"{row['path']}: CPU use is known")
        check(f"{row['path']}, {row['rate']:,}/s" in words, f"{row['path']}: is in the picture")
        check(any(line.startswith(row["path"]) for line in printed.splitlines()), f"{row['path']}: is in the table")
    check(result["napi_ids"] and 0 not in result["napi_ids"], f"busy polling had a queue to poll: NAPI ids {result['napi_ids']}")
