// One heap, without PSRAM.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define MALLOC_CAP_8BIT (1 << 2)
#define MALLOC_CAP_DMA (1 << 3)
#define MALLOC_CAP_SPIRAM (1 << 10)
#define MALLOC_CAP_INTERNAL (1 << 11)
#define MALLOC_CAP_DEFAULT (1 << 12)

inline void* heap_caps_malloc(size_t size, uint32_t caps) { return caps & MALLOC_CAP_SPIRAM ? NULL : malloc(size); }
inline void* heap_caps_calloc(size_t n, size_t size, uint32_t caps) {
    return caps & MALLOC_CAP_SPIRAM ? NULL : calloc(n, size);
}
inline void* heap_caps_realloc(void* p, size_t size, uint32_t caps) {
    return caps & MALLOC_CAP_SPIRAM ? NULL : realloc(p, size);
}
inline void heap_caps_free(void* p) { free(p); }
extern "C" size_t heap_caps_get_free_size(uint32_t caps);
extern "C" size_t heap_caps_get_total_size(uint32_t caps);
extern "C" size_t heap_caps_get_largest_free_block(uint32_t caps);
