"""Lists which functions of the checkout use double precision, and which of its operations: doubles.json.

Only what was linked counts. A double costs tens to thousands of instructions where a float costs one, on this CPU
as on an ESP32-S3; mostly it comes from a constant without its f.
"""

import json
import os
import re
import sys

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection

OPERATION = re.compile(
    r"__((add|sub|mul|div|eq|ne|lt|le|gt|ge|unord)df[23]|negdf2|extendsfdf2|truncdfsf2|float(un)?[sd]idf|fix(uns)?df[sd]i)$"
)
FUNCTIONS = set(
    "acos asin atan atan2 cbrt ceil cos cosh exp floor fmax fmin fmod log log10 log2 pow round sin sinh sqrt tan tanh trunc".split()
)


def functions(path):
    with open(path, "rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab").iter_symbols()
        return {s.name for s in symbols if s["st_info"]["type"] == "STT_FUNC"}


def calls(path):
    """(function, operation) of an object file; each function has a section of its own."""
    with open(path, "rb") as file:
        elf = ELFFile(file)
        for section in elf.iter_sections():
            if not isinstance(section, RelocationSection) or not section.name.startswith(".rela.text."):
                continue
            symbols = elf.get_section(section["sh_link"])
            for relocation in section.iter_relocations():
                name = symbols.get_symbol(relocation["r_info_sym"]).name
                if name in FUNCTIONS or OPERATION.match(name):
                    yield section.name[len(".rela.text."):], name


def main(elf_path, objects, out):
    linked = functions(elf_path)
    found = {}
    for folder, _, files in os.walk(objects):
        for name in files:
            path = os.path.join(folder, name)
            source = os.path.relpath(path, objects)[: -len(".o")].replace(os.sep, "/")
            for function, operation in calls(path):
                if function in linked:
                    found.setdefault((source, function), set()).add(operation)
    rows = [{"source": s, "function": f, "uses": sorted(uses)} for (s, f), uses in sorted(found.items())]
    with open(out, "w", encoding="utf-8") as file:
        json.dump(rows, file, indent=1)


main(*sys.argv[1:])
