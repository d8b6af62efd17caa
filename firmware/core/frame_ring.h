// The last FRAME_RING_CAPACITY frames, each in the slot `sequence % FRAME_RING_CAPACITY`.
#pragma once
#include "frame_record.h"

// Where the frames of a board stand; read by whoever hands them out.
struct FrameStatus {
    uint32_t current_pattern;
    uint32_t next_sequence;  // of the next frame to be recorded
    uint32_t run_id;         // 0: no run since boot
    uint32_t run_state;      // RunState
    uint32_t run_first_sequence;
    uint32_t run_recorded;  // frames of this run recorded so far
};

enum RunState { RUN_NONE = 0, RUN_RUNNING = 1, RUN_DONE = 2 };

// The memory of a ring, FRAME_RING_CAPACITY long each; the target says where it lies.
struct FrameRing {
    FrameRecord* records;
    uint8_t (*pictures)[3 * MAX_LEDS];

    // The bytes of the frame with this sequence number, to be drawn in place.
    uint8_t* picture(uint32_t sequence) const { return pictures[sequence % FRAME_RING_CAPACITY]; }
    // Seals and stores `record`.
    void put(FrameRecord record) const;
};

// FNV-1a, 32 bit.
uint32_t picture_hash(const uint8_t* rgb, uint32_t length);
