#pragma once
#include <stdint.h>

#include "esp_err.h"

extern "C" uint32_t esp_random();
