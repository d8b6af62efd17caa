#include "time_base.h"

#include "platform.h"

namespace {

uint64_t origin_ns;  // board time
uint64_t audio_ns;
bool in_audio;

}  // namespace

namespace time_base {

void begin() { origin_ns = platform::now_ns(); }

uint64_t elapsed_ns() { return in_audio ? audio_ns : platform::now_ns() - origin_ns; }

void sleep_ns(uint64_t ns) {
    if (in_audio) {
        audio_ns += ns;
    } else {
        platform::sleep_ns(ns);
    }
}

void enter_audio(uint64_t elapsed_ns) {
    audio_ns = elapsed_ns;
    in_audio = true;
}

void leave_audio() { in_audio = false; }

}  // namespace time_base
