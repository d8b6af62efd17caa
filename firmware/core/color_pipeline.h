// From what a pattern drew to what the eye should see, in the order of the K1 firmware: temporal low-pass, soft
// clip, warmth, white balance, master brightness, gamma. Works in place.
#pragma once
#include "pattern_abi.h"

class ColorPipeline {
public:
    // Forgets the last frame.
    void reset();
    void apply(CRGBF* leds, const PatternParameters& params);

private:
    CRGBF last_[NUM_LEDS];  // after the low-pass
};
