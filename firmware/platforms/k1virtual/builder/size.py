"""Prints what an image takes: `image`, the bytes of the .bin in its slot, and `ram`, data and bss with the LED buffers.

The sections of the ELF are read directly: the mailbox, which is the emulator's and not the board's, must not count.
"""

import os
import sys

from elftools.elf.elffile import ELFFile


def main(elf_path, bin_path):
    with open(elf_path, "rb") as file:
        ram = sum(s["sh_size"] for s in ELFFile(file).iter_sections() if s.name in (".data", ".bss", ".leds", ".sent"))
    print("image %d" % os.path.getsize(bin_path))
    print("ram %d" % ram)


main(*sys.argv[1:])
