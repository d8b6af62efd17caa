//! Lines as the logger of the K1 firmware writes them, and those that it writes while it starts.
//!
//! Source: K1.node1, `logging/logger.cpp` and the order of messages in `setup()`.

use crate::vboard::boot::App;

/// How much a line matters; the firmware leaves out what is below the level that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

impl Level {
    /// As a line shows it: five letters and their colour.
    const fn shown(self) -> (&'static str, u8) {
        match self {
            Self::Error => ("ERROR", 91),
            Self::Warn => ("WARN ", 93),
            Self::Info => ("INFO ", 92),
            Self::Debug => ("DEBUG", 94),
        }
    }

    pub fn name(self) -> &'static str {
        self.shown().0.trim_end()
    }
}

/// A message of the firmware: level, tag, text.
pub type Message = (Level, char, String);

/// A message of the usual level.
pub fn info(tag: char, text: impl Into<String>) -> Message {
    (Level::Info, tag, text.into())
}

/// The line of `message` at that time since boot.
pub fn line(uptime_ns: u64, (level, tag, text): &Message) -> String {
    let (name, colour) = level.shown();
    let millis = uptime_ns / 1_000_000;
    let (seconds, minutes, hours) = (millis / 1000, millis / 60_000, millis / 3_600_000);
    format!(
        "\x1b[90m[{:02}:{:02}:{:02}.{:03}]\x1b[0m \x1b[{colour}m{name}\x1b[0m \x1b[96m[{tag}]\x1b[0m {text}\n",
        hours % 24,
        minutes % 60,
        seconds % 60,
        millis % 1000
    )
}

/// What the firmware says while it starts and until its web server is up, at the address `ip`.
pub fn start(app: &App, current: usize, ip: &str) -> Vec<Message> {
    let patterns = &app.firmware.patterns;
    let pattern = patterns.get(current).map_or("", |pattern| &pattern.name);
    [
        ('0', "=== K1.reinvented Starting ==="),
        ('0', "Build: ARDUINO macro 10812"),
        ('0', "Build: ESP-IDF v4.4.7-dirty"),
        ('L', "Initializing LED driver..."),
        ('L', "Initializing FastLED (WS2812B via RMT)..."),
        ('1', "========== KEYBOARD CONTROLS =========="),
        ('1', "  SPACEBAR  - Cycle to next pattern"),
        ('1', "  d         - Toggle audio diagnostics panel"),
        ('1', "  t         - Toggle tempo debug (spectrum dump)"),
        ('1', "  m         - Open/close Debug Menu"),
        ('1', "======================================="),
        ('W', "Initializing WiFi monitor..."),
        ('0', "Initializing SPIFFS..."),
        ('0', "SPIFFS mounted successfully"),
        ('A', "Initializing audio-reactive stubs..."),
        ('I', "Initializing SPH0645 microphone..."),
        ('T', "Initializing tempo detection..."),
        ('0', "Beat events buffer initialized successfully"),
        ('0', "Initializing pattern registry..."),
        ('0', "Loaded {count} patterns"),
        ('0', "Starting pattern: {pattern}"),
        ('0', "Activating dual-core architecture..."),
        ('0', "Dual-core tasks created successfully:"),
        ('G', "Core 1: GPU rendering (100+ FPS target)"),
        ('A', "Core 0: Audio processing + network"),
        ('0', "Ready!"),
        ('0', "Upload new effects with:"),
        ('0', "pio run -t upload --upload-port k1-reinvented.local"),
        ('W', "Connected! IP: {ip}"),
        ('E', "Initializing web server..."),
        ('E', "Web server started on port 80"),
        ('E', "WebSocket server available at /ws"),
        ('W', "UDP Echo: Listening on UDP port 9000"),
        ('E', "Control UI: http://k1-reinvented.local"),
    ]
    .map(|(tag, text)| {
        let count = patterns.len().to_string();
        info(tag, text.replace("{count}", &count).replace("{pattern}", pattern).replace("{ip}", ip))
    })
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_form_of_the_firmware() {
        let uptime_ns = ((25 * 60 + 2) * 60 + 3) * 1_000_000_000 + 4_999_999;
        assert_eq!(
            line(uptime_ns, &info('X', "text")),
            "\x1b[90m[01:02:03.004]\x1b[0m \x1b[92mINFO \x1b[0m \x1b[96m[X]\x1b[0m text\n"
        );
        let warning = line(0, &(Level::Warn, '0', String::new()));
        assert!(warning.contains("\x1b[93mWARN \x1b[0m"), "{warning}");
    }
}
