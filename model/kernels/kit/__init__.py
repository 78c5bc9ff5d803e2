"""What the modelled kernel versions have in common: a version's folder says only what that kernel is.

version                 the interface of a version, from what its folder declares, or from another version's
machine, memory, path   base classes of a machine, its memory, and the path that is measured on it
start, oracle           base classes of its start states, and of the same in plain Python
reason                  why a page is called bad
namespace, source       what checks may call on every version, and lists of pages; source/ is compiled
layout                  structures as data: a file with fields, offsets and sizes for each configuration
ladder                  the A/A control, the ladder and the calibration, which every version has
borrow                  a version's variants that another one has as well
"""
