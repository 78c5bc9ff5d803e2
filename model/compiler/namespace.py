"""What an image's functions find by name: configuration, functions, the variant's patch point."""

from types import ModuleType


class Namespace(ModuleType):
    """A module made of attributes. Numba reads a module's attributes as constants.

    So `kernel.NAME` is a compile-time constant of the image being linked, as with the preprocessor. A
    kernel's namespace declares its attributes; they are set anew for every image, one image at a time.
    """
