// Ends a frame, or a chunk of sound, that takes longer than WATCHDOG_MS.
#include "../../core/platform.h"
#include "clock.h"
#include "machine.h"
#include "mailbox.h"
#include "panic.h"

namespace {

bool armed;
uint64_t slept_ns;  // since it was armed

}  // namespace

namespace platform {

void arm_watchdog() {
    using namespace machine;
    uint32_t high, low;
    do {
        high = read_word(TIMER_NOW + 4);
        low = read_word(TIMER_NOW);
    } while (high != read_word(TIMER_NOW + 4));
    const uint64_t limit = (static_cast<uint64_t>(high) << 32 | low) + WATCHDOG_MS * TIMER_TICKS_PER_MS;
    write_word(TIMER_COMPARE, static_cast<uint32_t>(limit));
    write_word(TIMER_COMPARE + 4, static_cast<uint32_t>(limit >> 32));
    slept_ns = 0;
    armed = true;
    __asm__ volatile("csrs mie, %0\n\tcsrsi mstatus, 8" ::"r"(TIMER_BIT));
}

// The timer goes on, but nobody listens: setting it to "never" would make the emulator, whose time jumps to the next
// timer when the CPU sleeps, jump to the end of time.
void disarm_watchdog() {
    __asm__ volatile("csrci mstatus, 8\n\tcsrc mie, %0" ::"r"(machine::TIMER_BIT));
    armed = false;
}

// Time that is slept through costs the emulator nothing, so the timer does not see it.
void sleep_ns(uint64_t ns) {
    if (armed && (slept_ns += ns) > WATCHDOG_MS * 1000000ull) {
        const uint32_t caller = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
        panic({PANIC_WATCHDOG, 0, caller, 0, caller, 0, 0, 0, "it slept too long"});
    }
    board_clock::skip(ns);
}

}  // namespace platform
