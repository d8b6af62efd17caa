#include "identity.h"

#include <stddef.h>

#include "../../core/version.h"

static_assert(sizeof(AppDescriptor) == 256, "the descriptor's size is fixed by the image format");
static_assert(offsetof(AppDescriptor, app_elf_sha256) == 0x90, "esptool writes the hash here");

// Volatile: the hash in memory is not the one that the compiler saw.
__attribute__((section(".app_desc"), used)) const volatile AppDescriptor app_descriptor = {
    0xABCD5432u, 0, {0, 0}, "k1-hil-core " K1_HIL_CORE_VERSION, "k1-hil-core", "", "", "none", {0}, {0}};
