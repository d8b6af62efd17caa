"""The virtual board as a PlatformIO platform. Its tools are Python packages, so it has no packages of its own."""

from platformio.platform.base import PlatformBase


class K1virtualPlatform(PlatformBase):
    pass
