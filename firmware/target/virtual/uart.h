// The serial line: the log out, the doorbell in.
#pragma once
#include <stdint.h>

namespace uart {

void start();
void write(const char* text);
void write_decimal(uint32_t value);
void write_hex(uint32_t value);  // 8 digits
// Sleeps until the host sends a byte, and takes it.
void wait_for_byte();

}  // namespace uart
