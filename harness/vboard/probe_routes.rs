//! The routes of the measuring probe. The layouts of the binary ones are in [`crate::board::probe`].

use axum::http::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::boot::{App, Boot, ResetReason};
use super::http::{Answer, Call, Refusal};
use super::image_format::EspImage;
use super::k1_routes::{K1_LEDS, app, lost};
use super::mailbox::{Command, RECORDING_LIMIT, STIMULUS_RECORDING};
use super::otadata::{self, State};
use super::partitions::Slot;
use super::recordings;
use super::runs::{self, MOST_WARMUP, NotArmed, RunOrder};
use crate::audio::Recording;
use crate::board::probe::RING_CAPACITY;
use crate::board::{AudioSource, Cpu, Mac, ProbeInfo, RunState, RunStatus};
use crate::digest::Sha;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Info,
    Frames,
    Leds,
    Run,
    Recording,
    Stimulus,
    Slot,
}

pub const ROUTES: &[(Method, &str, Route)] = &[
    (Method::GET, "/api/hil/info", Route::Info),
    (Method::GET, "/api/hil/frames", Route::Frames),
    (Method::GET, "/api/hil/leds", Route::Leds),
    (Method::POST, "/api/hil/run", Route::Run),
    (Method::POST, "/api/hil/recording", Route::Recording),
    (Method::POST, "/api/hil/stimulus", Route::Stimulus),
    (Method::POST, "/api/hil/slot", Route::Slot),
];

/// What the board says of its model.
pub const MODEL: &str = "k1-virtual";
/// Of an emulated CPU that runs nothing: 4 ns per instruction.
const TICK_HZ: u32 = 250_000_000;
/// The names of the stimuli; the place is the number in the mailbox.
const STIMULI: [&str; 5] = ["silence", "tone", "beat", "noise", "music"];

/// Answers `call`. `frames`, `leds` and `info` answer during a run too; they do not disturb it.
///
/// # Errors
///
/// The [`Refusal`] to be sent.
pub async fn handle(route: Route, call: Call) -> Result<Answer, Refusal> {
    match route {
        Route::Info => info(&call),
        Route::Frames => frames(&call),
        Route::Leds => pictures(&call),
        Route::Run => run(&call),
        Route::Recording => recording(&call).await,
        Route::Stimulus => stimulus(&call).await,
        Route::Slot => slot(call).await,
    }
}

fn info(call: &Call) -> Result<Answer, Refusal> {
    let boot = &call.boot;
    let app = boot.app.as_ref().ok();
    let run = match app {
        Some(app) => runs::run_status(boot, &app.status().map_err(lost)?),
        None => RunStatus { id: 0, state: RunState::None, first_sequence: 0, recorded: 0 },
    };
    Answer::json(&ProbeInfo {
        probe: 1,
        model: MODEL.to_owned(),
        cpu: Cpu::Emulated,
        tick_hz: app.map_or(TICK_HZ, |app| app.firmware.tick_hz),
        led_count: app.map_or(K1_LEDS, |app| app.firmware.led_count),
        mac: Some(Mac::from_bytes(call.machine.mac).to_string()),
        image_sha256: app.map(|app| app.elf_sha256),
        version: app.map(|app| app.version.clone()),
        slot: app.map(|app| app.slot.label().to_owned()),
        reset_reason: boot.reason.text().to_owned(),
        boot_id: boot.id,
        uptime_us: boot.uptime_ns() / 1000,
        run,
        recording_limit: RECORDING_LIMIT,
        recording: boot.recording().sha256(),
        panic: boot.panic.clone(),
    })
}

fn frames(call: &Call) -> Result<Answer, Refusal> {
    let (since, max) = (call.query.number("since", 0)?, call.query.number("max", RING_CAPACITY)?);
    let frames = runs::frames(&call.boot, app(call)?, since, max).map_err(lost)?;
    Ok(Answer::Binary(frames.encode()))
}

fn pictures(call: &Call) -> Result<Answer, Refusal> {
    let (since, max) = (call.query.number("since", 0)?, call.query.number("max", RING_CAPACITY)?);
    let every = call.query.number("every", 1)?;
    if every == 0 {
        return Err(Refusal::bad("invalid_param", "every must be at least 1"));
    }
    let pictures = runs::pictures(&call.boot, app(call)?, since, max, every).map_err(lost)?;
    Ok(Answer::Binary(pictures.encode()))
}

fn run(call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Armed {
        run_id: u32,
        boot_id: u32,
    }
    let app = app(call)?;
    let id = call.body.get("pattern").ok_or_else(|| Refusal::bad("missing_field", "Missing pattern"))?;
    let is_it = |known: &str| id.as_str() == Some(known);
    let pattern =
        app.firmware.patterns.iter().position(|pattern| is_it(&pattern.id)).ok_or_else(|| Refusal {
            status: StatusCode::NOT_FOUND,
            code: "pattern_not_found",
            message: format!("there is no pattern {id}"),
        })?;
    let (stimulus, recording) = stimulus_named(call.body.get("stimulus").unwrap_or(&Value::from("music")))?;
    let order = RunOrder {
        pattern: pattern as u32,
        seed: number(call, "seed", Some(0), 0, u32::MAX)?,
        warmup: number(call, "warmup", Some(0), 0, MOST_WARMUP)?,
        frames: number(call, "frames", None, 1, RING_CAPACITY)?,
        stimulus,
        recording,
        audio: audio_source(call, app)?,
    };
    let run_id = runs::arm(&call.boot, app, order).map_err(|not_armed| match not_armed {
        NotArmed::UnderWay { id } => Refusal {
            status: StatusCode::CONFLICT,
            code: "run_under_way",
            message: format!("run {id} is under way"),
        },
        NotArmed::NoSuchRecording => no_such_recording(&call.boot),
    })?;
    Answer::json(&Armed { run_id, boot_id: call.boot.id })
}

