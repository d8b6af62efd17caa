// Up to 7c733c1 the patterns and their list were in generated_patterns.h, which main.cpp alone included, behind these
// files in this order.
#if !__has_include("pattern_declarations.h")
#include <Arduino.h>

#include "led_driver.h"
#include "types.h"
#include "profiler.h"
#include "audio/goertzel.h"
#include "audio/tempo.h"
#include "audio/vu.h"
#include "palettes.h"
#include "parameters.h"
#include "pattern_registry.h"
#if __has_include("pattern_render_context.h")
#include "pattern_render_context.h"
#endif

#include "generated_patterns.h"
#endif
