// Who this image is: ESP-IDF's application descriptor, which boot loaders and tools read from the image.
#pragma once
#include <stdint.h>

struct AppDescriptor {
    uint32_t magic;  // 0xABCD5432
    uint32_t secure_version;
    uint32_t reserved[2];
    char version[32];
    char project_name[32];
    char time[16];  // empty, as is the date: the same source gives the same image
    char date[16];
    char idf_version[32];
    uint8_t app_elf_sha256[32];  // filled in by esptool
    uint32_t reserved2[20];
};

extern const volatile AppDescriptor app_descriptor;
