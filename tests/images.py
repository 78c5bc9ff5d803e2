"""python -m tests.images: compile what the tests will ask for, while other things are waited for."""

from functools import partial
from itertools import chain

from benchmarks.cases import Case
from benchmarks.selection import along, select, swept
from model.kernels import VERSIONS, kernel_called
from model.kernels.kernel_file.known import LOOPS
from model.kernels.kit.ladder import SHARED
from model.kernels.lay_out.image import LAY_OUT
from model.kernels.store import Store
from model.kernels.v4_3.image import Image, allocator_of
from model.kernels.v4_3.path import FreePath
from model.kernels.v6_18.image import Image as ImageOfV618
from model.kernels.v6_18.variants import VARIANTS
from model.kernels.v7_1.image import Image as Newer
from model.kernels.v7_1.path import OF_THE_STOCK
from model.kernels.v7_1.variants import BORROWED
from model.kernels.v7_1.variants import VARIANTS as NEWER_VARIANTS
from model.machine_code.image import Spec
from model.vocabulary.scenario import Config, Scenario
from tests import compilers


def compile_images(*, every: bool) -> None:
    """Those that are not in the cache yet."""
    needed = images(every)
    Store().ensure([*needed, *(allocator_of(image) for image in needed if isinstance(image, Image))])


def images(every: bool) -> list[Spec]:
    """What the tests will ask for: of each scenario base, of each variant an image, what single tests name.

    An image that is missing here is compiled when a test wants it, by processes that first load
    the compiler: ten times as long.

    Parameters
    ----------
    every
        Whatever can be measured, for `make reliability`.
    """
    later = (select(f"kernel={version}") for version in VERSIONS[1:])
    cases = [*select("checks=*,memory=warm"), *chain.from_iterable(later)]
    whole = [*cases, *select(quick=True)] if every else with_every_variant()
    wanted = [image for case in whole for image in case.images()]
    wanted += [case.images()[0] for case in (*cases, *swept(along("kernel")))]
    arms = (("base", "none"), ("base", "jump-label"), ("v1", "jump-label"))
    wanted += [Image(*arm, memcg=True, apart=True) for arm in arms]
    wanted += [Image(*arm, memcg=True, together=True) for arm in arms]
    return [*wanted, *images_of_2015(), *images_of_v6_18(every), *images_of_v7_1(), LOOPS, LAY_OUT]


def with_every_variant() -> list[Case]:
    """Headline scenarios of which every arm is compiled: v4.3 with and without memcg, the others' usual ones.

    Each variant and each gate is in one of them. Of base there is an image for every scenario.
    """
    of_2015 = [case for case in select("kernel=v4.3", quick=True) if case.scenario.checks == "on"]
    others = select("kernel=v6.18", quick=True) + select("kernel=v7.1", quick=True)
    usual = [case for case in others if case.scenario == kernel_called(case.scenario.kernel).usual]
    return [*of_2015, *usual]


def images_of_2015() -> list[Image]:
    """Of v4.3: arms that single tests name."""
    plain = ("base", "v1", "v1-ifdef", "keyfirst", "memcg-data", "base-twin")
    made = [Image(name, "none", memcg=False) for name in plain]
    deferred = partial(Image, memcg=True, checks="deferred")
    made += [deferred(*arm) for arm in (("base", "none"), ("v1", "jump-label"), ("keyfirst", "jump-label"))]
    arms = FreePath().arms(Scenario("on-charged"))  # all that there are
    made += [Image(arm.variant, arm.gate, memcg=True) for arm in arms]
    return [*made, Image("v1", "jump-label", memcg=True, debug=True)]


def images_of_v6_18(every: bool) -> list[ImageOfV618]:
    """Of v6.18: base by every entry in each configuration, and a variant that tests the memcg key."""
    made = []
    built_as: list[tuple[Config, bool]] = [("default", False), ("default", True), ("distribution", True)]
    for config, memcg in built_as:
        built = partial(ImageOfV618, gate="jump-label" if memcg else "none", memcg=memcg, config=config)
        named = [name for name, variant in VARIANTS.items() if not variant.exact]
        made += [built(name) for name in named if every or name in ("base", "memcg-flag-first")]
        made += [built("base", entry=entry) for entry in ("kfree", "folios_put_refs")]
        made += [built("base", direct=True), built("base", direct=True, entry="kfree")]
    timed = partial(ImageOfV618, memcg=True, config="distribution")
    # Of a drain or a block also what is timed beside base; and a variant that the headline leaves out.
    made += [timed("base-twin", "jump-label", direct=True), timed("nop", "none", direct=True)]
    return [*made, timed("stable", "jump-label")]


def images_of_v7_1() -> list[Newer]:
    """Of v7.1: what its steps are, and what the oracle's suite shares with v6.18."""
    usual = partial(Newer, gate="jump-label", memcg=True)
    made = [usual(name) for name in NEWER_VARIANTS if name not in {*BORROWED, *SHARED}]
    made += [usual(name, direct=True) for name in ("base", "whole-drain", "to-buddy", *OF_THE_STOCK)]
    bare = partial(Newer, "base", "none", memcg=False, config="default")
    made += [bare(), bare(entry="kfree"), bare(direct=True), bare(direct=True, entry="kfree")]
    return [*made, *(usual("base", entry=entry) for entry in ("kfree", "folios_put_refs"))]


if __name__ == "__main__":
    compilers.offer()
    compile_images(every=False)
