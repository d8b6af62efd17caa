// The part of <string.h> that K1 uses and the target does not have already (target/virtual/memory.cpp).
#include <stddef.h>
#include <string.h>

// The compiler must not find a library function in its own body.
#define OWN(name) __attribute__((no_builtin(name)))

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

}
