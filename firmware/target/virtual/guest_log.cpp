#include "guest_log.h"

#include <stdint.h>

#include "../../core/platform.h"
#include "uart.h"

namespace {

char text[2048];
uint32_t used;
bool in_line;  // the line that was written last goes on

}  // namespace

namespace platform {

void log(const char* from, uint32_t length) {
    const uint32_t room = static_cast<uint32_t>(sizeof text) - used;
    if (length > room) length = room;
    __builtin_memcpy(text + used, from, length);
    used += length;
}

}  // namespace platform

namespace guest_log {

void flush() {
    for (uint32_t i = 0; i < used; ++i) {
        const char c = text[i];
        if (c == '\r' || c == '\0') continue;
        // A line that begins with '@' would be taken for a reply.
        if (!in_line && c == '@') uart::write(" ");
        const char one[2] = {c, '\0'};
        uart::write(one);
        in_line = c != '\n';
    }
    if (in_line) uart::write("\n");
    in_line = false;
    used = 0;
}

}  // namespace guest_log
