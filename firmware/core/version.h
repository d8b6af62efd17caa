// The version of the firmware core: raised with every change that alters what a pattern draws or what it costs.
#pragma once

#define K1_HIL_CORE_VERSION "0.2.0"
