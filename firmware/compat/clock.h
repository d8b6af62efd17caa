// What the compat headers have of the board: its clock and its log.
//
// millis(), micros() and esp_timer_get_time() count from BOOT_US at the beginning of each run, and stand for a firmware
// that has been on for a while: K1 waits for its audio to settle in its first seconds.
#pragma once
#include <stdint.h>

namespace compat {

const uint64_t BOOT_US = 10000000u;

uint64_t now_us();

// Lets time pass; it counts as time of the frame.
void wait_us(uint64_t us);

// While the firmware sends a frame, it also waits for the next one. The board's frame loop does that itself, so
// between these two calls nothing waits.
void begin_sending();
void end_sending();

}  // namespace compat
