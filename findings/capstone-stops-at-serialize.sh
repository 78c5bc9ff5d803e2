#!/bin/bash
# Capstone's disasm() ends without an error at the first instruction that it does not know, SERIALIZE for one.
#
# Library: capstone 5.0.9 from PyPI. Input: nop; serialize (0f 01 e8, in processors since 2021 and in the text
# of Linux); ret. The same with CMPccXADD (c4 e2 69 e0 0e).
# Expected: three instructions, or an exception.
# Seen: one instruction, as if the code ended there.
# Exits with 0 as long as this is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check capstone==5.0.9
"$folder/venv/bin/python" - <<'END'
import capstone

decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
seen = []
for name, code in (("serialize", "0f01e8"), ("cmpoxadd", "c4e269e00e")):
    seen.append([each.mnemonic for each in decoder.disasm(bytes.fromhex("90" + code + "c3"), 0)])
    print(name, code, "->", seen[-1])
raise SystemExit(seen != [["nop"], ["nop"]])
END
