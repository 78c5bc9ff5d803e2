#!/bin/bash
# A kernel's zstd payload (a frame, and behind it four bytes with the unpacked size, inside of the length that
# the boot header says) is unpacked by zstandard's decompress() and decompressobj(), and refused by its
# stream_reader(), after all of the content was good.
#
# Library: zstandard 0.25.0 from PyPI. Input: a frame with its checksum, and four bytes, as
# scripts/Makefile.lib of Linux appends them (size_append).
# Expected: all three unpack it, or all three refuse it.
# Seen: two give the content, the third "Unknown frame descriptor"; with the four bytes cut off it gives it, too.
# Exits with 0 as long as this is so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check zstandard==0.25.0
"$folder/venv/bin/python" - <<'END'
import io
import struct

import zstandard

content = b"vmlinux " * 100_000
frame = zstandard.ZstdCompressor(write_checksum=True).compress(content)
payload = frame + struct.pack("<I", len(content))
new = zstandard.ZstdDecompressor
assert new().decompress(payload) == content and new().decompressobj().decompress(payload) == content
assert new().stream_reader(io.BytesIO(frame)).read() == content
try:
    new().stream_reader(io.BytesIO(payload)).read()
except zstandard.ZstdError as error:
    print("stream_reader:", error)
    raise SystemExit("Unknown frame descriptor" not in str(error))
raise SystemExit("stream_reader unpacks it now")
END
