// From colours to the bytes on the wire: 8 bits per channel, temporal dithering, rotation of the strip.
#pragma once
#include "pattern_abi.h"

class Quantizer {
public:
    // Forgets the rounding errors of the frames before.
    void reset();
    // Writes R, G, B of each LED to `rgb`, 3 * NUM_LEDS bytes.
    void apply(const CRGBF* leds, const PatternParameters& params, uint8_t* rgb);

private:
    uint8_t dithered(float value, float& error);

    CRGBF error_[NUM_LEDS];
};