async fn recording(call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Kept {
        sha256: Sha,
        seconds: f64,
    }
    let app = app(call)?;
    let bad = |reason: String| Refusal::bad("invalid_recording", reason);
    let recording = Recording::read(call.bytes.to_vec()).map_err(|e| bad(e.to_string()))?;
    match recordings::keep(&call.boot, app, &recording).await {
        Ok(true) => Answer::json(&Kept { sha256: recording.sha256(), seconds: recording.seconds() }),
        Ok(false) => Err(bad("the firmware refused it".to_owned())),
        Err(end) => Err(lost(end)),
    }
}

async fn stimulus(call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Heard<'a> {
        kind: &'a str,
        seed: u32,
    }
    let app = app(call)?;
    let kind = call.body.get("kind").ok_or_else(|| Refusal::bad("missing_field", "Missing kind"))?;
    let (stimulus, recording) = stimulus_named(kind)?;
    let (seed, audio) = (number(call, "seed", Some(0), 0, u32::MAX)?, audio_source(call, app)?);
    let reply = {
        let kept = call.boot.recording();
        if recording.is_some() && recording != kept.sha256() {
            drop(kept);
            return Err(no_such_recording(&call.boot));
        }
        app.cpu.post(Command::Stimulus { stimulus, seed, audio })
    };
    if reply.await.is_err() {
        return Err(lost(app.cpu.ended().await));
    }
    Answer::json(&Heard { kind: kind.as_str().unwrap_or_default(), seed })
}

/// Where the order wants the audio from.
fn audio_source(call: &Call, app: &App) -> Result<AudioSource, Refusal> {
    let Some(wanted) = call.body.get("audio") else { return Ok(AudioSource::default()) };
    let source = serde_json::from_value(wanted.clone()).map_err(|_| {
        Refusal::bad(
            "invalid_value",
            format!("there is no audio source {wanted}; there are snapshot, samples"),
        )
    })?;
    if source == AudioSource::Samples && !app.firmware.can_listen {
        return Err(Refusal::bad("invalid_value", "this firmware has no audio analysis"));
    }
    Ok(source)
}

async fn slot(call: Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Chosen {
        slot: &'static str,
    }
    let name = call.body.get("slot").ok_or_else(|| Refusal::bad("missing_field", "Missing slot"))?;
    let slot = name.as_str().and_then(Slot::labelled);
    let slot =
        slot.ok_or_else(|| Refusal::bad("invalid_value", format!("slot must be app0 or app1, not {name}")))?;
    let machine = call.machine;
    let choose = move || {
        let mut flash = machine.flash();
        EspImage::parse(flash.read(slot.partition())).map_err(|fault| Refusal {
            status: StatusCode::CONFLICT,
            code: "no_image",
            message: format!("{} holds no image: {fault}", slot.label()),
        })?;
        otadata::choose(&mut flash, slot, State::Undefined).map_err(lost)?;
        flash.save().map_err(lost)?;
        drop(flash);
        machine.restart(ResetReason::Software);
        Ok(())
    };
    tokio::task::spawn_blocking(choose).await.map_err(lost)??;
    Answer::json(&Chosen { slot: slot.label() })
}

/// The whole number named `name`; without a default it must be there.
fn number(call: &Call, name: &str, default: Option<u32>, low: u32, high: u32) -> Result<u32, Refusal> {
    let wanted = match (call.body.get(name), default) {
        (Some(value), _) => value.as_u64(),
        (None, Some(default)) => return Ok(default),
        (None, None) => return Err(Refusal::bad("missing_field", format!("Missing {name}"))),
    };
    let number =
        wanted.and_then(|wanted| u32::try_from(wanted).ok()).filter(|number| (low..=high).contains(number));
    number.ok_or_else(|| {
        Refusal::bad("invalid_value", format!("{name} must be a whole number from {low} to {high}"))
    })
}

/// The stimulus's number in the mailbox, and which recording it is.
fn stimulus_named(name: &Value) -> Result<(u32, Option<Sha>), Refusal> {
    let unknown = || {
        let known = STIMULI.join(", ");
        Refusal::bad(
            "invalid_value",
            format!("there is no stimulus {name}; there are {known}, recording:SHA256"),
        )
    };
    let text = name.as_str().ok_or_else(unknown)?;
    if let Some(place) = STIMULI.iter().position(|known| *known == text) {
        return Ok((place as u32, None));
    }
    let sha256 =
        text.strip_prefix("recording:").and_then(|sha256| sha256.parse().ok()).ok_or_else(unknown)?;
    Ok((STIMULUS_RECORDING, Some(sha256)))
}

fn no_such_recording(boot: &Boot) -> Refusal {
    let kept = boot.recording().sha256().map_or_else(|| "none".to_owned(), |sha256| sha256.to_string());
    Refusal {
        status: StatusCode::PRECONDITION_FAILED,
        code: "no_such_recording",
        message: format!("the board keeps another recording ({kept})"),
    }
}
