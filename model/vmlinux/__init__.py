"""A kernel file, never booted: read as tables, and laid out in memory as a booted kernel lies there.

Nothing here measures or executes. Whoever needs a kernel file takes it from here::

    from model.vmlinux.boot import as_booted
    from model.vmlinux.loading import load
    from model.vmlinux.reading import read

    kernel = read("/boot/vmlinuz-6.12.1")             # KernelFile, kept in the cache by the file's SHA-256
    kernel.banner, kernel.release, kernel.version     # version is (6, 12)
    kernel.origin                                     # sha256, size, compression, checksum, kallsyms_layout
    kernel.symbols.one("__free_pages")                # address as linked; an error if several have the name
    kernel.symbols.at(address)                        # Symbol(name, start, end, letter) that contains it
    kernel.btf.size("struct page"), kernel.btf.offset("struct page", "lru.next")
    kernel.btf.field("struct page", "flags")          # Field(name, type, offset, bits, shift)
    kernel.btf.name_at("struct page", 8, 8)           # "lru.next"
    kernel.btf.enumerator("NR_FREE_PAGES"), kernel.btf.variable("__preempt_count")  # Variable(type, size)
    kernel.btf.require("struct page.lru.next|struct page.pcp_list.next", ...)  # names all that are missing
    kernel.has_key(name), kernel.key_in_file(name)    # static keys before booting

    boot = as_booted(kernel, "memcg=on,thunk=none")   # Boot: CPU features, guest, thunk, static keys
    str(boot), boot.assumptions                       # what was assumed, and where each comes from

    loaded = load(kernel, boot)                       # LoadedKernel, relocated and patched
    loaded.memory.data, loaded.memory.start           # bytearray, and the address of its first byte (< 2 GiB)
    loaded.symbol("__free_pages")                     # address in this memory (linked + loaded.delta)
    loaded.name(address)                              # Symbol, by an address in this memory
    loaded.memory.read(address, 8), loaded.memory.u64(address), loaded.memory.write(address, data)
    loaded.per_cpu.template, loaded.per_cpu.size      # initial per-CPU data: to be copied for each CPU
    loaded.per_cpu.gs_base(copy)                      # base of gs for the copy at this address
    loaded.per_cpu_address("__preempt_count", copy)   # where the copy has this variable
    loaded.key("memcg_kmem_online_key")               # address of a static key
    loaded.set_key(key, True)                         # writes its value and all its labels; returns these
    loaded.label_code(label, True)                    # bytes of a site when its key is on
    loaded.labels_in(begin, end), loaded.patches.within(begin, end), loaded.patches.counts()

`read` takes a KernelCache for tests; `read_bytes` reads without a cache. All addresses are Python integers;
every refusal is a `KernelFileError` (of a file) or a `UsageError` (of `--boot`) of one line.
"""
