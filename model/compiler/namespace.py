"""What an image's functions find by name: configuration, functions, the variant's patch point."""

from types import ModuleType


class Namespace(ModuleType):
    """A module made of attributes. Numba reads a module's attributes as constants.

    So a configuration leaves no trace in the code, as with the preprocessor. A kernel's own
    namespace declares its attributes; they are set anew for every image, one image at a time.
    """
