#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../core/platform.h"
#include "HardwareSerial.h"

HardwareSerial Serial;

size_t Print::write(uint8_t byte) {
    const char c = static_cast<char>(byte);
    platform::log(&c, 1);
    return 1;
}

size_t Print::write(const uint8_t* bytes, size_t size) {
    platform::log(reinterpret_cast<const char*>(bytes), static_cast<uint32_t>(size));
    return size;
}

size_t Print::write(const char* text) { return print(text); }

size_t Print::print(const char* text) { return write(reinterpret_cast<const uint8_t*>(text), strlen(text)); }

size_t Print::print(char c) { return write(static_cast<uint8_t>(c)); }

size_t Print::print(int value) { return printf("%d", value); }
size_t Print::print(unsigned value) { return printf("%u", value); }
size_t Print::print(long value) { return printf("%ld", value); }
size_t Print::print(unsigned long value) { return printf("%lu", value); }
size_t Print::print(double value, int digits) { return printf("%.*f", digits, value); }
size_t Print::println() { return print("\r\n"); }

size_t Print::printf(const char* format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return print(text);
}
