#!/bin/sh
# set_up_kernels.sh FOLDER: kernel files of distributions for the tests that read real ones, where apt serves some.
# The oldest and the newest cloud kernel of each series that the machine's own package sources have (security updates
# replace them, so no version is named), unpacked, never installed: FOLDER/vmlinuz-RELEASE. apt works in a
# directory of its own, so nothing of the system changes. Says what is missing; without it the tests are skipped.
set -u
mkdir -p "$1" && folder=$(cd "$1" && pwd) || exit 1
skipped() {
    echo "THE TESTS OF REAL KERNELS WILL BE SKIPPED: $1" >&2
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }
count() { find "$folder" -maxdepth 1 -name 'vmlinuz-*' | wc -l; }

[ "$(count)" -ge 2 ] && exit 0
{ has apt-get && has apt-cache && has dpkg-deb; } || skipped "this machine has no apt"

work=$(mktemp -d "$folder/.apt-XXXXXX") || skipped "cannot write $folder"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
cat >"$work/apt.conf" <<END
Dir::State "$work/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
END
export APT_CONFIG="$work/apt.conf"
timeout 120 apt-get -qq update >/dev/null 2>&1 || skipped "apt cannot update its lists"

# linux-image-6.1.0-57-cloud-amd64-unsigned up to Debian 13, linux-binary-7.3.4+deb14-cloud-amd64 later
names=$(apt-cache pkgnames linux- |
    grep -E '^linux-(image-[0-9].*-cloud-amd64-unsigned|binary-[0-9].*-cloud-amd64)$' | sort -V)
series=$(echo "$names" | sed -E 's/^linux-[a-z]+-([0-9]+\.[0-9]+).*/\1/' | sort -Vu)
cd "$work" || exit 1
for each in $series; do
    of=$(echo "$names" | grep -E "^linux-[a-z]+-$(echo "$each" | sed 's/\./\\./')[^0-9]")
    for package in $(echo "$of" | sed -n '1p;$p' | uniq); do
        timeout 300 apt-get -qq download "$package" >/dev/null 2>&1 || continue
        dpkg-deb --fsys-tarfile "$package"_*.deb | tar -xf - --wildcards './boot/vmlinuz-*' './usr/lib/modules/*/vmlinuz' 2>/dev/null
        rm -f "$package"_*.deb
        for found in boot/vmlinuz-*; do [ -f "$found" ] && mv "$found" "$folder/"; done
        for found in usr/lib/modules/*/vmlinuz; do
            [ -f "$found" ] && mv "$found" "$folder/vmlinuz-$(basename "$(dirname "$found")")"
        done
    done
done
[ "$(count)" -ge 2 ] || skipped "apt serves fewer than two of Debian's cloud kernels here"
