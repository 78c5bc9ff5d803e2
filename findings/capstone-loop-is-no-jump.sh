#!/bin/bash
# Capstone has LOOP in no group of jumps, but JRCXZ, of the same form, in it.
#
# Library: capstone 5.0.9 from PyPI. Input: loop, loope, loopne, jrcxz and je, each to itself.
# Expected: all five in CS_GRP_JUMP, since each may continue elsewhere (Intel SDM, volume 2).
# Seen: loop, loope and loopne are in CS_GRP_BRANCH_RELATIVE only; who looks for jumps misses them.
# Exits with 0 as long as this is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check capstone==5.0.9
"$folder/venv/bin/python" - <<'END'
import capstone

decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
decoder.detail = True
jumps, relative = set(), set()
for code in ("e2fe", "e1fe", "e0fe", "e3fe", "74fe"):
    (each,) = decoder.disasm(bytes.fromhex(code), 0)
    print(each.mnemonic, [each.group_name(group) for group in each.groups])
    jumps |= {each.mnemonic} if each.group(capstone.CS_GRP_JUMP) else set()
    relative |= {each.mnemonic} if each.group(capstone.CS_GRP_BRANCH_RELATIVE) else set()
raise SystemExit(jumps != {"jrcxz", "je"} or relative != {"loop", "loope", "loopne", "jrcxz", "je"})
END
