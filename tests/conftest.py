"""Compile once, before the workers start; hypothesis the same in every run."""

import pytest
from hypothesis import settings

from model.code.image import Spec
from model.kernels.store import Store
from model.kernels.v4_3.image import Image, allocator_of

settings.register_profile("freepath", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("freepath")


def images() -> list[Spec]:
    """Every image of the headline's scenarios, deferred checks, and the debug build."""
    from benchmarks.cases import select

    cases = [*select("checks=*,memory=warm"), *select("kernel=v6.18")]
    wanted = [image for case in cases for image in case.images()]
    return [*wanted, Image("v1", "jump-label", memcg=True, debug=True)]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Only the controlling process compiles; xdist's workers find the code."""
    if not hasattr(session.config, "workerinput"):
        needed = images()
        Store().ensure([*needed, *(allocator_of(image) for image in needed if isinstance(image, Image))])
