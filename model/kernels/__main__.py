"""The compiling process: python -m model.kernels PARENT FOLDER CPU DIGEST '{specs, own}'.

Prints one line per finished image.
"""

import json
import os
import sys
from pathlib import Path

from model.common.command import run
from model.common.errors import CompileError
from model.common.process import end_with_parent


def main(folder: str, cpu: str, digest: str, request: str) -> int:
    """Compile and store each requested image.

    Raises
    ------
    CompileError
        When the sources differ from the parent's, or when compiling fails.
    """
    # Slow imports come after the check that the parent still runs.
    from model.kernels import compiled_called
    from model.kernels.store import Store, check_can_compile, digest_of
    from model.kernels.user_variants.added import add_again
    from model.machine_code.image import to_json

    check_can_compile()
    # Numba prints the output of its NUMBA_DUMP_* settings on standard output, where the parent counts images.
    finished = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        from model.compiler.emit import emit
    except UnicodeDecodeError:
        raise CompileError(
            "Numba reads /proc/cpuinfo as text, and here it holds bytes that are no UTF-8: "
            "set NUMBA_ENABLE_AVX=0, which avoids that and changes no code here"
        ) from None

    asked = json.loads(request)
    add_again(asked["own"])
    brought = {own["name"]: own["where"] for own in asked["own"]}
    specs = [compiled_called(data["kernel"]).spec_of(data) for data in asked["specs"]]
    linkages = {spec.kernel: compiled_called(spec.kernel).linkage() for spec in specs}
    # All sources have been read by now: what is edited later does not reach this process.
    if digest_of(cpu) != digest:
        raise CompileError("the sources of model/ were edited meanwhile: run again")
    store = Store(Path(folder), cpu, digest=digest)
    for spec in specs:
        linkage, link = linkages[spec.kernel]
        try:
            made = emit(linkage, link(spec), cpu)
        except CompileError as error:
            where = brought.get(to_json(spec).get("variant"))
            raise CompileError(f"{where}: {error}") if where and where not in str(error) else error from None
        store.save(spec, {"spec": to_json(spec), "cpu": cpu, **made})
        os.write(finished, f"{spec.name}\n".encode())
    return 0


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    sys.exit(run("python -m model.kernels", lambda: main(*sys.argv[2:]), signals=False))
