#pragma once
#include "FreeRTOS.h"

typedef void* TaskHandle_t;
typedef void (*TaskFunction_t)(void*);

extern "C" {
void vTaskDelay(TickType_t ticks);
TickType_t xTaskGetTickCount();
// Not there: whoever needs a task of its own cannot be measured here.
BaseType_t xTaskCreate(TaskFunction_t code, const char* name, uint32_t stack, void* argument, UBaseType_t priority,
                       TaskHandle_t* handle);
BaseType_t xTaskCreatePinnedToCore(TaskFunction_t code, const char* name, uint32_t stack, void* argument,
                                   UBaseType_t priority, TaskHandle_t* handle, BaseType_t core);
void vTaskDelete(TaskHandle_t task);
}
