"""HEIC photos, which phones take: Pillow reads them with pillow-heif (extra ``heic``)."""

from pathlib import Path

from gfm.system.extras import import_optional

SUFFIXES = (".heic", ".heif", ".hif")


def enable_heic(path: Path) -> None:
    """Register the plugin with Pillow if a path has one of the :data:`SUFFIXES`.

    Raises:
        GFMError: The plugin is not installed.
    """
    if path.suffix.lower() in SUFFIXES:
        import_optional("pillow_heif", "heic", "HEIC").register_heif_opener()
