// The frame loop: draw, colour pipeline, quantise, transmit, pace, record; and the measured run.
//
// A measured run is a function of the image, the parameters and its plan alone. Everything that a frame depends on
// (the pattern's state, the LED buffer, low-pass, dithering, the audio, the time base) begins anew with it, and
// nothing that is drawn sees the board's absolute time. So two runs of one plan give the same ticks and the same
// pictures, whatever the board did before.
#pragma once
#include "color_pipeline.h"
#include "frame_ring.h"
#include "quantizer.h"
#include "stimulus.h"

struct RunPlan {
    uint32_t pattern;  // index in the registry
    uint32_t seed;     // of the stimulus
    uint32_t warmup;   // frames drawn first; they are recorded with run id 0
    uint32_t frames;   // 1 to FRAME_RING_CAPACITY
    StimulusKind stimulus;
    uint32_t id;  // not 0
};

class FrameLoop {
public:
    explicit FrameLoop(const FrameRing& ring);

    // Shows the pattern from the next frame on. Like K1 it clears nothing. `index` must be in the registry.
    void select(uint32_t index);
    void set_parameters(const PatternParameters& wanted);
    const PatternParameters& parameters() const { return params_; }
    // The audio between the runs, from its beginning.
    void set_stimulus(StimulusKind kind, uint32_t seed);

    // Draws frames until board time reaches `until_ns`, at most `most` of them.
    void advance(uint64_t until_ns, uint32_t most);
    // Does the whole run, then goes on with the audio from before and a new time base.
    void run(const RunPlan& plan);

    const FrameStatus& status() const { return status_; }

private:
    void begin(StimulusKind kind, uint32_t seed);
    void draw_frame(uint32_t run_id);
    void pace(uint64_t frame_start_ns);
    uint64_t elapsed_ns() const;

    FrameRing ring_;
    FrameStatus status_;
    PatternParameters params_;
    StimulusKind idle_stimulus_;
    uint32_t idle_seed_;
    uint64_t origin_ns_;  // board time at which the time base of the patterns began
    Stimulus stimulus_;
    ColorPipeline pipeline_;
    Quantizer quantizer_;
    CRGBF leds_[NUM_LEDS];
};
