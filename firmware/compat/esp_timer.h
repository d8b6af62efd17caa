#pragma once
#include <stdint.h>

#include "esp_err.h"

extern "C" int64_t esp_timer_get_time();
