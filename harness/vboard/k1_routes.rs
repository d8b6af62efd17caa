//! The routes of the K1 firmware that the virtual board has.
//!
//! A board without an application answers them too, with no patterns and no frames; a real board would not answer
//! at all. Selecting never cross-fades, as on a board whose transitions are switched off. An `id` that is no string
//! is answered like an unknown one, where the K1 firmware crashes.

use axum::http::{Method, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::boot::App;
use super::frame_metrics::{self, Averages, History};
use super::http::{Answer, Call, Refusal};
use super::json::{Float, to_u8};
use super::mailbox::{Command, Pattern};
use super::params::Params;

/// LEDs of a board that runs no application.
pub const K1_LEDS: u32 = 160;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Patterns,
    Params,
    SetParams,
    Reset,
    DeviceInfo,
    DevicePerformance,
    FrameMetrics,
    TestConnection,
    Health,
    Leds,
    CurrentPattern,
    Select,
}

/// In the order of registration: the first that fits answers.
pub const ROUTES: &[(Method, &str, Route)] = &[
    (Method::GET, "/api/patterns", Route::Patterns),
    (Method::GET, "/api/params", Route::Params),
    (Method::GET, "/api/device/info", Route::DeviceInfo),
    (Method::GET, "/api/device-info", Route::DeviceInfo),
    (Method::GET, "/api/device/performance", Route::DevicePerformance),
    (Method::GET, "/api/device-performance", Route::DevicePerformance),
    (Method::GET, "/api/frame-metrics", Route::FrameMetrics),
    (Method::GET, "/api/test-connection", Route::TestConnection),
    (Method::GET, "/api/health", Route::Health),
    (Method::GET, "/api/leds/frame", Route::Leds),
    (Method::GET, "/api/pattern/current", Route::CurrentPattern),
    (Method::POST, "/api/params", Route::SetParams),
    (Method::POST, "/api/select", Route::Select),
    (Method::POST, "/api/reset", Route::Reset),
];

/// Answers `call`. Commands wait for a measured run that is under way: the firmware reads no input in it.
///
/// # Errors
///
/// The [`Refusal`] to be sent.
pub async fn handle(route: Route, call: Call) -> Result<Answer, Refusal> {
    match route {
        Route::Patterns => patterns(&call),
        Route::CurrentPattern => current_pattern(&call),
        Route::Select => select(&call).await,
        Route::Params => Answer::json(&*call.boot.params()),
        Route::SetParams => set_params(&call, |params| params.apply(&call.body)).await,
        Route::Reset => set_params(&call, |params| *params = Params::default()).await,
        Route::Health => health(&call),
        Route::DeviceInfo => device_info(&call),
        Route::DevicePerformance => device_performance(&call),
        Route::FrameMetrics => Answer::json(&frame_metrics::last_64(&history(&call)?)),
        Route::Leds => leds(&call),
        Route::TestConnection => test_connection(&call),
    }
}

/// The application that runs, where a route cannot do without.
///
/// # Errors
///
/// 503 `no_image` that says why none runs.
pub fn app(call: &Call) -> Result<&App, Refusal> {
    call.boot.app.as_ref().map_err(|no_app| Refusal {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: "no_image",
        message: format!("no application runs: {no_app}"),
    })
}

/// Whatever went wrong with the emulator in the middle of a request.
pub fn lost(error: impl std::fmt::Display) -> Refusal {
    Refusal { status: StatusCode::SERVICE_UNAVAILABLE, code: "restarting", message: error.to_string() }
}

fn patterns(call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Row<'a> {
        index: usize,
        name: &'a str,
        id: &'a str,
        description: &'a str,
        audio_reactive: bool,
    }
    #[derive(Serialize)]
    struct Patterns<'a> {
        patterns: Vec<Row<'a>>,
        current_pattern: u32,
    }
    let Ok(app) = &call.boot.app else {
        return Answer::json(&Patterns { patterns: Vec::new(), current_pattern: 0 });
    };
    let rows = app.firmware.patterns.iter().enumerate().map(|(index, pattern)| {
        let Pattern { id, name, description, audio_reactive } = pattern;
        Row { index, name, id, description, audio_reactive: *audio_reactive }
    });
    let patterns = rows.collect();
    Answer::json(&Patterns { patterns, current_pattern: app.status().map_err(lost)?.current_pattern })
}

