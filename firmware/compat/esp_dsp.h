// ESP-DSP as its portable C versions define it; a chip's are in assembly and faster.
#pragma once
#include "esp_err.h"

inline esp_err_t dsps_mulc_f32(const float* in, float* out, int n, float c, int step_in, int step_out) {
    for (int i = 0; i < n; ++i) out[i * step_out] = in[i * step_in] * c;
    return ESP_OK;
}

inline esp_err_t dsps_addc_f32(const float* in, float* out, int n, float c, int step_in, int step_out) {
    for (int i = 0; i < n; ++i) out[i * step_out] = in[i * step_in] + c;
    return ESP_OK;
}

inline esp_err_t dsps_add_f32(const float* a, const float* b, float* out, int n, int step_a, int step_b, int step_out) {
    for (int i = 0; i < n; ++i) out[i * step_out] = a[i * step_a] + b[i * step_b];
    return ESP_OK;
}

inline esp_err_t dsps_sub_f32(const float* a, const float* b, float* out, int n, int step_a, int step_b, int step_out) {
    for (int i = 0; i < n; ++i) out[i * step_out] = a[i * step_a] - b[i * step_b];
    return ESP_OK;
}

inline esp_err_t dsps_mul_f32(const float* a, const float* b, float* out, int n, int step_a, int step_b, int step_out) {
    for (int i = 0; i < n; ++i) out[i * step_out] = a[i * step_a] * b[i * step_b];
    return ESP_OK;
}

inline esp_err_t dsps_dotprod_f32(const float* a, const float* b, float* out, int n) {
    float sum = 0.0f;
    for (int i = 0; i < n; ++i) sum += a[i] * b[i];
    *out = sum;
    return ESP_OK;
}
