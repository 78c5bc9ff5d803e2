"""What a kernel version lists can be measured, all of it; what it cannot run, nobody can list."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

from benchmarks.cases import Case, SelectionError
from benchmarks.selection import along, select, swept
from benchmarks.timing.sampler import Sampler
from benchmarks.timing.scheme import Scheme
from model.common.limits import usable_cpus
from model.kernels import VERSIONS, kernel_called, kernels, path_of
from model.kernels.kernel import Kernel
from model.kernels.kit import path as kit_path
from model.kernels.store import Store
from model.machine_code import cpu_caches
from model.vocabulary.scenario import Scenario


@pytest.fixture(autouse=True)
def _every_cpu() -> Iterator[None]:
    """CpuThreads pins the thread that it is made in; in a worker that is for good."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture
def _least_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass per slice, and arrays of at most 8,192 struct pages."""
    monkeypatch.setattr(cpu_caches, "sizes", lambda folder: {"l2": 1 << 20, "l3": 1 << 20})
    monkeypatch.setattr(cpu_caches, "LEAST_DRAM", 0)
    monkeypatch.setattr(kit_path, "SLICE_NS", 1)


def offered() -> list[Case]:
    """What `python -m benchmarks` measures with any `--only`, `--memory`, `--quick` or `--sweep`, once."""
    cases = [*select("kernel=*", memory="all"), *select(quick=True), *swept(along("kernel"))]
    cases += [c for k in kernels() for axis in k.sweeps for c in swept(along(f"{k.name}/{axis}"))]
    return list({case.scenario: case for case in reversed(cases)}.values())


@pytest.mark.parametrize("case", offered(), ids=lambda case: case.scenario.name)
@pytest.mark.usefixtures("_least_work")
def test_every_listed_scenario_is_placed_and_run(case: Case) -> None:
    """In one build; base, and every arm whose code is there: each frees every page, and none is bad."""
    store = Store()
    store.ensure(case.images()[:1])
    arms = tuple(a for a, image in zip(case.arms, case.images(), strict=True) if not store.missing([image]))
    place_and_run(replace(case, arms=arms), store)


@pytest.mark.reliability
@pytest.mark.parametrize("case", select(quick=True), ids=lambda case: case.scenario.name)
@pytest.mark.usefixtures("_least_work")
def test_every_arm_of_the_headline_is_placed_and_run(case: Case) -> None:
    """Whether or not another test needs its code."""
    store = Store()
    store.ensure(case.images())
    place_and_run(case, store)


def place_and_run(case: Case, store: Store) -> None:
    """One value of a sampler, which checks what it freed."""
    sampler = Sampler(case, store, [1], Scheme(1))
    sampler(1)
    sampler.check()


def listed(kernel: Kernel, scenario: Scenario) -> list[dict[str, Any]]:
    """Every list of a kernel, with one scenario more."""
    return [
        {"scenarios": [*kernel.scenarios, scenario]},
        {"quick": [*kernel.quick, scenario]},
        {"sweeps": {**kernel.sweeps, "depth": [*kernel.sweeps["depth"], scenario]}},
        {"counted_when_asked": [scenario]},
    ]


CHARGED: Final = {"memcg": "on-charged", "page_kind": "charged"}


@pytest.mark.parametrize(
    ("version", "axes", "said"),
    [
        # What crashed, or failed after minutes, while it could be listed.
        ("v4.3", {"entry": "folios_put_refs"}, "has no entry=folios_put_refs; it has __free_pages, put_page"),
        ("v4.3", {"entry": "kfree"}, "has no entry=kfree"),
        ("v4.3", {"page_kind": "charged"}, "goes with memcg=on-charged"),
        ("v4.3", {**CHARGED, "share": "10"}, "share=100"),
        ("v4.3", {**CHARGED, "depth": "prepare"}, "depth=pcp or full"),
        ("v4.3", {"page_kind": "flagged", "memory": "l2"}, "arms mark such pages differently"),
        ("v4.3", {"entry": "release_pages", "between": "flip"}, "between=nothing"),
        ("v4.3", {"entry": "release_pages", "memory": "l2"}, "memory=warm"),
        ("v4.3", {"entry": "release_pages", "block": "compound-9"}, "not with entry=release_pages"),
        ("v4.3", {"entry": "put_page", "block": "order-1"}, "block=page or a compound one"),
        ("v4.3", {"memory": "l2", "between": "pause"}, "memory=warm"),
        ("v4.3", {"memory": "l2", "block": "order-1"}, "memory=warm"),
        ("v4.3", {"between": "flip", "block": "order-1"}, "between=nothing"),
        ("v6.18", {"entry": "release_pages"}, "has no entry=release_pages"),
        ("v6.18", {"threads": "2"}, "has no threads=2; it has 1"),
        ("v6.18", {"memory": "l2", "between": "pause"}, "memory=warm"),
        ("v6.18", {**CHARGED, "memory": "l2", "between": "flip"}, "memory=warm"),
        ("v6.18", {"entry": "folios_put_refs", "memory": "l2"}, "memory=warm"),
        # What was measured as something else.
        ("v4.3", {"entry": "put_page", "threads": "2"}, "threads=1"),
        ("v4.3", {"entry": "put_page", "between": "pause"}, "between=nothing"),
        ("v4.3", {"between": "pause", "threads": "2"}, "threads=1"),
        ("v4.3", {"depth": "prepare", "entry": "put_page"}, "entry=__free_pages"),
        ("v4.3", {"depth": "prepare", "between": "pause"}, "between=nothing"),
        ("v4.3", {"levels": "4"}, "go with page_kind=charged"),
        ("v4.3", {"spread": "random"}, "a share below 100"),
        ("v4.3", {"page_kind": "flagged", "share": "10", "block": "order-1"}, "share=100"),
        # Another kernel's.
        ("v4.3", {"kernel": "v6.18"}, "it is of v6.18"),
    ],
)
def test_what_cannot_run_cannot_be_listed(version: str, axes: dict[str, str], said: str) -> None:
    """In no list of a kernel: it is refused when the kernel is put together, by name and with the reason."""
    kernel = kernel_called(version)
    scenario = kernel.usual.but(**axes)
    for lists in listed(kernel, scenario):
        with pytest.raises(ValueError, match=said) as caught:
            replace(kernel, **lists)
        assert scenario.name in str(caught.value) and next(iter(lists)).rstrip("s") in str(caught.value)


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_listed_twice(version: str) -> None:
    """Its processes would be pooled."""
    kernel = kernel_called(version)
    for lists in listed(kernel, kernel.usual)[:3]:
        with pytest.raises(ValueError, match="is there twice"):
            replace(kernel, **lists)


@pytest.mark.parametrize("version", VERSIONS)
def test_arms_that_a_sweep_or_the_headline_names_exist(version: str) -> None:
    """And every scenario has base and its copy, without which nothing can be said of it."""
    kernel = kernel_called(version)
    along_axes = [scenario for scenarios in kernel.sweeps.values() for scenario in scenarios]
    for scenario in (*kernel.scenarios, *kernel.quick, *along_axes):
        assert {"base", "base-twin"} <= {arm.variant for arm in path_of(scenario).arms(scenario)}
    swept_arms = {(a.variant, a.gate) for s in along_axes for a in path_of(s).arms(s)}
    assert set(kernel.sweep_arms) <= swept_arms
    quick_arms = {(a.variant, a.gate) for s in kernel.quick for a in path_of(s).arms(s)}
    assert set(kernel.not_quick) <= quick_arms | {(variant, None) for variant, _ in quick_arms}


def test_no_scenario_has_an_arm_that_leaves_a_bad_page() -> None:
    """On v6.18, where checks see what this arm, or a template, leaves in the page."""
    usual = kernel_called("v6.18").usual

    def variants(**axes: str) -> set[str]:
        return {arm.variant for arm in path_of(usual).arms(usual.but(**axes))}

    assert "check-pages" in variants() and "no-type-test" in variants(page_kind="flagged")
    assert "check-pages" not in variants(block="compound-2", entry="kfree")
    assert "no-type-test" not in variants(page_kind="flagged", checks="on")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_sweep_varies_its_axis(version: str) -> None:
    """By values that the kernel has; what a sweep offers of threads is what this machine has."""
    for axis, scenarios in kernel_called(version).sweeps.items():
        assert len({scenario.axes[axis] for scenario in scenarios}) > 1, axis
    assert max(int(case.scenario.threads) for case in offered()) <= usable_cpus()


@pytest.mark.parametrize(
    ("only", "versions"),
    [
        ("memcg=on-idle,v1", {"v4.3"}),
        ("entry=put_page", {"v4.3"}),
        ("entry=folios_put_refs", {"v6.18"}),
        ("load,entry=kfree", {"v6.18"}),
        ("no-trylock", {"v6.18"}),
        ("entry=put_page,kernel=*", set(VERSIONS)),
        ("no-private", {"v7.1"}),
    ],
)
def test_a_selection_is_of_a_kernel_that_has_it(only: str, versions: set[str]) -> None:
    """Of the first, or where that has nothing of it, of the others."""
    assert {case.scenario.kernel for case in select(only)} == versions


@pytest.mark.parametrize(
    "only", ["v1,entry=kfree", "no-trylock,entry=release_pages", "kernel=v4.3,entry=kfree"]
)
def test_what_no_kernel_has_together_selects_nothing(only: str) -> None:
    """Each word is known, and no scenario has both."""
    with pytest.raises(SelectionError, match="selects nothing"):
        select(only)
