#!/bin/bash
# Capstone's group of privileged instructions lacks RDMSR, CLTS, IN and OUT, and has MOV to a segment register.
#
# Library: capstone 5.0.9 from PyPI. Input: instructions that need CPL 0 or IOPL (Intel SDM, volume 2), and two
# that a user program may execute.
# Expected: rdmsr like wrmsr and clts like invd in CS_GRP_PRIVILEGE; mov ds, which user space may execute, not.
# Seen: rdmsr, clts, in and out are in no group at all; wrmsr, invd, cli, hlt and mov ds are in it.
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
groups = {}
for code in ("0f32", "0f30", "0f06", "0f08", "ec", "ee", "fa", "f4", "8ed8"):
    (each,) = decoder.disasm(bytes.fromhex(code), 0)
    groups[code] = sorted(each.group_name(group) for group in each.groups)
    print(each.mnemonic, each.op_str, groups[code])
lacking = [code for code, names in groups.items() if not names]
marked = [code for code, names in groups.items() if "privilege" in names]
raise SystemExit(lacking != ["0f32", "0f06", "ec", "ee"] or marked != ["0f30", "0f08", "fa", "f4", "8ed8"])
END