fn current_pattern(call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Current<'a> {
        index: u32,
        id: &'a str,
        name: &'a str,
        is_audio_reactive: bool,
    }
    let app = app(call)?;
    let index = app.status().map_err(lost)?.current_pattern;
    let Pattern { id, name, audio_reactive, .. } = pattern(app, index)?;
    Answer::json(&Current { index, id, name, is_audio_reactive: *audio_reactive })
}

async fn select(call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Selected<'a> {
        current_pattern: u32,
        id: &'a str,
        name: &'a str,
    }
    let not_found = || Refusal {
        status: StatusCode::NOT_FOUND,
        code: "pattern_not_found",
        message: "Pattern not found".to_owned(),
    };
    let index_of = |id: &Value| {
        let patterns = call.boot.app.as_ref().map(|app| app.firmware.patterns.as_slice()).unwrap_or_default();
        patterns.iter().position(|pattern| Some(pattern.id.as_str()) == id.as_str()).map(|index| index as u32)
    };
    let index = match (call.body.get("index"), call.body.get("id")) {
        (Some(index), _) => u32::from(to_u8(index)),
        (None, Some(id)) => index_of(id).ok_or_else(not_found)?,
        (None, None) => return Err(Refusal::bad("missing_field", "Missing index or id")),
    };
    let app = call.boot.app.as_ref().map_err(|_| not_found())?;
    let Pattern { id, name, .. } = pattern(app, index).map_err(|_| not_found())?;
    let reply = app.cpu.command(Command::Select { pattern: index }).await.map_err(lost)?;
    Answer::json(&Selected { current_pattern: reply.status.current_pattern, id, name })
}

async fn set_params(call: &Call, change: impl FnOnce(&mut Params)) -> Result<Answer, Refusal> {
    let (changed, applied) = {
        let mut params = call.boot.params();
        change(&mut params);
        // Given to the firmware under the lock, so that of two changes at once the later one is the last there too.
        let applied = call.boot.app.as_ref().ok().map(|app| app.cpu.post(Command::Params(params.clone())));
        (params.clone(), applied)
    };
    if let Some(applied) = applied {
        applied.await.map_err(|_| lost("the board restarts"))?;
    }
    Answer::json(&changed)
}

fn health(call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Wifi<'a> {
        ssid: &'static str,
        rssi: i32,
        ip: &'a str,
    }
    #[derive(Serialize)]
    struct Health<'a> {
        status: &'static str,
        uptime_ms: u32,
        fps: Float,
        cpu_percent: Float,
        memory_free_kb: u32,
        memory_total_kb: u32,
        connected: bool,
        wifi: Wifi<'a>,
    }
    let history = history(call)?;
    let (memory_free_kb, memory_total_kb) = memory_kb(call)?;
    Answer::json(&Health {
        status: "ok",
        uptime_ms: uptime_ms(call),
        fps: Float(history.fps()),
        cpu_percent: Float(history.cpu_percent()),
        memory_free_kb,
        memory_total_kb,
        connected: true,
        wifi: Wifi { ssid: "k1-virtual", rssi: -40, ip: &call.ip },
    })
}

fn device_info(call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Build {
        arduino: u32,
        idf_ver: &'static str,
        platformio_platform: &'static str,
        framework: &'static str,
    }
    #[derive(Serialize)]
    struct DeviceInfo<'a> {
        device: &'static str,
        uptime_ms: u32,
        ip: &'a str,
        mac: String,
        build: Build,
    }
    // The build is what K1.node1 says of itself, literally; clients compare it.
    let build = Build {
        arduino: 10812,
        idf_ver: "v4.4.7-dirty",
        platformio_platform: "espressif32@6.12.0",
        framework: "arduino@3.20017.241212",
    };
    let mac = call.machine.mac.map(|byte| format!("{byte:02X}")).join(":");
    Answer::json(&DeviceInfo {
        device: "K1.reinvented",
        uptime_ms: uptime_ms(call),
        ip: &call.ip,
        mac,
        build,
    })
}

