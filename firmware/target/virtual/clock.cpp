#include "clock.h"

#include "../../core/platform.h"

namespace {

uint64_t offset_ns;     // board time minus counter
uint64_t paused_at_ns;  // counter
bool paused;

// A reading costs the same number of instructions at any time, so that a frame does too. If the lower half wrapped
// between the readings of the upper half, its top bit tells to which of the two it belongs; the choice is made in
// assembly because the compiler would make a branch of it.
inline uint64_t counter_ns() {
    uint32_t high, low, after, mask;
    __asm__ volatile(
        "csrr %0, mcycleh\n\t"
        "csrr %1, mcycle\n\t"
        "csrr %2, mcycleh\n\t"
        "srai %3, %1, 31\n\t"  // all ones: `low` was read before the wrap
        "xor %0, %0, %2\n\t"
        "and %0, %0, %3\n\t"
        "xor %0, %0, %2"
        : "=&r"(high), "=&r"(low), "=&r"(after), "=&r"(mask));
    return (static_cast<uint64_t>(high) << 32) | low;
}

}  // namespace

namespace board_clock {

void start_paused() {
    paused_at_ns = counter_ns();
    offset_ns = 0u - paused_at_ns;
    paused = true;
}

void skip(uint64_t ns) { offset_ns += ns; }

}  // namespace board_clock

namespace platform {

const uint32_t TICK_HZ = 250000000u;

uint64_t now_ns() { return (paused ? paused_at_ns : counter_ns()) + offset_ns; }

uint32_t ticks() { return static_cast<uint32_t>((counter_ns() + offset_ns) >> 2); }

void pause_clock() {
    paused_at_ns = counter_ns();
    paused = true;
}

void resume_clock() {
    paused = false;
    offset_ns -= counter_ns() - paused_at_ns;
}

}  // namespace platform
