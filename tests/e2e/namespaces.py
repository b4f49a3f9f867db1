"""Can this test have network namespaces of its own? If not it is skipped, with the words of whoever refuses: an ordinary user, a container
that may not, a kernel without veth, a chroot whose root is no mount (ip makes it private to a namespace)."""
import os
import subprocess
import sys

SKIP = 77


def refusal():
    """Why not; None: it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"tg{os.getpid()}n"
    try:
        for command in (("netns", "add", name), ("-n", name, "link", "add", "va", "type", "veth", "peer", "name", "vb")):
            done = subprocess.run(["ip", *command], capture_output=True, text=True)
            if done.returncode != 0:
                return f"network namespaces cannot be used here: ip {' '.join(command)}: {done.stderr.strip()}"
    except FileNotFoundError:
        return "network namespaces need the program ip"
    finally:
        if os.path.exists(f"/var/run/netns/{name}"):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return None


def need():
    why = refusal()
    if why:
        print("skipped: " + why)
        sys.exit(SKIP)
