// FastLED as far as K1 uses it: colours of 8 bits and the registration of a strip. show() sends nothing; the host of
// the firmware takes the bytes (compat::sent_leds).
#pragma once
#include <stddef.h>
#include <stdint.h>

struct CRGB {
    uint8_t r, g, b;

    enum HTMLColorCode { Black = 0x000000, White = 0xFFFFFF, Red = 0xFF0000, Green = 0x008000, Blue = 0x0000FF };

    CRGB() : r(0), g(0), b(0) {}
    CRGB(uint8_t red, uint8_t green, uint8_t blue) : r(red), g(green), b(blue) {}
    CRGB(uint32_t code) : r(static_cast<uint8_t>(code >> 16)), g(static_cast<uint8_t>(code >> 8)), b(static_cast<uint8_t>(code)) {}
    CRGB(HTMLColorCode code) : CRGB(static_cast<uint32_t>(code)) {}

    uint8_t& operator[](uint8_t i) { return i == 0 ? r : (i == 1 ? g : b); }
    const uint8_t& operator[](uint8_t i) const { return i == 0 ? r : (i == 1 ? g : b); }
    bool operator==(const CRGB& other) const { return r == other.r && g == other.g && b == other.b; }
    bool operator!=(const CRGB& other) const { return !(*this == other); }
};

enum EOrder { RGB = 0012, RBG = 0021, GRB = 0102, GBR = 0120, BRG = 0201, BGR = 0210 };
enum LEDColorCorrection { UncorrectedColor = 0xFFFFFF };

template <uint8_t PIN, EOrder ORDER>
class WS2812B {};
template <uint8_t PIN, EOrder ORDER>
class WS2812 {};
template <uint8_t PIN, EOrder ORDER>
class SK6812 {};

class CFastLED {
public:
    template <template <uint8_t, EOrder> class CHIPSET, uint8_t PIN, EOrder ORDER>
    CFastLED& addLeds(CRGB* leds, int count) {
        if (!leds_) {
            leds_ = leds;
            count_ = count;
        }
        return *this;
    }
    template <template <uint8_t, EOrder> class CHIPSET, uint8_t PIN>
    CFastLED& addLeds(CRGB* leds, int count) {
        return addLeds<CHIPSET, PIN, RGB>(leds, count);
    }
    void setBrightness(uint8_t) {}
    void setCorrection(LEDColorCorrection) {}
    void setDither(uint8_t) {}
    void setMaxRefreshRate(uint16_t) {}
    void clear() {}
    void show() {}

    // The first strip that was added; null: none.
    const CRGB* leds() const { return leds_; }
    int count() const { return count_; }

private:
    CRGB* leds_;
    int count_;
};

extern CFastLED FastLED;
