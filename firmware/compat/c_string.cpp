// The part of <string.h> and <stdlib.h> that K1 uses and the target does not have already (target/virtual/memory.cpp).
#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// The compiler must not find a library function in its own body.
#define OWN(name) __attribute__((no_builtin(name)))

namespace {

uint32_t rand_state = 1u;

int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'z') return c - 'a' + 10;
    if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
    return 99;
}

}  // namespace

extern "C" {

OWN("strncmp") int strncmp(const char* a, const char* b, size_t n) {
    for (; n > 0; --n, ++a, ++b) {
        if (*a != *b) return static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
        if (!*a) break;
    }
    return 0;
}

OWN("strcpy") char* strcpy(char* to, const char* from) {
    memcpy(to, from, strlen(from) + 1);
    return to;
}

OWN("strncpy") char* strncpy(char* to, const char* from, size_t n) {
    size_t i = 0;
    for (; i < n && from[i]; ++i) to[i] = from[i];
    for (; i < n; ++i) to[i] = '\0';
    return to;
}

OWN("strcat") char* strcat(char* to, const char* from) {
    strcpy(to + strlen(to), from);
    return to;
}

OWN("strncat") char* strncat(char* to, const char* from, size_t n) {
    char* end = to + strlen(to);
    for (; n > 0 && *from; --n) *end++ = *from++;
    *end = '\0';
    return to;
}

size_t strnlen(const char* text, size_t n) {
    size_t length = 0;
    while (length < n && text[length]) ++length;
    return length;
}

OWN("strchr") char* strchr(const char* text, int c) {
    for (;; ++text) {
        if (*text == static_cast<char>(c)) return const_cast<char*>(text);
        if (!*text) return nullptr;
    }
}

OWN("strrchr") char* strrchr(const char* text, int c) {
    const char* last = nullptr;
    for (;; ++text) {
        if (*text == static_cast<char>(c)) last = text;
        if (!*text) return const_cast<char*>(last);
    }
}

OWN("strstr") char* strstr(const char* text, const char* part) {
    const size_t length = strlen(part);
    for (;; ++text) {
        if (strncmp(text, part, length) == 0) return const_cast<char*>(text);
        if (!*text) return nullptr;
    }
}

OWN("memchr") void* memchr(const void* memory, int c, size_t n) {
    const unsigned char* p = static_cast<const unsigned char*>(memory);
    for (; n > 0; --n, ++p) {
        if (*p == static_cast<unsigned char>(c)) return const_cast<unsigned char*>(p);
    }
    return nullptr;
}

long strtol(const char* text, char** end, int base) {
    const char* p = text;
    while (*p == ' ' || (*p >= '\t' && *p <= '\r')) ++p;
    const bool negative = *p == '-';
    if (*p == '-' || *p == '+') ++p;
    if ((base == 0 || base == 16) && p[0] == '0' && (p[1] | 0x20) == 'x' && digit_of(p[2]) < 16) {
        p += 2;
        base = 16;
    } else if (base == 0) {
        base = *p == '0' ? 8 : 10;
    }
    const char* const digits = p;
    // As large as a long can be, or one more below zero.
    const uint32_t limit = 0x7FFFFFFFu + (negative ? 1u : 0u);
    uint32_t value = 0;
    bool too_large = false;
    for (; digit_of(*p) < base; ++p) {
        const uint64_t next = static_cast<uint64_t>(value) * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit_of(*p));
        too_large = too_large || next > limit;
        value = too_large ? limit : static_cast<uint32_t>(next);
    }
    if (end) *end = const_cast<char*>(p == digits ? text : p);
    return static_cast<long>(negative ? 0u - value : value);
}

int atoi(const char* text) { return static_cast<int>(strtol(text, nullptr, 10)); }

int abs(int v) { return v < 0 ? -v : v; }
long labs(long v) { return v < 0 ? -v : v; }

int rand() {
    rand_state = rand_state * 1103515245u + 12345u;
    return static_cast<int>(rand_state >> 1);
}

void srand(unsigned seed) { rand_state = seed; }

// Heap sort: no stack, no bad case.
void qsort(void* base, size_t count, size_t size, int (*compare)(const void*, const void*)) {
    char* const items = static_cast<char*>(base);
    const auto swap = [=](size_t a, size_t b) {
        for (size_t i = 0; i < size; ++i) {
            const char c = items[a * size + i];
            items[a * size + i] = items[b * size + i];
            items[b * size + i] = c;
        }
    };
    const auto sift = [=](size_t root, size_t end) {
        for (size_t child; (child = 2 * root + 1) < end; root = child) {
            if (child + 1 < end && compare(items + child * size, items + (child + 1) * size) < 0) ++child;
            if (compare(items + root * size, items + child * size) >= 0) return;
            swap(root, child);
        }
    };
    for (size_t i = count / 2; i-- > 0;) sift(i, count);
    for (size_t end = count; end > 1; --end) {
        swap(0, end - 1);
        sift(0, end - 1);
    }
}

int isdigit(int c) { return c >= '0' && c <= '9'; }
int isspace(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
int toupper(int c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }
int tolower(int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

}