fn device_performance(call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Performance {
        fps: Float,
        frame_time_us: Float,
        render_avg_us: Float,
        quantize_avg_us: Float,
        rmt_wait_avg_us: Float,
        rmt_tx_avg_us: Float,
        cpu_percent: Float,
        memory_percent: Float,
        memory_free_kb: u32,
        memory_total_kb: u32,
        beat_queue_depth: u32,
        beat_queue_capacity: u32,
        beat_overflows_total: u32,
        fps_history: [Float; 16],
    }
    let history = history(call)?;
    let Averages { render_us, quantize_us, wait_us, transmit_us } = history.averages();
    let (free, total) = memory_kb(call)?;
    let used = if total == 0 { 0.0 } else { 100.0 * (total - free.min(total)) as f32 / total as f32 };
    Answer::json(&Performance {
        fps: Float(history.fps()),
        frame_time_us: Float(render_us + quantize_us + wait_us + transmit_us),
        render_avg_us: Float(render_us),
        quantize_avg_us: Float(quantize_us),
        rmt_wait_avg_us: Float(wait_us),
        rmt_tx_avg_us: Float(transmit_us),
        cpu_percent: Float(history.cpu_percent()),
        memory_percent: Float(used),
        memory_free_kb: free,
        memory_total_kb: total,
        beat_queue_depth: 0,
        beat_queue_capacity: 128,
        beat_overflows_total: 0,
        fps_history: history.fps_slots().map(Float),
    })
}

fn leds(call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Leds {
        count: u32,
        limit: u32,
        format: &'static str,
        data: Vec<String>,
    }
    let (count, picture) = match &call.boot.app {
        Ok(app) => (app.firmware.led_count, last_picture(app)?),
        Err(_) => (K1_LEDS, vec![0; 3 * K1_LEDS as usize]),
    };
    let limit = match call.query.text("n").and_then(|n| n.parse().ok()).unwrap_or(0) {
        n if n == 0 || n >= count => count,
        n => n,
    };
    let data = picture.chunks_exact(3).take(limit as usize);
    let data = data.map(|led| format!("{:02X}{:02X}{:02X}", led[0], led[1], led[2])).collect();
    Answer::json(&Leds { count, limit, format: "hex", data })
}

fn test_connection(call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Connection {
        status: &'static str,
        timestamp: u32,
    }
    Answer::json(&Connection { status: "ok", timestamp: uptime_ms(call) })
}

/// The LED bytes of the last frame; dark before the first.
fn last_picture(app: &App) -> Result<Vec<u8>, Refusal> {
    let dark = || vec![0; 3 * app.firmware.led_count as usize];
    let Some(last) = app.status().map_err(lost)?.next_sequence.checked_sub(1) else { return Ok(dark()) };
    let pictures = app.cpu.mailbox().pictures(last, 1, app.firmware.led_count).map_err(lost)?;
    Ok(pictures.into_iter().next().unwrap_or_else(dark))
}

fn history(call: &Call) -> Result<History, Refusal> {
    match &call.boot.app {
        Ok(app) => History::read(app).map_err(lost),
        Err(_) => Ok(History::default()),
    }
}

/// Free and total heap.
fn memory_kb(call: &Call) -> Result<(u32, u32), Refusal> {
    match &call.boot.app {
        Ok(app) => Ok((app.status().map_err(lost)?.heap_free / 1024, app.firmware.heap_total / 1024)),
        Err(_) => Ok((0, 0)),
    }
}

fn pattern(app: &App, index: u32) -> Result<&Pattern, Refusal> {
    app.firmware.patterns.get(index as usize).ok_or_else(|| lost(format!("there is no pattern {index}")))
}

fn uptime_ms(call: &Call) -> u32 {
    (call.boot.uptime_ns() / 1_000_000) as u32
}
