"""Structures as data: a file that does not say enough, or what cannot be, is refused; real kernels agree."""

import json
from pathlib import Path
from typing import Any

import pytest

from model.kernels.kit.layout import Layout, LayoutError
from model.kernels.v6_18.structures import LAYOUTS
from model.kernels.v7_1.memory import LAYOUTS as NEWER
from tests import kernels

NEXT = {"next": {"offset": 0, "size": 8}}
PAIR = {"size": 16, "fields": {**NEXT, "prev": {"offset": 8, "size": 8}}}


def written(folder: Path, **structures: Any) -> Path:
    """A layout file with these structures."""
    file = folder / "layout.json"
    file.write_text(json.dumps({"structures": {f"struct {name}": at for name, at in structures.items()}}))
    return file


def test_a_record_is_what_the_file_says(tmp_path: Path) -> None:
    """Offsets, sizes, elements of arrays, and structures within."""
    heads = {"offset": 8, "size": 32, "of": "struct pair"}
    lists = {"size": 40, "fields": {"count": {"offset": 0, "size": 4}, "heads": heads}}
    layout = Layout(written(tmp_path, pair=PAIR, lists=lists))
    record = layout.record("struct lists")
    assert record.itemsize == layout.size("struct lists") == 40 and record["heads"].shape == (2,)
    assert layout.record("struct pair", "prev").names == ("prev",)
    assert layout.offset("struct lists", "heads") == 8


@pytest.mark.parametrize(
    ("prev", "said"),
    [
        ({"offset": 4, "size": 8}, "struct pair.prev at 4 overlaps next, which ends at 8"),
        ({"offset": 12, "size": 8}, "struct pair.prev ends behind its 16 bytes"),
        ({"offset": 8, "size": 3}, "struct pair.prev has 3 bytes, and says not of what"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, prev: dict[str, int], said: str) -> None:
    """One line, with the file, the field and the place."""
    with pytest.raises(LayoutError, match=said) as refused:
        Layout(written(tmp_path, pair={**PAIR, "fields": {**NEXT, "prev": prev}})).record("struct pair")
    assert "\n" not in str(refused.value) and "layout.json" in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"structures": {"struct page": {}}}'])
def test_what_is_no_layout_is_refused(tmp_path: Path, text: str) -> None:
    """Also an empty file, and one without structures or fields."""
    file = tmp_path / "layout.json"
    file.write_text(text)
    with pytest.raises(LayoutError, match=r"layout\.json is no layout"):
        Layout(file)


def test_what_is_missing_is_named() -> None:
    """With what exists."""
    with pytest.raises(LayoutError, match=r"no struct folio; it has struct page, .*struct zone"):
        LAYOUTS["default"].record("struct folio")
    with pytest.raises(LayoutError, match=r"no struct page\.colour; it has flags, .*memcg_data"):
        LAYOUTS["default"].record("struct page", "flags", "colour")


def test_v7_1_is_v6_18_but_for_three_structures() -> None:
    """The word at 8 has another name, updates are counted in 8 bytes, an obj_cgroup knows the root."""
    old, new = LAYOUTS["distribution"].structures, NEWER["distribution"].structures
    other = {"struct page", "struct obj_cgroup", "struct memcg_vmstats_percpu"}
    assert {name for name in old if old[name] != new[name]} == other
    assert LAYOUTS["default"].offset("struct page", "compound_head") == 8
    assert NEWER["default"].offset("struct page", "compound_info") == 8


SHARED = {
    "struct page": ("flags", "compound_head", "lru_prev", "mapping", "private", "_refcount", "memcg_data"),
    "struct list_head": ("next", "prev"),
    "struct per_cpu_pages": (
        *("lock", "count", "high", "high_min", "high_max", "batch", "flags", "alloc_factor", "free_count"),
        "lists",
    ),
}
"""Structure -> fields that Linux 6.12 has where v6.18 has them."""


@pytest.mark.parametrize("path", kernels.parameters())
def test_a_real_kernel_has_the_shared_fields_there(path: Path) -> None:
    """v6.18's layout against a distribution's BTF, from v6.8 on, which gave the lists their high_min."""
    btf = kernels.real(path).btf
    if not btf.has_field("struct per_cpu_pages", "high_min"):
        pytest.skip("older than v6.8")
    layout = LAYOUTS["distribution"]
    for name, fields in SHARED.items():
        assert btf.size(name) == layout.size(name)
        for field in (layout.fields(name)[key] for key in fields):
            assert (btf.offset(name, field.path), btf.field_size(name, field.path)) == (
                field.offset,
                field.size,
            )
