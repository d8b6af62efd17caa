// The time of the firmware under test: 0 when a run begins, so that a run never sees the board's absolute time.
#pragma once
#include <stdint.h>

namespace time_base {

// Lets time begin at 0, now.
void begin();
uint64_t elapsed_ns();
// Lets `ns` pass.
void sleep_ns(uint64_t ns);

// The audio analysis works on a core of its own: between these two calls time is what it was when the chunk ended,
// and what passes for the analysis does not pass for the frames.
void enter_audio(uint64_t elapsed_ns);
void leave_audio();

}  // namespace time_base
