#include "FastLED.h"

CFastLED FastLED;
