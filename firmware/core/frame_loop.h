// The frame loop: draw, quantise, transmit, pace, record; and the measured run. What draws is a renderer.h.
//
// A measured run is a function of the image, the settings and its plan alone. Everything that a frame depends on
// (the firmware's memory, the audio, the time base) begins anew with it, and nothing that is drawn sees the board's
// absolute time. So two runs of one plan give the same ticks and the same pictures, whatever the board did before.
#pragma once
#include "frame_ring.h"
#include "renderer.h"
#include "sound.h"
#include "stimulus.h"

// Where what the patterns hear comes from.
enum AudioSource {
    AUDIO_SNAPSHOT = 0,  // the stimulus says what an analysis would find
    AUDIO_SAMPLES = 1,   // the stimulus sounds, and the firmware analyses it
};
#define AUDIO_SOURCE_COUNT 2u

struct Audio {
    StimulusKind stimulus;
    uint32_t seed;
    AudioSource source;
};

struct RunPlan {
    uint32_t pattern;  // index in the registry
    uint32_t warmup;   // frames drawn first; they are recorded with run id 0
    uint32_t frames;   // 1 to FRAME_RING_CAPACITY
    Audio audio;
    uint32_t id;  // not 0
};

class FrameLoop {
public:
    explicit FrameLoop(const FrameRing& ring);

    // Shows the pattern from the next frame on. Like K1 it clears nothing. `index` must be in the registry.
    void select(uint32_t index);
    void set_settings(const Settings& wanted);
    const Settings& settings() const { return settings_; }
    // The audio between the runs, from its beginning.
    void set_audio(const Audio& audio);
    // What the stimulus STIMULUS_RECORDING is from now on; no run or audio may have that stimulus without one.
    void set_recording(const Recording& recording);
    const Recording& recording() const { return recording_; }

    // Draws frames until board time reaches `until_ns`, at most `most` of them.
    void advance(uint64_t until_ns, uint32_t most);
    // Does the whole run, then goes on from the beginning with the audio from before.
    void run(const RunPlan& plan);
    // The two parts of it. In between the board may wait for as long as it likes: the clock stands still.
    void warm_up(const RunPlan& plan);
    void measure(const RunPlan& plan);

    const FrameStatus& status() const { return status_; }

private:
    void begin(const Audio& audio);
    uint32_t hear_until(uint64_t elapsed_us);
    void hear_first();
    const float* next_samples();
    uint32_t listen(const float* samples);
    void draw_frame(uint32_t run_id);
    void pace(uint64_t frame_start_ns);

    FrameRing ring_;
    FrameStatus status_;
    Settings settings_;
    Audio idle_;
    Audio audio_;
    uint32_t heard_until_us_;
    Recording recording_;
    Stimulus stimulus_;
    Sound sound_;
};
