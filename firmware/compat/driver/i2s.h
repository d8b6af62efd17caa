// The I2S driver of ESP-IDF 4.4 as far as a microphone needs it. i2s_read() gives what the stimulus sounds like; the
// host of the firmware decides in which words (hosts/).
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "../esp_err.h"
#include "../freertos/FreeRTOS.h"

typedef enum { I2S_NUM_0 = 0, I2S_NUM_1 = 1 } i2s_port_t;
typedef enum { I2S_MODE_MASTER = 1, I2S_MODE_SLAVE = 2, I2S_MODE_TX = 4, I2S_MODE_RX = 8 } i2s_mode_t;
typedef enum { I2S_BITS_PER_SAMPLE_16BIT = 16, I2S_BITS_PER_SAMPLE_24BIT = 24, I2S_BITS_PER_SAMPLE_32BIT = 32 } i2s_bits_per_sample_t;
typedef enum {
    I2S_CHANNEL_FMT_RIGHT_LEFT,
    I2S_CHANNEL_FMT_ALL_RIGHT,
    I2S_CHANNEL_FMT_ALL_LEFT,
    I2S_CHANNEL_FMT_ONLY_RIGHT,
    I2S_CHANNEL_FMT_ONLY_LEFT
} i2s_channel_fmt_t;
typedef enum { I2S_CHANNEL_MONO = 1, I2S_CHANNEL_STEREO = 2 } i2s_channel_t;
typedef enum { I2S_COMM_FORMAT_STAND_I2S = 1, I2S_COMM_FORMAT_I2S = 1, I2S_COMM_FORMAT_I2S_MSB = 1 } i2s_comm_format_t;
#define I2S_COMM_FORMAT_STAND_I2S I2S_COMM_FORMAT_STAND_I2S
#define I2S_PIN_NO_CHANGE (-1)
#define ESP_INTR_FLAG_LEVEL1 (1 << 1)

typedef struct {
    i2s_mode_t mode;
    uint32_t sample_rate;
    i2s_bits_per_sample_t bits_per_sample;
    i2s_channel_fmt_t channel_format;
    i2s_comm_format_t communication_format;
    int intr_alloc_flags;
    int dma_buf_count, dma_buf_len;
    bool use_apll, tx_desc_auto_clear;
    int fixed_mclk;
} i2s_config_t;

typedef struct {
    int mck_io_num, bck_io_num, ws_io_num, data_out_num, data_in_num;
} i2s_pin_config_t;

inline esp_err_t i2s_driver_install(i2s_port_t, const i2s_config_t*, int, void*) { return ESP_OK; }
inline esp_err_t i2s_driver_uninstall(i2s_port_t) { return ESP_OK; }
inline esp_err_t i2s_set_pin(i2s_port_t, const i2s_pin_config_t*) { return ESP_OK; }
inline esp_err_t i2s_set_clk(i2s_port_t, uint32_t, uint32_t, i2s_channel_t) { return ESP_OK; }
inline esp_err_t i2s_start(i2s_port_t) { return ESP_OK; }
inline esp_err_t i2s_stop(i2s_port_t) { return ESP_OK; }
inline esp_err_t i2s_zero_dma_buffer(i2s_port_t) { return ESP_OK; }

extern "C" esp_err_t i2s_read(i2s_port_t port, void* to, size_t size, size_t* read, TickType_t wait);
