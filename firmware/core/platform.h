// What the core needs of the board that it runs on. Each target defines these functions; the build chooses the
// target, and the core is the same source for all.
#pragma once
#include <stdint.h>

struct FrameStatus;

namespace platform {

// Board time since boot, ns. Never goes back.
uint64_t now_ns();

// Ticks of the frame records, modulo 2^32, on the same clock as now_ns().
uint32_t ticks();
extern const uint32_t TICK_HZ;

// Sends one frame to the strips and returns when it is on the wire. `rgb`: 3 * led_count bytes.
void transmit(const uint8_t* rgb, uint32_t led_count);

// Lets `ns` of board time pass.
void sleep_ns(uint64_t ns);

// Free heap, bytes.
uint32_t heap_free();

// The clock runs from resume_clock() to pause_clock(), which is while a frame is drawn and sent. In between the
// harness does work of its own, such as making the synthetic audio. A board whose time is virtual stops its clock
// for that; a chip cannot and does nothing. At boot it is paused.
void resume_clock();
void pause_clock();

// From here on the firmware under test has WATCHDOG_MS to draw and quantise a frame, or to listen to a chunk of
// sound, until the second call.
void arm_watchdog();
void disarm_watchdog();

// Keeps what the firmware under test has in memory (variables, heap), and puts it back. A chip cannot; there a run
// begins with what the run before left, but for renderer::reset().
void save_memory();
void restore_memory();

// Begins to watch how deep the stack reaches below the caller, and says how many bytes it was. 0: not known.
void watch_stack();
uint32_t stack_used();

// Ends the firmware if something was written in front of the LED buffer; a write behind it ends in a fault at once.
void check_guards();

// Keeps what the firmware under test says for the board's log, which it reaches after the frame; what is too much is
// lost.
void log(const char* text, uint32_t length);

// Called after each frame and whenever a run begins or ends, with the clock paused.
void publish(const FrameStatus& status);

}  // namespace platform
