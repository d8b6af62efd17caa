// The functions of a C library that the compiler calls of its own accord, and those for short texts.
#include <stddef.h>
#include <stdint.h>

// The compiler must not find a memcpy in the body of memcpy.
#define OWN(name) __attribute__((no_builtin(name)))

namespace {

bool both_aligned(const void* a, const void* b) {
    return ((reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b)) & 3u) == 0;
}

typedef uint32_t __attribute__((may_alias)) AnyWord;

// Eight words at once: as many as a chip's C library moves in one turn of its loop.
struct __attribute__((may_alias)) EightWords {
    uint32_t word[8];
};

}  // namespace

extern "C" OWN("memcpy") void* memcpy(void* to, const void* from, size_t size) {
    unsigned char* t = static_cast<unsigned char*>(to);
    const unsigned char* f = static_cast<const unsigned char*>(from);
    if (both_aligned(t, f)) {
        for (; size >= 32; size -= 32, t += 32, f += 32) {
            EightWords eight;
#pragma clang loop unroll(full)
            for (int i = 0; i < 8; ++i) eight.word[i] = reinterpret_cast<const EightWords*>(f)->word[i];
#pragma clang loop unroll(full)
            for (int i = 0; i < 8; ++i) reinterpret_cast<EightWords*>(t)->word[i] = eight.word[i];
        }
        for (; size >= 4; size -= 4, t += 4, f += 4) *reinterpret_cast<AnyWord*>(t) = *reinterpret_cast<const AnyWord*>(f);
    }
    for (; size > 0; --size) *t++ = *f++;
    return to;
}

extern "C" OWN("memmove") void* memmove(void* to, const void* from, size_t size) {
    unsigned char* t = static_cast<unsigned char*>(to);
    const unsigned char* f = static_cast<const unsigned char*>(from);
    if (t <= f || t >= f + size) return memcpy(to, from, size);
    t += size;
    f += size;
    if (both_aligned(t, f)) {
        for (; size >= 4; size -= 4) {
            t -= 4;
            f -= 4;
            *reinterpret_cast<AnyWord*>(t) = *reinterpret_cast<const AnyWord*>(f);
        }
    }
    for (; size > 0; --size) *--t = *--f;
    return to;
}

extern "C" OWN("memset") void* memset(void* to, int value, size_t size) {
    unsigned char* t = static_cast<unsigned char*>(to);
    const unsigned char byte = static_cast<unsigned char>(value);
    if (both_aligned(t, t)) {
        const uint32_t word = byte * 0x01010101u;
        for (; size >= 4; size -= 4, t += 4) *reinterpret_cast<AnyWord*>(t) = word;
    }
    for (; size > 0; --size) *t++ = byte;
    return to;
}

extern "C" OWN("memcmp") int memcmp(const void* a, const void* b, size_t size) {
    const unsigned char* x = static_cast<const unsigned char*>(a);
    const unsigned char* y = static_cast<const unsigned char*>(b);
    for (; size > 0; --size, ++x, ++y) {
        if (*x != *y) return *x < *y ? -1 : 1;
    }
    return 0;
}

extern "C" OWN("strlen") size_t strlen(const char* text) {
    const char* end = text;
    while (*end) ++end;
    return static_cast<size_t>(end - text);
}

extern "C" OWN("strcmp") int strcmp(const char* a, const char* b) {
    for (; *a && *a == *b; ++a, ++b) {
    }
    return static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
}
