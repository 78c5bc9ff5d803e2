"""The compiling process: python -m model.kernel FOLDER CPU '[spec, ...]'; one line per finished image."""

import json
import sys
from pathlib import Path

from model.image import from_json
from model.store import Store, check_can_compile


def main(folder: str, cpu: str, request: str) -> None:
    """Compile and store each image that is asked for."""
    check_can_compile()
    from model.kernel.emit import emit

    store = Store(Path(folder), cpu)
    for data in json.loads(request):
        spec = from_json(data)
        store.save(spec, emit(spec, cpu))
        print(spec.name, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
