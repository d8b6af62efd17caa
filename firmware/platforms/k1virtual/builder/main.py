"""Builds firmware.elf and firmware.bin of the virtual board.

The compiler is the clang inside the Python package ziglang: pinned by version and the same on every system, so the
same source gives the same image, to the byte, on everybody's machine and in every folder.
"""

import importlib.util
import json
import os
import subprocess
import sys
import threading

from SCons.Script import Default, DefaultEnvironment

env = DefaultEnvironment()

TARGET_DIR = os.path.join("$PROJECT_SRC_DIR", "target", "virtual")
SCRIPTS = os.path.join(env.PioPlatform().get_dir(), "builder")
SIZE_SCRIPT = os.path.join(SCRIPTS, "size.py")
DOUBLES_SCRIPT = os.path.join(SCRIPTS, "doubles.py")


def zig():
    spec = importlib.util.find_spec("ziglang")
    if spec is None or not spec.submodule_search_locations:
        sys.stderr.write("Error: the Python package ziglang is not installed beside PlatformIO\n")
        env.Exit(1)
    folder = list(spec.submodule_search_locations)[0]
    return folder, os.path.join(folder, "zig.exe" if os.name == "nt" else "zig")


ZIG_DIR, ZIG = zig()
output = threading.Lock()


def spawn(shell, _escape, _command, arguments, environment):
    """Runs one command of the build and prints what it said in one piece.

    Several compilers run at once, and each writes its messages in fragments of a few bytes: on a shared pipe they
    would be woven into each other, and neither a person nor the harness could read them.
    """
    ended = subprocess.run([shell, "-c", " ".join(arguments)], env=environment, capture_output=True)
    with output:
        for stream, text in ((sys.stdout, ended.stdout), (sys.stderr, ended.stderr)):
            stream.flush()
            stream.buffer.write(text)
            stream.flush()
    return ended.returncode


CPU = ["-mcpu=generic_rv32+m+a+f+c", "-mabi=ilp32f"]

COMMON = [
    # For its headers; nothing of its C library is linked.
    *["-target", "riscv32-linux-musl"],
    *CPU,
    "-mcmodel=medany",
    # Speed, where K1 asks for size: at -Os the compiler's decisions on what to inline hang on small differences,
    # and a frame time would jump for reasons that are not in the pattern.
    "-O2",
    "-g",
    # Paths in the debug information: the same wherever the tree lies.
    "-ffile-prefix-map=$PROJECT_DIR=.",
    '"-ffile-prefix-map=%s=ziglang"' % ZIG_DIR,
    "-fdebug-compilation-dir=.",
    "-Wall",
    "-Wextra",
    # Double precision does not link (target/virtual/integer64.cpp); this says where it comes from.
    "-Wdouble-promotion",
    # One operation, one rounding: so a frame is the same to the bit on every machine that draws it.
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fomit-frame-pointer",
    "-ffunction-sections",
    "-fdata-sections",
    # The linker script places some variables by their names: each has a section of its own.
    "-mllvm",
    "-enable-global-merge=false",
    "-fno-stack-protector",
    "-fno-sanitize=all",
    "-fno-pic",
    "-fno-asynchronous-unwind-tables",
    "-mno-relax",
]

env.Replace(
    AR="$ZIG ar",
    AS="$ZIG cc",
    CC="$ZIG cc",
    CXX="$ZIG c++",
    LINK="$ZIG c++",
    RANLIB="$ZIG ranlib",
    ZIG='"%s"' % ZIG,
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    SPAWN=spawn,
    LDSCRIPT_PATH=os.path.join(TARGET_DIR, "link.ld"),
    SIZECHECKCMD=["$PYTHONEXE", SIZE_SCRIPT, "$BUILD_DIR/${PROGNAME}.elf", "$BUILD_DIR/${PROGNAME}.bin"],
    SIZEPROGREGEXP=r"^image\s+(\d+)$",
    SIZEDATAREGEXP=r"^ram\s+(\d+)$",
    SIZEPRINTCMD=None,
)

env.Append(
    ASPPFLAGS=COMMON,
    CCFLAGS=COMMON,
    CXXFLAGS=["-std=gnu++11", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
    LINKFLAGS=[
        *["-target", "riscv32-freestanding"],
        *CPU,
        "-nostdlib",
        "-Wl,--gc-sections",
        "-Wl,--build-id=none",
        "-mno-relax",
    ],
)



def read_host():
    """What the harness wrote beside a checkout: its sources, include folders, defines and its host's folder."""
    with open(env.subst("$PROJECT_DIR/host.json"), encoding="utf-8") as file:
        return json.load(file)


def add(build_env, folder, below, sources):
    """Compiles files of a folder into tested/: by that name the linker script knows what is under test."""
    files = build_env.CollectBuildFiles(
        os.path.join("$BUILD_DIR", "tested", folder), os.path.join("$PROJECT_SRC_DIR", folder, below), sources
    )
    env.Append(PIOBUILDFILES=[build_env.Object(file) for file in files])


def add_generated():
    tested = env.Clone()
    tested.Append(CPPPATH=[os.path.join("$PROJECT_SRC_DIR", path) for path in ("", "core", "generated")])
    add(tested, "hosts/generated", "", ["+<*.cpp>"])
    add(tested, "generated", "", ["+<*.cpp>"])


def add_checkout(host):
    checkout = os.path.join("$PROJECT_SRC_DIR", "checkout")
    folders = [os.path.join(checkout, path) for path in host["include"]]
    compat = os.path.join("$PROJECT_SRC_DIR", "compat")
    defines = [tuple(define.split("=", 1)) for define in host["defines"]]
    ours = env.Clone()
    # Not searched as CPPPATH: what is wrong in their headers is no warning of ours.
    ours.Append(CPPPATH=[compat], CPPDEFINES=defines, CCFLAGS=['-isystem"%s"' % env.subst(path) for path in folders])
    theirs = env.Clone()
    theirs.Append(CPPPATH=[compat] + folders, CPPDEFINES=defines)
    # Their compiler is another one, with other warnings.
    theirs.Append(CCFLAGS=["-w"])
    add(ours, "compat", "", ["+<*.cpp>"])
    add(ours, host["host"], "", ["+<*.cpp>"])
    add(theirs, "checkout", "", ["+<%s>" % path for path in host["sources"]])


if env["PIOENV"] == "checkout":
    add_checkout(read_host())
else:
    add_generated()

elf = env.BuildProgram()

image = env.Command(
    os.path.join("$BUILD_DIR", "${PROGNAME}.bin"),
    elf,
    env.VerboseAction(
        # 0xb0: behind the image's and the segment's header, where the application descriptor keeps the ELF's hash.
        '"$PYTHONEXE" -m esptool --silent --chip esp32s3 elf2image --flash-size 4MB --flash-mode dio --flash-freq 80m '
        '--elf-sha256-offset 0xb0 --output "$TARGET" "$SOURCE"',
        "Building $TARGET",
    ),
)
env.Depends(elf, env.subst("$LDSCRIPT_PATH"))

# PlatformIO checks the size once the ELF exists; here it needs the image too.
size = env.Alias("checkprogsize")
env.Depends(size, image)
Default([image, size])

if env["PIOENV"] == "checkout":
    doubles = env.Command(
        os.path.join("$BUILD_DIR", "doubles.json"),
        elf,
        env.VerboseAction(
            '"$PYTHONEXE" "%s" "$SOURCE" "%s" "$TARGET"'
            % (DOUBLES_SCRIPT, os.path.join("$BUILD_DIR", "tested", "checkout")),
            "Listing $TARGET",
        ),
    )
    Default(doubles)
