#!/bin/bash
# Unicorn reserves 1 GiB of address space for each emulator at its first run, for two bytes of code.
#
# Library: unicorn 2.1.4 from PyPI. Input: four emulators that run two NOPs each.
# Expected: a few MiB each, or a share of one buffer.
# Seen: 1 GiB each, as ctl_get_tcg_buffer_size says; with ctl_set_tcg_buffer_size the same code runs in
# 16 MiB. So ten emulators do not fit under `ulimit -v` of 8 GiB unless the size is set.
# Exits with 0 as long as this is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check unicorn==2.1.4
"$folder/venv/bin/python" - <<'END'
from pathlib import Path

import unicorn


def mebibytes():
    """Address space of this process."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * 4096 >> 20


def emulator(size=0):
    """One that has run two NOPs."""
    made = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    if size:
        made.ctl_set_tcg_buffer_size(size)
    made.mem_map(0x1000, 4096)
    made.mem_write(0x1000, b"\x90\x90")
    made.emu_start(0x1000, 0x1002)
    return made


before, small = mebibytes(), [emulator(16 << 20) for _ in range(4)]
between, large = mebibytes(), [emulator() for _ in range(4)]
after = mebibytes()
print("4 emulators with 16 MiB each:", between - before, "MiB; as by default:", after - between, "MiB")
print("the default is", large[0].ctl_get_tcg_buffer_size() >> 20, "MiB")
raise SystemExit(not (between - before < 200 and after - between > 4000 and len(small) == 4))
END
