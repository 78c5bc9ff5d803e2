"""Compiled code as bytes: on disk, in memory, in builds, patched by static keys.

Knows no kernel and no compiler.

`image`                    what one image is
`cache`                    images on disk, found by a digest, used only when whole
`region`, `running`        pages of code; code that is being changed is not executed
`placement`, `builds`      copies of an image, as compiled and as other compilations might have left it
`static_keys`              jump labels that follow a count
`gs`                       the segment register
"""
