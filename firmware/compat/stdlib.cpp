// The part of <stdlib.h> and <ctype.h> that K1 uses.
#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

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
