// Globals that K1's main.cpp defines, which is not compiled: it starts tasks, Wi-Fi and the web server. They are weak,
// so that one which moves to a file that is compiled is that file's.
#include "k1.h"

#define WEAK __attribute__((weak))

WEAK CRGBF leds[NUM_LEDS];
WEAK bool audio_debug_enabled = false;
WEAK bool tempo_debug_enabled = false;
WEAK bool audio_trace_enabled = false;
