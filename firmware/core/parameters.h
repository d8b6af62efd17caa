// The parameters of a fresh board, and their limits.
#pragma once
#include "pattern_abi.h"

PatternParameters default_parameters();

// Every field brought into its range; a field that is not a number takes its default, dithering 0.
PatternParameters sanitized(const PatternParameters& wanted);
