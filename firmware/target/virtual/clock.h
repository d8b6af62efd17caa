// Board time on the emulated CPU.
//
// Under -icount shift=2 the cycle counter is the emulator's virtual time: 4 ns per instruction. Board time is that
// count, without what is spent while the clock is paused (waiting for the host, the harness's own work), and with
// what the firmware waits for: wire time and pacing are added and not spent, so they cost no emulation.
#pragma once
#include <stdint.h>

namespace board_clock {

// Stops the clock at boot, before anything of the firmware has run.
void start_paused();

// Adds `ns` to the board's time.
void skip(uint64_t ns);

}  // namespace board_clock
