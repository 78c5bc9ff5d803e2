#!/bin/bash
# Capstone decodes CLUI (f3 0f 01 ee, user interrupts) as RDPKRU and ERETU (f3 0f 01 ca, FRED) as CLAC.
#
# Library: capstone 5.0.9 from PyPI. Input: an instruction of each, between a NOP and a RET, as the manuals of
# Intel 64 print them. Without the prefix f3 the same bytes are RDPKRU and CLAC.
# Expected: the names clui and eretu, or no instruction at all, as for others that the library does not know.
# Seen: rdpkru and clac, and decoding goes on behind them: a disassembly that looks whole names instructions
# that the processor does not execute.
# Exits with 0 as long as this is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check capstone==5.0.9
"$folder/venv/bin/python" - <<'END'
import capstone

decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
seen = {}
for name, code in (("clui", "f30f01ee"), ("eretu", "f30f01ca")):
    seen[name] = [each.mnemonic for each in decoder.disasm(bytes.fromhex("90" + code + "c3"), 0)]
    print(name, code, "->", seen[name])
raise SystemExit(seen != {"clui": ["nop", "rdpkru", "ret"], "eretu": ["nop", "clac", "ret"]})
END
