# Sourced by tools/demo and tools/test: packages and hugepages. Changes nothing where everything is there already.

# To build, on a bare Debian 12 (debootstrap --variant=minbase). Criterion is here because one meson.build configures all.
packages_build='gcc libc6-dev meson ninja-build pkg-config python3 tzdata
    libdpdk-dev libck-dev libnuma-dev libcyaml-dev libyaml-dev libpcap-dev zlib1g-dev liblwip-dev libmd-dev libcriterion-dev
    libbpf-dev'
# For the tests besides: second compiler (which also compiles the XDP guard: a build without it has none), independent
# decoder, network namespaces, the firewall's nft, instruction counts.
packages_test='clang tshark iproute2 procps nftables make valgrind'

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
die() { say "$*" >&2; exit 2; }

# setup_packages NAME...: install what is missing as root, or name the command that does.
setup_packages() {
    local package missing='' install
    if ! command -v dpkg-query >/dev/null; then
        say 'this is not Debian: what is needed is taken to be installed'
        return
    fi
    for package in "$@"; do
        # The whole word: a package that was only heard of is "not-installed".
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    install="apt-get install -y --no-install-recommends$missing"
    [ "$(id -u)" = 0 ] || die "packages are missing; as root: apt-get update && $install"
    say "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    setup_quiet apt-get update && setup_quiet $install || die "installing packages failed; tried: $install"
}

# Run a command; show what it printed only if it fails.
setup_quiet() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 </dev/null || status=$?
    [ $status = 0 ] || tail -n 60 "$log" >&2
    rm -f "$log"
    return $status
}

hugepages_file=/proc/sys/vm/nr_hugepages
hugepages_reserved=''

# Root: reserve hugepages if there are none, so that setup_hugepages_release gives them back. Others go on without.
setup_hugepages() {
    local wanted=256 available_kb # 512 MiB: the demo takes half of it
    if [ "$(awk '/^HugePages_Free:/ {print $2}' /proc/meminfo)" -gt 0 ] 2>/dev/null; then
        [ "$(id -u)" = 0 ] || say 'not root: the hugepages that are there are used through a memory file'
        return 0
    fi
    if [ "$(id -u)" != 0 ]; then
        say 'not root and no hugepages: 4 KiB pages cost TLB misses, expect longer tails'
        return 0
    fi
    available_kb=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
    if [ "${available_kb:-0}" -lt 2097152 ] || ! { echo $wanted >$hugepages_file; } 2>/dev/null; then
        say 'hugepages cannot be reserved here: 4 KiB pages cost TLB misses, expect longer tails'
        return 0
    fi
    hugepages_reserved=$(cat $hugepages_file)
    say "reserved $hugepages_reserved hugepages of 2 MiB, given back at the end"
}

setup_hugepages_release() {
    # Somebody else may have changed the number meanwhile: then it is theirs.
    if [ -n "$hugepages_reserved" ] && [ "$(cat $hugepages_file)" = "$hugepages_reserved" ]; then
        echo 0 >$hugepages_file
    fi
    hugepages_reserved=''
}

# configure DIRECTORY [meson options]: once, with $CC.
configure() {
    local directory=$1
    shift
    [ -f "$directory/build.ninja" ] || setup_quiet meson setup "$directory" "$@"
}
